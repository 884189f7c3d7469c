"""Unloading: a handler that waits is let go of, and called anew once the wait is over.

As after a restart: it is another execution of the same attempt, and gets all that it was
told before. Meanwhile there is no task and no stack of it, only its delivery.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dagger.state.queues import UNLOADED, Delivery

if TYPE_CHECKING:
    from dagger.executor.timers import Timer, Timers


class Unloaded(BaseException):
    """Raised where a handler waits, so that it ends; its invocation does not.

    No Exception, lest the handler take it for a failure.
    """

    def __init__(self, absence: Absence) -> None:
        super().__init__("the handler waits, and is called again when that is over")
        self.absence = absence


class Absence:
    """An invocation without a handler, until a moment has come or an answer is kept."""

    __slots__ = ("_answer", "_delivery", "_moment", "_timers")

    def __init__(
        self, delivery: Delivery, moment: float | None, answer: tuple[str, str] | None
    ) -> None:
        self._delivery = delivery
        self._moment = moment  # epoch seconds
        self._answer = answer  # its name and key
        self._timers: tuple[Timer, ...] = ()

    def accompany(self, timer: Timer) -> None:
        """A timer that is of use until the absence is over."""
        self._timers = (*self._timers, timer)

    def begin(self, timers: Timers) -> None:
        """The handler is gone: from now on the delivery is nobody's."""
        delivery = self._delivery
        delivery.stage = UNLOADED
        if self._moment is not None:
            self.accompany(timers.at(self._moment, self.end))
        if self._answer is None:
            return
        if delivery.kept is not None and self._answer in delivery.kept:
            self.end()  # it came while the handler cleaned up
        else:
            delivery.bells = {self._answer: [self.end]}

    def end(self) -> None:
        """The wait is over: whoever is free takes the delivery again, if it has not ended."""
        for timer in self._timers:
            timer.cancel()
        delivery = self._delivery
        if delivery.stage == UNLOADED:
            delivery.bells = None
            delivery.queue.again(delivery)


@contextmanager
def meanwhile(timer: Timer | None) -> Iterator[None]:
    """A timer that is of use while a handler waits, even if it is unloaded for that."""
    try:
        yield
    except Unloaded as away:
        if timer is not None:
            away.absence.accompany(timer)
        raise
    except BaseException:
        _cancel(timer)
        raise
    _cancel(timer)


def _cancel(timer: Timer | None) -> None:
    if timer is not None:
        timer.cancel()
