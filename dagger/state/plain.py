"""Plain runs: what is read of a run, as long as nothing has happened in it but messages.

Most runs in a journal are plain, and most of those have ended or are forgotten by its end.
While it is read they need no queues, no deliveries that can be tried again or held, and of a
pending message nothing but where it came from and who hears it. So they are kept as that.
A record of any other kind, or one that says anything else, makes a run whole first: a
`Run`, which the folds of `State.apply` go on with. What is left at the end is made whole too.

Whether a run was ever plain cannot be told from the state: see `tests/state/test_plain.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dagger.state.lives import STATUS, runs_forgotten
from dagger.state.messages import settled
from dagger.state.queues import ARRIVED, Channel, Delivery, Envelope, Lane, Subscriber, new_tally
from dagger.state.run import Output, Run
from dagger.state.tree import Tree
from dagger.words.effects import Publication, make
from dagger.words.records import (
    WIRING,
    Emitted,
    Logged,
    Published,
    Record,
    RunEnded,
    RunOpened,
    RunsForgotten,
    Settled,
    run_of,
)

if TYPE_CHECKING:
    from dagger.state.state import State

_Hearer = tuple[Subscriber, list[int]]
"""An agent, and the counts of what it hears on a channel of a run."""

_Pending = tuple[
    Publication, int, int, str, tuple[int, int] | str | None, float, Subscriber, list[int]
]
"""What the envelope of a message has in it, but for scopes, and one who hears it."""


class _PlainLane:
    """One channel of a plain run."""

    __slots__ = ("hearers", "messages", "outputs")

    def __init__(self, hearers: tuple[_Hearer, ...]) -> None:
        self.hearers = hearers
        self.messages = 0
        self.outputs = 0


class PlainRun:
    """A run, as far as it has been read."""

    __slots__ = (
        *("brought", "bytes", "codes", "ended", "lanes", "next", "opened", "outputs", "outside"),
        *("pending", "tree"),
    )

    def __init__(self, opened: RunOpened, codes: bytes) -> None:
        self.opened = opened
        self.codes = codes
        self.ended: RunEnded | None = None
        self.lanes: dict[str, _PlainLane] = {}
        self.pending: dict[int, _Pending] = {}  # by the number of the delivery, oldest first
        self.next = self.outside = self.brought = self.bytes = 0
        self.outputs: deque[Output] | None = None
        self.tree: Tree | None = None

    def whole(self, state: State) -> Run:
        """What the folds would have made of it."""
        number, id, limits, first, at = self.opened
        run = Run(number, id, first, limits, at, state.keep, state.names)
        run.codes, run.tree_fold = self.codes, self.tree
        run.next, run.outside = self.next, self.outside
        run.brought, run.bytes = self.brought, self.bytes
        if self.outputs is not None:
            run.outputs = list(self.outputs)
        if self.ended is not None:
            run.status, run.reason = STATUS[self.ended.status], self.ended.reason
            run.ended_at = self.ended.at
        for name, lane in self.lanes.items():
            run.lanes[name] = _whole_lane(lane)
        self._deliver(run)
        return run

    def _deliver(self, run: Run) -> None:
        """What is pending has arrived. One message is one envelope, whoever hears it."""
        envelope: Envelope | None = None
        for number in list(self.pending):
            publication, parent, place, by, cause, at, subscriber, tally = self.pending.pop(number)
            if envelope is None or envelope[1:3] != (parent, place):
                envelope = Envelope(publication, parent, place, by, cause, at)
            delivery = Delivery(number, envelope, run.queue(subscriber), tally)
            delivery.stage = ARRIVED
            run.deliveries[number] = delivery


def _whole_lane(plain: _PlainLane) -> Lane:
    """Its counts: whoever hears it will go on with them, see `State.lane`."""
    lane = Lane()
    lane.messages, lane.outputs = plain.messages, plain.outputs
    lane.retired = tuple([(subscriber.name, tally) for subscriber, tally in plain.hearers])
    return lane


def _told(record: Logged | Emitted) -> bool:
    """Only told to watchers: see `dagger.state.waits.seen`."""
    return True


class Reading:
    """The plain runs of a state into which a journal is read."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.runs: dict[int, PlainRun] = {}
        self._folds: dict[type[Any], Callable[[Any], bool]] = {
            RunOpened: self._opened,
            Published: self._published,
            RunEnded: self._ended,
            RunsForgotten: self._forgotten,
            Logged: _told,
            Emitted: _told,
        }

    def taken(self, record: Record) -> bool:
        """Take a record in; False leaves it to its fold: what it concerns is whole then."""
        fold = self._folds.get(type(record))
        if fold is not None and fold(record):
            return True
        of = run_of(record)
        if of == WIRING:
            self._rewiring()
        elif of in self.runs:
            self._make_whole(of)
        return False

    def finish(self) -> None:
        """Make all whole that is left."""
        for number in list(self.runs):
            self._make_whole(number)
        self.state.runs = dict(sorted(self.state.runs.items()))

    def _make_whole(self, number: int) -> None:
        self.state.runs[number] = self.runs.pop(number).whole(self.state)

    def _rewiring(self) -> None:
        """Who hears what is about to change: open runs have to look anew."""
        for number, run in list(self.runs.items()):
            if run.ended is None:
                self._make_whole(number)

    # -- records -------------------------------------------------------------------------

    def _opened(self, record: RunOpened) -> bool:
        state, run, first = self.state, PlainRun(record, self.state.codes), record.first
        if not self._is_plain(run, first):
            return False
        self.runs[record.run] = run
        state.next_run = record.run
        state.run_numbers[record.id] = record.run
        state.open_runs += 1
        self._bring(run, first, record.at)
        return True

    def _published(self, record: Published) -> bool:
        run = self.runs.get(record.run)
        if run is None or record.dropped or record.blame:
            return False
        if not self._is_plain(run, record.publication):
            return False
        self._bring(run, record.publication, record.at)
        return True

    def _bring(self, run: PlainRun, publication: Publication, at: float) -> None:
        """A message from outside."""
        size = len(publication.payload)
        run.brought += size
        self.state.backlog += size
        self._publish(run, publication, 0, run.outside, None, None, at)
        run.outside += 1

    def settled(self, record: Settled) -> None:
        """Take in the end of a delivery. Most of what is read is of this kind."""
        of, number, disposition, attempt, started, ended, failure, effects, dropped, blame = record
        run = self.runs.get(of)
        if run is None:
            settled(self.state, record)
            return
        plain = failure is None and not dropped and not blame
        for effect in effects:
            plain = plain and type(effect) is Publication and self._is_plain(run, effect)
        if not plain:
            self._make_whole(of)
            settled(self.state, record)
            return
        publication, parent, place, _, _, _, subscriber, tally = run.pending.pop(number)
        channel, by = publication[0], subscriber.name
        tally[1 + disposition] += 1
        tree = run.tree
        if tree is None:
            tree = run.tree = Tree(self.state.keep.nodes, self.state.names)
        tree.add(number, parent, place, channel, by, disposition, attempt, started, ended)
        if effects:
            cause = publication[7] or (parent, place)
            for nth, effect in enumerate(effects):
                self._publish(run, effect, number, nth, subscriber, cause, ended)  # type: ignore[arg-type]

    def _ended(self, record: RunEnded) -> bool:
        run = self.runs.get(record.run)
        if run is None:
            return False
        run.ended = record
        self.state.open_runs -= 1
        self.state.backlog -= run.brought
        return True

    def _forgotten(self, record: RunsForgotten) -> bool:
        state, others = self.state, []
        for number in record.runs:
            run = self.runs.pop(number, None)
            if run is None:
                others.append(number)
                continue
            del state.run_numbers[run.opened.id]
            for name, lane in run.lanes.items():
                state.channels[name].forgotten += lane.messages
        runs_forgotten(state, RunsForgotten(tuple(others)))
        return True

    # -- messages ------------------------------------------------------------------------

    def _is_plain(self, run: PlainRun, publication: Publication) -> bool:
        """Whether all there is to a message is who hears it; its lane is there then."""
        channel, _, _, _, _, headers, _, _, _, timing = publication
        if headers or timing is not None:
            return False
        if channel not in run.lanes:
            hearers, _, joins = self.state.heard(channel)
            if joins:
                return False
            run.lanes[channel] = _PlainLane(tuple([(each, new_tally()) for each in hearers]))
        return True

    def _publish(
        self,
        run: PlainRun,
        publication: Publication,
        parent: int,
        place: int,
        source: Subscriber | None,
        cause: tuple[int, int] | str | None,
        at: float,
    ) -> None:
        channel = publication[0]
        lane = run.lanes[channel]
        if not lane.messages and channel not in self.state.channels:
            self.state.channels[channel] = Channel(channel, at)
        lane.messages += 1
        run.bytes += len(publication[1])
        by = "" if source is None else source.name
        before = number = run.next
        for hearer, tally in lane.hearers:
            if hearer is source and not hearer.hears_itself:
                continue
            number += 1
            run.pending[number] = publication, parent, place, by, cause, at, hearer, tally
            tally[0] += 1
        if number > before:
            run.next = number
            return
        lane.outputs += 1
        if run.outputs is None:
            run.outputs = deque(maxlen=self.state.keep.outputs)
        run.outputs.append(make(Output, (channel, publication.payload, parent, place)))
