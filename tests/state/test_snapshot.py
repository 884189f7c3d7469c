"""Snapshots: what is loaded is what folding the journal again would give, and goes on so."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import anyio
import msgpack
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from dagger import Config, Executor, Immediate, MemoryStore
from dagger.state.codes import recoded
from dagger.state.loading import load_run, load_world
from dagger.state.parts import FORMAT, PIECE_BYTES, PIECE_ROWS, ROWS
from dagger.state.queues import HELD, PENDING, SETTLED, WAITING, Delivery
from dagger.state.run import DeadLetter, Keep, Run
from dagger.state.snapshot import RunCopy, WorldCopy, copy_run, copy_world
from dagger.state.state import State
from dagger.state.streams import Stream
from dagger.words.effects import (
    BUDGET,
    FROM_OUTSIDE,
    REPLY_TO,
    CacheWrite,
    Effect,
    Publication,
    RepeatOf,
    Reply,
    TaskWrite,
)
from dagger.words.joins import Join
from dagger.words.outcomes import DEAD_LETTER, Disposition, RunStatus, TaskStatus
from dagger.words.packing import pack, unpack
from dagger.words.payload import encode
from dagger.words.records import (
    ABANDONED,
    AgentAdded,
    AgentRemoved,
    Asked,
    AttemptFailed,
    BatchDue,
    ChannelOpened,
    ChannelShut,
    CommandTaken,
    Condensed,
    Failure,
    Kept,
    KeyClaimed,
    KeysForgotten,
    LetterDiscarded,
    Published,
    Quieted,
    Record,
    Redriven,
    Requested,
    Restarted,
    Retracted,
    RunCancelling,
    RunEnded,
    RunOpened,
    RunPaused,
    RunResumed,
    RunsForgotten,
    Settled,
    Spent,
    Streamed,
    Swept,
    TokenTaken,
    WaitOver,
    Waits,
    Wrote,
    run_of,
)
from dagger.words.replies import overdue
from dagger.words.streams import as_item
from dagger.words.versions import WrittenByNewer
from tests.state.meaning import audit, differences, meaning
from tests.state.test_state import everything
from tests.waiting import turns

KEEP = Keep(outputs=2, dead_letters=1, nodes=4, budgets=1)
MESSAGE = Publication("c", b"\x01")


class Snapshot(NamedTuple):
    """Copies of a state, not yet encoded: some of its runs may have been copied before."""

    position: int
    world: WorldCopy
    runs: dict[int, RunCopy]


def snapshot(state: State) -> Snapshot:
    """All of a state as it is now."""
    runs = {number: copy_run(run) for number, run in state.runs.items()}
    return Snapshot(state.position, copy_world(state), runs)


def loaded(taken: Snapshot, keep: Keep | None = None, *, backwards: bool = False) -> State:
    """A fresh state, made of a snapshot."""
    state = State(keep)
    load_world(state, b"".join(taken.world.pieces()))
    for number in sorted(taken.runs, reverse=backwards):
        load_run(state, b"".join(taken.runs[number].pieces()))
    state.position = taken.position
    return state


def folded(records: list[Record], keep: Keep | None = None) -> State:
    """The state that some records amount to."""
    state = State(keep)
    for record in records:
        state.apply(record)
    return state


def queued(run: Run) -> dict[str, tuple[int, list[tuple[int, int]]]]:
    """What stands in the queues of a run, in order, and what they count."""
    found = {
        name: (queue.depth, [(each.number, each.stage) for each in queue.pending])
        for name, queue in run.queues.items()
    }
    lines = {
        name: (depth, [each for each in line if each[1] != SETTLED])
        for name, (depth, line) in found.items()
    }
    for name in JOINS.keys() & lines.keys():  # what was put together again may have moved back
        lines[name][1].sort()
    return {name: found for name, found in lines.items() if found[1]}


def in_turn(state: State) -> dict[tuple[str, int], list[int]]:
    """What each agent would take of each run, in order; it is taken then."""
    taken: dict[tuple[str, int], list[int]] = {}
    for name, subscriber in state.subscribers.items():
        while (delivery := subscriber.take()) is not None:
            taken.setdefault((name, delivery.queue.run.number), []).append(delivery.number)
        for key in taken.keys() & {(name, number) for number in state.runs if name in JOINS}:
            taken[key].sort()
    return taken


def same(taken: Snapshot, records: list[Record], keep: Keep | None = None) -> None:
    """Fail unless a snapshot is the first records, and with the others is all of them."""
    before = folded(records[: taken.position], keep)
    again = loaded(taken, keep)
    assert not (found := list(differences(meaning(again), meaning(before)))), found
    for number, run in before.runs.items():
        assert queued(again.runs[number]) == queued(run)
    assert in_turn(again) == in_turn(before)

    again = loaded(taken, keep, backwards=True)
    for record in records[taken.position :]:
        again.apply(record)
    whole = folded(records, keep)
    assert not (found := list(differences(meaning(again), meaning(whole)))), found
    audit(again)
    assert in_turn(again) == in_turn(whole)


# -- any records ---------------------------------------------------------------------------

CHANNELS = st.sampled_from("cde")
TASKS = ["t1", "t2", "t3", "t4"]
NAMES = st.sampled_from(["one", "two", "three"])
WHICH = st.integers(0, 20)
"""Which of those that are there: counted round."""
TIMES = st.integers(1, 9).map(float)
SMALL = st.integers(-3, 3).map(encode)
ENDS = st.sampled_from(
    [0, 0, *(int(each) for each in Disposition if each is not Disposition.DROPPED)]
)
FAILURES = st.builds(
    Failure,
    type=st.sampled_from(["ValueError", ABANDONED]),
    message=st.sampled_from(["no", "not again"]),
    causes=st.sampled_from([(), ("KeyError: 'a'", "OSError: gone")]),
    trace=st.sampled_from(["", "half a pair: \ud800"]),
)
PUBLICATIONS = st.builds(
    Publication,
    channel=CHANNELS,
    payload=SMALL,
    checked=st.integers(0, 2),
    key=st.sampled_from([None, "k"]),
    task_id=st.sampled_from([None, "t1"]),
    headers=st.sampled_from([(), (("a", "b"), ("c", "")), ((BUDGET, "tokens=9 seconds=2.5"),)]),
    source=st.sampled_from(["", "shell"]),
    id=st.sampled_from(["", "given"]),
    version=st.integers(0, 2),
    timing=st.sampled_from([None, None, None, (5.0, 0.0), (0.0, 9.0), (5.0, 9.0)]),
)
CACHE_WRITES = st.builds(
    CacheWrite,
    op=st.sampled_from(["set", "append", "append", "increment", "delete"]),
    namespace=st.sampled_from("nm"),
    key=st.sampled_from("kl"),
    value=SMALL,
    shared=st.booleans(),
)
TASK_WRITES = st.builds(
    TaskWrite,
    op=st.sampled_from(["put", "put", "claim", "claim", "status", "fail"]),
    task_id=st.sampled_from(TASKS),
    status=st.sampled_from([each.value for each in TaskStatus]),
    task_type=st.sampled_from(["search", "read"]),
    data=SMALL,
    max_attempts=st.integers(0, 3),
    parent=st.sampled_from([None, "t1"]),
    agent=NAMES,
    holder=st.integers(0, 4),
    at=TIMES,
)
EFFECTS: st.SearchStrategy[tuple[Effect, ...]] = st.lists(
    PUBLICATIONS | PUBLICATIONS | CACHE_WRITES | TASK_WRITES, max_size=3
).map(tuple)
REPLIES = st.sampled_from(
    [(), (Reply(encode([1, "good"])),), (Reply(encode([0, "bad"])),), (RepeatOf("one:run-1.1"),)]
)


JOINS = {
    "all": Join("all", ("c", "d")),
    "scoped": Join("all", ("c", "d"), scope="d"),
    "gather": Join("gather", ("d",), scope="c"),
    "whole": Join("gather", ("d",)),
    "first": Join("first", ("c", "d"), scope="c"),
    "batch": Join("batch", ("c",), size=3, within=5.0),
    "keyed": Join("all", ("c", "d"), by_key=True),
}


class Folding(RuleBasedStateMachine):
    """A state that is lived in and copied now and then, against its records."""

    def __init__(self) -> None:
        super().__init__()
        self.live = State(KEEP)
        self.records: list[Record] = []
        self.taken: list[Snapshot] = []
        self.touched: set[int] = set()
        self.count = 0

    def apply(self, record: Record) -> None:
        """One more, as it would come from the disk."""
        record = unpack(pack(record))
        self.live.apply(record)
        self.records.append(record)
        self.touched.add(run_of(record))

    def run(self, which: int) -> Run:
        """One of the open runs."""
        found = [run for run in self.live.runs.values() if run.ended_at is None]
        return found[which % len(found)]

    def delivery(self, which: int) -> tuple[int, Delivery]:
        """One of the unsettled deliveries, and the number of its run."""
        found = [(n, each) for n, run in self.live.runs.items() for each in run.deliveries.values()]
        return found[which % len(found)]

    def handled(self, which: int) -> tuple[int, Delivery] | None:
        """One that may be tried: it is held for nobody; None if there is none."""
        found = [
            (n, each)
            for n, run in self.live.runs.items()
            for each in run.deliveries.values()
            if each.stage != HELD
        ]
        return found[which % len(found)] if found else None

    def drops(self, run: int, count: int, but: int = 0) -> tuple[int, ...]:
        """Some pending deliveries that something pushes out."""
        found = [each for each in self.live.runs[run].deliveries.values() if each.number != but]
        return tuple(each.number for each in found[:count] if each.stage == PENDING)

    def is_open(self) -> bool:
        return self.live.open_runs > 0

    def is_pending(self) -> bool:
        return any(run.deliveries for run in self.live.runs.values())

    @initialize()
    def begin(self) -> None:
        """Three agents, and a run in which there is something to do."""
        for number, name in enumerate(["one", "two", "three"]):
            self.apply(AgentAdded(name, ("c", "d")[: number + 1], number == 2, 0.0))
        for name, join in JOINS.items():
            self.apply(AgentAdded(name, join.channels, False, 0.0, "", join, ("c", "d")))
        self.apply(RunOpened(1, "run-1", {"timeout": 1.5}, MESSAGE, 0.0))
        self.apply(Published(1, MESSAGE, (), False, 0.0))
        self.apply(Wrote(1, tuple(TaskWrite("put", each, task_type="search") for each in TASKS)))

    # -- agents, channels and runs

    @rule(
        what=st.sampled_from(["agent", "agent", "gone", "channel", "shut", "command"]),
        name=NAMES,
        channels=st.sets(CHANNELS, min_size=1),
        hears_itself=st.booleans(),
        code=st.sampled_from(["", "0a" * 6, "0b" * 6]),
    )
    def world(
        self, what: str, name: str, channels: set[str], hears_itself: bool, code: str
    ) -> None:
        first, *_ = heard = sorted(channels)
        match what:
            case "agent":
                self.apply(AgentAdded(name, tuple(heard), hears_itself, 1.0, code))
            case "gone":
                self.apply(AgentRemoved(name, 1.0))
            case "shut" if first in self.live.channels:
                self.apply(ChannelShut(first, 2.0))
            case "command":
                self.apply(CommandTaken(self.live.commands + 1))
            case _:
                self.apply(ChannelOpened(first, 2.0))

    @precondition(lambda self: self.live.open_runs < 3)
    @rule(
        first=PUBLICATIONS,
        limits=st.sampled_from([{}, {"timeout": 1.5, "max_messages": 9}]),
        asking=st.booleans(),
    )
    def run_opened(self, first: Publication, limits: dict[str, Any], asking: bool) -> None:
        number = self.live.next_run + 1
        if asking:
            first = first._replace(headers=(*first.headers, FROM_OUTSIDE))
        self.apply(RunOpened(number, f"run-{number}", limits, first, 3.0))

    @precondition(is_open)
    @rule(which=WHICH, what=st.sampled_from(["pause", "resume", "cancel"]), at=TIMES)
    def stays(self, which: int, what: str, at: float) -> None:
        number = self.run(which).number
        match what:
            case "pause":
                self.apply(RunPaused(number, "lunch", at))
            case "resume":
                self.apply(RunResumed(number, at))
            case _:
                self.apply(RunCancelling(number, RunStatus.TIMED_OUT.value, "slow", at))

    @precondition(is_open)
    @rule(which=WHICH, disposition=ENDS, some=st.integers(0, 9))
    def swept(self, which: int, disposition: int, some: int) -> None:
        run, end = self.run(which), some == 9
        numbers = tuple(run.deliveries) if end else tuple(run.deliveries)[:some]
        self.apply(Swept(run.number, numbers, disposition, 5.0))
        if end:
            self.apply(RunEnded(run.number, RunStatus.CANCELLED.value, "over", 6.0))

    @precondition(lambda self: self.live.open_runs < len(self.live.runs))
    @rule(which=WHICH)
    def forgotten(self, which: int) -> None:
        ended = [run.number for run in self.live.runs.values() if run.ended_at is not None]
        self.apply(RunsForgotten((ended[which % len(ended)],)))

    # -- messages

    @precondition(is_open)
    @rule(which=WHICH, message=PUBLICATIONS, some=st.integers(0, 2), blame=st.booleans())
    def published(self, which: int, message: Publication, some: int, blame: bool) -> None:
        run = self.run(which).number
        self.apply(Published(run, message, self.drops(run, some), blame, 7.0))

    @precondition(is_pending)
    @rule(which=WHICH, effects=EFFECTS, reply=REPLIES, at=TIMES)
    def done(
        self, which: int, effects: tuple[Effect, ...], reply: tuple[Effect, ...], at: float
    ) -> None:
        self.settled(which, 0, None, effects, reply, 0, at)

    @precondition(is_pending)
    @rule(
        which=WHICH,
        end=ENDS,
        failure=st.none() | FAILURES,
        effects=EFFECTS,
        reply=REPLIES,
        some=st.integers(0, 2),
        at=TIMES,
        blame=st.booleans(),
    )
    def settled(
        self,
        which: int,
        end: int,
        failure: Failure | None,
        effects: tuple[Effect, ...],
        reply: tuple[Effect, ...],
        some: int,
        at: float,
        blame: bool = False,
    ) -> None:
        found = self.handled(which)
        if found is None:
            return
        run, delivery = found
        dropped = self.drops(run, some, but=delivery.number)
        attempt = delivery.attempts + 1
        effects = (*effects, *reply)
        self.apply(
            Settled(run, delivery.number, end, attempt, at, 8.5, failure, effects, dropped, blame)
        )

    @precondition(is_pending)
    @rule(which=WHICH, failure=FAILURES, due=TIMES)
    def attempt_failed(self, which: int, failure: Failure, due: float) -> None:
        found = self.handled(which)
        if found is None:
            return
        run, delivery = found
        keys = delivery.queue.keys
        if keys is not None and any(delivery in line for line in keys.lines.values()):
            return  # nobody tries it: it is behind another of its key
        attempt = delivery.attempts + 1
        self.apply(AttemptFailed(run, delivery.number, attempt, 1.0, 2.0, failure, due))

    @precondition(is_pending)
    @rule(which=WHICH, key=st.sampled_from("xy"), value=SMALL, failed=st.booleans())
    def kept(self, which: int, key: str, value: bytes, failed: bool) -> None:
        run, delivery = self.delivery(which)
        self.apply(Kept(run, delivery.number, "step", key, value, 1.0, "1f", failed))

    @precondition(is_open)
    @rule(which=WHICH)
    def overdue(self, which: int) -> None:
        self.apply(Kept(self.run(which).number, 0, "request", "", overdue(1.0), 1.0, failed=True))

    @precondition(is_pending)
    @rule(which=WHICH, name=st.sampled_from("xy"), answer=st.booleans())
    def asked(self, which: int, name: str, answer: bool) -> None:
        run, delivery = self.delivery(which)
        if answer:
            by = "autopilot" if which % 2 else ""
            self.apply(Kept(run, delivery.number, "ask", name, b"\x07", 1.0, by=by))
        else:
            asked = Asked(run, delivery.number, name, b"\x08", 1.0, b"\xc3", "boss", 2.0, b"\x01")
            self.apply(asked)

    @precondition(is_pending)
    @rule(which=WHICH, message=PUBLICATIONS)
    def requested(self, which: int, message: Publication) -> None:
        run, delivery = self.delivery(which)
        self.count += 1
        header = REPLY_TO, f"{delivery.number}/{self.count}"
        message = message._replace(headers=(*message.headers, header))
        key = str(self.count)
        self.apply(
            Requested(run, delivery.number, key, message, 1_000 + self.count, (), False, 9.0)
        )

    @precondition(is_pending)
    @rule(which=WHICH, key=st.sampled_from(["", "2:"]), left=st.booleans(), value=SMALL)
    def condensed(self, which: int, key: str, left: bool, value: bytes) -> None:
        run, delivery = self.delivery(which)
        names = [place[1] for place in delivery.kept or () if place[0] == "requested"]
        asked = delivery.asked
        kept = tuple(names[: len(names) * left])
        self.apply(Condensed(run, delivery.number, key, value, kept, 9.0))
        assert delivery.asked == asked

    @precondition(is_pending)
    @rule(which=WHICH, key=st.sampled_from("xyz"))
    def key_claimed(self, which: int, key: str) -> None:
        found = self.handled(which)
        if found is None:
            return
        run, delivery = found
        keyed, place = delivery.queue.run.keyed, (delivery.queue.subscriber.name, key)
        known = keyed is not None and delivery.number in keyed.claims
        if not known and place not in self.live.repeats.flights:
            self.apply(KeyClaimed(run, delivery.number, key, 4.0))

    @precondition(lambda self: self.live.repeats.done)
    @rule(which=WHICH)
    def keys_forgotten(self, which: int) -> None:
        known = list(self.live.repeats.done)
        self.apply(KeysForgotten(tuple(known[: 1 + which % len(known)]), 9.0))

    @precondition(is_pending)
    @rule(which=WHICH, message=PUBLICATIONS, back=st.integers(0, 2), some=st.integers(0, 2))
    def streamed(self, which: int, message: Publication, back: int, some: int) -> None:
        run, delivery = self.delivery(which)
        stream = delivery.stream or Stream()
        attempt, item = delivery.attempts + 1, max(0, stream.length - back)
        anew = item < stream.length
        message = as_item(message, attempt, item, anew)
        fields = (attempt, item, bytes([which]) * 8, message, stream.next, anew)
        dropped = self.drops(run, some, but=delivery.number)
        self.apply(Streamed(run, delivery.number, *fields, dropped, False, 9.0))

    @precondition(is_pending)
    @rule(which=WHICH, length=st.integers(0, 2))
    def retracted(self, which: int, length: int) -> None:
        run, delivery = self.delivery(which)
        self.apply(Retracted(run, delivery.number, length, 9.0))

    @rule(key=st.sampled_from("xyz"), at=st.integers(1, 9), seconds=st.integers(-3, 9))
    def token_taken(self, key: str, at: int, seconds: int) -> None:
        self.apply(TokenTaken("limit", key, float(at + seconds), float(at)))

    @precondition(is_pending)
    @rule(which=WHICH, what=st.sampled_from(["gpu", "cpu"]), since=st.integers(1, 9))
    def waits(self, which: int, what: str, since: int) -> None:
        run, delivery = self.delivery(which)
        self.apply(Waits(run, (delivery.number,), what, float(since), 10.0))

    @precondition(is_pending)
    @rule(which=WHICH)
    def wait_over(self, which: int) -> None:
        run, delivery = self.delivery(which)
        self.apply(WaitOver(run, delivery.number, 12.0))

    @precondition(is_pending)
    @rule(which=WHICH, tokens=st.integers(0, 9))
    def spent(self, which: int, tokens: int) -> None:
        run, delivery = self.delivery(which)
        self.apply(Spent(run, delivery.number, tokens, 7 * tokens))

    @precondition(lambda self: any(self.still(run) for run in self.live.runs.values()))
    @rule()
    def quieted(self) -> None:
        for run in list(self.live.runs.values()):
            if self.still(run):
                self.apply(Quieted(run.number, 11.0))

    @staticmethod
    def still(run: Run) -> bool:
        """Whether all that is left of a run is held."""
        return bool(run.deliveries) and not run.active and run.status is RunStatus.RUNNING

    @precondition(is_pending)
    @rule(which=WHICH)
    def batch_due(self, which: int) -> None:
        run, delivery = self.delivery(which)
        join = delivery.queue.subscriber.join
        held = delivery.bond is not None and not delivery.bond.lead
        if held and join is not None and join.within:
            self.apply(BatchDue(run, delivery.number, 12.0))

    @precondition(is_open)
    @rule(which=WHICH, effects=st.lists(CACHE_WRITES | TASK_WRITES | TASK_WRITES, max_size=4))
    def wrote(self, which: int, effects: list[Effect]) -> None:
        self.apply(Wrote(self.run(which).number if which else 0, tuple(effects)))

    @precondition(is_open)
    @rule(which=WHICH, some=st.integers(0, 2))
    def restarted(self, which: int, some: int) -> None:
        run = self.run(which)
        changed = recoded(self.live.subscribers, run.codes)
        self.apply(Restarted(run.number, tuple(run.deliveries)[:some], 9.0, changed))

    @precondition(lambda self: any(run.dead_letters for run in self.live.runs.values()))
    @rule()
    def letter_discarded(self) -> None:
        for run in self.live.runs.values():
            for letter in list(run.dead_letters or ()):
                self.apply(LetterDiscarded(run.number, letter.delivery))

    def dead(self) -> list[tuple[int, DeadLetter]]:
        """The dead letters of open runs that may be redriven, and the numbers of those.

        What was handled together with others is not: they are gone.
        """
        found = [(n, run) for n, run in self.live.runs.items() if run.ended_at is None]
        return [
            (n, letter)
            for n, run in found
            for letter in run.dead_letters or ()
            if letter.agent not in JOINS or letter.disposition == Disposition.REJECTED
        ]

    @precondition(is_pending)
    @rule(
        which=WHICH,
        end=st.sampled_from(sorted(DEAD_LETTER)),
        failure=FAILURES,
        blame=st.booleans(),
        again=st.booleans(),
        message=PUBLICATIONS,
    )
    def died(
        self,
        which: int,
        end: int,
        failure: Failure,
        blame: bool,
        again: bool,
        message: Publication,
    ) -> None:
        """A delivery ends for good, and then one that did is redriven after all."""
        self.settled(which, int(end), failure, (), (), 0, 4.0, blame)
        if again and self.dead():
            self.redriven(which, message)

    def redriven(self, which: int, message: Publication) -> None:
        run, letter = self.dead()[which % len(self.dead())]
        envelope = letter.envelope
        said = envelope.publication._replace(payload=message.payload, timing=None)
        self.apply(
            Redriven(
                run, letter.delivery, letter.agent, letter.disposition, said, *envelope[1:6],
                letter.kept, letter.blame, 9.0, envelope.scopes, letter.stream,
            )
        )  # fmt: skip

    # -- leases, which no record says

    @rule(name=NAMES, key=st.none() | st.sampled_from("pq"))
    def taken_in_hand(self, name: str, key: str | None) -> None:
        delivery = self.live.subscribers[name].take()
        if delivery is not None and key is not None:
            delivery.queue.hold(delivery, key)

    @rule(name=NAMES, which=WHICH)
    def stands_in_line(self, name: str, which: int) -> None:
        """What is taken waits for the first of its key, if there is one in flight."""
        places = [each for each in self.live.repeats.flights if each[0] == name]
        delivery = self.live.subscribers[name].take() if places else None
        if delivery is not None:
            keyed = delivery.queue.run.keyed
            if keyed is None or delivery.number not in keyed.claims:
                self.live.repeats.stand(delivery, places[which % len(places)])

    @precondition(is_pending)
    @rule(which=WHICH)
    def due_again(self, which: int) -> None:
        _, delivery = self.delivery(which)
        keyed = delivery.queue.run.keyed
        if keyed is not None and delivery.number in keyed.lined:
            return
        if delivery.stage == WAITING and delivery not in (delivery.queue.retries or ()):
            delivery.queue.again(delivery)

    # -- snapshots

    @rule()
    def copied(self) -> None:
        """Runs that nothing has happened to since the last time are not copied again."""
        former = self.taken[-1].runs if self.taken else {}
        runs = {
            number: former[number] if number in former and number not in self.touched
            else copy_run(run)
            for number, run in self.live.runs.items()
        }  # fmt: skip
        self.taken.append(Snapshot(len(self.records), copy_world(self.live), runs))
        self.touched.clear()

    def teardown(self) -> None:
        for taken in self.taken[-3:]:
            same(taken, self.records, KEEP)


TestFolding = Folding.TestCase


# -- journals of executors -----------------------------------------------------------------


@functools.cache
def journal(payloads: tuple[int, ...], retired: bool) -> list[Record]:
    """The records of some runs of everything, one of them cancelled."""
    store = MemoryStore()

    async def main() -> None:
        config = Config(retry_strategy=Immediate())
        async with Executor(everything(), store=store, config=config) as executor:
            started = [await executor.start("start", payload) for payload in payloads]
            await turns(12)
            if retired:
                executor.unregister("work")
                await started[0].cancel()
            for live in started:
                await live.result()

    anyio.run(main)
    return list(store.read())


@pytest.mark.parametrize("keep", [Keep(), KEEP], ids=["much", "little"])
@pytest.mark.parametrize("retired", [False, True], ids=["to the end", "cut short"])
def test_a_snapshot_anywhere_in_a_journal_is_the_journal(retired: bool, keep: Keep) -> None:
    """Loaded and followed by what came after, it is what all the records are."""
    records = journal((5, 8), retired)
    state = State(keep)
    taken = []
    for record in records:
        state.apply(record)
        taken.append(snapshot(state))
    for each in taken[:: 1 + len(taken) // 60]:
        same(each, records, keep)


# -- piece by piece ------------------------------------------------------------------------


def opened(*agents: AgentAdded) -> State:
    """A state with an open run, number 1, of one message on channel "c"."""
    state = State()
    for each in agents or (AgentAdded("a", ("c",), False, 0.0),):
        state.apply(each)
    state.apply(RunOpened(1, "r", {}, MESSAGE, 0.0))
    return state


def test_a_message_that_many_hear_is_stored_once() -> None:
    """What the deliveries of one message share, those that are loaded share too."""
    state = opened(*(AgentAdded(f"a{n}", ("c",), False, 0.0) for n in range(10)))
    payload = encode("x" * 10_000)
    state.apply(Published(1, Publication("c", payload), (), False, 1.0))
    assert sum(map(len, copy_run(state.runs[1]).pieces())) < 2 * len(payload)
    found = loaded(snapshot(state)).runs[1].deliveries
    assert len({id(each.envelope) for each in found.values()}) == 2


def test_tasks_keep_their_turn() -> None:
    """The longest pending one is claimed first, and the longest held one is next after those."""
    state = opened()
    writes = [TaskWrite("put", each, task_type="t") for each in "abcdef"]
    writes += [TaskWrite("claim", each, holder=1) for each in "cab"]
    writes += [TaskWrite("claim", "d"), TaskWrite("status", "d", "Pending")]
    state.apply(Wrote(1, tuple(writes)))
    tasks = loaded(snapshot(state)).runs[1].tasks
    assert [task.id for task in tasks.pending("t")] == ["e", "f", "d"]
    tasks.release(1, 1.0)
    assert [task.id for task in tasks.pending("t")] == ["e", "f", "d", "c", "a", "b"]
    assert [task.id for task in tasks.of_type("t")] == list("abcdef")


def test_a_list_goes_on_where_it_was() -> None:
    """Items that were appended come in their order, and the next goes behind them."""
    state = opened()
    writes = [CacheWrite("append", "n", "k", encode(number)) for number in range(3)]
    state.apply(Wrote(1, (CacheWrite("set", "n", "k", encode(["first"])), *writes)))
    again = loaded(snapshot(state))
    again.apply(Wrote(1, (CacheWrite("append", "n", "k", encode("last")),)))
    entry = again.runs[1].cache.entry("n", "k")
    assert entry is not None
    assert (entry.version, entry.value()) == (5, ["first", 0, 1, 2, "last"])


def test_a_retry_that_is_due_waits_and_is_not_counted() -> None:
    """It is in no queue, as after a journal: whoever recovers it waits until it is due."""
    state = opened()
    state.apply(Published(1, MESSAGE, (), False, 1.0))
    state.apply(AttemptFailed(1, 1, 2, 1.0, 2.0, Failure("E", "m"), 99.0))
    state.apply(Restarted(1, (1,), 3.0))
    run = loaded(snapshot(state)).runs[1]
    assert queued(run) == {"a": (1, [(2, PENDING)])}
    first = run.deliveries[1]
    assert (first.stage, first.attempts, first.due, first.deaths) == (WAITING, 2, 99.0, 1)


def test_a_run_can_be_loaded_with_a_later_world() -> None:
    """A run that nothing happened to is not copied again: what it needs stays in the world."""
    state = opened(AgentAdded("a", ("c",), True, 0.0))
    state.apply(Settled(1, 1, 0, 1, 1.0, 2.0, None, (MESSAGE, Publication("c", b"")), (), False))
    run = copy_run(state.runs[1])
    state.apply(AgentRemoved("a", 3.0))
    state.apply(AgentAdded("b", ("c",), False, 3.0))
    state.apply(RunOpened(2, "s", {}, MESSAGE, 4.0))
    state.apply(Settled(2, 1, 0, 1, 1.0, 2.0, None, (), (), False))
    again = loaded(Snapshot(state.position, copy_world(state), {1: run}))
    assert meaning(again.runs[1]) == meaning(state.runs[1])


def test_what_is_kept_is_up_to_who_loads() -> None:
    """Another `Keep` holds for the runs of a snapshot, as for those to come."""
    state = opened(AgentAdded("a", ("c",), True, 0.0))
    for number in range(1, 9):
        effects = (Publication("nobody", encode(number)), MESSAGE)
        why = Failure("E", str(number))
        state.apply(Settled(1, number, 5, 1, 1.0, 2.0, why, effects, (), False))
    run = loaded(snapshot(state), KEEP).runs[1]
    assert [each.payload for each in run.kept_outputs()] == [encode(7), encode(8)]
    assert [each.delivery for each in run.dead_letters or ()] == [8]
    assert run.letters == 8
    assert [node.delivery for node in run.tree.nodes()] == [5, 6, 7, 8]
    assert run.tree.forgotten == 4


def test_a_copy_is_written_in_small_pieces() -> None:
    """No piece has many rows or many bytes, unless one row alone has."""
    state = opened()
    for number in range(3_000):
        payload = bytes(1_000_000 if number == 2_000 else 300)
        state.apply(Published(1, Publication("c", payload), (), False, 1.0))
    pieces = list(copy_run(state.runs[1]).pieces())
    assert sum(len(each) > PIECE_BYTES for each in pieces) == 1
    for piece in pieces:
        rows = msgpack.Unpacker(max_buffer_size=0, strict_map_key=False)
        rows.feed(piece)
        assert len(list(rows)) <= PIECE_ROWS


def test_a_copy_can_be_written_twice() -> None:
    """The same bytes come out again, whatever has happened since."""
    state = opened()
    state.apply(Wrote(1, (TaskWrite("put", "t", task_type="t"),)))
    taken = snapshot(state)
    first = [*taken.world.pieces(), *taken.runs[1].pieces()]
    state.apply(Settled(1, 1, 0, 1, 1.0, 2.0, None, (MESSAGE,), (), False))
    assert [*taken.world.pieces(), *taken.runs[1].pieces()] == first


@pytest.mark.parametrize(
    ("blob", "problem"),
    [
        (b"", "unknown format None"),
        (msgpack.packb(FORMAT + 1), "unknown format 2"),
        (msgpack.packb(FORMAT) + msgpack.packb([len(ROWS), 1]), f"unknown row {len(ROWS)}"),
        (msgpack.packb(FORMAT) + msgpack.packb([-1]), "unknown row -1"),
    ],
)
def test_what_a_newer_version_wrote_is_refused(blob: bytes, problem: str) -> None:
    """An unknown format, and an unknown kind of row, are told as such."""
    with pytest.raises(WrittenByNewer, match=problem):
        load_world(State(), blob)
    with pytest.raises(WrittenByNewer, match=problem):
        load_run(State(), blob)
