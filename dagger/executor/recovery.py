"""Recovery: from a store back to a state, and on with what was open."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from dagger.state.codes import recoded
from dagger.state.loading import load_run, load_world
from dagger.state.queues import WAITING
from dagger.state.run import Keep
from dagger.state.state import State
from dagger.words.errors import DatabaseError, StoreNewer
from dagger.words.garbage import no_garbage
from dagger.words.outcomes import RunStatus
from dagger.words.records import WIRING, Restarted
from dagger.words.versions import WrittenByNewer

if TYPE_CHECKING:
    from dagger.authoring.origin import Origin
    from dagger.executor.engine import Engine
    from dagger.executor.live import LiveRun
    from dagger.state.queues import Delivery
    from dagger.state.run import Run
    from dagger.store.contract import Source
    from dagger.words.config import Config

logger = logging.getLogger("dagger")

LEFT_ALONE = "left alone: the executor was opened with resume=False"

MANY = 2**31
"""So many of everything that it is all of it."""

DEATHS = 3
"""Deaths of the process under one delivery, before it is taken no more."""

CAREFUL = 100
"""Attempts after a death that begin only once their delivery is on disk, so that it is known
which one a process dies of. What can have got lost is soon done again."""


def keep_of(config: Config) -> Keep:
    """How much of each run is kept in memory."""
    return Keep(config.keep_outputs, config.keep_dead_letters, config.keep_nodes)


def restored(source: Source, keep: Keep | None = None) -> State:
    """The state that a store amounts to: its latest snapshot, and what came after."""
    with no_garbage(), _understood(source):
        state = saved(source, keep)
        state.replay(source.read(state.position))
    return state


def saved(source: Source, keep: Keep | None = None) -> State:
    """The state of the latest snapshot; its position says what came after."""
    state = State(keep)
    for number, blob in source.parts():
        _load(state, number, blob)
    state.position = source.saved()
    return state


@contextmanager
def _understood(source: Source) -> Iterator[None]:
    """Within, what a newer version wrote is told as that. Raises StoreNewer."""
    try:
        yield
    except WrittenByNewer as newer:
        raise StoreNewer(str(getattr(source, "path", "in memory")), str(newer)) from newer


def _load(state: State, number: int, blob: bytes) -> None:
    """Put a part into a state. Raises DatabaseError, WrittenByNewer."""
    try:
        if number == WIRING:
            load_world(state, blob)
        else:
            load_run(state, blob)
    except WrittenByNewer:
        raise
    except ValueError as unknown:
        raise DatabaseError(f"a part of the snapshot cannot be read: {unknown}") from unknown


def restored_run(source: Source, number: int, keep: Keep | None = None) -> Run | None:
    """One run, from the latest snapshot and what came after; None if it is not there.

    Costs in proportion to the run, and to the records since the snapshot.
    """
    state = saved_run(source, number, keep)
    with _understood(source):
        state.replay(record for _, record in source.history(number, source.saved()))
    return state.runs.get(number)


def saved_run(source: Source, number: int, keep: Keep | None = None) -> State:
    """What the latest snapshot holds of one run, in a state of its own."""
    state = State(keep)
    world, part = source.part(WIRING), source.part(number)
    with _understood(source):
        if world is not None:
            _load(state, WIRING, world)
        if part is not None:
            _load(state, number, part)
    return state


def whole_run(source: Source, number: int) -> Run | None:
    """One run with all that ever was of it, from its history; None if it is not there."""
    state = State(Keep(outputs=MANY, dead_letters=MANY, nodes=MANY))
    with _understood(source):
        state.replay(record for _, record in source.history(number))
    return state.runs.get(number)


def take_over(engine: Engine) -> None:
    """What a former executor had leased is free again; who died with it is noted.

    Whoever is killed before that is on disk leaves one death untold: better than to tell
    one twice, of a delivery that has done no harm.
    """
    hands = engine.store.hands
    died: dict[int, list[int]] = {}
    for number, delivery in hands.left_behind():
        died.setdefault(number, []).append(delivery)
    hands.clear()
    if died:  # of something that may not have got to the disk, and comes again
        engine.careful = CAREFUL
    for run in list(engine.state.runs.values()):
        numbers = tuple(each for each in died.get(run.number, ()) if each in run.deliveries)
        if run.ended_at is None and (numbers or run.task_fold is not None):
            engine.commit(Restarted(run.number, numbers, engine.now()))
        engine.suspects.look(run.deliveries.values())


def go_on(engine: Engine, resume: bool) -> None:
    """Watch over the open runs again, once the agents are there.

    A run that waits for an agent which is missing is left paused; so are all of them
    if they are not to be resumed.
    """
    for run in list(engine.state.runs.values()):
        if run.ended_at is None:
            open_again(engine, run, "" if resume else LEFT_ALONE)
        else:
            engine.runs.ended(run)


def catch_up(engine: Engine) -> None:
    """Go on with the runs whose missing agents have come."""
    for live in list(engine.runs.live.values()):
        look_again(engine, live)


def look_again(engine: Engine, live: LiveRun) -> None:
    """Go on with a run whose obstacle is gone."""
    if live.state.obstacle and live.state.obstacle != LEFT_ALONE:
        _go_on_with(engine, live)


def resume(engine: Engine, run: Run) -> None:
    """Go on after all with a run that was left alone, or whose obstacle is gone."""
    live = engine.runs.live.get(run.number)
    if live is not None and run.obstacle:
        _go_on_with(engine, live)


def _go_on_with(engine: Engine, live: LiveRun) -> None:
    """Go on with a run that was halted, unless there is still an obstacle."""
    run = live.state
    run.obstacle = _obstacle(engine, run)
    if not run.obstacle:
        _note_changes(engine, run)
        engine.budgets.go_on(run)
        engine.runs.go_on(live)


def open_again(engine: Engine, run: Run, obstacle: str = "") -> None:
    """Watch over a run that others have begun; who did not survive it too often is given up."""
    if run.status is RunStatus.CANCELLING:  # the process died while it wound down
        engine.runs.wind_down(run)
    live = engine.runs.adopt(run)
    obstacle = obstacle or _obstacle(engine, run)
    if run.on_hold or obstacle:
        engine.runs.halt(live, obstacle)
    _wait_again(engine, run)
    if not obstacle:
        _note_changes(engine, run)
        engine.budgets.go_on(run)
    for delivery in list(run.deliveries.values()):
        if delivery.deaths >= DEATHS and delivery.number in run.deliveries:
            engine.settling.crashed(run, delivery)


def _note_changes(engine: Engine, run: Run) -> None:
    """Note, and tell once, which agents are other code than the run was begun under."""
    names = recoded(engine.state.subscribers, run.codes)
    if names and run.status is RunStatus.RUNNING:
        engine.commit(Restarted(run.number, (), engine.now(), names))
        told = "run %r was begun under other code of: %s"
        engine.gate.after(partial(logger.warning, told, run.id, ", ".join(names)))


def _obstacle(engine: Engine, run: Run) -> str:
    """What keeps a run from going on here: agents that are not there, or that cannot; or ""."""
    missing: set[str] = set()
    for each in run.deliveries.values():
        name = each.queue.subscriber.name
        crew = engine.crews.get(name)
        if crew is None:
            missing.add(name)
        elif crew.agent.origin is not None and (told := _lack(engine, crew.agent.origin, each)):
            return told  # which may be why others are missing
    return f"missing agents: {', '.join(sorted(missing))}" if missing else ""


def _lack(engine: Engine, origin: Origin, delivery: Delivery) -> str:
    """Why a delivery to whoever has that origin cannot go on here; "" if it can."""
    run = engine.place(delivery.queue.run.id)
    return origin.obstacle(delivery) or origin.missing(run)


def _wait_again(engine: Engine, run: Run) -> None:
    """What was not due yet waits for the rest of its time, and expires when it was to."""
    for delivery in list(run.deliveries.values()):
        engine.timekeeper.keep_time(delivery)
        if delivery.stage == WAITING and delivery.attempts:
            engine.timekeeper.later(delivery, delivery.due - engine.now())
