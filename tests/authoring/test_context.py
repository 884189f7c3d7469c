"""The context: what a handler holds of its run, and how long it holds it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from dagger import Config, Context, DaggerError, Executor, Immediate, LogLine, agent
from dagger.views.report import Report
from dagger.words.errors import ContextClosed

Body = Callable[[Context], Any]


async def inside(body: Body, **options: Any) -> Report:
    """The report of a run whose only handler is `body`, called with the context."""

    @agent(**{"name": "one", "subscribe": "start", "publish": "out"} | options)
    async def one(ctx: Context) -> Any:
        return body(ctx)

    config = Config(retry_strategy=Immediate(), max_attempts=1)
    async with Executor([one], config=config) as executor:
        return await executor.run("start", {"k": 1}, run_id="r")


async def test_a_context_says_where_it_is() -> None:
    """Run, node, channel, message and attempt are those of the invocation."""
    report = await inside(
        lambda ctx: [
            ctx.run_id,
            ctx.node_id,
            ctx.channel,
            ctx.message.id,
            ctx.message.payload,
            ctx.attempt,
        ]
    )
    assert report.outputs == {"out": [["r", "one:r.1", "start", "r.0.0", {"k": 1}, 1]]}


async def test_attempts_are_counted_from_one() -> None:
    """Each attempt of an invocation has its number, and a context of its own."""
    contexts: list[Context] = []

    def body(ctx: Context) -> Any:
        contexts.append(ctx)
        if ctx.attempt < 3:
            raise ValueError("again")

    report = await inside(body, max_attempts=3)
    assert report.status == "completed"
    assert [ctx.attempt for ctx in contexts] == [1, 2, 3]
    assert len({id(ctx) for ctx in contexts}) == 3


async def test_views_are_made_once() -> None:
    """Cache, shared cache and tasks are the same object each time they are asked for."""

    def body(ctx: Context) -> bool:
        return ctx.cache is ctx.cache and ctx.shared is ctx.shared and ctx.tasks is ctx.tasks

    assert (await inside(body)).outputs == {"out": [True]}


async def test_publishing_returns_the_id_that_is_published() -> None:
    """`ctx.publish` says at once under which id its message will be known."""
    report = await inside(lambda ctx: [ctx.publish("out", number) for number in range(3)])
    assert report.outputs == {"out": [0, 1, 2, ["r.1.0", "r.1.1", "r.1.2"]]}


async def test_what_cannot_be_published_raises_where_it_stands() -> None:
    """A wrong channel or payload raises from the call; whoever catches it may go on."""

    def body(ctx: Context) -> list[str]:
        problems = []
        for channel, payload in (("other", 1), ("out", {1}), ("out", "text")):
            try:
                ctx.publish(channel, payload)
            except DaggerError as error:
                problems.append(type(error).__name__)
        ctx.publish("out", 5)
        return problems

    report = await inside(body, output_schema={"type": ["integer", "array"]})
    problems = ["ChannelUndeclared", "SerializationError", "ValidationError"]
    assert report.outputs == {"out": [5, problems]}


@pytest.mark.parametrize(
    ("level", "number"),
    [("INFO", logging.INFO), ("warning", logging.WARNING), (7, 7), ("no such level", logging.INFO)],
)
async def test_a_log_line_is_told_and_logged(
    caplog: pytest.LogCaptureFixture, level: Any, number: int
) -> None:
    """`ctx.log` speaks to watchers and to standard logging, with level and node."""

    @agent(subscribe="start")
    async def speaker(ctx: Context) -> None:
        ctx.log("something \ud800", level=level)

    caplog.set_level(1, "dagger.agents")
    async with Executor([speaker]) as executor:
        live = await executor.start("start", {}, run_id="r")
        events = [event async for event in live.watch()]
    (line,) = [event for event in events if isinstance(event, LogLine)]
    assert (line.run_id, line.node_id, line.agent) == ("r", "speaker:r.1", "speaker")
    assert (line.level, line.text) == (number, "something \ud800")
    (record,) = [each for each in caplog.records if each.name == "dagger.agents"]
    assert record.levelno == number
    assert record.getMessage().startswith("speaker:r.1: something")


async def test_the_view_of_the_executor_is_small() -> None:
    """What a handler gets as `executor` publishes, lists and shares; it cannot be steered."""
    seen: list[Any] = []

    @agent(subscribe="start", publish="out")
    async def look(executor: Any) -> None:
        executor.shared.set("k", 1)
        seen.append([info.name for info in executor.list_agents()])
        seen.append([info.name for info in executor.list_channels()])
        seen.append(await executor.publish("out", 1))
        for call in ("start", "register", "unregister", "shutdown_channel", "channel"):
            assert not hasattr(executor, call)

    async with Executor([look]) as executor:
        report = await executor.run("start", {}, run_id="r")
        assert executor.shared.get("k") == 1
    assert report.outputs == {"out": [1]}
    assert seen == [["look"], ["out", "start"], "r.1.0"]


async def test_a_context_ends_with_its_attempt() -> None:
    """What a failed attempt left behind can do nothing in the name of the next one."""
    contexts: list[Context] = []

    def body(ctx: Context) -> str:
        if contexts:
            for call in (lambda: contexts[0].publish("out", 1), lambda: contexts[0].log("")):
                with pytest.raises(ContextClosed, match=r"one:r\.1 is closed"):
                    call()
            return "second"
        contexts.append(ctx)
        raise ValueError("first")

    report = await inside(body, max_attempts=2)
    assert report.outputs == {"out": ["second"]}


async def test_spending_is_counted() -> None:
    """Tokens of all attempts count, at the run and at its node; they are never negative."""

    @agent(subscribe="start", max_attempts=2)
    async def spender(ctx: Context) -> None:
        await ctx.spend(tokens=5)
        with pytest.raises(ValueError, match="negative"):
            await ctx.spend(tokens=-1)
        if ctx.attempt == 1:
            raise ValueError("again")

    config = Config(retry_strategy=Immediate())
    async with Executor([spender], config=config) as executor:
        report = await executor.run("start", {})
    assert report.tokens == 10
    assert [node.tokens for node in report.tree.nodes()] == [10]
