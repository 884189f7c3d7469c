"""Channels: listed, bounded, shut down and opened again, with what that discards accounted for."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from dagger import (
    Agent,
    ChannelClosed,
    ChannelNotFound,
    Context,
    DaggerError,
    MemoryStore,
    agent,
)
from dagger.executor.listing import ChannelInfo
from dagger.words.errors import ChannelInUse, DefinitionError, ValidationError
from tests.promises.conftest import MakeExecutor
from tests.promises.gates import Gate, filled, spread
from tests.waiting import in_hand, pending, turns, until


def reader(heard: list[Any], name: str = "reader", channel: str = "work") -> Agent:
    """An agent that notes what it hears."""

    @agent(name=name, subscribe=channel)
    async def read(payload: Any) -> None:
        heard.append(payload)

    return read


def by_name(channels: list[ChannelInfo]) -> dict[str, ChannelInfo]:
    """Channels as they are listed, to be looked up."""
    return {channel.name: channel for channel in channels}


async def test_channels_are_listed_as_they_are_now(make_executor: MakeExecutor) -> None:
    """Each channel's subscribers, messages, pending, bound, drops, age and state are told."""
    gate = Gate("gate", "work", capacity=2, overflow="drop_oldest")
    executor = make_executor([spread, gate.agent, reader([])], config={"capacity": 9})
    executor.channel("work", capacity=7, overflow="block")
    executor.channel("spare")
    async with executor:
        live = await filled(executor, pending_=3)
        await until(lambda: pending(executor, "reader") == 0)
        listed = by_name(executor.list_channels())
        gate.open.set()
        report = await live.result()
        after = by_name(executor.list_channels())

    assert list(listed) == ["spare", "start", "work"]
    work = listed["work"]
    assert (work.subscriber_count, work.message_count, work.dropped) == (2, 4, 1)
    assert work.pending == {"gate": 2, "reader": 0}
    assert (work.capacity, work.overflow, work.is_active) == (7, "block", True)
    assert work.created_at <= report.started
    assert (listed["spare"].subscriber_count, listed["spare"].message_count) == (0, 0)
    assert (listed["start"].capacity, listed["start"].overflow) == (9, "drop_oldest")
    assert after["work"].pending == {"gate": 0, "reader": 0}


async def test_counts_go_on_over_runs(make_executor: MakeExecutor) -> None:
    """A channel counts the messages of all runs, the forgotten ones too."""
    async with make_executor([spread, reader([])], config={"keep_runs": 1}) as executor:
        for _ in range(4):
            await executor.run("start", [1, 2, 3])
        assert len(executor.runs()) == 1
        assert by_name(executor.list_channels())["work"].message_count == 12


async def test_a_shutdown_is_refused_while_a_channel_is_in_use(
    make_executor: MakeExecutor,
) -> None:
    """Without `force` a channel with subscribers or pending deliveries stays open."""
    gate = Gate()
    async with make_executor([gate.agent]) as executor:
        live = await filled(executor, pending_=2)
        with pytest.raises(ChannelInUse) as caught:
            executor.shutdown_channel("work")
        assert caught.value.subscribers == ("work",)
        assert caught.value.pending == 2
        await live.publish("work", "still open")
        gate.open.set()
        await live.result()
        with pytest.raises(ChannelInUse, match="force=True"):
            executor.shutdown_channel("work")
        with pytest.raises(ChannelNotFound, match="'work'"):
            executor.shutdown_channel("wrok")


async def test_an_unused_channel_is_shut_down(make_executor: MakeExecutor) -> None:
    """A channel without subscribers and deliveries is closed without force."""

    @agent(subscribe="start", publish="out")
    async def send(payload: Any) -> Any:
        return payload

    async with make_executor([send], config={"max_attempts": 1}) as executor:
        assert executor.shutdown_channel("out") == 0
        assert not by_name(executor.list_channels())["out"].is_active
        report = await executor.run("start", 1)
    assert report.error is not None
    assert report.error.type == "ChannelClosed"
    assert report.outputs == {}


async def test_a_forced_shutdown_accounts_for_what_it_discards(
    make_executor: MakeExecutor,
) -> None:
    """Pending deliveries from it are discarded and counted; what is in hand is finished."""
    gate = Gate()
    others: list[Any] = []

    @agent(name="both", subscribe=["work", "other"], capacity=100)
    async def both(payload: Any) -> None:
        await gate.open.wait()
        others.append(payload)

    async with make_executor([gate.agent, both, reader([], "idle", "other")]) as executor:
        live = await executor.start("work", "first")
        async with live:
            await until(lambda: in_hand(executor) == 2)
            for number in range(3):
                await live.publish("work", number)
                await live.publish("other", number)
            await until(lambda: pending(executor, "idle") == 0)
            assert executor.shutdown_channel("work", force=True) == 6
            assert pending(executor) == 3
            with pytest.raises(ChannelClosed, match="opens it again"):
                await live.publish("work", "refused")
            gate.open.set()
        report = await live.result()
        with pytest.raises(ChannelClosed):
            await executor.run("work", "refused")
    assert gate.handled == ["first"]
    assert others == ["first", 0, 1, 2]
    assert report.agents["work"].dispositions == {"ok": 1, "discarded": 3}
    assert report.agents["both"].dispositions == {"ok": 4, "discarded": 3}
    assert report.channels["work"].dispositions == {"ok": 2, "discarded": 6}
    assert report.status == "completed"


async def test_publishing_on_a_closed_channel_fails_the_attempt(
    make_executor: MakeExecutor,
) -> None:
    """From inside, ChannelClosed is a failure like any: once opened, a retry gets through."""
    heard: list[Any] = []
    attempts: list[int] = []

    @agent(subscribe="start", publish="work", max_attempts=3)
    async def send(payload: Any, ctx: Context) -> Any:
        attempts.append(ctx.attempt)
        if ctx.attempt == 2:
            executor.channel("work")
        return payload

    async with make_executor([send, reader(heard)]) as executor:
        executor.shutdown_channel("work", force=True)
        report = await executor.run("start", "through")
    assert attempts == [1, 2]
    assert heard == ["through"]
    assert report.error is not None
    assert report.error.type == "ChannelClosed"
    assert report.status == "completed"


async def test_a_reopened_channel_is_as_it_is_declared(make_executor: MakeExecutor) -> None:
    """Opening it again brings its subscribers back, with new bounds where some are given."""
    gate = Gate()
    executor = make_executor([gate.agent])
    executor.channel("work", capacity=50, overflow="reject", schema={"type": "string"})
    async with executor:
        executor.shutdown_channel("work", force=True)
        executor.channel("work", capacity=1, overflow="drop_oldest", schema={"type": "integer"})
        live = await executor.start("work", 5)
        async with live:
            await until(lambda: in_hand(executor) == 1)
            for number in range(3):
                await live.publish("work", number)
            gate.open.set()
        report = await live.result()
    assert gate.handled == [5, 2]
    assert report.dropped == 2


async def test_what_is_not_said_again_stays_declared(make_executor: MakeExecutor) -> None:
    """Opening a channel again, or declaring one thing of it, keeps what was declared before."""
    gate = Gate()
    executor = make_executor([gate.agent])
    async with executor:
        executor.channel("work", capacity=5, schema={"type": "integer"})
        executor.channel("work", overflow="block")
        executor.shutdown_channel("work", force=True)
        executor.channel("work")
        [channel] = [each for each in executor.list_channels() if each.name == "work"]
        assert (channel.capacity, channel.overflow, channel.is_active) == (5, "block", True)
        with pytest.raises(ValidationError):
            await executor.start("work", "no integer")


async def test_who_waits_for_a_channel_is_told_when_it_is_shut_down(
    make_executor: MakeExecutor,
) -> None:
    """A settle or a publisher that waits for room on it gets ChannelClosed."""
    gate = Gate(capacity=1, overflow="block")
    errors: list[DaggerError] = []

    @agent(subscribe="start", publish="work", max_attempts=1)
    async def send(payload: Any) -> Any:
        return payload

    async with make_executor([gate.agent, send]) as executor:
        live = await filled(executor, pending_=1)

        async def publish() -> None:
            try:
                await live.publish("work", "waiting")
            except DaggerError as error:
                errors.append(error)

        async with live, anyio.create_task_group() as tasks:
            tasks.start_soon(publish)
            await live.publish("start", "waiting")
            await until(lambda: in_hand(executor, "send") == 1)
            await turns()
            executor.shutdown_channel("work", force=True)
            await until(lambda: bool(errors))
            gate.open.set()
        report = await live.result()
    assert [type(error) for error in errors] == [ChannelClosed]
    assert report.agents["send"].dispositions == {"dead": 1}
    assert gate.handled == ["in hand"]


async def test_a_shutdown_may_end_a_run(make_executor: MakeExecutor) -> None:
    """A run of which a shutdown discards all that is left ends there and then."""

    @agent(subscribe="work", retry="linear:1000")
    async def failing() -> None:
        raise ValueError("later")

    async with make_executor([failing]) as executor:
        live = await executor.start("work", {})
        await until(lambda: live.state.retries == 1)
        assert executor.shutdown_channel("work", force=True) == 1
        report = await live.result()
    assert report.agents["failing"].dispositions == {"discarded": 1}


@pytest.mark.parametrize(
    "options",
    [{"capacity": 0}, {"capacity": -1}, {"overflow": "explode"}, {"schema": {"type": "strnig"}}],
)
async def test_a_wrong_declaration_is_refused(
    make_executor: MakeExecutor, options: dict[str, Any]
) -> None:
    """A channel's bound, policy and schema are checked when they are declared."""
    executor = make_executor([spread])
    with pytest.raises(DefinitionError, match="work"):
        executor.channel("work", **options)
    with pytest.raises(DefinitionError):
        executor.channel("", capacity=1)
    async with executor:
        with pytest.raises(DefinitionError):
            executor.channel("work", **options)


async def test_a_closed_channel_stays_closed_in_a_store_that_lasts() -> None:
    """Reopening the executor does not reopen its channels; declaring them does."""
    from dagger import Executor

    store = MemoryStore()
    async with Executor([spread, reader([])], store=store) as executor:
        executor.shutdown_channel("work", force=True)
    async with Executor([spread, reader([])], store=store) as executor:
        assert not by_name(executor.list_channels())["work"].is_active
    again = Executor([spread, reader([])], store=store)
    again.channel("work")
    async with again as executor:
        assert by_name(executor.list_channels())["work"].is_active
        report = await executor.run("start", [1])
    assert report.status == "completed"
