"""Threads of an executor: daemons, reused while idle, with a way back to the loop."""

from __future__ import annotations

import threading

import anyio
import pytest

from dagger.executor.threads import DaemonThreads
from tests.patience import PATIENCE
from tests.waiting import turns


async def test_a_job_has_the_outcome_of_its_call() -> None:
    """What the call returned is returned, what it raised is raised, as the object it is."""
    threads = DaemonThreads()
    error = ValueError("its own")

    def fail() -> None:
        raise error

    for call, expected in ((lambda: "result", "result"), (lambda: None, None)):
        job = threads.start(call)
        await job.done.wait()
        assert job.outcome() == expected
    job = threads.start(fail)
    await job.done.wait()
    with pytest.raises(ValueError, match="its own") as caught:
        job.outcome()
    assert caught.value is error
    threads.close()


async def test_an_idle_thread_is_used_again() -> None:
    """Calls one after the other share a thread; calls side by side do not."""
    threads = DaemonThreads()
    idents: list[int] = []
    for _ in range(5):
        job = threads.start(lambda: idents.append(threading.get_ident()))
        await job.done.wait()
    assert len(set(idents)) == 1
    barrier = threading.Barrier(4)
    jobs = [threads.start(lambda: barrier.wait(PATIENCE)) for _ in range(4)]
    for job in jobs:
        await job.done.wait()
        job.outcome()
    threads.close()


async def test_threads_are_daemons() -> None:
    """No thread of an executor keeps the process alive."""
    threads = DaemonThreads()
    job = threads.start(lambda: threading.current_thread().daemon)
    await job.done.wait()
    assert job.outcome() is True
    threads.close()


async def test_a_call_on_the_loop_runs_on_the_loop() -> None:
    """`on_loop` runs on the loop's own thread, from wherever it is called, and gives the result."""
    threads = DaemonThreads()
    home = threading.get_ident()
    assert threads.on_loop(threading.get_ident) == home
    job = threads.start(lambda: threads.on_loop(threading.get_ident))
    await job.done.wait()
    assert job.outcome() == home

    def fail() -> None:
        raise LookupError("on the loop")

    job = threads.start(lambda: threads.on_loop(fail))
    await job.done.wait()
    with pytest.raises(LookupError, match="on the loop"):
        job.outcome()
    threads.close()


async def test_closed_threads_end() -> None:
    """After `close` idle threads end at once, and the others after their call."""
    threads = DaemonThreads()
    found: list[threading.Thread] = []
    gate = threading.Event()

    def note() -> None:
        found.append(threading.current_thread())

    def wait() -> None:
        note()
        gate.wait(PATIENCE)

    busy = threads.start(wait)
    idle = threads.start(note)
    await idle.done.wait()
    threads.close()
    gate.set()
    await busy.done.wait()
    await turns()
    for thread in found:
        await anyio.to_thread.run_sync(thread.join, PATIENCE)
        assert not thread.is_alive()


def test_a_thread_outlives_its_loop() -> None:
    """A call that ends after the loop has ended ends its thread, quietly."""
    gate = threading.Event()
    found: list[threading.Thread] = []

    def wait() -> None:
        found.append(threading.current_thread())
        gate.wait(PATIENCE)

    async def main() -> None:
        DaemonThreads().start(wait)
        while not found:
            await anyio.lowlevel.checkpoint()

    for backend in ("asyncio", "trio"):
        anyio.run(main, backend=backend)
        gate.set()
        found[-1].join(PATIENCE)
        assert not found[-1].is_alive()
        found.clear()
        gate.clear()
