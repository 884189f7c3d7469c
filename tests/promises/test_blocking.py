"""A handler that blocks the event loop is named in a warning, with its file and line."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import pytest

from dagger import Agent, AroundAttempt, Attempt, Config, Context, Executor, agent

CONFIG = Config(blocked_loop_warning=1.0)


class Stopwatch:
    """A clock by which only what blocks takes time, however busy the machine is."""

    now = staticmethod(time.time)

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        """What it shows."""
        return self.seconds


CLOCK = Stopwatch()


def block() -> None:
    """Keep the loop from everybody else."""
    CLOCK.seconds += 2.0


@agent(subscribe="start")
async def at_once(payload: Any) -> None:
    """Block in the first step."""
    block()


@agent(subscribe="start")
async def before_an_await(payload: Any) -> None:
    """Block, then wait."""
    block()
    await anyio.lowlevel.checkpoint()


@agent(subscribe="start")
async def after_an_await(payload: Any) -> None:
    """Wait, then block to the end."""
    await anyio.lowlevel.checkpoint()
    block()


@agent(subscribe="start")
async def between_awaits(payload: Any) -> None:
    """Wait, block, and wait again."""
    await anyio.lowlevel.checkpoint()
    block()
    await anyio.lowlevel.checkpoint()


@agent(subscribe="start", on_failure="continue", max_attempts=1)
async def then_raise(payload: Any) -> None:
    """Block, then fail."""
    await anyio.lowlevel.checkpoint()
    block()
    raise ValueError("after it blocked")


@agent(subscribe="start", publish="out")
async def in_a_stream(payload: Any) -> AsyncIterator[int]:
    """Block between two values."""
    yield 1
    block()
    yield 2


@agent(subscribe="start", timeout=10)
async def within_a_timeout(payload: Any) -> None:
    """Block under a timeout that is far away."""
    block()


BLOCKING = [
    at_once,
    before_an_await,
    after_an_await,
    between_awaits,
    then_raise,
    in_a_stream,
    within_a_timeout,
]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was warned of a blocked loop."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "dagger" and "blocked the event loop" in record.getMessage()
    ]


@pytest.mark.parametrize("blocking", BLOCKING, ids=lambda each: each.name)
async def test_a_blocked_loop_is_warned_about(
    blocking: Agent, caplog: pytest.LogCaptureFixture
) -> None:
    """Wherever in a handler it happens, the warning names agent, function, file and line."""
    caplog.set_level(logging.WARNING, "dagger")
    async with Executor([blocking], config=CONFIG, clock=CLOCK) as executor:
        await executor.run("start", None)
    [told] = warnings(caplog)
    assert repr(blocking.name) in told
    assert f"test_blocking.py:{blocking.handler.__code__.co_firstlineno}" in told


async def through(attempt: Attempt, handler: Callable[[], Awaitable[Any]]) -> None:
    """A hook that does nothing of its own."""
    await handler()


@pytest.mark.parametrize("hook", [None, through])
async def test_the_line_where_it_waits_next_is_named(
    caplog: pytest.LogCaptureFixture, hook: AroundAttempt | None
) -> None:
    """Of a handler that blocks between two awaits, the warning names the line of the second."""
    caplog.set_level(logging.WARNING, "dagger")
    async with Executor(
        [between_awaits], config=CONFIG, clock=CLOCK, around_attempt=hook
    ) as executor:
        await executor.run("start", None)
    [told] = warnings(caplog)
    assert f"near line {between_awaits.handler.__code__.co_firstlineno + 5}" in told


@agent(subscribe="start")
def in_a_thread(payload: Any, ctx: Context) -> None:
    """Block a thread, which is nobody else's."""
    ctx.tasks.claim_task("none")  # on the loop, which then is no more in the step that began this
    block()


@agent(subscribe="start")
async def waiting(payload: Any) -> None:
    """Take as long, and let the others have the loop."""

    async def other() -> None:
        block()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)


@pytest.mark.parametrize("fine", [in_a_thread, waiting], ids=lambda each: each.name)
async def test_what_blocks_nobody_is_not_warned_about(
    fine: Agent, caplog: pytest.LogCaptureFixture
) -> None:
    """A thread, or a handler that awaits, may take its time."""
    caplog.set_level(logging.WARNING, "dagger")
    async with Executor([fine], config=CONFIG, clock=CLOCK) as executor:
        await executor.run("start", None)
    assert warnings(caplog) == []
