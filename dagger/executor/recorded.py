"""The record of a run: how each delivery's last attempt began, and what it was told."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from dagger.executor.streamed import Items
from dagger.state.run import Keep, Run
from dagger.state.state import State
from dagger.words.effects import Publication, TaskWrite
from dagger.words.outcomes import Disposition
from dagger.words.records import (
    ABANDONED,
    CRASHED,
    AttemptFailed,
    Record,
    Redriven,
    Requested,
    Restarted,
    Settled,
    Wrote,
)

if TYPE_CHECKING:
    from dagger.state.queues import Answer, Delivery
    from dagger.state.tasks import Task
    from dagger.store.contract import Source

BARELY = Keep(outputs=0, dead_letters=0, nodes=1)
"""What a state keeps of its runs that is only folded for what is pending in them."""

_OK, _DEAD, _REJECTED = (
    int(each) for each in (Disposition.OK, Disposition.DEAD, Disposition.REJECTED)
)

_NOT_ITS_DOING = frozenset(
    {
        *("ChannelFull", "ChannelClosed", "ChannelDeadlock", "BudgetExceeded", "RunCancelled"),
        *("TimeoutExceeded", "WorkerCrashed", ABANDONED, CRASHED),
    }
)
"""Failures that the code cannot be held to: others, the clock or the end of the run brought
them about."""


class Claim(NamedTuple):
    """A task that an invocation took."""

    write: TaskWrite
    task: Task
    """As it was until then."""


class Attempt(NamedTuple):
    """The attempt that a delivery ended with."""

    delivery: int
    start: int
    """The position after which it began: what it saw is what was so there."""
    end: int
    """The position of its end."""
    started: float
    kept: Mapping[tuple[str, str], Answer]
    """Answers to all its attempts: of steps, sleeps, questions and requests."""
    claims: tuple[Claim, ...] = ()
    requests: Mapping[str, Publication] = {}
    items: tuple[Publication, ...] = ()
    """What it streamed."""
    called: bool = True
    """Whether the handler was called."""

    @classmethod
    def pending(cls, delivery: Delivery) -> Attempt:
        """The next one of a delivery that has not ended."""
        return cls(delivery.number, 0, 0, delivery.envelope.at, delivery.kept or {})


def attempts(source: Source, number: int) -> list[Attempt]:
    """The last attempts of a run, in the order in which they began.

    Only those that ended ok, dead or rejected, and by their own doing.
    """
    reading = _Reading(number)
    for position, record in source.history(number):
        reading.read(position, record)
    return sorted(reading.found, key=lambda each: (each.start, each.delivery))


class _Reading:
    """What is known at one position of a run's history."""

    def __init__(self, number: int) -> None:
        self.found: list[Attempt] = []
        self._number = number
        self._state = State(BARELY)
        self._positions: list[int] = []
        self._latest: list[float] = []  # the latest time told up to each of them
        self._seen = 0  # number of the latest delivery
        self._since: dict[int, int] = {}  # position from which on an attempt may have begun
        self._claims: dict[int, list[Claim]] = {}
        self._requests: dict[int, dict[str, Publication]] = {}
        self._items = Items()

    def read(self, position: int, record: Record) -> None:
        """The next record, and what it says of attempts."""
        run = self._state.runs.get(self._number)
        self._items.read(record)
        if run is not None:
            self._look(run, position, record)
        self._state.apply(record)
        run = self._state.runs.get(self._number)
        if run is not None:
            self._since.update(dict.fromkeys(range(self._seen + 1, run.next + 1), position))
            self._seen = run.next
        self._positions.append(position)
        latest = self._latest[-1] if self._latest else 0.0
        self._latest.append(max(latest, _time(record)))

    def _look(self, run: Run, position: int, record: Record) -> None:
        match record:
            case Settled():
                self._settled(run, position, record)
            case AttemptFailed():
                self._since[record.delivery] = position
                self._claims.pop(record.delivery, None)
            case Redriven():
                self._since[record.delivery] = position
            case Restarted():
                self._claims.clear()
            case Requested():
                self._requests.setdefault(record.delivery, {})[record.key] = record.publication
            case Wrote():
                for each in record.effects:
                    self._claimed(run, each)

    def _claimed(self, run: Run, effect: Any) -> None:
        if type(effect) is TaskWrite and effect.holder:
            task = run.tasks.get(effect.task_id)
            if task is not None:
                self._claims.setdefault(effect.holder, []).append(Claim(effect, task))

    def _settled(self, run: Run, position: int, record: Settled) -> None:
        delivery = record.delivery
        since = self._since.pop(delivery)
        claims = self._claims.pop(delivery, ())
        requests = self._requests.pop(delivery, {})
        if not _by_its_own_doing(record):
            return
        begun = bisect_right(self._latest, record.started) - 1
        start = max(since, self._positions[begun] if begun >= 0 else 0)
        kept = run.deliveries[delivery].kept or {}
        called = record.disposition != _REJECTED
        given = (kept, tuple(claims), requests, self._items.of(delivery), called)
        self.found.append(Attempt(delivery, start, position, record.started, *given))


def _by_its_own_doing(record: Settled) -> bool:
    if record.disposition == _REJECTED:
        return True
    if record.disposition not in (_OK, _DEAD) or not record.attempt:
        return False
    return record.failure is None or record.failure.type not in _NOT_ITS_DOING


def _time(record: Any) -> float:
    """When a record was made, where it says so."""
    at: float = getattr(record, "at", 0.0) or getattr(record, "ended", 0.0)
    return at
