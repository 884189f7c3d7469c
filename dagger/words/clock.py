"""Time, behind one small contract so that tests can own it."""

from __future__ import annotations

import math
import time
from datetime import datetime
from typing import Protocol

import anyio

from dagger.words.errors import ExecutionError


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
        """Seconds since the epoch: where they began, and what the loop has seen go by."""
        here = anyio.current_time()
        if self._origin is None:
            self._origin = here
        return self._start + here - self._origin

    def monotonic(self) -> float:
        """Seconds by the loop's own clock."""
        return anyio.current_time()


def epoch(moment: object, what: str) -> float:
    """Epoch seconds of a moment. Raises ExecutionError naming `what` for what is none."""
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ExecutionError(
                f"{what}={moment.isoformat()} has no timezone; give it one, such as "
                "datetime(..., tzinfo=ZoneInfo('Europe/Berlin'))"
            )
        return moment.timestamp()
    if isinstance(moment, (int, float)) and math.isfinite(moment):
        return float(moment)
    raise ExecutionError(
        f"{what} takes a datetime with a timezone, or epoch seconds, not {moment!r}"
    )
