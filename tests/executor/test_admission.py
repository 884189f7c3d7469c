"""Admission: a pure question over the state, and a line of those who wait for an answer."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger.executor.admission import FREE, Admissions, Limit, Plan, admit
from dagger.state.queues import Subscriber
from dagger.state.state import State
from dagger.words.effects import Publication
from dagger.words.errors import ChannelClosed, ChannelFull
from dagger.words.outcomes import Overflow
from dagger.words.records import AgentAdded, ChannelOpened, ChannelShut, Published, RunOpened
from tests.state.meaning import differences, meaning
from tests.waiting import turns

CHANNELS = "cde"


@dataclass
class Agent:
    """What an agent hears, and how its queue is bounded for each channel."""

    channels: frozenset[str]
    capacity: int
    overflow: Overflow
    hears_itself: bool = False
    apart: dict[str, int] = field(default_factory=dict)
    """Capacities that channels of their own give it."""

    def limit(self, channel: str) -> Limit:
        """The bound for messages of one channel."""
        return Limit(self.apart.get(channel, self.capacity), self.overflow, self.capacity % 2 == 0)


agents = st.lists(
    st.builds(
        Agent,
        channels=st.frozensets(st.sampled_from(CHANNELS), min_size=1),
        capacity=st.integers(1, 5),
        overflow=st.sampled_from(Overflow),
        hears_itself=st.booleans(),
        apart=st.dictionaries(st.sampled_from(CHANNELS), st.integers(1, 5), max_size=1),
    ),
    min_size=1,
    max_size=4,
)
messages = st.lists(st.sampled_from(CHANNELS), max_size=6)


class House:
    """A state with these agents, and a run with some messages pending."""

    def __init__(self, agents: list[Agent], before: list[str]) -> None:
        self.agents = {f"agent{at}": each for at, each in enumerate(agents)}
        self.state = State()
        for name, each in self.agents.items():
            channels = tuple(sorted(each.channels))
            self.state.apply(AgentAdded(name, channels, each.hears_itself, 0.0))
        self.state.apply(RunOpened(1, "r", {}, Publication("nowhere", b""), 0.0))
        for channel in before:
            self.state.apply(Published(1, Publication(channel, b""), (), False, 0.0))
        self.run = self.state.runs[1]

    def limit(self, subscriber: Subscriber, channel: str) -> Limit:
        """The bound of an agent's queue for one channel."""
        return self.agents[subscriber.name].limit(channel)

    def ask(self, channels: list[str], source: str | None = None, floor: int = 0) -> Plan:
        """What it takes for messages on these channels to enter together."""
        publications = [Publication(channel, b"") for channel in channels]
        publisher = self.state.subscribers[source] if source else None
        return admit(self.state, self.run, publications, publisher, self.limit, floor)

    def depth(self, name: str) -> int:
        """What is pending for an agent."""
        queue = self.run.queues.get(name)
        return queue.depth if queue else 0


def pushed_out(house: House, name: str, channels: list[str]) -> int:
    """How many of an agent's deliveries a settle pushes out, in plain words.

    For each of the channels that it publishes on: as many as are too many, but never
    one of its own.
    """
    agent = house.agents[name]
    arriving = [channel for channel in channels if channel in agent.channels]
    most = max(
        (house.depth(name) + len(arriving) - agent.limit(channel).capacity for channel in arriving),
        default=0,
    )
    return max(0, min(most, house.depth(name)))


@given(agents, messages, messages)
def test_what_enters_is_what_there_is_room_for(
    agents: list[Agent], before: list[str], channels: list[str]
) -> None:
    """Dropped, refused or waited for is exactly what goes beyond a queue's bound."""
    house = House(agents, before)
    reject = block = False
    for name, agent in house.agents.items():
        for channel in set(channels) & agent.channels:
            limit, depth = agent.limit(channel), house.depth(name)
            arriving = sum(each in agent.channels for each in channels)
            too_many = depth + arriving > limit.capacity
            reject = reject or (too_many and limit.overflow is Overflow.REJECT)
            block = block or (depth >= limit.capacity and limit.overflow is Overflow.BLOCK)
    if reject:
        with pytest.raises(ChannelFull):
            house.ask(channels)
        return
    plan = house.ask(channels)
    assert bool(plan.full) == block
    for name, agent in house.agents.items():
        mine = [n for n in plan.dropped if house.run.deliveries[n].queue.subscriber.name == name]
        dropping = agent.overflow is Overflow.DROP_OLDEST
        assert len(mine) == (pushed_out(house, name, channels) if dropping else 0)
        everything = [n for n, d in house.run.deliveries.items() if d.queue.subscriber.name == name]
        assert mine == everything[: len(mine)]
    assert list(plan.dropped) == sorted(set(plan.dropped))


@given(agents, messages, messages, st.booleans())
def test_the_quick_answer_is_the_same(
    agents: list[Agent], before: list[str], channels: list[str], own: bool
) -> None:
    """Where no queue is near its bound nothing is counted, and the answer is no other."""
    house = House(agents, before)
    source = "agent0" if own else None
    floor = min(min([agent.capacity, *agent.apart.values()]) for agent in agents)

    def answer(floor: int) -> object:
        try:
            plan = house.ask(channels, source, floor)
        except ChannelFull as error:
            return str(error)
        return plan.dropped, plan.blame, plan.full

    assert answer(floor) == answer(-100)


@given(agents, messages, messages)
def test_asking_changes_nothing(
    agents: list[Agent], before: list[str], channels: list[str]
) -> None:
    """Whatever the answer, the state is as it was."""
    house = House(agents, before)
    as_it_was = meaning(house.state)
    with suppress(ChannelFull):
        house.ask([*channels, "phantom"])
    assert not list(differences(as_it_was, meaning(house.state)))


def test_a_publisher_does_not_count_against_itself() -> None:
    """What an agent does not hear takes no room in its own queue, unless it hears itself."""
    deaf = Agent(frozenset("c"), 1, Overflow.REJECT)
    house = House([deaf], ["c"])
    assert house.ask(["c", "c"], "agent0").dropped == ()
    with pytest.raises(ChannelFull):
        house.ask(["c"])
    hearing = Agent(frozenset("c"), 1, Overflow.REJECT, hears_itself=True)
    with pytest.raises(ChannelFull):
        House([hearing], ["c"]).ask(["c"], "agent0")


def test_blame_is_for_a_loss_that_nobody_wrote_down() -> None:
    """Only dropping something, by a policy that was not declared, is to blame."""
    declared = Agent(frozenset("c"), 2, Overflow.DROP_OLDEST)
    undeclared = Agent(frozenset("d"), 1, Overflow.DROP_OLDEST)
    house = House([declared, undeclared], ["c", "c", "d"])
    assert not house.ask(["c"]).blame
    assert house.ask(["d"]).blame
    assert house.ask(["c", "d"]).blame
    assert not House([undeclared], []).ask(["d", "d", "d"]).blame


def test_a_closed_channel_admits_nothing() -> None:
    """Not even where nobody hears it."""
    house = House([Agent(frozenset("c"), 1, Overflow.BLOCK)], [])
    assert house.ask(["d"], floor=5) is FREE
    house.state.apply(ChannelOpened("d", 0.0))
    house.state.apply(ChannelShut("d", 0.0))
    with pytest.raises(ChannelClosed):
        house.ask(["c", "d"])
    house.state.apply(ChannelOpened("d", 0.0))
    house.ask(["c", "d"])


# -- the line ------------------------------------------------------------------------------


class Door:
    """Places that are given out one by one; who has none waits."""

    def __init__(self, places: int) -> None:
        self.places = places
        self.inside: list[str] = []
        self.line = Admissions({})

    def look(self) -> Plan:
        """Free while there is a place."""
        return FREE if self.places else Plan(full=(("c", None),))  # type: ignore[arg-type]

    async def come(self, name: str) -> None:
        """Enter, at once or when it is one's turn."""

        def enter(plan: Plan) -> None:
            assert plan is FREE
            self.places -= 1
            if name == "breaks":
                raise ZeroDivisionError(name)
            self.inside.append(name)

        if self.look().full:
            await self.line.wait(self.look, enter, None)
        else:
            enter(self.look())

    def give(self, places: int) -> None:
        """Some more places."""
        self.places += places
        self.line.room()


async def test_who_waits_enters_in_the_call_that_makes_room() -> None:
    """Room goes to those in line, in order, before `room` returns."""
    door = Door(0)
    async with anyio.create_task_group() as tasks:
        for name in "abc":
            tasks.start_soon(door.come, name)
            await turns(2)
        assert door.line.any
        door.give(2)
        assert door.inside == ["a", "b"]
        assert door.places == 0
        door.give(1)
    assert door.inside == ["a", "b", "c"]
    assert not door.line.any


async def test_what_goes_wrong_on_entering_is_ones_own() -> None:
    """An error of one who enters is raised there, and the next in line has its turn."""
    door = Door(0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(door.come, "first")
        await turns(2)

        async def break_in() -> None:
            with pytest.raises(ZeroDivisionError):
                await door.come("breaks")

        tasks.start_soon(break_in)
        await turns(2)
        tasks.start_soon(door.come, "last")
        await turns(2)
        door.give(3)
    assert door.inside == ["first", "last"]


async def test_who_gives_up_is_out_of_the_line() -> None:
    """A wait that is cancelled takes no place."""
    door = Door(0)
    async with anyio.create_task_group() as tasks:
        impatient = anyio.CancelScope()

        async def wait() -> None:
            with impatient:
                await door.come("impatient")

        tasks.start_soon(wait)
        await turns(2)
        tasks.start_soon(door.come, "patient")
        await turns(2)
        impatient.cancel()
        await turns(3)
        door.give(1)
    assert door.inside == ["patient"]
