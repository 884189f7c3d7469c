"""Timers: callbacks in the order of their time, forgotten when they are cancelled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger.executor.timers import GLANCE, MANY, Timer, Timers
from dagger.words.clock import LoopClock
from tests.virtual import on_virtual_time


def with_timers(main: Callable[[Timers], Awaitable[Any]]) -> Any:
    """What `main` returns, with timers that are served on a clock that jumps."""

    async def serve() -> Any:
        timers = Timers(LoopClock().now)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(timers.serve)
            try:
                return await main(timers)
            finally:
                timers.close()

    return on_virtual_time(serve)


async def test_a_timer_calls_back() -> None:
    """A timer goes off once its seconds have passed, on either loop, and not before."""
    timers, called, last = Timers(LoopClock().now), list[str](), anyio.Event()
    began = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(timers.serve)
        timers.after(0.02, last.set)
        timers.after(0, lambda: called.append("now"))
        timers.after(-1, lambda: called.append("overdue"))
        await last.wait()
        assert anyio.current_time() - began >= 0.02 - 1e-6
        timers.close()
    assert called == ["now", "overdue"]


seconds = st.integers(0, 1_000)


@given(st.lists(st.tuples(seconds, seconds, st.none() | seconds), max_size=30))
def test_timers_go_off_in_order_and_in_time(plan: list[tuple[int, int, int | None]]) -> None:
    """Whenever timers are set and cancelled, each goes off at its time unless cancelled before."""

    async def main(timers: Timers) -> None:
        began = anyio.current_time()
        went_off: list[tuple[float, int]] = []
        expected: dict[int, float] = {}

        async def one(number: int, start: int, delay: int, cancel: int | None) -> None:
            await anyio.sleep(start)
            timer = timers.after(
                delay, lambda: went_off.append((anyio.current_time() - began, number))
            )
            if cancel is None or cancel >= delay:
                expected[number] = start + delay
            if cancel is not None:
                await anyio.sleep(cancel + 0.5)
                timer.cancel()

        async with anyio.create_task_group() as tasks:
            for number, (start, delay, cancel) in enumerate(plan):
                tasks.start_soon(one, number, start, delay, cancel)
        await anyio.sleep(10_000)
        assert {number: at for at, number in went_off} == pytest.approx(expected)
        assert len(went_off) == len(expected)
        assert [at for at, _ in went_off] == sorted(at for at, _ in went_off)

    with_timers(main)


def test_a_timer_may_set_and_cancel_others() -> None:
    """What a callback does to other timers holds, also for those that are due with it."""

    async def main(timers: Timers) -> list[str]:
        called: list[str] = []
        later: list[Timer] = []

        def first() -> None:
            called.append("first")
            later[0].cancel()
            timers.after(0, lambda: called.append("child"))
            timers.after(5, lambda: called.append("grandchild"))

        timers.after(1, first)
        later.append(timers.after(1, lambda: called.append("never")))
        timers.after(1, lambda: called.append("second"))
        await anyio.sleep(100)
        return called

    assert with_timers(main) == ["first", "second", "child", "grandchild"]


def test_cancelled_timers_are_forgotten() -> None:
    """Timers that are set and cancelled without end take no memory without end."""

    async def main(timers: Timers) -> int:
        kept = [timers.after(1_000, lambda: None) for _ in range(10)]
        for _ in range(100 * MANY):
            timers.after(1_000_000, lambda: None).cancel()
        assert all(timer.call is not None for timer in kept)
        return len(timers._heap)

    assert with_timers(main) <= 2 * MANY


def test_closed_timers_call_back_no_more() -> None:
    """After `close` nothing goes off, and nothing is waited for."""

    async def main(timers: Timers) -> list[str]:
        called: list[str] = []
        timers.after(10, lambda: called.append("too late"))
        timers.close()
        await anyio.sleep(100)
        return called

    assert with_timers(main) == []


def test_timers_go_on_while_their_task_is_cancelled() -> None:
    """A cancellation from outside does not stop timers: who winds down needs them."""

    async def main() -> list[str]:
        timers, called = Timers(LoopClock().now), list[str]()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(timers.serve)
            await anyio.lowlevel.checkpoint()
            timers.after(10, lambda: called.append("in time"))
            timers.after(20, timers.close)
            tasks.cancel_scope.cancel()
        return called

    assert on_virtual_time(main) == ["in time"]


jumps = st.lists(st.tuples(st.integers(1, 300), st.integers(-5_000, 200_000)), max_size=4)


@given(moments=st.lists(st.integers(1, 5_000), min_size=1, max_size=8), jumps=jumps)
def test_moments_follow_the_wall_clock(moments: list[int], jumps: list[tuple[int, int]]) -> None:
    """However the wall clock is set, what waits for a moment goes off once, when it is that
    late and not before, and at most a glance after that.
    """
    shift = 0.0

    async def main() -> None:
        clock = LoopClock(0.0)
        timers = Timers(lambda: clock.now() + shift)
        late: dict[int, list[float]] = {number: [] for number in range(len(moments))}

        def went_off(number: int) -> None:
            late[number].append(clock.now() + shift - moments[number])

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(timers.serve)
            for number, moment in enumerate(moments):
                timers.at(moment, lambda number=number: went_off(number))  # type: ignore[misc]
            await _set_the_clock(lambda by: _shift(by))
            await anyio.sleep(max(moments) + 5_000 * (len(jumps) + 1))
            timers.close()
        ahead = sum(by for _, by in jumps if by > 0)  # all of them within one glance, perhaps
        for found in late.values():
            (by,) = found
            assert -1e-3 <= by <= max(1e-3, ahead + GLANCE)

    def _shift(by: float) -> None:
        nonlocal shift
        shift += by

    async def _set_the_clock(shift_by: Callable[[float], None]) -> None:
        for wait, by in jumps:
            await anyio.sleep(wait)
            shift_by(by)

    on_virtual_time(main)
