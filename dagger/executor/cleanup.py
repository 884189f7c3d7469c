"""Cleaning up: what goes on of a run that only winds down.

    cancel ──> who cleans up is told, all else is cancelled ──> all has ended: the run has
                         │
                         └── `cleanup_timeout` is over: told again, what cleans up is cancelled
                                       │
                                       └── after `cancel_grace`: cancelled as well

Who cleans up is an agent of `cleans_up=True` that has begun. It hears of it by an answer that
is kept for it (see `dagger.authoring.calls`), so that a restart does not make it forget. What it
has others do bears the header CLEANUP, and so does what they cause.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from dagger.state.queues import RUNNING
from dagger.words.effects import is_cleanup
from dagger.words.outcomes import RunStatus
from dagger.words.payload import encode
from dagger.words.records import CANCEL, OVER, Kept

if TYPE_CHECKING:
    from dagger.authoring.invocation import Invocation
    from dagger.executor.engine import Engine
    from dagger.executor.timers import Timer
    from dagger.state.queues import Delivery
    from dagger.state.run import Run


class Cleanup:
    """The cleaning up of all runs of one executor."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._timers: dict[int, Timer] = {}  # by the number of the run
        self._told: set[int] = set()  # runs in which only who was told goes on
        self._over: set[int] = set()  # runs in which nobody does

    def told_alone(self, delivery: Delivery) -> bool:
        """Whether it is not cancelled but told, and ends by itself."""
        subscriber = delivery.queue.subscriber
        crew = self._engine.crews.get(subscriber.name)
        # One that is not here may go on where it is.
        cleans_up = subscriber.cleans_up if crew is None else crew.agent.cleans_up
        return cleans_up and bool(delivery.stage == RUNNING or delivery.kept)

    def spares(self, delivery: Delivery) -> bool:
        """Whether it goes on when its run is cancelled."""
        number = delivery.queue.run.number
        if number in self._over or (self._engine.closing and not self._engine.keeping):
            return False
        cleans = number not in self._told and is_cleanup(delivery.envelope.publication)
        return cleans or self.told_alone(delivery)

    def goes_on(self, invocation: Invocation) -> bool:
        """Whether an invocation is wanted though its run only winds down."""
        run = invocation.run
        return run.status is RunStatus.CANCELLING and self.spares(invocation.delivery)

    def was_told(self, delivery: Delivery) -> bool:
        """Whether it is to come to an end by itself."""
        return delivery.kept is not None and (CANCEL, "") in delivery.kept

    def tell(self, run: Run, delivery: Delivery, reason: str, key: str = "") -> None:
        """Have it come to an end by itself; once, whoever says so."""
        if delivery.kept is None or (CANCEL, key) not in delivery.kept:
            now = self._engine.now()
            self._engine.commit(Kept(run.number, delivery.number, CANCEL, key, encode(reason), now))

    def turn_away(self, run: Run) -> None:
        """What was published in a run that only winds down is not handled, unless it cleans up."""
        if run.status is RunStatus.CANCELLING:
            self._engine.runs.sweep(run, besides=self.spares)
            self._engine.runs.quiet(run)

    def begin(self, run: Run) -> None:
        """A run winds down, or goes on with that: tell who cleans up, and keep the time."""
        spared = [each for each in run.deliveries.values() if self.spares(each)]
        for each in spared:
            if self.told_alone(each):
                self.tell(run, each, run.reason)
        if spared and run.number not in self._timers:
            self._keep_time(run)

    def _keep_time(self, run: Run) -> None:
        seconds = run.limits.get("cleanup_timeout", self._engine.config.cleanup_timeout)
        if seconds is not None:
            late = partial(self._late, run)
            self._timers[run.number] = self._engine.timers.after(seconds, late)

    def ended(self, run: Run) -> None:
        """The run has ended, or the executor lets it go."""
        timer = self._timers.pop(run.number, None)
        if timer is not None:
            timer.cancel()
        self._told.discard(run.number)
        self._over.discard(run.number)

    def _late(self, run: Run) -> None:
        """The time is over: only those who were told may say what they have come to."""
        engine = self._engine
        if run.obstacle:  # nobody here could have cleaned up
            self._keep_time(run)
            return
        deliveries = list(run.deliveries.values())
        for each in deliveries:
            if self.told_alone(each):
                self.tell(run, each, "the time for cleaning up is over", OVER)
        self._told.add(run.number)
        engine.runs.sweep(run, besides=self.spares)
        engine.cancel(run, besides=self.spares)
        grace = engine.config.cancel_grace
        self._timers[run.number] = engine.timers.after(grace, partial(self._end, run))
        engine.runs.quiet(run)

    def _end(self, run: Run) -> None:
        """Who was told has not come to an end: it is cancelled, too."""
        self._over.add(run.number)
        self._engine.runs.sweep(run)
        self._engine.cancel(run)
        self._engine.runs.quiet(run)
