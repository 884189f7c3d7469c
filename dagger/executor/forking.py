"""Forks: a new run that begins as another one was when a message was published in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from dagger.state.joins import WHOLE, shared_by
from dagger.state.queues import HELD
from dagger.state.run import Keep, Run
from dagger.state.snapshot import copy_run
from dagger.state.state import State
from dagger.words.effects import Publication
from dagger.words.errors import ExecutionError, MessageNotFound
from dagger.words.ids import message_id
from dagger.words.outcomes import Disposition, RunStatus
from dagger.words.records import (
    Published,
    Record,
    Requested,
    Restarted,
    RunForked,
    RunOpened,
    Settled,
    Streamed,
    Swept,
)

if TYPE_CHECKING:
    from dagger.state.queues import Delivery
    from dagger.state.tree import Names
    from dagger.store.contract import Source


class Fork(NamedTuple):
    """What is wanted."""

    parent: str
    """The id of the run to begin from."""
    at: str
    """The id of the message to begin with."""
    id: str
    """The id of the new run."""
    payload: bytes | None
    """What the message is to say instead, encoded."""
    frontier: bool
    """Whether all that was pending then is pending again, and not that message alone."""


class Sent(NamedTuple):
    """A message of a run."""

    id: str
    parent: int
    """The invocation that published it; 0 for the outside world."""
    place: int
    """Its place among what that has published."""
    publication: Publication


def part_of(source: Source, number: int, keep: Keep, names: Names, fork: Fork, now: float) -> bytes:
    """The fork of run `number` as it begins, as a part of a snapshot.

    Reads the history of the parent, and costs in proportion to it. Raises
    MessageNotFound, or ExecutionError for a message that nobody heard.
    """
    state = State(keep)
    state.names = names  # everything in the history has its number there already
    run, heard = _as_it_was(source, number, state, fork)
    if fork.payload is not None:
        _replace(heard, fork.payload)
    if not fork.frontier:
        others = tuple(
            each.number
            for each in run.deliveries.values()
            if each not in heard and not _held_for(each, heard)
        )
        if others:
            state.apply(Swept(number, others, int(Disposition.DISCARDED), now))
    state.apply(Restarted(number, (), now))
    run.id, run.opened_at, run.forked = fork.id, now, (fork.parent, fork.at)
    run.status, run.reason, run.on_hold, run.changed = RunStatus.RUNNING, "", False, ()
    if run.accounts is not None:
        run.accounts.begin_anew(run, now)
    return copy_run(run).alone(names)


def _held_for(part: Delivery, heard: list[Delivery]) -> bool:
    """Whether a delivery is part of a join that the message has made whole, or of a half-done one
    that it may still come to.
    """
    join, bond = part.queue.subscriber.join, part.bond
    if part.stage != HELD or join is None or bond is None:
        return False
    if bond.lead:
        return any(each.number == bond.lead for each in heard)
    shared = shared_by(part, join)
    return isinstance(shared, str) or shared == WHOLE or shared in heard[0].envelope.scopes


def _as_it_was(source: Source, number: int, state: State, fork: Fork) -> tuple[Run, list[Delivery]]:
    """The parent right after the message was published, and the deliveries of that."""
    for _, record in source.history(number):
        run = state.runs.get(number)
        found = [each for each in sent(run, record) if each.id == fork.at]
        state.apply(record)
        if type(record) is RunForked:
            found = [each for each in _begun_with(state.runs[number]) if each.id == fork.at]
        for message in found:
            run = state.runs[number]
            heard = [each for each in run.deliveries.values() if each.envelope[1:3] == message[1:3]]
            if not heard:
                raise ExecutionError(
                    f"no agent has heard message {fork.at!r} (or it was dropped at once), so a "
                    "fork would have nothing to go on with; fork at a message before it"
                )
            return run, heard
    raise MessageNotFound(fork.at, (), f"run {fork.parent!r} has not published it")


def sent(run: Run | None, record: Record) -> Iterator[Sent]:
    """The messages that a record publishes in its run, which stands as it was before it."""
    match record:
        case RunOpened():
            yield _sent(record.id, record.first, 0, 0)
        case Published() if run is not None:
            yield _sent(run.id, record.publication, 0, run.outside)
        case Requested() | Streamed() if run is not None:
            yield _sent(run.id, record.publication, record.delivery, record.place)
        case Settled() if run is not None:
            messages = [each for each in record.effects if type(each) is Publication]
            for place, publication in enumerate(messages):
                yield _sent(run.id, publication, record.delivery, place)


def _begun_with(run: Run) -> Iterator[Sent]:
    """The messages that a fork begins with: its own history has published none of them."""
    for each in run.deliveries.values():
        yield _sent(run.id, each.envelope.publication, each.envelope.parent, each.envelope.place)


def _sent(run_id: str, publication: Publication, parent: int, place: int) -> Sent:
    known_as = publication.id or message_id(run_id, parent, place)
    return Sent(known_as, parent, place, publication)


def _replace(heard: list[Delivery], payload: bytes) -> None:
    """Let a message say something else to all who heard it."""
    old = heard[0].envelope
    said = old.publication._replace(payload=payload, checked=0)
    envelope = old._replace(publication=said)
    for each in heard:
        each.envelope = envelope
