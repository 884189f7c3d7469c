"""Driving a coroutine by hand: nothing of it is lost, added or changed on the way."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Awaitable, Coroutine
from typing import Any

import anyio
import pytest

from dagger.executor.drive import LONG_STEP, Abandoned, begin, drive


class Notes:
    """Who drives: notes what it is told, and says whether the handler may go on."""

    monotonic = staticmethod(time.perf_counter)

    def __init__(self, resumptions: int = 1_000_000) -> None:
        self.lines: list[int] = []
        self.left = resumptions

    def long_step(self, seconds: float, line: int) -> None:
        assert seconds > LONG_STEP
        self.lines.append(line)

    def resumed(self) -> bool:
        self.left -= 1
        return self.left >= 0


async def driven(handler: Coroutine[Any, Any, Any], notes: Notes | None = None) -> Any:
    """What a handler returns that is driven from its beginning to its end."""
    notes = notes or Notes()
    finished, value = begin(handler, notes)
    return value if finished else await drive(handler, value, notes)


async def at_once() -> int:
    """Never suspend."""
    return 1


async def after_a_while() -> int:
    """Suspend now and then."""
    for _ in range(3):
        await anyio.lowlevel.checkpoint()
    return 2


async def with_children() -> int:
    """Have tasks of its own."""
    results: list[int] = []

    async def child(number: int) -> None:
        await anyio.lowlevel.checkpoint()
        results.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(3):
            tasks.start_soon(child, number)
    return sum(results)


@pytest.mark.parametrize(
    ("handler", "expected"), [(at_once, 1), (after_a_while, 2), (with_children, 3)]
)
async def test_what_a_handler_returns_is_returned(handler: Any, expected: int) -> None:
    """A driven handler returns what it would return if it were awaited."""
    assert await driven(handler()) == expected == await handler()


def test_a_handler_that_never_suspends_needs_no_loop() -> None:
    """The first step alone finishes a handler that has nothing to wait for."""
    assert begin(at_once(), Notes()) == (True, 1)


@pytest.mark.parametrize("suspend", [False, True])
@pytest.mark.parametrize("error", [ValueError("its own"), KeyboardInterrupt(), SystemExit(1)])
async def test_what_a_handler_raises_is_raised(error: BaseException, suspend: bool) -> None:
    """An exception of the handler comes out as the object it is."""

    async def fail() -> None:
        if suspend:
            await anyio.lowlevel.checkpoint()
        raise error

    with pytest.raises(type(error)) as caught:
        await driven(fail())
    assert caught.value is error


async def test_what_is_thrown_in_reaches_the_handler() -> None:
    """A cancellation is raised where the handler waits; it may clean up, with awaits."""
    cleaned: list[str] = []

    async def tidy() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
                cleaned.append("up")

    with anyio.move_on_after(0.01) as scope:
        await driven(tidy())
    assert scope.cancelled_caught
    assert cleaned == ["up"]


async def test_scopes_of_the_handler_are_its_own() -> None:
    """Timeouts inside a handler work as if it were awaited."""

    async def impatient() -> str:
        with anyio.move_on_after(0.01):
            await anyio.sleep_forever()
        return "moved on"

    assert await driven(impatient()) == "moved on"


def block() -> None:
    """Keep the loop for longer than is noted."""
    end = time.perf_counter() + 2 * LONG_STEP
    while time.perf_counter() < end:
        pass


async def long_at_once() -> None:
    """One long step."""
    block()


async def long_first() -> None:
    """A long step, and a short one."""
    block()
    await anyio.lowlevel.checkpoint()


async def long_last() -> None:
    """A short step, and a long one."""
    await anyio.lowlevel.checkpoint()
    block()


async def long_between() -> None:
    """A long step between short ones."""
    await anyio.lowlevel.checkpoint()
    block()
    await anyio.lowlevel.checkpoint()


async def long_and_broken() -> None:
    """A long step that raises."""
    await anyio.lowlevel.checkpoint()
    block()
    raise ValueError


@pytest.mark.parametrize(
    ("handler", "line"),
    [(long_at_once, None), (long_first, 3), (long_last, None), (long_between, 4)],
)
async def test_a_long_step_is_told_with_the_line_it_ends_at(handler: Any, line: int | None) -> None:
    """Each step that keeps the loop is told once; the line is that of the next await, if any."""
    notes = Notes()
    await driven(handler(), notes)
    first = handler.__code__.co_firstlineno
    assert first + (line or 0) in notes.lines or (line is None and 0 in notes.lines)


async def test_a_long_step_that_raises_is_told() -> None:
    """A handler that fails after it kept the loop is told of as well."""
    notes = Notes()
    with pytest.raises(ValueError, match=r"^$"):
        await driven(long_and_broken(), notes)
    assert 0 in notes.lines


async def test_a_handler_that_may_not_go_on_is_left() -> None:
    """When the loop comes back and the handler is not wanted any more, it is not resumed."""
    steps: list[int] = []

    async def endless() -> None:
        while True:
            steps.append(len(steps))
            await anyio.lowlevel.checkpoint()

    with pytest.raises(Abandoned):
        await driven(endless(), Notes(resumptions=3))
    taken = len(steps)
    for _ in range(10):
        await anyio.lowlevel.checkpoint()
    assert len(steps) == taken


async def test_a_handler_that_was_left_is_never_closed() -> None:
    """No code of it runs again, not even its cleanup: it stays suspended, and alive."""
    cleaned: list[str] = []

    async def careless() -> None:
        try:
            while True:
                await anyio.lowlevel.checkpoint()
        finally:
            cleaned.append("up")

    def abandoned() -> tuple[Awaitable[Any], weakref.ref[Any]]:
        handler = careless()
        return driven(handler, Notes(resumptions=1)), weakref.ref(handler)

    attempt, handler = abandoned()
    with pytest.raises(Abandoned):
        await attempt
    del attempt
    gc.collect()
    assert cleaned == []
    assert handler() is not None
