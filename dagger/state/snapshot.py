"""Snapshots: copies of the state at one journal position, made fast and written later.

`copy_world` and `copy_run` are called on the event loop. They are shallow: what never
changes is shared, what may change is copied, in few and large steps. Their `pieces` are
for a thread, meanwhile the state goes on. Leases are left out: what is in hand, or waits
for a timer, comes back as if the journal had been folded again.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from dagger.state import parts
from dagger.state.parts import (
    AccountRow,
    AccountsRow,
    AgentRow,
    AnswerRow,
    CacheRow,
    ChannelRow,
    ClaimRow,
    DeliveryRow,
    EntryRow,
    FailureRow,
    ItemRow,
    LaneRow,
    LeadRow,
    NameRow,
    NodesRow,
    NoteRow,
    Row,
    RunRow,
    StreamRow,
    TaskRow,
    TokensRow,
    TreeRow,
    WorldRow,
)
from dagger.words.effects import make

if TYPE_CHECKING:
    from dagger.state.cache import Cache
    from dagger.state.queues import Answer, Delivery, Scope
    from dagger.state.repeats import First
    from dagger.state.run import DeadLetter, Output, Question, Run
    from dagger.state.schedules import Schedule
    from dagger.state.state import State
    from dagger.state.tasks import TasksCopy
    from dagger.state.tokens import Bucket
    from dagger.state.tree import Names, Tree
    from dagger.words.records import Flow

_world_fields = attrgetter(*WorldRow._fields)
_agent_fields = attrgetter(*AgentRow._fields)
_channel_fields = attrgetter(*ChannelRow._fields)
_account_fields = attrgetter(*AccountRow._fields)
_run_fields = attrgetter(*RunRow._fields)
_task_fields = attrgetter(*TaskRow._fields)


class Mark(NamedTuple):
    """What has happened to a delivery so far."""

    attempts: int
    due: float
    deaths: int
    kept: dict[tuple[str, str], Answer]
    lead: int = 0
    scopes: tuple[Scope, ...] = ()
    stream: Flow | None = None


_NO_ANSWERS: dict[tuple[str, str], Answer] = {}
_UNTOUCHED = Mark(0, 0.0, 0, _NO_ANSWERS)


class WorldCopy(NamedTuple):
    """Everything that belongs to no run, as it was."""

    world: WorldRow
    names: list[str]
    agents: list[AgentRow]
    channels: list[ChannelRow]
    shared: Cache
    schedules: list[Schedule]
    firsts: list[First]
    buckets: list[Bucket]

    def pieces(self) -> Iterator[bytes]:
        """The bytes of part 0, in pieces of at most about 1 ms of work."""
        return parts.pieces(self._rows())

    def _rows(self) -> Iterator[Row]:
        yield self.world
        for name in self.names:
            yield NameRow(name)
        yield from self.agents
        yield from self.channels
        yield from self.schedules
        yield from self.firsts
        yield from self.buckets
        yield from _cache_rows(self.shared, shared=True)


class RunCopy(NamedTuple):
    """One run as it was."""

    run: RunRow
    accounts: tuple[int, list[AccountRow]] | None
    """How many there were, and those that are kept."""
    lanes: list[LaneRow]
    deliveries: list[Delivery]
    """Only their number, envelope and agent, which never change, are read later."""
    marks: dict[int, Mark]
    """What may change of a delivery, by number, where it is not as at first."""
    claims: dict[int, str]
    """The idempotency keys of deliveries in flight, by number."""
    outputs: tuple[Output, ...]
    letters: tuple[DeadLetter, ...]
    questions: list[Question]
    cache: Cache | None
    tasks: TasksCopy | None
    tree: Tree | None

    def pieces(self) -> Iterator[bytes]:
        """The bytes of the run's part, in pieces of at most about 1 ms of work."""
        return parts.pieces(self._rows())

    def alone(self, names: Names) -> bytes:
        """The part with all names that its tree may use: it can be loaded into any state."""
        known = [NameRow(name) for name in names.known]
        return b"".join(parts.pieces((*known, *self._rows())))

    def _rows(self) -> Iterator[Row]:
        yield self.run
        if self.accounts is not None:
            opened, kept = self.accounts
            yield AccountsRow(opened)
            yield from kept
        yield from self.lanes
        yield from self._delivery_rows()
        yield from self.outputs
        yield from self.letters
        yield from self.questions
        if self.cache is not None:
            yield from _cache_rows(self.cache, shared=False)
        for task in self.tasks or ():
            yield make(TaskRow, _task_fields(task))
        if self.tree is not None:
            yield from _tree_rows(self.tree)

    def _delivery_rows(self) -> Iterator[Row]:
        """Each message once, and behind it its deliveries: they are numbered in a row."""
        message = None
        for delivery in self.deliveries:
            if delivery.envelope is not message:
                message = delivery.envelope
                yield message
            number = delivery.number
            mark = self.marks.get(number, _UNTOUCHED)
            attempts, due, deaths, kept, lead, scopes, stream = mark
            name = delivery.queue.subscriber.name
            yield DeliveryRow(number, name, attempts, due, deaths, lead, scopes)
            for (name, key), answer in kept.items():
                yield AnswerRow(name, key, *answer)
            if number in self.claims:
                yield ClaimRow(self.claims[number])
            if stream is not None:
                yield StreamRow(*stream)


def copy_world(state: State) -> WorldCopy:
    """What belongs to no run, at this moment: nothing changes it later."""
    return WorldCopy(
        make(WorldRow, _world_fields(state)),
        state.names.known.copy(),
        [make(AgentRow, _agent_fields(each)) for each in state.subscribers.values()],
        [make(ChannelRow, _channel_fields(each)) for each in state.channels.values()],
        state.shared.copy(),
        list(state.schedules.values()),
        list(state.repeats.done.values()),
        list(state.tokens.buckets.values()),
    )


def copy_run(run: Run) -> RunCopy:
    """One run, at this moment: nothing changes it later.

    Its part can be loaded with the world of the same position, or of a later one.
    """
    deliveries = list(run.deliveries.values())
    return RunCopy(
        make(RunRow, _run_fields(run)),
        _accounts(run),
        _lanes(run),
        deliveries,
        {
            each.number: _mark(each)
            for each in deliveries
            if (each.attempts or each.deaths or each.kept)
            or (each.due or each.bond or each.stream is not None)
        },
        {} if run.keyed is None else run.keyed.claims.copy(),
        run.kept_outputs(),
        tuple(run.dead_letters or ()),
        run.asked(),
        run.cache_fold.copy() if run.cache_fold and run.cache_fold.writes else None,
        None if run.task_fold is None else run.task_fold.copy(),
        run.tree_fold.copy() if run.tree_fold is not None and run.tree_fold.told else None,
    )


def _mark(each: Delivery) -> Mark:
    kept = each.kept.copy() if each.kept else _NO_ANSWERS
    lead, scopes = (0, ()) if each.bond is None else (each.bond.lead or -1, each.bond.scopes)
    stream = None if each.stream is None else each.stream.flow()
    return make(Mark, (each.attempts, each.due, each.deaths, kept, lead, scopes, stream))


def _accounts(run: Run) -> tuple[int, list[AccountRow]] | None:
    if run.accounts is None:
        return None
    kept = [make(AccountRow, _account_fields(each)) for each in run.accounts.kept(run)]
    return run.accounts.opened, kept


def _lanes(run: Run) -> list[LaneRow]:
    return [
        LaneRow(
            name,
            lane.messages,
            lane.outputs,
            tuple((agent, tuple(tally)) for agent, tally in lane.tallies().items()),
        )
        for name, lane in run.lanes.items()
        if lane.messages
    ]


def _cache_rows(cache: Cache, *, shared: bool) -> Iterator[Row]:
    yield CacheRow(shared, cache.writes)
    for namespace, key, entry in cache.entries():
        link = entry.last
        while link is not None:
            yield ItemRow(link.blob)
            link = link.previous
        yield EntryRow(namespace, key, entry.version, entry.blob)


def _tree_rows(tree: Tree) -> Iterator[Row]:
    yield TreeRow(tree.gone)
    for rows in tree.raw():
        yield NodesRow(rows)
    for delivery, failure in tree.failures.items():
        yield FailureRow(delivery, failure)
    for delivery, tokens in tree.tokens.items():
        yield TokensRow(delivery, tokens, tree.costs.get(delivery, 0))
    for delivery, notes in tree.notes.items():
        yield from (NoteRow(delivery, text) for text in notes)
    for pair in tree.leads.items():
        yield LeadRow(*pair)
