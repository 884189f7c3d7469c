"""Odd arguments: what cannot be kept is refused, or made text, before it changes anything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from dagger import Context, DaggerError, agent
from tests.promises.conftest import MakeExecutor

ODD: list[Any] = [object(), 5, "\ud800", "", b"x", 10**30, float("nan"), {1}, [1]]

Call = Callable[[Context, Any], Awaitable[Any]]


async def _log(ctx: Context, odd: Any) -> None:
    ctx.log(odd, level=odd)


async def _task(ctx: Context, odd: Any) -> None:
    ctx.publish("out", 1, task=odd)


async def _task_status(ctx: Context, odd: Any) -> None:
    ctx.publish("out", 1, task={"id": "t", "type": odd, "status": odd})


async def _claim(ctx: Context, odd: Any) -> None:
    ctx.tasks.claim_task(odd, odd)


async def _add(ctx: Context, odd: Any) -> None:
    ctx.tasks.add_task(odd, {}, odd)


async def _cache(ctx: Context, odd: Any) -> None:
    ctx.cache.set(odd, 1, namespace=odd)


async def _message(ctx: Context, odd: Any) -> None:
    from dagger import Message

    ctx.publish("out", Message(1, odd, key=odd, task_id=odd, headers={odd: odd}))


CALLS: dict[str, Call] = {
    "step name": lambda ctx, odd: ctx.step(odd, int),
    "step key": lambda ctx, odd: ctx.step("s", int, key=odd),
    "sleep": lambda ctx, odd: ctx.sleep(odd),
    "sleep name": lambda ctx, odd: ctx.sleep(0, name=odd),
    "request key": lambda ctx, odd: ctx.request("ask", 1, key=odd),
    "spend": lambda ctx, odd: ctx.spend(tokens=odd),
    "emit": lambda ctx, odd: ctx.emit("out", odd, key=odd, headers={odd: odd}),
    "log": _log,
    "task": _task,
    "task status": _task_status,
    "claim": _claim,
    "add": _add,
    "cache": _cache,
    "message": _message,
}


@pytest.mark.parametrize("name", CALLS)
async def test_a_handler_may_give_odd_arguments(make_executor: MakeExecutor, name: str) -> None:
    """Whatever a handler hands to its context, its run ends, and its journal says the same."""
    call = CALLS[name]

    @agent(subscribe="start", publish=["out", "ask"])
    async def odd_one(ctx: Context) -> None:
        for odd in ODD:
            if name == "sleep" and odd in (5, 10**30):
                continue  # that long is long, and not odd
            try:
                await call(ctx, odd)
            except anyio.get_cancelled_exc_class():
                raise
            except Exception:
                continue

    @agent(subscribe="ask")
    async def answer() -> int:
        return 1

    async with make_executor([odd_one, answer]) as executor:
        report = await executor.run("start", {})
    assert report.conserved
    assert report.agents["odd_one"].dispositions == {"ok": 1}


@pytest.mark.parametrize("option", ["run_id", "timeout", "deadline", "max_messages", "max_tokens"])
async def test_the_outside_may_give_odd_arguments(make_executor: MakeExecutor, option: str) -> None:
    """A run whose id or limits make no sense is refused, or runs like any."""

    @agent(subscribe="start")
    async def note() -> None:
        """Handled."""

    async with make_executor([note]) as executor:
        for odd in ODD:
            try:
                report = await executor.run("start", {}, **{option: odd})
            except DaggerError:
                continue
            assert report.ended is not None
        assert (await executor.run("start", {})).status == "completed"
