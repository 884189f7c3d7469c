"""Conservation: what was published is accounted for, whatever happens to it."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dagger.state.queues import PENDING
from dagger.state.run import Keep, Run
from dagger.state.state import State
from dagger.views.conservation import check
from dagger.views.report import make_report
from dagger.words.effects import Publication
from dagger.words.errors import ConservationError
from dagger.words.outcomes import DEAD_LETTER, Disposition, RunStatus
from dagger.words.records import (
    AgentAdded,
    AgentRemoved,
    AttemptFailed,
    Failure,
    Published,
    Record,
    RunEnded,
    RunOpened,
    Settled,
    Swept,
)

AGENTS = "abc"
CHANNELS = "wxyz"
FAILURE = Failure("ValueError", "no")
BY_ITSELF = [each for each in Disposition if each is not Disposition.DROPPED]
UNHANDLED = [Disposition.EXPIRED, Disposition.CANCELLED, Disposition.DISCARDED]

publications = st.lists(
    st.sampled_from([Publication(channel, b"\x01") for channel in CHANNELS]), max_size=3
)
chances = st.floats(0, 1, exclude_max=True)


class Runs(RuleBasedStateMachine):
    """Any valid sequence of records, and how every delivery must have ended."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State(Keep(outputs=3, dead_letters=2, nodes=10_000))
        self.ends: Counter[tuple[str, str]] = Counter()
        self.again = 0
        for name in AGENTS:
            self.apply(AgentAdded(name, ("w", name, "x"), name == "a", 0.0))
        self.apply(RunOpened(1, "r", {}, Publication("w", b"\x01"), 0.0))
        self.run_ = self.state.runs[1]

    def apply(self, record: Record) -> None:
        self.state.apply(record)

    def choose(self, chance: float) -> int:
        """The number of an open delivery."""
        numbers = list(self.run_.deliveries)
        return numbers[int(chance * len(numbers))]

    def note(self, numbers: tuple[int, ...], disposition: Disposition) -> None:
        for number in numbers:
            agent = self.run_.deliveries[number].queue.subscriber.name
            self.ends[agent, disposition.name.lower()] += 1

    def some(self, count: int, but: int = 0) -> tuple[int, ...]:
        """The oldest open deliveries."""
        return tuple(number for number in self.run_.deliveries if number != but)[:count]

    @rule(publication=publications.filter(bool), drops=st.integers(0, 2))
    def publish(self, publication: list[Publication], drops: int) -> None:
        dropped = self.some(drops)
        self.note(dropped, Disposition.DROPPED)
        self.apply(Published(1, publication[0], dropped, bool(dropped), 1.0))

    @precondition(lambda self: self.run_.deliveries)
    @rule(
        chance=chances, end=st.sampled_from(BY_ITSELF), sent=publications, drops=st.integers(0, 2)
    )
    def settle(self, chance: float, end: Disposition, sent: list[Publication], drops: int) -> None:
        number = self.choose(chance)
        dropped = self.some(drops, but=number)
        self.note((number,), end)
        self.note(dropped, Disposition.DROPPED)
        failure = FAILURE if end in DEAD_LETTER else None
        attempt = self.run_.deliveries[number].attempts + 1
        effects = () if failure else tuple(sent)
        self.apply(Settled(1, number, end, attempt, 1.0, 2.0, failure, effects, dropped, False))

    @precondition(lambda self: self.run_.deliveries)
    @rule(chance=chances)
    def fail(self, chance: float) -> None:
        number = self.choose(chance)
        attempt = self.run_.deliveries[number].attempts + 1
        self.again += 1
        self.apply(AttemptFailed(1, number, attempt, 1.0, 2.0, FAILURE, 3.0))

    @rule(name=st.sampled_from(AGENTS))
    def take(self, name: str) -> None:
        if name in self.state.subscribers:
            self.state.subscribers[name].take()

    @rule(count=st.integers(0, 3), end=st.sampled_from(UNHANDLED))
    def sweep(self, count: int, end: Disposition) -> None:
        numbers = self.some(count)
        self.note(numbers, end)
        self.apply(Swept(1, numbers, end, 2.0))

    @rule(name=st.sampled_from(AGENTS), heard=st.sets(st.sampled_from(CHANNELS)))
    def add(self, name: str, heard: set[str]) -> None:
        self.apply(AgentAdded(name, tuple(sorted(heard)), False, 1.0))

    @rule(name=st.sampled_from(AGENTS))
    def remove(self, name: str) -> None:
        if name in self.state.subscribers:
            self.apply(AgentRemoved(name, 1.0))

    @invariant()
    def every_delivery_is_accounted_for(self) -> None:
        report = make_report(self.run_, 9.0)
        assert report.conserved
        found = {
            (agent, end): count
            for agent, counts in report.agents.items()
            for end, count in counts.dispositions.items()
        }
        assert found == dict(self.ends)
        assert report.handled == self.ends.total() == sum(report.dispositions.values())
        assert report.retries == self.again
        for agent in report.agents.values():
            assert agent.delivered == sum(agent.dispositions.values()) + agent.open
        for channel in report.channels.values():
            assert channel.delivered == sum(channel.dispositions.values()) + channel.open
        assert report.open == sum(agent.open for agent in report.agents.values())
        assert report.open == sum(channel.open for channel in report.channels.values())
        assert report.messages == sum(channel.messages for channel in report.channels.values())
        assert len(report.tree) == report.handled + report.open

    @invariant()
    def every_queue_knows_its_depth(self) -> None:
        pending = Counter(
            each.queue for each in self.run_.deliveries.values() if each.stage == PENDING
        )
        for queue in (*self.run_.queues.values(), *pending):
            assert queue.depth == pending[queue]

    def teardown(self) -> None:
        numbers = tuple(self.run_.deliveries)
        self.note(numbers, Disposition.CANCELLED)
        self.apply(Swept(1, numbers, Disposition.CANCELLED, 3.0))
        self.apply(RunEnded(1, RunStatus.CANCELLED, "", 3.0))
        self.every_delivery_is_accounted_for()
        assert make_report(self.run_, 9.0).open == 0


TestAnyRun = Runs.TestCase


def three() -> Run:
    """A run of three deliveries: one ok, one dropped, one open; and one output."""
    state = State()
    for name in "abc":
        state.apply(AgentAdded(name, ("in",), False, 0.0))
    state.apply(RunOpened(1, "census", {}, Publication("in", b"\x01"), 0.0))
    out = (Publication("out", b"\x01"),)
    state.apply(Settled(1, 1, Disposition.OK, 1, 0.0, 1.0, None, out, (3,), True))
    return state.runs[1]


def damage(run: Run, change: str) -> None:
    """Change one count behind the back of the records."""
    match change:
        case "delivered":
            run.tallies["b", "in"][0] += 1
        case "ended":
            run.tallies["a", "in"][1 + Disposition.OK] += 1
        case "lost":
            del run.deliveries[2]
        case "pair":
            lane = run.lanes["in"]
            lane.routes = tuple(each for each in lane.routes if each.subscriber.name != "b")
        case "published":
            run.lanes["in"].messages = 0
        case "output":
            run.lanes["out"].outputs = 0
        case "next" | "dropped":
            setattr(run, change, getattr(run, change) + 1)


@pytest.mark.parametrize(
    ("change", "where", "numbers"),
    [
        ("delivered", "agent 'b' on channel 'in'", "2 delivered, but 0 ended and 1 open"),
        ("ended", "agent 'a' on channel 'in'", "1 delivered, but 2 ended and 0 open"),
        ("lost", "agent 'b' on channel 'in'", "1 delivered, but 0 ended and 0 open"),
        ("pair", "agent 'b' on channel 'in'", "0 delivered, but 1 open"),
        ("published", "agent 'a' on channel 'in'", "1 delivered, but 0 published"),
        ("output", "channel 'out'", "1 published, but 0 outputs and 0 delivered"),
        ("next", "what has ended", "2 ended by agent and channel, but 3 in all"),
        ("dropped", "what was dropped", "1 dropped by agent and channel, but 2 in all"),
    ],
)
def test_counts_that_differ_are_an_error_that_names_them(
    change: str, where: str, numbers: str
) -> None:
    """A run whose counts do not add up has no report, but an error with place and numbers."""
    run = three()
    check(run)
    damage(run, change)
    with pytest.raises(ConservationError) as caught:
        make_report(run, 1.0)
    error = caught.value
    assert (error.run_id, error.where, error.problem) == ("census", where, numbers)
    assert "a bug in Dagger" in str(error)
