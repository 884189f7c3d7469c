"""Timers: callbacks after so many seconds, or at a moment of the wall clock.

One task and one heap for both, kept in the loop's time, which never jumps. Where the wall
clock does, moments are put in order anew: what waits for nine o'clock goes off when it is
nine, however that came about.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from itertools import count

import anyio

MANY = 64
"""Timers that are too few to mind the cancelled ones among them."""

GLANCE = 60.0
"""Seconds after which the wall clock is looked at again, while anybody waits for a moment."""

JUMP = 0.01
"""Seconds by which the wall clock may differ from what the loop's clock makes of it."""


class Timer:
    """A callback to come; `cancel` forgets it."""

    __slots__ = ("_timers", "call", "moment")

    def __init__(
        self, timers: Timers, call: Callable[[], None], moment: float | None = None
    ) -> None:
        self._timers = timers
        self.moment = moment  # epoch seconds; None where it is no matter how late it is
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """It will not call back; cancelling twice is no matter."""
        if self.call is not None:
            self.call = None
            self._timers.forget()


class Timers:
    """Callbacks in order of their time; `serve` is run by the supervisor.

    `now` gives the wall time, epoch seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = count()
        self._cancelled = 0  # of those in the heap
        self._moments = 0  # and of those that wait for one
        self._ahead: float | None = None  # by what the wall clock is ahead of the loop's
        self._changed = anyio.Event()
        self._closed = False

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call back once `seconds` have passed on the loop's clock."""
        return self._add(Timer(self, call), anyio.current_time() + max(0.0, seconds))

    def at(self, moment: float, call: Callable[[], None]) -> Timer:
        """Call back once it is `moment` (epoch seconds) on the wall clock, or later."""
        if self._ahead is None:
            self._ahead = self._now() - anyio.current_time()
        self._moments += 1
        return self._add(Timer(self, call, moment), moment - self._ahead)

    def _add(self, timer: Timer, when: float) -> Timer:
        earliest = self._heap[0][0] if self._heap else math.inf
        heapq.heappush(self._heap, (when, next(self._order), timer))
        if when < earliest:
            self._changed.set()
        return timer

    def forget(self) -> None:
        """One was cancelled: once they are the most, the heap is made anew without them."""
        self._cancelled += 1
        if 2 * self._cancelled > len(self._heap) > MANY:
            self._renew([each for each in self._heap if each[2].call is not None])

    def _renew(self, heap: list[tuple[float, int, Timer]]) -> None:
        self._heap = heap
        heapq.heapify(self._heap)
        self._cancelled = sum(each[2].call is None for each in heap)
        self._moments = sum(each[2].moment is not None for each in heap)

    async def serve(self) -> None:
        """Call back what is due, until it is closed: who winds down needs timers as well."""
        while not self._closed:
            self._changed = anyio.Event()
            self._look_at_the_clock()
            self._fire()
            due = self._heap[0][0] if self._heap else math.inf
            if self._moments:
                due = min(due, anyio.current_time() + GLANCE)
            with anyio.CancelScope(deadline=due, shield=True):
                await self._changed.wait()

    def close(self) -> None:
        """Nothing is called back any more."""
        self._closed = True
        self._changed.set()

    def _look_at_the_clock(self) -> None:
        """Where the wall clock has jumped, moments come earlier or later by as much."""
        if not self._moments or self._ahead is None:
            self._ahead = None
            return
        ahead = self._now() - anyio.current_time()
        if abs(ahead - self._ahead) > JUMP:
            self._ahead = ahead
            self._renew([(_when(each, ahead), each[1], each[2]) for each in self._heap])

    def _fire(self) -> None:
        now = anyio.current_time()
        while self._heap and (self._heap[0][2].call is None or self._heap[0][0] <= now):
            timer = heapq.heappop(self._heap)[2]
            call, timer.call = timer.call, None  # what has gone off cannot be cancelled
            self._moments -= timer.moment is not None
            if call is not None:
                call()
            else:
                self._cancelled -= 1


def _when(entry: tuple[float, int, Timer], ahead: float) -> float:
    """When a timer is due on the loop's clock, now that the wall clock is so much ahead."""
    when, _, timer = entry
    return when if timer.moment is None else timer.moment - ahead
