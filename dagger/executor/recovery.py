"""Recovery: from a journal back to a state, and on with what was open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagger.state.queues import WAITING
from dagger.words.outcomes import RunStatus

if TYPE_CHECKING:
    from dagger.executor.engine import Engine
    from dagger.state.run import Run

LEFT_ALONE = "left alone: the executor was opened with resume=False"


def replay(engine: Engine) -> None:
    """Fold the journal: everything that was not settled is pending again."""
    for record in engine.store.read():
        engine.state.apply(record)


def go_on(engine: Engine, resume: bool) -> None:
    """Watch over the open runs again, once the agents are there.

    A run that waits for an agent which is missing is left paused; so are all of them
    if they are not to be resumed.
    """
    for run in list(engine.state.runs.values()):
        if run.ended_at is None:
            _open_again(engine, run, "" if resume else LEFT_ALONE)
        else:
            engine.runs.remember(run)


def catch_up(engine: Engine) -> None:
    """Go on with the runs whose missing agents have come."""
    for live in list(engine.runs.live.values()):
        run = live.state
        if run.paused and run.reason != LEFT_ALONE:
            run.reason = _missing(engine, run)
            if not run.reason:
                engine.runs.go_on(live)


def _open_again(engine: Engine, run: Run, obstacle: str) -> None:
    if run.status is RunStatus.CANCELLING:  # the process died while it wound down
        engine.runs.sweep(run)
    live = engine.runs.adopt(run)
    obstacle = obstacle or _missing(engine, run)
    if obstacle:
        engine.runs.pause(live, obstacle)
    _wait_again(engine, run)


def _missing(engine: Engine, run: Run) -> str:
    """The agents that a run has deliveries for and that are not there; "" if none is."""
    names = {each.queue.subscriber.name for each in run.deliveries.values()}
    missing = sorted(names - engine.crews.keys())
    return "missing agents: " + ", ".join(missing) if missing else ""


def _wait_again(engine: Engine, run: Run) -> None:
    """Retries that were not due yet wait for the rest of their time."""
    for delivery in list(run.deliveries.values()):
        if delivery.stage == WAITING:
            delivery.queue.pending.remove(delivery)
            engine.runs.later(delivery, delivery.due - engine.now())
