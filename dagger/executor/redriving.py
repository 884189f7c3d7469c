"""Redriving: a dead letter is handled once more.

In an open run the same invocation goes on: its delivery is pending again, at its first attempt,
with the answers it was given. An ended run does not change: a fork of it begins with the
message. Either way the letter is gone from the list, in the same moment.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from dagger.executor.forking import Fork
from dagger.views.letters import dead_letter
from dagger.words.effects import is_request
from dagger.words.errors import AgentNotFound, ExecutionError, LetterNotFound, RunClosed
from dagger.words.outcomes import Disposition, RunStatus
from dagger.words.records import LetterDiscarded, Redriven

if TYPE_CHECKING:
    from collections.abc import Callable

    from dagger.executor.engine import Engine
    from dagger.executor.live import LiveRun
    from dagger.state.run import DeadLetter, Run
    from dagger.words.effects import Publication


class Redrive(NamedTuple):
    """What is wanted."""

    id: str
    """The node that failed, or its message."""
    payload: bytes | None
    """What the message is to say instead, encoded."""
    run_id: str
    """The id of the fork, where there is one."""


async def redriving(engine: Engine, wanted: Redrive) -> Callable[[], LiveRun]:
    """What redrives a dead letter: to be called at once, before anybody else gets a turn, and
    so that all of it is durable together (`Store.together`).

    Raises LetterNotFound, RunClosed, AgentNotFound, ExecutionError; so does the call.
    """
    run, letter = find(engine, wanted.id)
    _check_wanted(engine, run, letter)
    if run.ended_at is None:
        _check(engine, run, letter)
        return partial(_again, engine, wanted)
    if not engine.store.lasting:
        raise ExecutionError(
            f"run {run.id!r} has ended, so that its dead letter is redriven in a fork, which is "
            "made from the history in a store; there is none: give the executor a store"
        )
    payload = letter.envelope.publication.payload if wanted.payload is None else wanted.payload
    at = dead_letter(run.id, letter).id
    begin = await engine.runs.fork(Fork(run.id, at, wanted.run_id, payload, frontier=False))
    return partial(_as_fork, engine, wanted, begin)


def find(engine: Engine, id: str) -> tuple[Run, DeadLetter]:
    """The dead letter of that node or message, the oldest of them. Raises LetterNotFound."""
    found = [(run, each) for run in engine.state.runs.values() for each in run.dead_letters or ()]
    known = []
    for run, letter in found:
        told = dead_letter(run.id, letter)
        if id in (told.node_id, told.id):
            return run, letter
        known.append(told.node_id)
    raise LetterNotFound(id, tuple(known))


def _check_wanted(engine: Engine, run: Run, letter: DeadLetter) -> None:
    """What a flow or a graph has had done it has heard the end of: nobody would undo it then."""
    crew = engine.crews.get(letter.agent)
    asked = is_request(letter.envelope.publication)
    if crew is not None and crew.agent.origin is not None and asked:
        raise ExecutionError(
            f"{dead_letter(run.id, letter).node_id} was asked for by a run of "
            f"{run.opening.channel!r}, which has gone on without it: nobody waits for what it "
            "comes to; start another run instead"
        )


def _check(engine: Engine, run: Run, letter: DeadLetter) -> None:
    """Whether the run takes anything more, and somebody is there to handle it."""
    if run.status is not RunStatus.RUNNING:
        raise RunClosed(run.id, run.status)
    join = engine.state.subscribers[letter.agent].join
    if join is not None and letter.disposition != Disposition.REJECTED:
        raise ExecutionError(
            f"{dead_letter(run.id, letter).node_id} was handled together with other messages, "
            "which are gone; fork the run at a message before them"
        )
    if letter.agent not in engine.crews and not run.obstacle:
        hint = "register it, or the run could not end"
        raise AgentNotFound(letter.agent, tuple(sorted(engine.crews)), hint)


def _again(engine: Engine, wanted: Redrive) -> LiveRun:
    run, letter = find(engine, wanted.id)
    _check(engine, run, letter)
    envelope = letter.envelope
    engine.commit(
        Redriven(
            run.number,
            letter.delivery,
            letter.agent,
            letter.disposition,
            _renewed(envelope.publication, wanted.payload),
            envelope.parent,
            envelope.place,
            envelope.agent,
            envelope.cause,
            envelope.at,
            letter.kept,
            letter.blame,
            engine.now(),
            envelope.scopes,
            letter.stream,
        )
    )
    engine.runs.quiet(run)
    return engine.runs.live[run.number]


def _renewed(said: Publication, payload: bytes | None) -> Publication:
    """The message as it is handled now: neither too early for anybody nor too late."""
    said = said._replace(timing=None)
    return said if payload is None else said._replace(payload=payload, checked=0)


def _as_fork(engine: Engine, wanted: Redrive, begin: Callable[[], LiveRun]) -> LiveRun:
    run, letter = find(engine, wanted.id)  # nobody else has done it meanwhile
    live = begin()
    engine.commit(LetterDiscarded(run.number, letter.delivery))
    return live
