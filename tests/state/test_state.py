"""The fold: every state is its records, live and again; what is unknown changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger import Agent, Config, Context, Executor, Immediate, MemoryStore, Message, agent
from dagger.state.state import State
from dagger.words.effects import CacheWrite, Publication
from dagger.words.records import (
    RECORDS,
    AgentAdded,
    AgentRemoved,
    Asked,
    ChannelOpened,
    ChannelShut,
    Emitted,
    Failure,
    Kept,
    LetterDiscarded,
    Logged,
    Record,
    RunEnded,
    RunOpened,
    Settled,
    Spent,
    Wrote,
)
from tests.patience import PATIENCE
from tests.state.meaning import agree, audit, differences, live_state, meaning, replayed
from tests.waiting import turns

MESSAGE = Publication("c", b"\x01")


class Unheard(NamedTuple):
    """A record of a kind that nobody knows."""

    run: int


def opened() -> State:
    """A state with an agent and a run with one pending delivery."""
    state = State()
    state.apply(ChannelOpened("c", 0.0))
    state.apply(AgentAdded("a", ("c",), False, 0.0))
    state.apply(RunOpened(1, "r", {}, MESSAGE, 0.0))
    return state


def unknown() -> Iterator[Any]:
    """Records that cannot be true of `opened()`."""
    yield Unheard(1)
    yield None
    yield (1, 2, 3)
    fields = {"failure": Failure("E", "m"), "publication": MESSAGE, "effects": ()}
    for kind in RECORDS:
        if "run" not in kind._fields or kind in (RunOpened, Emitted, Logged):
            continue  # a run that is new, or nothing that is remembered
        values = {name: fields.get(name, 1) for name in kind._fields}
        yield kind(**values | {"run": 77})
        if "delivery" in kind._fields and kind not in (Spent, LetterDiscarded, Asked):
            yield kind(**values | {"run": 1, "delivery": 77})
    yield AgentRemoved("nobody", 1.0)
    yield ChannelShut("nowhere", 1.0)
    yield Wrote(77, (CacheWrite("set", "n", "k", b"\x01"),))


@pytest.mark.parametrize("record", list(unknown()), ids=repr)
def test_what_cannot_be_true_raises_and_changes_nothing(record: Any) -> None:
    """A record of an unknown kind, run, delivery, agent or channel is refused whole."""
    state = opened()
    before = meaning(state)
    with pytest.raises((KeyError, ValueError, TypeError)):
        state.apply(record)
    assert not list(differences(before, meaning(state)))


def test_positions_count_what_was_applied() -> None:
    """A state knows how many records it is made of, and a refused one does not count."""
    state = opened()
    assert state.position == 3
    with pytest.raises(KeyError):
        state.apply(Kept(9, 9, "s", "k", b"\x01", 0.0))
    assert state.position == 3


def test_numbers_go_on() -> None:
    """Deliveries are numbered per run from 1, in the order in which they came to be."""
    state = opened()
    state.apply(AgentAdded("b", ("c",), False, 0.0))
    effects = (MESSAGE, Publication("nobody", b"\x02"), MESSAGE)
    state.apply(Settled(1, 1, 0, 1, 0.0, 0.0, None, effects, (), False))
    run = state.runs[1]
    assert {number: each.queue.subscriber.name for number, each in run.deliveries.items()} == {
        2: "b",
        3: "b",
    }
    assert [(each.envelope.parent, each.envelope.place) for each in run.deliveries.values()] == [
        (1, 0),
        (1, 2),
    ]
    assert [(each.channel, each.parent, each.place) for each in run.outputs or ()] == [
        ("nobody", 1, 1)
    ]


def test_nothing_of_an_ended_run_stays_with_its_agents() -> None:
    """While a journal is read nobody takes, and yet no agent's rotation keeps a run that ended."""
    state = opened()
    state.apply(Settled(1, 1, 0, 1, 0.0, 0.0, None, (), (), False))
    state.apply(RunEnded(1, "completed", "", 0.0))
    assert not state.subscribers["a"].ready


def test_an_agent_that_comes_back_is_the_same_one() -> None:
    """Of one name there is one subscriber: what is pending for it waits for its successor."""
    state = opened()
    subscriber = state.subscribers["a"]
    state.apply(AgentRemoved("a", 1.0))
    assert state.lane(state.runs[1], "c").routes == ()
    state.apply(AgentAdded("a", ("c", "d"), True, 2.0))
    assert state.subscribers["a"] is subscriber
    assert [route.subscriber for route in state.lane(state.runs[1], "d").routes] == [subscriber]


def test_looking_where_a_message_would_go_changes_nothing() -> None:
    """`lane` answers for channels that do not exist yet, and does not make them."""
    state = opened()
    before = meaning(state)
    assert state.lane(state.runs[1], "phantom").routes == ()
    assert not list(differences(before, meaning(state)))


# -- live and again ------------------------------------------------------------------------


def everything() -> list[Agent]:
    """Agents that between them make nearly every kind of record."""

    @agent(subscribe="start", publish=["work", "ask", "out", "shown"], max_attempts=2)
    async def lead(payload: int, ctx: Context) -> None:
        for number in range(payload):
            ctx.publish("work", number, key=str(number % 2), headers={"n": str(number)})
            ctx.tasks.add_task("t", {"n": number}, 2)
        ctx.publish("out", Message.new("me", payload), task="named")
        ctx.cache.set("n", payload)
        ctx.shared.increment("runs")
        await ctx.step("once", lambda: 5)
        await ctx.spend(tokens=7)
        await ctx.emit("shown", payload)
        ctx.log("said")
        ctx.cache.set("reply", await ctx.request("ask", payload))
        if ctx.attempt == 1:
            raise ValueError("once more")

    @agent(subscribe="ask")
    async def answer(payload: int) -> int:
        return payload + 1

    @agent(
        subscribe="work", key="k", concurrency=3, capacity=3, overflow="drop_oldest",
        max_attempts=2, on_failure="continue", publish="out", input_schema={"maximum": 6},
    )  # fmt: skip
    async def work(payload: int, ctx: Context) -> Any:
        task = ctx.tasks.claim_task("t")
        ctx.cache.append("seen", payload)
        ctx.cache.update("sum", lambda sum_: (sum_ or 0) + payload)
        if payload == 3:
            raise ValueError("never")
        await ctx.sleep(0)
        if task is not None and payload % 2:
            ctx.tasks.complete_task(task.id, success=True)
        return {"n": payload}

    return [lead, answer, work]


@given(
    runs=st.lists(st.integers(0, 8), min_size=1, max_size=3),
    keep=st.sampled_from([{}, {"keep_nodes": 4, "keep_outputs": 2, "keep_dead_letters": 1}]),
    backend=st.sampled_from(["asyncio", "trio"]),
    data=st.data(),
)
def test_a_journal_folded_again_gives_the_live_state(
    runs: list[int], keep: dict[str, Any], backend: str, data: st.DataObject
) -> None:
    """At every moment, in the middle of the work and after it, the records say all there is."""
    store = MemoryStore()
    config = Config(retry_strategy=Immediate(), **keep)
    pauses = data.draw(st.lists(st.integers(0, 6), min_size=8, max_size=8), label="pauses")

    async def main() -> None:
        async with Executor(everything(), store=store, config=config) as executor:
            state = live_state(executor)
            agree(state, store)
            started = []
            for payload, pause in zip(runs, pauses, strict=False):
                started.append(await executor.start("start", payload))
                await turns(pause)
                agree(state, store)
            for pause in pauses:
                await turns(pause)
                agree(state, store)
            if pauses[0] % 2:
                await started[0].cancel()
                agree(state, store)
            if pauses[1] % 3 == 0:
                executor.unregister("work")
                agree(state, store)
            for live in started:
                await live.result()
            agree(state, store)
        agree(state, store)

    anyio.run(main, backend=backend)


def journal(records: list[Record]) -> MemoryStore:
    """A store with these records in it."""
    store = MemoryStore()
    for record in records:
        store.append(record)
    return store


@pytest.fixture(scope="module")
def recorded() -> list[Record]:
    """The records of one run of everything."""
    store = MemoryStore()

    async def main() -> None:
        config = Config(retry_strategy=Immediate())
        async with Executor(everything(), store=store, config=config) as executor:
            await executor.run("start", 5)

    anyio.run(main)
    return list(store.read())


@given(cut=st.integers(0, 80))
def test_every_prefix_of_a_journal_is_a_state(recorded: list[Record], cut: int) -> None:
    """Cut anywhere, a journal still folds: an executor goes on from it to a proper end."""
    records = recorded[:cut]
    store = journal(records)
    audit(replayed(store))

    async def main() -> None:
        config = Config(retry_strategy=Immediate())
        with anyio.fail_after(PATIENCE):
            async with Executor(everything(), store=store, config=config) as executor:
                await executor.drain()
                for report in executor.runs():
                    assert report.ended is not None
                    assert report.open == 0
                    assert len(report.outputs["out"]) + report.dropped == 5
                agree(live_state(executor), store)

    anyio.run(main)


async def test_an_unreadable_journal_does_not_open(recorded: list[Record]) -> None:
    """An executor whose store holds what it cannot know raises that, and nothing is begun."""
    store = journal([*recorded, Kept(77, 1, "s", "k", b"\x01", 0.0)])
    executor = Executor(everything(), store=store)
    with pytest.raises(KeyError):
        async with executor:
            raise AssertionError("never inside")
