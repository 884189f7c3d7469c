"""Handlers that call themselves without an end: their runs end, and so does the executor."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dagger import Context, Executor, MemoryStore, agent
from dagger.authoring.calls import Calls

Deeper = Callable[[Context, Calls, int], Awaitable[Any]]


async def nothing(ctx: Context, calls: Calls, depth: int) -> None:
    """Do nothing."""


async def emitting(ctx: Context, calls: Calls, depth: int) -> None:
    """Publish an item."""
    await ctx.emit("heard", depth)


async def calling(ctx: Context, calls: Calls, depth: int) -> None:
    """Send a request."""
    await calls.send("asked", depth, key=str(depth))


async def stepping(ctx: Context, calls: Calls, depth: int) -> None:
    """Have a step done."""

    async def work() -> int:
        return depth

    await ctx.step(f"step {depth}", work)


async def logging(ctx: Context, calls: Calls, depth: int) -> None:
    """Log, and publish."""
    ctx.log(str(depth))
    ctx.publish("heard", depth)


@pytest.mark.parametrize("act", [nothing, emitting, calling, stepping, logging])
@pytest.mark.parametrize("store", [None, MemoryStore], ids=["no store", "store"])
async def test_a_handler_without_an_end_has_failed(act: Deeper, store: Any) -> None:
    """Whatever it does on its way down: nothing of that is half done, and the run has ended."""

    @agent(subscribe="start", publish=["heard", "asked"], max_attempts=1)
    async def deep(payload: Any, ctx: Context) -> None:
        async def down(depth: int) -> None:
            await act(ctx, calls, depth)
            await down(depth + 1)

        with ctx.calls() as calls:
            await down(0)

    @agent(subscribe="heard", concurrency=5)
    async def hearing(payload: int) -> None: ...

    @agent(subscribe="asked", concurrency=5, overflow="block")
    async def asked(payload: int) -> int:
        return payload

    agents = [deep, hearing, asked]
    async with Executor(agents, store=None if store is None else store()) as executor:
        report = await executor.run("start", 1)
    assert report.status == "failed"
    (letter,) = report.dead_letters
    assert (letter.agent, letter.failure.type) == ("deep", "RecursionError")
    assert report.open == 0
