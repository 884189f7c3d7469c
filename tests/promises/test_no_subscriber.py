"""No subscriber: what nobody hears is an output of the run."""

from __future__ import annotations

from typing import Any

import pytest

from dagger import ChannelNotFound, Context, NoAgentsRegistered, agent
from tests.promises.conftest import MakeExecutor


async def test_a_message_nobody_hears_is_an_output(make_executor: MakeExecutor) -> None:
    """What is published where no agent subscribes is listed and counted as an output."""

    @agent(subscribe="start", publish=["left", "right"])
    async def split(payload: int, ctx: Context) -> None:
        for number in range(payload):
            ctx.publish("left" if number % 2 else "right", {"n": number})

    async with make_executor([split]) as executor:
        report = await executor.run("start", 5)
    assert report.outputs == {
        "right": [{"n": 0}, {"n": 2}, {"n": 4}],
        "left": [{"n": 1}, {"n": 3}],
    }
    assert report.outputs_total == {"left": 2, "right": 3}
    assert report.channels["right"].outputs == 3
    assert report.status == "completed"


async def test_outputs_are_the_callers_own(make_executor: MakeExecutor) -> None:
    """Changing an output in one report changes nothing in another."""

    @agent(subscribe="start", publish="out")
    async def echo(payload: Any) -> Any:
        return payload

    async with make_executor([echo]) as executor:
        live = await executor.start("start", {"list": [1]})
        first = await live.result()
        first.outputs["out"][0]["list"].append(2)
        assert (await live.result()).outputs == {"out": [{"list": [1]}]}


async def test_a_first_message_nobody_hears_ends_the_run_at_once(
    make_executor: MakeExecutor,
) -> None:
    """A run whose first message goes to a declared channel without agents has it as output."""

    @agent(subscribe="start")
    async def idle() -> None:
        """Hears something else."""

    executor = make_executor([idle])
    executor.channel("lonely")
    async with executor:
        report = await executor.run("lonely", 7)
    assert report.status == "completed"
    assert report.outputs == {"lonely": [7]}
    assert report.messages == 1


async def test_an_unknown_channel_is_an_error_from_outside(make_executor: MakeExecutor) -> None:
    """Publishing from outside on a channel that nobody named is a mistake, and says so."""

    @agent(subscribe="start")
    async def idle() -> None:
        """Hears something else."""

    async with make_executor([idle]) as executor:
        with pytest.raises(ChannelNotFound, match=r"'strat'.*'start'"):
            await executor.run("strat", 7)
        assert executor.runs() == []


async def test_an_executor_without_agents_runs_nothing(make_executor: MakeExecutor) -> None:
    """A run that nobody could ever handle is refused."""
    async with make_executor() as executor:
        executor.channel("start")
        with pytest.raises(NoAgentsRegistered):
            await executor.run("start", 7)


async def test_publishing_on_an_undeclared_channel_is_an_error(
    make_executor: MakeExecutor,
) -> None:
    """An agent may publish only where it said it would; the error names both."""
    errors: list[str] = []

    @agent(subscribe="start", publish=["one", "two"])
    async def wild(payload: Any, ctx: Context) -> None:
        try:
            ctx.publish("three", payload)
        except Exception as error:
            errors.append(str(error))
            raise

    async with make_executor([wild], config={"max_attempts": 1}) as executor:
        report = await executor.run("start", {})
    assert report.error is not None
    assert report.error.type == "ChannelUndeclared"
    assert "'three'" in errors[0]
    assert "'wild' declares 'one', 'two'" in errors[0]
    assert report.outputs == {}


@pytest.mark.parametrize("publish", ["*", ["*", "named"], ("named", "*")])
async def test_a_star_declares_any_channel(make_executor: MakeExecutor, publish: Any) -> None:
    """An agent with `publish="*"` may publish on every channel, known or not."""

    @agent(subscribe="start", publish=publish)
    async def wild(payload: list[str], ctx: Context) -> None:
        for name in payload:
            ctx.publish(name, name)

    async with make_executor([wild]) as executor:
        report = await executor.run("start", ["a", "named", "b"])
        names = [channel.name for channel in executor.list_channels()]
    assert report.outputs == {"a": ["a"], "named": ["named"], "b": ["b"]}
    assert {"a", "b", "named", "start"} <= set(names)


async def test_a_channel_that_was_only_tried_does_not_exist(make_executor: MakeExecutor) -> None:
    """A failed attempt to publish on a new channel does not bring it into being."""

    @agent(subscribe="start", publish="*", capacity=1, overflow="reject", hears_itself=True)
    async def wild(payload: int, ctx: Context) -> None:
        ctx.publish("phantom", payload)
        ctx.publish("start", payload)
        ctx.publish("start", payload)

    async with make_executor([wild], config={"max_attempts": 1}) as executor:
        report = await executor.run("start", 1)
        assert [channel.name for channel in executor.list_channels()] == ["start"]
    assert report.error is not None
    assert report.error.type == "ChannelFull"
    assert list(report.channels) == ["start"]


async def test_returning_a_value_needs_one_publication(make_executor: MakeExecutor) -> None:
    """A returned value of an agent with no or several channels is an error, not lost."""

    @agent(name="none", subscribe="start")
    async def without(payload: Any) -> int:
        return 1

    @agent(name="two", subscribe="start", publish=["a", "b"])
    async def several(payload: Any) -> int:
        return 1

    async with make_executor([without, several], config={"max_attempts": 1}) as executor:
        report = await executor.run("start", {})
    assert report.agents["none"].dispositions == {"dead": 1}
    assert report.agents["two"].dispositions == {"dead": 1}
    assert {letter.failure.type for letter in report.dead_letters} == {"ExecutionError"}
    assert all("ctx.publish" in letter.failure.message for letter in report.dead_letters)
