"""Settling: the one end of each attempt, as one record.

`enter` is the good end: everything the invocation held back takes effect together.
`fail`, `reject`, `interrupt` and `abandon` are the others. Each is one synchronous
call, so that a cancellation or timeout comes before it or after it.
"""

from __future__ import annotations

import logging
import random
from functools import partial
from typing import TYPE_CHECKING

import anyio

from dagger.authoring.cache import decide
from dagger.authoring.publishing import refusal
from dagger.authoring.tasks import decide_tasks
from dagger.executor.admission import FREE, admit
from dagger.executor.collecting import Collecting
from dagger.executor.failures import describe
from dagger.rules.retry import attempts_allowed, may_follow
from dagger.words.effects import Effect, Publication, RepeatOf, is_cleanup, make
from dagger.words.errors import (
    BudgetExceeded,
    DaggerError,
    RunCancelled,
    TimeoutExceeded,
)
from dagger.words.garbage import MANY, no_garbage
from dagger.words.ids import node_id
from dagger.words.outcomes import Disposition, OnFailure, RunStatus
from dagger.words.payload import decode
from dagger.words.records import (
    ABANDONED,
    CRASHED,
    AttemptFailed,
    Failure,
    Retracted,
    Settled,
)

if TYPE_CHECKING:
    from dagger.authoring.invocation import Invocation
    from dagger.executor.admission import Plan
    from dagger.executor.engine import Engine
    from dagger.executor.worker import Worker
    from dagger.rules.violation import Violation
    from dagger.state.queues import Delivery
    from dagger.state.run import Run

_OK, _DUPLICATE, _DEAD, _REJECTED, _CANCELLED = (
    int(each)
    for each in (
        *(Disposition.OK, Disposition.DUPLICATE),
        *(Disposition.DEAD, Disposition.REJECTED, Disposition.CANCELLED),
    )
)

_RUNNING = RunStatus.RUNNING

logger = logging.getLogger("dagger")


class Settling:
    """How attempts end, for all workers of an executor."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        collecting = Collecting(engine.hosting)
        self.collect, self.publish = collecting.collect, collecting.publish
        self.made = collecting.made
        # In hand, and cancelled by somebody who wants no more of it; set when it has ended.
        self._revoked: dict[Delivery, anyio.Event] = {}

    # -- the good end ----------------------------------------------------------------

    def enter(self, invocation: Invocation, worker: Worker) -> bool:
        """Settle if everything fits; True if it has to wait for room.

        Raises RunCancelled if its run only winds down, BudgetExceeded, and what
        admission and decided effects raise.
        """
        effects = invocation.effects  # messages alone, or else they have to be picked out
        messages_alone = len(effects) == invocation.seats
        publications = effects if messages_alone else _publications(invocation)
        run = invocation.run
        if run.bounded or run.status is not _RUNNING:
            self._engine.budgets.may_settle(invocation, len(publications))
        if publications:
            engine = self._engine
            source = worker.crew.subscriber
            plan = admit(engine.state, run, publications, source, engine.limit, engine.floor)
            if plan is not FREE:
                if plan.full:
                    return True
                worker.pressed = worker.pressed or plan.pressed
                self._commit(invocation, plan.dropped, plan.blame)
                return False
        self._commit(invocation)
        return False

    async def wait(self, invocation: Invocation, worker: Worker) -> None:
        """Settle as soon as there is room."""
        publications = _publications(invocation)

        def look() -> Plan:
            self.check(invocation)
            self._engine.budgets.may_settle(invocation, len(publications))
            return self._engine.admit(invocation.run, publications, worker.crew.subscriber)

        def enter(plan: Plan) -> None:
            self._commit(invocation, plan.dropped, plan.blame)

        if worker.ticket is not None:
            self._engine.policing.hand_in(worker)
        with worker.blameless():
            await self._engine.admissions.wait(look, enter, invocation)

    def _commit(
        self, invocation: Invocation, dropped: tuple[int, ...] = (), blame: bool = False
    ) -> None:
        """One record: acknowledged, and every effect applied with it."""
        run = invocation.run
        effects: tuple[Effect, ...] = tuple(invocation.effects)
        disposition = _OK
        if len(effects) != invocation.seats:  # not messages alone: there is something to decide
            effects = decide(run.cache, self._engine.state.shared, effects)
            decide_tasks(run.tasks, effects)
            if type(effects[0]) is RepeatOf:
                disposition = _DUPLICATE
                invocation.attempt -= 1  # the handler is not called
        stream = invocation.delivery.stream
        if stream is not None and invocation.emitted < stream.length:
            with self._engine.store.together():
                self._retract(invocation)
                self._settled(invocation, disposition, None, effects, dropped, blame)
            return
        if len(effects) > MANY:
            with no_garbage():
                self._settled(invocation, disposition, None, effects, dropped, blame)
            return
        self._settled(invocation, disposition, None, effects, dropped, blame)

    def _retract(self, invocation: Invocation) -> None:
        """An earlier attempt had streamed more: what nothing took the place of is void."""
        number, length = invocation.delivery.number, invocation.emitted
        at = self._engine.now()
        self._engine.commit(Retracted(invocation.run.number, number, length, at))
        text = "%s ended with %s items, fewer than it had streamed before: the others are void"
        self._warn(text, invocation.node_id, str(length))

    # -- the other ends --------------------------------------------------------------

    def fail(self, invocation: Invocation, error: BaseException) -> None:
        """An attempt that raised: again later, or dead; or its run is over its budget."""
        invocation.closed = True
        engine, run = self._engine, invocation.run
        spent = isinstance(error, BudgetExceeded) and error.run_id == run.id and not error.node
        if isinstance(error, BudgetExceeded) and spent and not error.message:
            engine.runs.over_budget(run, error)
        if self._unwanted(invocation) or self._ends_as_told(invocation, error):
            own = not isinstance(error, DaggerError)  # not what the end itself has caused
            self._cancelled(invocation, describe(error) if own else None)
            return
        try:
            spent = spent or engine.budgets.over(run, invocation.delivery) is not None
            delay = None if spent else self._delay(invocation, error)
        except Exception as broken:  # a strategy of the user's own
            delay, error = None, broken
        if delay is None:
            self._bad(invocation, _DEAD, describe(error))
        else:
            self._again(invocation, describe(error), delay)

    def reject(
        self, invocation: Invocation, found: Violation | None, cause: BaseException | None = None
    ) -> None:
        """A payload that is not what the agent takes: no attempt was made."""
        invocation.attempt = invocation.delivery.attempts
        error = refusal(found, invocation.data, invocation.agent.name, invocation.channel, "input")
        error.__cause__ = cause
        self._bad(invocation, _REJECTED, describe(error))

    def reject_part(self, invocation: Invocation, part: Delivery, found: Violation | None) -> None:
        """A part that its join does not take: it ends alone, and no attempt was made."""
        publication = part.envelope.publication
        name, value = invocation.agent.name, decode(publication.payload)
        failure = describe(refusal(found, value, name, publication.channel, "input"))
        invocation.delivery, invocation.attempt = part, part.attempts
        self._bad(invocation, _REJECTED, failure)

    def interrupt(self, invocation: Invocation) -> None:
        """An attempt that was cancelled: by the end of its run, of a budget, or of its timeout."""
        if invocation.delivery.number not in invocation.run.deliveries:
            return  # the cancellation came after it had settled
        invocation.closed = True
        if self._unwanted(invocation):
            self._cancelled(invocation, None)
        elif not self._engine.keeping:
            spent = self._engine.budgets.over(invocation.run, invocation.delivery)
            self.fail(invocation, spent or overdue(invocation))

    def abandon(self, invocation: Invocation) -> None:
        """A handler that ignored its cancellation: it is fenced off, its delivery ends."""
        invocation.closed = True
        seconds = self._engine.config.cancel_grace
        failure = Failure(
            ABANDONED, f"{invocation.node_id} ignored its cancellation for {seconds:g} s"
        )
        if self._unwanted(invocation):
            self._cancelled(invocation, failure)
        elif not self._engine.keeping:
            self._bad(invocation, _DEAD, failure)
        self._warn("%s and was given up: %s", failure.message, invocation.agent.where)

    # -- cancelled alone -------------------------------------------------------------

    def revoke(self, delivery: Delivery) -> anyio.Event:
        """However the attempt that is in hand goes on, it ends cancelled; set when it has."""
        return self._revoked.setdefault(delivery, anyio.Event())

    def check(self, invocation: Invocation) -> None:
        """Raise RunCancelled for an attempt that was cancelled alone, and took no notice."""
        if invocation.delivery in self._revoked:
            raise RunCancelled(invocation.run.id, f"{invocation.node_id} was cancelled")

    def goes_on(self, invocation: Invocation) -> bool:
        """Whether its delivery has not ended, and is to go on."""
        delivery = invocation.delivery
        known = delivery.is_open
        return known and not self._unwanted(invocation) and not self._engine.keeping

    def _unwanted(self, invocation: Invocation) -> bool:
        """Whether nobody wants any more what an attempt in hand would come to."""
        engine = self._engine
        if invocation.delivery in self._revoked:
            return True
        return engine.runs.closing(invocation.run) and not engine.cleanup.goes_on(invocation)

    def _ends_as_told(self, invocation: Invocation, error: BaseException) -> bool:
        """Whether it was to come to an end by itself, and has."""
        told = self._engine.cleanup.was_told(invocation.delivery)
        return told and isinstance(error, RunCancelled)

    def _cancelled(self, invocation: Invocation, failure: Failure | None) -> None:
        self._settled(invocation, _CANCELLED, failure)
        over = self._revoked.pop(invocation.delivery, None)
        if over is not None:
            over.set()

    def _warn(self, text: str, *values: str) -> None:
        """Say what has become of something, once that is on disk."""
        self._engine.gate.after(partial(logger.warning, text, *values))

    def crashed(self, run: Run, delivery: Delivery) -> None:
        """A delivery that the process has died under too often: it is not taken again."""
        node = delivery.node_id
        failure = Failure(CRASHED, f"the process died {delivery.deaths} times while {node} ran")
        self._warn("%s: it is a dead letter now", failure.message)
        self.bury(run, delivery, failure, delivery.attempts + 1)

    def bury(self, run: Run, delivery: Delivery, failure: Failure, attempts: int) -> None:
        """A delivery that nobody has in hand is dead."""
        name = delivery.queue.subscriber.name
        crew = self._engine.crews.get(name)
        wish = crew.agent.on_failure if crew else OnFailure.FAIL
        node = node_id(name, run.id, delivery.number)
        now, blame = self._engine.now(), wish is not OnFailure.CONTINUE
        fields = (run.number, delivery.number, _DEAD, attempts)
        self._engine.commit(make(Settled, (*fields, now, now, failure, (), (), blame)))
        if wish is OnFailure.STOP:
            self._engine.runs.stop_failed(run, node, failure)
        self._engine.runs.quiet(run)

    def _delay(self, invocation: Invocation, error: BaseException) -> float | None:
        """Seconds until another attempt; None if there is none."""
        engine, agent = self._engine, invocation.agent
        strategy = agent.retry or engine.retry
        allowed = attempts_allowed(agent.max_attempts, strategy, engine.config.max_attempts)
        if (
            invocation.attempt >= allowed
            or not may_follow(strategy, error)
            or not engine.serves(agent)
        ):
            return None
        return float(strategy.delay(invocation.attempt, random.random()))

    def _again(self, invocation: Invocation, failure: Failure, delay: float) -> None:
        now = self._engine.now()
        self._engine.commit(
            AttemptFailed(
                invocation.run.number,
                invocation.delivery.number,
                invocation.attempt,
                invocation.started,
                now,
                failure,
                now + delay,
            )
        )
        self._engine.timekeeper.later(invocation.delivery, delay)

    def _bad(self, invocation: Invocation, disposition: int, failure: Failure) -> None:
        """The message goes to the dead letters, and the run hears of it as it wished."""
        wish = invocation.agent.on_failure
        blame = wish is not OnFailure.CONTINUE
        if wish is OnFailure.STOP:
            self._engine.runs.stop_failed(invocation.run, invocation.node_id, failure)
        self._settled(invocation, disposition, failure, blame=blame)

    def _settled(
        self,
        invocation: Invocation,
        disposition: int,
        failure: Failure | None,
        effects: tuple[Effect, ...] = (),
        dropped: tuple[int, ...] = (),
        blame: bool = False,
    ) -> None:
        invocation.closed = True
        run = invocation.run
        fields = (
            run.number,
            invocation.delivery.number,
            disposition,
            invocation.attempt,
            invocation.started,
            self._engine.now(),
            failure,
            effects,
            dropped,
            blame,
        )
        self._engine.commit(make(Settled, fields))
        if effects and run.status is not _RUNNING and any(map(_cleans_nothing, effects)):
            self._engine.cleanup.turn_away(run)
        if not run.deliveries or run.questions or run.joins is not None:
            self._engine.runs.quiet(run)


def _cleans_nothing(effect: Effect) -> bool:
    return type(effect) is Publication and not is_cleanup(effect)


def overdue(invocation: Invocation) -> TimeoutExceeded:
    """The error of an attempt that ran longer than its agent's timeout."""
    return TimeoutExceeded(f"an attempt of {invocation.node_id}", invocation.agent.timeout or 0.0)


def _publications(invocation: Invocation) -> list[Publication]:
    """What it publishes, of all that it holds back."""
    return [each for each in invocation.effects if type(each) is Publication]
