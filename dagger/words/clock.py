"""Time, behind one small contract so that tests can own it."""

from __future__ import annotations

import time
from typing import Protocol

import anyio


class Clock(Protocol):
    """Where the time of an executor comes from."""

    def now(self) -> float:
        """Wall time: seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds of a stopwatch, by which it is seen that a piece of work took long."""


class SystemClock:
    """The machine's own clocks."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.perf_counter)


class LoopClock:
    """Wall time that follows the event loop's clock from `start` on.

    Its twin for tests: where the loop's clock is virtual, an hour of it passes at once, and
    no work takes long. Call it from the loop's own thread only.
    """

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._start = start
        self._origin: float | None = None

    def now(self) -> float:
        here = anyio.current_time()
        if self._origin is None:
            self._origin = here
        return self._start + here - self._origin

    def monotonic(self) -> float:
        return anyio.current_time()
