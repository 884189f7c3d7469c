"""Plain `def` handlers run in threads, which are held to the same promises as far as can be."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import anyio
import pytest

from dagger import Config, Context, Executor, LogLine, agent
from tests.patience import PATIENCE
from tests.promises.conftest import MakeExecutor
from tests.waiting import in_hand, until


async def test_a_plain_handler_runs_in_a_thread_of_its_own(make_executor: MakeExecutor) -> None:
    """A `def` handler never runs on the loop's thread, so that it may block."""
    threads: list[threading.Thread] = []

    @agent(subscribe="start", publish="out")
    def plain(payload: int) -> int:
        threads.append(threading.current_thread())
        return payload + 1

    @agent(subscribe="start", publish="out")
    def stream(payload: int) -> Iterator[int]:
        threads.append(threading.current_thread())
        yield payload + 2
        yield payload + 3

    async with make_executor([plain, stream]) as executor:
        report = await executor.run("start", 1)
    assert sorted(report.outputs["out"]) == [2, 3, 4]
    assert all(thread is not threading.main_thread() for thread in threads)
    assert all(thread.daemon for thread in threads)


async def test_threads_of_one_agent_run_side_by_side(make_executor: MakeExecutor) -> None:
    """`concurrency=` holds for threads as well: so many run at once, and no more."""
    together = threading.Barrier(4)

    @agent(subscribe="start", concurrency=4)
    def meet(payload: int) -> None:
        together.wait(PATIENCE)

    async with make_executor([meet]) as executor:
        async with await executor.start("start", 0) as run:
            for number in range(1, 8):
                await run.publish("start", number)
        report = await run.result()
    assert report.status == "completed"


async def test_a_thread_has_the_whole_plain_context(make_executor: MakeExecutor) -> None:
    """Publishing, cache, tasks and logging work in a thread, held back or told as elsewhere."""

    @agent(subscribe="start", publish="out")
    def busy(payload: int, ctx: Context) -> None:
        ctx.cache.set("seen", payload)
        ctx.cache.increment("count")
        ctx.shared.append("log", payload)
        ctx.log(f"handling {payload}")
        task = ctx.tasks.add_task("kind", payload, 1)
        ctx.publish("out", [payload, ctx.cache.get("count"), task is not None])

    async with make_executor([busy]) as executor:
        async with await executor.start("start", 0) as run:
            events = run.watch()
            await run.publish("start", 1)
        report = await run.result()
        lines = [event.text async for event in events if isinstance(event, LogLine)]
        assert run.cache.get("count") == 2
        assert executor.shared.get("log") == [0, 1]
        assert len(run.tasks.get_pending_tasks()) == 2
    assert lines == ["handling 0", "handling 1"]
    assert report.outputs == {"out": [[0, 1, True], [1, 2, True]]}


async def test_a_thread_has_the_context_variables_of_its_caller(
    make_executor: MakeExecutor,
) -> None:
    """What a handler has set is seen by its steps in threads; and these may run a loop."""
    tenant: ContextVar[str] = ContextVar("tenant", default="nobody")

    async def look() -> str:
        return tenant.get()

    @agent(subscribe="start", publish="out")
    async def setting(ctx: Context) -> list[str]:
        tenant.set("seven")
        return [await ctx.step("look", tenant.get), await ctx.step("run", anyio.run, look)]

    async with make_executor([setting]) as executor:
        report = await executor.run("start", None)
    assert report.outputs == {"out": [["seven", "seven"]]}


async def test_a_failed_thread_leaves_nothing(make_executor: MakeExecutor) -> None:
    """What a thread published before it raised does not leave."""

    @agent(subscribe="start", publish="out")
    def fail(payload: Any, ctx: Context) -> None:
        ctx.publish("out", ctx.attempt)
        if ctx.attempt < 2:
            raise ValueError("the first never works")

    async with make_executor([fail]) as executor:
        report = await executor.run("start", None)
    assert report.outputs == {"out": [2]}


async def test_a_context_may_be_used_from_children(make_executor: MakeExecutor) -> None:
    """Child tasks and threads of a handler publish through its context; all leave together."""

    @agent(subscribe="start", publish="out")
    async def parent(payload: Any, ctx: Context) -> None:
        async def child(number: int) -> None:
            await anyio.lowlevel.checkpoint()
            ctx.publish("out", number)

        async with anyio.create_task_group() as tasks:
            for number in range(5):
                tasks.start_soon(child, number)
            await anyio.to_thread.run_sync(ctx.publish, "out", 5)
            await anyio.to_thread.run_sync(ctx.log, "from a thread")
        ctx.publish("out", 6)

    async with make_executor([parent]) as executor:
        report = await executor.run("start", None)
    assert sorted(report.outputs["out"]) == list(range(7))
    assert report.outputs["out"][-1] == 6


async def test_stopping_does_not_wait_for_a_thread_for_ever() -> None:
    """A thread that never ends is left behind after the grace: run, stop and block all end."""
    over = threading.Event()

    @agent(subscribe="start")
    def endless(payload: Any) -> None:
        over.wait(PATIENCE)

    try:
        async with Executor([endless], config=Config(cancel_grace=0.02)) as executor:
            run = await executor.start("start", None)
            await until(lambda: in_hand(executor) == 1)
        report = run.report()
    finally:
        over.set()
    assert report.status == "cancelled"
    assert len(report.abandoned) == 1


PROGRAM = """
import sys, threading
import anyio
from dagger import Config, Executor, agent

begun = threading.Event()

@agent(subscribe="start", timeout=0.05 if "timeout" in sys.argv else None, max_attempts=1)
def endless(payload):
    begun.set()
    threading.Event().wait()

async def main():
    async with Executor([endless], config=Config(cancel_grace=0.05)) as executor:
        run = await executor.start("start", None)
        if "cancel" in sys.argv:
            while not begun.is_set():
                await anyio.sleep(0.001)
            await run.cancel()
        if "timeout" in sys.argv:
            await run.result()
    print(run.report().status, len(run.report().abandoned))

anyio.run(main, backend=sys.argv[1])
"""


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize(
    ("way", "expected"), [("cancel", "cancelled 1"), ("timeout", "failed 1"), ("stop", "cancelled")]
)
def test_a_process_exits_although_a_thread_never_ends(
    backend: str, way: str, expected: str
) -> None:
    """A handler stuck in its thread does not keep the process alive."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, backend, way],
        timeout=PATIENCE,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.startswith(expected)
    assert "Traceback" not in ended.stderr
