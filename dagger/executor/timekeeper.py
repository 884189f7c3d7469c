"""The timekeeper: deliveries that wait for a time, and those that are of no use after one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from dagger.state.queues import HELD, RUNNING, UNLOADED
from dagger.words.outcomes import Disposition
from dagger.words.records import BatchDue, Swept

if TYPE_CHECKING:
    from dagger.executor.engine import Engine
    from dagger.state.queues import Delivery

_EXPIRED = int(Disposition.EXPIRED)


class Timekeeper:
    """Retries, messages that come later or expire, and batches; part of one executor."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def later(self, delivery: Delivery, delay: float) -> None:
        """A delivery whose next attempt may start in `delay` seconds, if it is of use then."""
        if _expired(delivery, self._engine.now()):
            self._expire(delivery)
        elif delay <= 0:
            delivery.queue.again(delivery)
        else:
            self._engine.timers.after(delay, partial(_again, delivery))

    def keep_time(self, delivery: Delivery) -> None:
        """See to it that a delivery comes when it is due, and goes when it expires."""
        timing, timers = delivery.envelope.publication.timing, self._engine.timers
        if delivery.stage == HELD:
            self._keep_batch(delivery)
        if timing is None:
            return
        due, expires = timing
        if due and not delivery.attempts and delivery.bond is None:
            timers.at(due, partial(_again, delivery))
        if expires:
            timers.at(expires, partial(self._expire, delivery))

    def _keep_batch(self, part: Delivery) -> None:
        """See to it that a part of a batch does not wait too long for others."""
        join = part.queue.subscriber.join
        if join is not None and join.within:
            moment = part.envelope.at + join.within
            self._engine.timers.at(moment, partial(self._batch_due, part))

    def _batch_due(self, part: Delivery) -> None:
        run, waits = part.queue.run, part.bond is not None and not part.bond.lead
        if part.number in run.deliveries and waits:
            self._engine.commit(BatchDue(run.number, part.number, self._engine.now()))

    def _expire(self, delivery: Delivery) -> None:
        """Nobody has it in hand, and nobody need take it any more."""
        run = delivery.queue.run
        bound = delivery.stage == HELD and delivery.bond is not None and delivery.bond.lead
        if not delivery.is_open or delivery.stage in (RUNNING, UNLOADED) or bound:
            return
        expired = Swept(run.number, (delivery.number,), _EXPIRED, self._engine.now())
        self._engine.commit(expired)
        self._engine.admissions.room()
        self._engine.runs.quiet(run)


def _again(delivery: Delivery) -> None:
    if delivery.is_open:
        delivery.queue.again(delivery)


def _expired(delivery: Delivery, now: float) -> bool:
    timing = delivery.envelope.publication.timing
    return timing is not None and 0 < timing[1] <= now
