"""Publishing: returned, yielded or by hand, held back until the handler has returned."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest

from dagger import Agent, Context, LiveRun, agent
from tests.promises.conftest import MakeExecutor
from tests.waiting import until


async def outputs(make_executor: MakeExecutor, sender: Agent, payload: Any = 3) -> Any:
    """What an agent publishes."""
    async with make_executor([sender]) as executor:
        report = await executor.run("start", payload)
    assert report.status == "completed", report.error
    return dict(report.outputs)


async def test_none_publishes_nothing(make_executor: MakeExecutor) -> None:
    """A handler that returns None has published nothing; one may still publish a null."""

    @agent(subscribe="start", publish="out")
    async def nothing(ctx: Context) -> None:
        ctx.publish("out", None)

    assert await outputs(make_executor, nothing) == {"out": [None]}


@pytest.mark.parametrize("value", [0, False, "", [], {}])
async def test_what_is_falsy_is_published(make_executor: MakeExecutor, value: Any) -> None:
    """Only None means nothing: every other value is a message."""

    @agent(subscribe="start", publish="out")
    async def falsy() -> Any:
        return value

    assert await outputs(make_executor, falsy) == {"out": [value]}


async def test_publish_each_publishes_items(make_executor: MakeExecutor) -> None:
    """With `publish_each=True` each item of what is returned is a message of its own."""

    @agent(subscribe="start", publish="out", publish_each=True)
    async def each(payload: int) -> list[int | None]:
        return [*range(payload), None]

    @agent(subscribe="start", publish="out", publish_each=True)
    async def lazily(payload: int) -> Iterator[int]:
        return (number * 2 for number in range(payload))

    @agent(subscribe="start", publish="out", publish_each=True)
    async def never() -> None:
        return None

    assert await outputs(make_executor, each) == {"out": [0, 1, 2, None]}
    assert await outputs(make_executor, lazily) == {"out": [0, 2, 4]}
    assert await outputs(make_executor, never) == {}


async def test_generators_publish_what_they_yield(make_executor: MakeExecutor) -> None:
    """Each value that a generator yields, async or not, is a message, held back like the rest."""

    @agent(subscribe="start", publish="out")
    async def stream(payload: int) -> AsyncIterator[int]:
        for number in range(payload):
            yield number
            await anyio.lowlevel.checkpoint()

    @agent(subscribe="start", publish="out")
    def plain(payload: int, ctx: Context) -> Iterator[Any]:
        ctx.publish("out", "first")
        yield from range(payload)
        yield None

    assert await outputs(make_executor, stream) == {"out": [0, 1, 2]}
    assert await outputs(make_executor, plain) == {"out": ["first", 0, 1, 2, None]}


async def test_a_generator_that_fails_publishes_nothing(make_executor: MakeExecutor) -> None:
    """What was yielded before an attempt failed is not published; it is cleaned up at once."""
    closed: list[int] = []

    @agent(subscribe="start", publish="out", max_attempts=2)
    async def stream(payload: int, ctx: Context) -> AsyncIterator[Any]:
        try:
            yield ctx.attempt
            await anyio.lowlevel.checkpoint()
            yield {1, 2} if ctx.attempt == 1 else "fine"
        finally:
            closed.append(ctx.attempt)

    assert await outputs(make_executor, stream) == {"out": [2, "fine"]}
    assert closed == [1, 2]


async def test_yielded_values_are_seen_when_the_handler_has_returned(
    make_executor: MakeExecutor,
) -> None:
    """A generator's values leave it together, when its invocation settles."""
    yielded, go = anyio.Event(), anyio.Event()

    @agent(subscribe="start", publish="out")
    async def stream() -> AsyncIterator[int]:
        yield 1
        yielded.set()
        await go.wait()
        yield 2

    async with make_executor([stream]) as executor:
        live: LiveRun = await executor.start("start", {})
        await yielded.wait()
        assert live.report().outputs == {}
        go.set()
        assert (await live.result()).outputs == {"out": [1, 2]}


async def test_the_view_of_the_executor_publishes_for_the_invocation(
    make_executor: MakeExecutor,
) -> None:
    """`await executor.publish` in a handler is `ctx.publish`: held back until it returns."""

    @agent(subscribe="start", publish="out", max_attempts=2)
    async def send(payload: Any, executor: Any, ctx: Context) -> None:
        await executor.publish("out", ctx.attempt)
        if ctx.attempt == 1:
            raise ValueError("again")

    assert await outputs(make_executor, send) == {"out": [2]}


async def test_a_context_that_was_left_behind_is_closed(make_executor: MakeExecutor) -> None:
    """Every call of a context raises ContextClosed once its handler has returned."""
    contexts: list[tuple[Context, Any]] = []

    @agent(subscribe="start", publish="out")
    async def leak(ctx: Context, executor: Any) -> None:
        ctx.cache.set("k", 1)
        _ = ctx.shared, ctx.tasks
        contexts.append((ctx, executor))

    async with make_executor([leak]) as executor:
        live = await executor.start("start", {})
        await until(lambda: bool(contexts))
        await live.result()
        ctx, view = contexts[0]
        for call in (
            lambda: ctx.publish("out", 1),
            lambda: ctx.log("text"),
            lambda: ctx.cache.set("k", 2),
            lambda: ctx.cache.get("k"),
            lambda: ctx.shared.increment("k"),
            lambda: ctx.tasks.add_task("t", {}, 1),
            lambda: ctx.tasks.claim_task("t"),
        ):
            with pytest.raises(Exception, match="is closed"):
                call()
        for awaited in (
            lambda: ctx.step("s", lambda: 1),
            lambda: ctx.sleep(0),
            lambda: ctx.ask("q"),
            lambda: ctx.request("out", 1),
            lambda: ctx.emit("out", 1),
            lambda: ctx.spend(tokens=1),
            lambda: view.publish("out", 1),
        ):
            with pytest.raises(Exception, match="is closed"):
                await awaited()
        assert live.cache.get("k") == 1
    assert live.report().outputs == {}
