"""Queues: what is pending, in which order it is taken, and what can be dropped."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dagger.state.queues import PENDING, RUNNING, SETTLED, WAITING, Delivery, Queue, Subscriber
from dagger.state.run import Run
from dagger.state.state import State
from dagger.words.effects import Publication
from dagger.words.outcomes import Disposition
from dagger.words.records import (
    AgentAdded,
    AttemptFailed,
    Failure,
    Published,
    RunEnded,
    RunOpened,
    Settled,
    Swept,
)

FAILURE = Failure("ValueError", "no")


class House:
    """A state with one agent, and runs with messages for it."""

    def __init__(self, runs: int = 1) -> None:
        self.state = State()
        self.state.apply(AgentAdded("a", ("c",), False, 0.0))
        for number in range(1, runs + 1):
            self.state.apply(RunOpened(number, str(number), {}, Publication("c", b"\x01"), 0.0))

    @property
    def subscriber(self) -> Subscriber:
        return self.state.subscribers["a"]

    def run(self, number: int = 1) -> Run:
        return self.state.runs[number]

    def queue(self, run: int = 1) -> Queue:
        return self.run(run).queues["a"]

    def publish(self, run: int = 1, count: int = 1) -> None:
        for _ in range(count):
            self.state.apply(Published(run, Publication("c", b"\x01"), (), False, 0.0))

    def settle(self, delivery: Delivery) -> None:
        ok = int(Disposition.OK)
        run = delivery.queue.run.number
        self.state.apply(Settled(run, delivery.number, ok, 1, 0.0, 0.0, None, (), (), False))

    def taken(self) -> Delivery:
        delivery = self.subscriber.take()
        assert delivery is not None
        return delivery


def test_deliveries_are_taken_in_order() -> None:
    """First published, first taken; taking is a lease and makes room."""
    house = House()
    house.publish(count=3)
    assert house.queue().depth == 4
    assert [house.taken().number for _ in range(4)] == [1, 2, 3, 4]
    assert house.queue().depth == 0
    assert house.subscriber.take() is None
    assert {each.stage for each in house.run().deliveries.values()} == {RUNNING}


def test_runs_take_turns() -> None:
    """The rotation serves each run's queue one delivery at a time."""
    house = House(runs=3)
    house.publish(1, 5)
    house.publish(3, 2)
    taken = [house.taken() for _ in range(10)]
    assert [each.queue.run.number for each in taken] == [1, 2, 3, 1, 3, 1, 3, 1, 1, 1]


def test_a_paused_run_is_passed_over() -> None:
    """A queue that left the rotation with its run is not taken from, and holds up nobody."""
    house = House(runs=2)
    house.run(1).paused = True
    house.queue(1).leave()
    house.publish(1, 2)
    assert house.taken().queue.run.number == 2
    assert house.subscriber.take() is None
    house.run(1).paused = False
    house.queue(1).call()
    assert [house.taken().number for _ in range(3)] == [1, 2, 3]


def test_a_retry_goes_first_and_is_not_pending() -> None:
    """A delivery whose next attempt is due is taken before new ones, and is never dropped."""
    house = House()
    house.publish(count=2)
    first = house.taken()
    house.state.apply(AttemptFailed(1, first.number, 1, 0.0, 0.0, FAILURE, 5.0))
    assert (first.stage, first.attempts, first.due) == (WAITING, 1, 5.0)
    house.queue().again(first)
    assert house.queue().depth == 2
    assert [each.number for each in house.queue().oldest(9)] == [2, 3]
    assert [house.taken().number for _ in range(3)] == [1, 2, 3]


def test_the_bell_is_rung_for_work() -> None:
    """A new delivery, and a due retry, ring the agent's bell if there is one."""
    house = House()
    rings: list[int] = []
    house.subscriber.bell = lambda: rings.append(1)
    house.publish()
    assert len(rings) == 1
    first = house.taken()
    house.queue().again(first)
    assert len(rings) == 2
    house.subscriber.bell = None
    house.publish()
    assert len(rings) == 2


def test_settled_deliveries_do_not_pile_up() -> None:
    """What ends without being taken is forgotten by its queue."""
    house = House()
    house.publish(count=9)
    house.state.apply(Swept(1, tuple(range(1, 10)), int(Disposition.CANCELLED), 0.0))
    assert len(house.queue().pending) == house.queue().depth == 1
    assert house.taken().number == 10


def test_what_was_swept_in_the_middle_is_skipped() -> None:
    """A delivery that ended in its queue is not taken."""
    house = House()
    house.publish(count=3)
    house.state.apply(Swept(1, (2, 3), int(Disposition.CANCELLED), 0.0))
    assert [house.taken().number, house.taken().number] == [1, 4]
    assert house.subscriber.take() is None


def test_a_key_is_held_through_everything_but_the_end() -> None:
    """The holder keeps its key while it fails and waits; its heir goes first when it ends."""
    house = House()
    house.publish(count=3)
    queue = house.queue()
    holder, second, other = house.taken(), house.taken(), house.taken()
    assert queue.hold(holder, "k")
    assert not queue.hold(second, "k")
    assert queue.hold(other, "another")
    assert (second.stage, queue.depth) == (PENDING, 2)
    house.state.apply(AttemptFailed(1, holder.number, 1, 0.0, 0.0, FAILURE, 0.0))
    queue.again(holder)
    assert house.taken() is holder
    assert queue.hold(holder, "k")
    house.settle(holder)
    assert (second.stage, queue.depth) == (WAITING, 1)
    assert house.taken() is second
    assert queue.hold(second, "k")


def test_an_heir_that_has_ended_is_passed_over() -> None:
    """A key goes to the first in line that is still there, or is free."""
    house = House()
    house.publish(count=3)
    queue = house.queue()
    holder, second, third = house.taken(), house.taken(), house.taken()
    assert queue.hold(holder, "k")
    assert not queue.hold(second, "k")
    assert not queue.hold(third, "k")
    house.state.apply(Swept(1, (second.number,), int(Disposition.DROPPED), 0.0))
    house.settle(holder)
    assert house.taken() is third
    house.settle(third)
    assert queue.keys is not None
    assert not queue.keys.lines
    assert not queue.keys.locks


def test_an_ended_run_holds_no_queues() -> None:
    """What was only there for the work goes with the end of the run."""
    house = House()
    house.settle(house.taken())
    house.state.apply(RunEnded(1, "completed", "", 1.0))
    assert house.run().queues == {}
    assert house.subscriber.take() is None


KEYS = "xyz"


class Keyed(RuleBasedStateMachine):
    """One queue with keys, against one deque for each key."""

    def __init__(self) -> None:
        super().__init__()
        self.house = House()
        self.key = {1: "x"}
        self.waiting: dict[str, deque[int]] = {key: deque() for key in KEYS}
        self.waiting["x"].append(1)
        self.in_hand: dict[str, Delivery] = {}
        self.idle: list[Delivery] = []

    @rule(key=st.sampled_from(KEYS))
    def publish(self, key: str) -> None:
        self.house.publish()
        number = self.house.run().next
        self.key[number] = key
        self.waiting[key].append(number)

    @rule()
    def take(self) -> None:
        """Whoever is taken holds its key, or stands in line; nobody is forgotten."""
        delivery = self.house.subscriber.take()
        if delivery is None:
            return
        key = self.key[delivery.number]
        if self.house.queue().hold(delivery, key):
            assert key not in self.in_hand
            assert delivery.number == self.waiting[key].popleft()
            self.in_hand[key] = delivery

    @precondition(lambda self: self.in_hand)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        self.house.settle(self.in_hand.pop(data.draw(st.sampled_from(sorted(self.in_hand)))))

    @precondition(lambda self: self.in_hand)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.in_hand)))
        delivery = self.in_hand.pop(key)
        self.house.state.apply(AttemptFailed(1, delivery.number, 1, 0.0, 0.0, FAILURE, 0.0))
        self.waiting[key].appendleft(delivery.number)
        self.house.queue().again(delivery)

    @precondition(lambda self: self.house.queue().depth)
    @rule(count=st.integers(1, 3))
    def drop(self, count: int) -> None:
        """The oldest pending go, whether in the queue or in line."""
        doomed = self.house.queue().oldest(count)
        everything = sorted(
            each.number for each in self.house.run().deliveries.values() if each.stage == PENDING
        )
        assert [each.number for each in doomed] == everything[:count]
        self.house.state.apply(
            Swept(1, tuple(each.number for each in doomed), int(Disposition.DROPPED), 0.0)
        )
        for each in doomed:
            self.waiting[self.key[each.number]].remove(each.number)

    @invariant()
    def depth_is_what_is_pending(self) -> None:
        stages = [each.stage for each in self.house.run().deliveries.values()]
        assert self.house.queue().depth == stages.count(PENDING)
        assert SETTLED not in stages

    def teardown(self) -> None:
        """Taken to the end, every delivery has its turn, in the order of its key."""
        for _ in range(3 * len(self.key) + 3):
            self.take()
            for key in list(self.in_hand):
                self.house.settle(self.in_hand.pop(key))
        assert not any(self.waiting.values())
        assert not self.house.run().deliveries


TestKeyed = Keyed.TestCase


@pytest.mark.parametrize("count", [0, 1, 5])
def test_the_oldest_are_those_published_first(count: int) -> None:
    """`oldest` names pending deliveries only, first published first."""
    house = House()
    house.publish(count=4)
    house.taken()
    assert [each.number for each in house.queue().oldest(count)] == list(range(2, 6))[:count]
