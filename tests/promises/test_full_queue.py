"""Full queue: bounded by default, by three policies, and loss is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from dagger import (
    ChannelFull,
    Config,
    Context,
    Executor,
    Immediate,
    LiveRun,
    MemoryStore,
    agent,
)
from dagger.words.outcomes import Overflow
from tests.promises.conftest import MakeExecutor
from tests.promises.gates import Gate, filled, spread
from tests.waiting import pending, turns, until

POLICIES = ["drop_oldest", "block", "reject"]


# -- capacity ----------------------------------------------------------------------------


async def test_capacity_counts_what_is_pending_and_not_what_is_in_hand(
    make_executor: MakeExecutor,
) -> None:
    """A queue of capacity 1 has room for one delivery beside the one that is handled."""
    gate = Gate(capacity=1, overflow="reject")
    async with make_executor([gate.agent]) as executor:
        live = await filled(executor)
        await live.publish("work", "pending")
        with pytest.raises(ChannelFull) as caught:
            await live.publish("work", "too many")
        gate.open.set()
        report = await live.result()
    assert gate.handled == ["in hand", "pending"]
    assert (caught.value.channel, caught.value.agent) == ("work", "work")
    assert caught.value.capacity == 1
    assert report.status == "completed"


async def test_the_default_capacity_is_that_of_the_config(make_executor: MakeExecutor) -> None:
    """Without a word of agent or channel, `Config.capacity` and `Config.overflow` count."""
    gate = Gate()
    async with make_executor(
        [gate.agent], config={"capacity": 2, "overflow": "reject"}
    ) as executor:
        live = await filled(executor, pending_=2)
        with pytest.raises(ChannelFull):
            await live.publish("work", "too many")
        gate.open.set()
        await live.result()


def _words() -> Iterator[tuple[dict[str, Any], str, int]]:
    """What agent, channel and Config say, and whose word counts."""
    words = {"agent": ("drop_oldest", 2), "channel": ("reject", 3), "config": ("block", 4)}
    for speakers in (
        {"agent", "channel", "config"},
        {"agent", "config"},
        {"channel", "config"},
        {"config"},
        {"agent", "channel"},
    ):
        said = {who: words[who] for who in speakers}
        winner = next(who for who in words if who in speakers)
        yield said, *words[winner]


@pytest.mark.parametrize(("said", "overflow", "capacity"), list(_words()))
async def test_agent_beats_channel_beats_config(
    make_executor: MakeExecutor, said: dict[str, Any], overflow: str, capacity: int
) -> None:
    """Of capacity and overflow the agent's word counts most, then the channel's."""
    options = _options(said.get("agent"))
    gate = Gate(**options)
    executor = make_executor([gate.agent], config=_options(said.get("config")))
    if "channel" in said:
        executor.channel("work", **_options(said["channel"]))
    async with executor:
        live = await filled(executor, pending_=capacity)
        assert pending(executor) == capacity
        assert await what_happens(live) == overflow
        gate.open.set()
        await live.result()


async def test_capacity_and_overflow_have_their_word_apart(make_executor: MakeExecutor) -> None:
    """An agent's capacity goes with its channel's overflow where it declares none of its own."""
    gate = Gate(capacity=2)
    executor = make_executor([gate.agent], config={"overflow": "block", "capacity": 9})
    executor.channel("work", capacity=5, overflow="reject")
    async with executor:
        live = await filled(executor, pending_=2)
        assert await what_happens(live) == "reject"
        gate.open.set()
        await live.result()


def _options(word: tuple[str, int] | None) -> dict[str, Any]:
    return {} if word is None else {"overflow": word[0], "capacity": word[1]}


async def what_happens(live: LiveRun) -> str:
    """The policy that one more message meets."""
    dropped, ends = live.report().dropped, list[str]()

    async def publish() -> None:
        try:
            await live.publish("work", "one more")
        except ChannelFull:
            ends.append("reject")
        else:
            ends.append("drop_oldest")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(publish)
        await turns()
        if not ends and live.report().dropped == dropped:
            tasks.cancel_scope.cancel()  # it waits
    assert live.report().dropped == dropped + (ends == ["drop_oldest"])
    return ends[0] if ends else "block"


async def test_limits_of_a_channel_can_change(make_executor: MakeExecutor) -> None:
    """Declaring a channel again changes the bound of its queues from the next message on."""
    gate = Gate()
    executor = make_executor([gate.agent])
    executor.channel("work", capacity=1, overflow="reject")
    async with executor:
        live = await filled(executor, pending_=1)
        with pytest.raises(ChannelFull):
            await live.publish("work", "too many")
        executor.channel("work", capacity=2, overflow="reject")
        await live.publish("work", "there is room now")
        gate.open.set()
        await live.result()


async def test_each_channel_of_an_agent_has_its_own_word(make_executor: MakeExecutor) -> None:
    """Messages of one settle meet the policy of the channel that each of them is for."""
    gate = Gate(subscribe="lax", name="gate")

    @agent(subscribe="go", publish=["lax", "strict"])
    async def send(payload: Any, ctx: Context) -> None:
        ctx.publish("lax", "first")
        ctx.publish("strict", "second")

    @agent(subscribe=["lax", "strict"])
    async def both() -> None:
        await gate.open.wait()

    executor = make_executor([gate.agent, send, both], config={"max_attempts": 1})
    executor.channel("lax", capacity=100)
    executor.channel("strict", capacity=2, overflow="reject")
    async with executor:
        live = await executor.start("lax", 0)
        async with live:
            for number in range(3):
                await live.publish("lax", number)
            await until(lambda: pending(executor, "both") == 3)
            await live.publish("go", {})
            await until(lambda: bool(live.report().dead_letters))
            gate.open.set()
        report = await live.result()
    assert report.agents["send"].dispositions == {"dead": 1}
    assert report.error is not None
    assert report.error.type == "ChannelFull"


# -- drop_oldest ---------------------------------------------------------------------------


async def test_the_oldest_is_dropped(make_executor: MakeExecutor) -> None:
    """A full queue under "drop_oldest" loses its oldest pending delivery for each new one."""
    gate = Gate(capacity=3, overflow="drop_oldest")
    async with make_executor([gate.agent]) as executor:
        live = await filled(executor, pending_=8)
        gate.open.set()
        report = await live.result()
        (channel,) = executor.list_channels()
    assert gate.handled == ["in hand", 5, 6, 7]
    assert report.dropped == 5
    assert report.agents["work"].dispositions == {"ok": 4, "dropped": 5}
    assert [node.status for node in report.tree.nodes()].count("dropped") == 5
    assert channel.dropped == 5


@pytest.mark.parametrize("who", ["agent", "channel", "config", "nobody"])
async def test_only_an_undeclared_drop_makes_the_run_fail(
    make_executor: MakeExecutor, who: str
) -> None:
    """Dropping by a policy that somebody wrote down is only counted; else the run fails."""
    said = {"overflow": "drop_oldest"}
    gate = Gate(capacity=1, **(said if who == "agent" else {}))
    executor = make_executor([gate.agent], config=said if who == "config" else {})
    if who == "channel":
        executor.channel("work", overflow="drop_oldest")
    async with executor:
        live = await filled(executor, pending_=2)
        gate.open.set()
        report = await live.result()
    assert report.dropped == 1
    assert report.status == ("failed" if who == "nobody" else "completed")


async def test_messages_of_one_settle_never_evict_each_other(make_executor: MakeExecutor) -> None:
    """A settle larger than the capacity enters whole; only what was there before makes room."""
    gate = Gate(capacity=2, overflow="drop_oldest")
    async with make_executor([gate.agent, spread]) as executor:
        live = await filled(executor, pending_=2)
        async with live:
            await live.publish("start", list("abcde"))
            await until(lambda: live.report().dropped == 2)
            assert pending(executor) == 5
            await live.publish("work", "next")
            assert pending(executor) == 2
            gate.open.set()
        report = await live.result()
    assert gate.handled == ["in hand", "e", "next"]
    assert report.dropped == 6


async def test_a_retry_is_never_dropped(make_executor: MakeExecutor) -> None:
    """A delivery that was begun is not pending any more: a full queue does not lose it."""
    begun = anyio.Event()
    attempts: list[Any] = []

    @agent(subscribe="work", capacity=1, overflow="drop_oldest", retry="linear:0.002")
    async def work(payload: Any, ctx: Context) -> None:
        attempts.append((payload, ctx.attempt))
        if payload == "first" and ctx.attempt == 1:
            begun.set()
            raise ValueError("again")

    async with make_executor([work]) as executor:
        live = await executor.start("work", "first")
        async with live:
            await begun.wait()
            for number in range(20):
                await live.publish("work", number)
        report = await live.result()
    assert ("first", 2) in attempts
    assert report.agents["work"].dispositions["ok"] == 21 - report.dropped


# -- reject --------------------------------------------------------------------------------


async def test_a_full_queue_under_reject_fails_the_attempt_which_may_be_retried(
    make_executor: MakeExecutor,
) -> None:
    """Under "reject" a settle that does not fit raises ChannelFull; the next attempt may do."""
    gate = Gate(capacity=1, overflow="reject")
    attempts: list[int] = []

    @agent(subscribe="start", publish="work", max_attempts=5, retry=Immediate())
    async def send(payload: Any, ctx: Context) -> Any:
        attempts.append(ctx.attempt)
        if ctx.attempt == 3:
            gate.open.set()
            await until(lambda: len(gate.handled) == 2)
        return payload

    async with make_executor([gate.agent, send]) as executor:
        live = await filled(executor, pending_=1)
        async with live:
            await live.publish("start", "late")
            await until(lambda: "late" in gate.handled)
        report = await live.result()
    assert attempts == [1, 2, 3]
    assert gate.handled == ["in hand", 0, "late"]
    assert report.status == "completed"
    assert report.error is not None
    assert report.error.type == "ChannelFull"
    assert report.retries == 2


async def test_an_agent_may_say_that_channel_full_is_not_retried(
    make_executor: MakeExecutor,
) -> None:
    """ChannelFull goes by the agent's retry strategy like any error."""
    gate = Gate(capacity=1, overflow="reject")

    @agent(subscribe="start", publish="work", retry=Immediate(give_up_on=ChannelFull))
    async def send(payload: Any) -> Any:
        return payload

    async with make_executor([gate.agent, send]) as executor:
        live = await filled(executor, pending_=1)
        async with live:
            await live.publish("start", "late")
            await until(lambda: bool(live.report().dead_letters))
            gate.open.set()
        report = await live.result()
    assert report.agents["send"].dispositions == {"dead": 1}
    assert report.retries == 0
    assert report.status == "failed"


async def test_a_rejected_settle_enters_nowhere(make_executor: MakeExecutor) -> None:
    """Where one of a settle's messages does not fit, none of them enters any queue."""
    full = Gate(capacity=1, overflow="reject")
    heard: list[Any] = []

    @agent(subscribe="start", publish=["free", "work"])
    async def send(payload: Any, ctx: Context) -> None:
        ctx.publish("free", payload)
        ctx.publish("work", payload)

    @agent(subscribe="free")
    async def free(payload: Any) -> None:
        heard.append(payload)

    async with make_executor([full.agent, send, free], config={"max_attempts": 1}) as executor:
        live = await filled(executor, pending_=1)
        async with live:
            await live.publish("start", "late")
            await until(lambda: bool(live.report().dead_letters))
            full.open.set()
        await live.result()
    assert heard == []
    assert full.handled == ["in hand", 0]


async def test_a_settle_larger_than_the_capacity_is_rejected(make_executor: MakeExecutor) -> None:
    """Under "reject" a settle that no queue of that capacity could take is dead in the end."""
    gate = Gate(capacity=2, overflow="reject")
    gate.open.set()
    async with make_executor([gate.agent, spread]) as executor:
        report = await executor.run("start", [1, 2, 3])
    assert gate.handled == []
    assert report.agents["spread"].dispositions == {"dead": 1}
    assert report.retries == 2


# -- recovery ---------------------------------------------------------------------------------


@pytest.mark.parametrize("overflow", POLICIES)
async def test_recovery_never_applies_overflow(overflow: str) -> None:
    """What was pending is pending again, however small the queue has become meanwhile."""
    store = MemoryStore()
    config = Config(capacity=100, overflow=Overflow.BLOCK, retry_strategy=Immediate())
    gate = Gate()
    async with Executor([gate.agent], store=store, config=config) as executor:
        await filled(executor, pending_=20)

    again = Gate(capacity=2, overflow=overflow)
    again.open.set()
    async with Executor([again.agent], store=store, config=config) as executor:
        await executor.drain()
        (report,) = executor.runs()
    assert again.handled == ["in hand", *range(20)]
    assert report.status == "completed"
    assert report.dropped == 0
