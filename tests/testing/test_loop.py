"""The loop of simulations: its time is virtual, its order is drawn, and it is one thread."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from itertools import permutations
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from dagger.testing import SimulationStuck, simulate
from tests.patience import PATIENCE

HOUR = 3600.0


async def test_it_needs_plain_code_to_be_started_from() -> None:
    """A simulation inside another loop is refused: it would block that one."""

    async def main() -> None:
        pass

    with pytest.raises(RuntimeError, match="Already running"):
        simulate(main)


def test_time_jumps_to_the_next_timer() -> None:
    """Sleeps last as long as they say by the loop's clock, and no time by ours."""

    async def main() -> list[float]:
        times = [anyio.current_time()]
        for seconds in (HOUR, 0.5, 24 * HOUR):
            await anyio.sleep(seconds)
            times.append(anyio.current_time())
        return times

    began = time.perf_counter()
    assert simulate(main) == [0.0, HOUR, HOUR + 0.5, 25 * HOUR + 0.5]
    assert time.perf_counter() - began < PATIENCE


def test_a_timer_that_was_cancelled_holds_no_time() -> None:
    """Time does not go on to what will not happen."""

    async def main() -> float:
        for _ in range(3):
            with anyio.move_on_after(HOUR):
                await anyio.sleep(1)
        return anyio.current_time()

    assert simulate(main) == 3.0


async def _appended(log: list[Any], *values: Any) -> None:
    for value in values:
        log.append(value)
        await anyio.lowlevel.checkpoint()


def _order(count: int, steps: int = 1) -> Callable[[], Coroutine[Any, Any, tuple[Any, ...]]]:
    """A program that tells in which order its tasks had their steps."""

    async def main() -> tuple[Any, ...]:
        log: list[Any] = []
        async with anyio.create_task_group() as tasks:
            for task in range(count):
                tasks.start_soon(_appended, log, *[task] * steps)
        return tuple(log)

    return main


def test_without_a_seed_the_order_is_that_of_asyncio() -> None:
    """With `seed=None` what became ready first runs first."""
    assert simulate(_order(4, 3), seed=None) == asyncio.run(_order(4, 3)())


def test_every_order_is_drawn_by_some_seed() -> None:
    """Of three tasks each may be first, and each last."""
    found = {simulate(_order(3), seed=seed) for seed in range(100)}
    assert found == set(permutations(range(3)))


def test_a_task_may_be_far_ahead_of_the_others() -> None:
    """No task is owed a turn: one may end before another has begun."""
    found = {simulate(_order(2, 3), seed=seed) for seed in range(300)}
    assert (0, 0, 0, 1, 1, 1) in found
    assert (1, 1, 1, 0, 0, 0) in found


def test_a_seed_draws_the_same_again() -> None:
    """The order of one seed is one order."""
    for seed in range(20):
        assert simulate(_order(5, 5), seed=seed) == simulate(_order(5, 5), seed=seed)


def test_the_order_of_waking_does_not_matter() -> None:
    """Tasks that a set holds, which has no order, are drawn alike however they are woken."""

    def main(forwards: bool) -> Callable[[], Coroutine[Any, Any, list[int]]]:
        async def woken() -> list[int]:
            log: list[int] = []
            gates = [anyio.Event() for _ in range(9)]

            async def wait(number: int) -> None:
                await gates[number].wait()
                log.append(number)

            async with anyio.create_task_group() as tasks:
                for number in range(9):
                    tasks.start_soon(wait, number)
                await anyio.sleep(1)
                for gate in gates if forwards else reversed(gates):
                    gate.set()
            return log

        return woken

    for seed in range(20):
        assert simulate(main(True), seed=seed) == simulate(main(False), seed=seed)


def test_waiting_for_ever_is_an_error_that_names_who_waits() -> None:
    """Where nothing can happen any more, each task is named with the place where it waits."""

    async def wait_in_vain() -> None:
        await anyio.Event().wait()

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait_in_vain, name="somebody")
            await anyio.sleep(HOUR)

    with pytest.raises(SimulationStuck) as caught:
        simulate(main)
    assert caught.value.at == HOUR
    assert len(caught.value.waiting) == 2
    told = str(caught.value)
    assert "'main' in " in told
    assert "'somebody' in " in told
    assert "wait_in_vain" in told
    assert f"{__file__}:" in told


def test_for_ever_is_no_time_to_jump_to() -> None:
    """Who sleeps for ever waits for nothing, however long a simulation may take."""
    with pytest.raises(SimulationStuck, match="nothing can happen") as caught:
        simulate(anyio.sleep_forever, limit=math.inf)
    assert caught.value.at == 0


def test_a_simulation_has_a_limit() -> None:
    """What goes on for ever, as timers do, fails at the limit."""

    async def main() -> None:
        for _ in range(1_000_000):
            await anyio.sleep(HOUR)

    with pytest.raises(SimulationStuck, match="limit"):
        simulate(main, limit=1000 * HOUR)


def test_who_is_busy_without_an_end_does_not_stop_time() -> None:
    """A loop that never waits sees time pass in the end, as a real one does."""

    async def main() -> float:
        over = anyio.Event()

        async def ring() -> None:
            await anyio.sleep(HOUR)
            over.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ring)
            while not over.is_set():
                await anyio.lowlevel.checkpoint()
        return anyio.current_time()

    assert simulate(main) == HOUR


def test_who_is_busy_for_nothing_fails() -> None:
    """A loop that never waits, and that nothing can end, is told as what it is."""

    async def main() -> None:
        while True:
            await anyio.lowlevel.checkpoint()

    with pytest.raises(SimulationStuck, match="busy"):
        simulate(main)


def test_tasks_that_are_left_behind_are_cancelled() -> None:
    """What the program does not wait for is cancelled, and may clean up."""
    log: list[str] = []

    async def linger() -> None:
        try:
            await asyncio.sleep(HOUR)
        finally:
            await asyncio.sleep(1)
            log.append("cleaned up")

    async def main() -> None:
        log.append(str(asyncio.get_running_loop().create_task(linger()).done()))
        await asyncio.sleep(1)

    simulate(main)
    assert log == ["False", "cleaned up"]


def test_who_does_not_let_itself_be_cancelled_is_told() -> None:
    """A task that is left behind and waits on in spite of all makes the simulation fail."""

    async def stay() -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue

    async def main() -> None:
        main.task = asyncio.get_running_loop().create_task(stay())  # type: ignore[attr-defined]
        await asyncio.sleep(1)

    with pytest.raises(SimulationStuck, match="stay"):
        simulate(main)


def test_the_error_of_the_program_comes_first() -> None:
    """What the program raises is raised, whatever else is wrong then."""

    async def stay() -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue

    async def main() -> None:
        main.task = asyncio.get_running_loop().create_task(stay())  # type: ignore[attr-defined]
        await asyncio.sleep(1)
        raise LookupError("its own")

    with pytest.raises(LookupError, match="its own"):
        simulate(main)


def test_functions_for_a_thread_run_inline() -> None:
    """`asyncio.to_thread` calls on the loop's thread, and gives its result or its error."""

    def fail() -> None:
        raise LookupError("in no thread")

    async def main() -> bool:
        with pytest.raises(LookupError):
            await asyncio.to_thread(fail)
        return await asyncio.to_thread(threading.get_ident) == threading.get_ident()

    assert simulate(main)


def test_a_thread_is_not_waited_for() -> None:
    """A real thread that calls makes the simulation fail: there is no telling when it will."""

    async def main() -> None:
        await anyio.to_thread.run_sync(gate.wait)

    gate = threading.Event()
    with pytest.raises(SimulationStuck, match="threads have begun"):
        simulate(main)
    gate.set()


def test_a_thread_that_calls_too_late_is_not_heard() -> None:
    """Once a simulation has failed, a thread that still calls does so in vain, and without harm."""
    heard: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        try:
            await anyio.Event().wait()
        finally:
            late = threading.Thread(target=loop.call_soon_threadsafe, args=(heard.append, "late"))
            late.start()
            late.join()
            await asyncio.sleep(1)

    with pytest.raises(SimulationStuck, match="nothing can happen"):
        simulate(main)
    assert heard == []


def test_a_generator_that_is_let_go_is_closed() -> None:
    """An async generator that nobody goes on with runs its cleanup."""
    log: list[str] = []

    async def numbers() -> AsyncGenerator[int]:
        try:
            yield 1
            yield 2
        finally:
            await anyio.lowlevel.checkpoint()
            log.append("closed")

    async def main() -> None:
        async for _ in numbers():
            break
        await anyio.sleep(1)

    simulate(main)
    assert log == ["closed"]


def test_native_timeouts_are_virtual_too() -> None:
    """`asyncio.timeout`, `wait_for` and `gather` keep virtual time."""

    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(HOUR):
                await asyncio.sleep(2 * HOUR)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(2 * HOUR), HOUR)
        await asyncio.gather(*(asyncio.sleep(HOUR) for _ in range(5)))
        return anyio.current_time()

    assert simulate(main) == 3 * HOUR
