"""Recovery: from a journal back to a state, and on with what was open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagger.state.queues import WAITING

if TYPE_CHECKING:
    from dagger.executor.engine import Engine
    from dagger.state.run import Run


def replay(engine: Engine) -> None:
    """Fold the journal: everything that was not settled is pending again."""
    for record in engine.store.read():
        engine.state.apply(record)


def go_on(engine: Engine) -> None:
    """Watch over the open runs again, once the agents are there.

    A run that waits for an agent which is missing is left paused.
    """
    for run in list(engine.state.runs.values()):
        if run.ended_at is not None:
            engine.runs.remember(run)
            continue
        missing = {
            each.queue.subscriber.name
            for each in run.deliveries.values()
            if each.queue.subscriber.name not in engine.crews
        }
        if missing:
            run.paused = True
            for queue in run.queues.values():
                queue.leave()
            run.reason = "missing agents: " + ", ".join(sorted(missing))
        _wait_again(engine, run)
        engine.runs.adopt(run)


def _wait_again(engine: Engine, run: Run) -> None:
    """Retries that were not due yet wait for the rest of their time."""
    for delivery in list(run.deliveries.values()):
        if delivery.stage == WAITING:
            delivery.queue.pending.remove(delivery)
            engine.runs.later(delivery, delivery.due - engine.now())
