"""Timers: callbacks at a time of the loop's clock, from one task and one heap."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from itertools import count

import anyio

MANY = 64
"""Timers that are too few to mind the cancelled ones among them."""


class Timer:
    """A callback to come; `cancel` forgets it."""

    __slots__ = ("_timers", "call", "when")

    def __init__(self, timers: Timers, when: float, call: Callable[[], None]) -> None:
        self._timers = timers
        self.when = when
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """It will not call back; cancelling twice is no matter."""
        if self.call is not None:
            self.call = None
            self._timers.forget()


class Timers:
    """Callbacks in order of their time; `serve` is run by the supervisor."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = count()
        self._cancelled = 0  # of those in the heap
        self._changed = anyio.Event()
        self._closed = False

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call back once `seconds` have passed on the loop's clock."""
        timer = Timer(self, anyio.current_time() + max(0.0, seconds), call)
        earliest = self._heap[0][0] if self._heap else math.inf
        heapq.heappush(self._heap, (timer.when, next(self._order), timer))
        if timer.when < earliest:
            self._changed.set()
        return timer

    def forget(self) -> None:
        """One was cancelled: once they are the most, the heap is made anew without them."""
        self._cancelled += 1
        if 2 * self._cancelled > len(self._heap) > MANY:
            self._heap = [each for each in self._heap if each[2].call is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    async def serve(self) -> None:
        """Call back what is due, until it is closed: who winds down needs timers as well."""
        while not self._closed:
            self._changed = anyio.Event()
            self._fire()
            due = self._heap[0][0] if self._heap else math.inf
            with anyio.CancelScope(deadline=due, shield=True):
                await self._changed.wait()

    def close(self) -> None:
        """Nothing is called back any more."""
        self._closed = True
        self._changed.set()

    def _fire(self) -> None:
        now = anyio.current_time()
        while self._heap and (self._heap[0][2].call is None or self._heap[0][0] <= now):
            timer = heapq.heappop(self._heap)[2]
            call, timer.call = timer.call, None  # what has gone off cannot be cancelled
            if call is not None:
                call()
            else:
                self._cancelled -= 1
