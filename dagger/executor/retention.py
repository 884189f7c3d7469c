"""Retention: which ended runs are kept, and for how long. Open ones are never let go."""

from __future__ import annotations

from collections import deque
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagger.state.run import Run
    from dagger.words.config import Config

TOGETHER = 16
"""Ended runs that are forgotten in one record, where many are kept."""


class Retention:
    """The ended runs that are kept, in the order of their ends."""

    def __init__(self, config: Config, runs: dict[int, Run]) -> None:
        self._runs = runs
        self._ended: deque[int] = deque()
        self._bytes = 0  # of all of them
        self._keep = config.keep_runs
        self._seconds = config.keep_runs_seconds
        self._most_bytes = config.keep_runs_bytes

    def add(self, run: Run) -> None:
        """A run has ended: it is kept until there are too many, or it is too old, or they
        are too big together.
        """
        at = len(self._ended)
        while at and self._end(self._ended[at - 1]) > self._end(run.number):
            at -= 1  # of a store that is opened, or imported: all others end in order
        self._ended.insert(at, run.number)
        self._bytes += run.size

    def take(self, now: float, *, exact: bool = False) -> tuple[int, ...]:
        """The runs that are not to be kept any more, oldest first; they are let go of here.

        Of many that are kept some more may stand until they go together, unless `exact`.
        """
        surplus = len(self._ended) - self._keep
        gone = surplus if exact or surplus > min(self._keep // 10, TOGETHER) else 0
        if self._seconds is not None:
            gone = max(gone, self._too_old(now - self._seconds))
        if self._most_bytes is not None and self._bytes > self._most_bytes:
            gone = max(gone, self._too_big(self._most_bytes))
        if gone <= 0:
            return ()
        numbers = tuple(self._ended.popleft() for _ in range(gone))
        self._bytes -= sum(self._runs[number].size for number in numbers)
        return numbers

    def _too_old(self, before: float) -> int:
        return sum(1 for _ in takewhile(lambda each: self._end(each) < before, self._ended))

    def _end(self, number: int) -> float:
        return self._runs[number].ended_at or 0.0

    def _too_big(self, most: int) -> int:
        """How many of the oldest have to go, so that the others take `most` bytes together."""
        left, count = self._bytes, 0
        for number in self._ended:
            if left <= most:
                break
            left -= self._runs[number].size
            count += 1
        return count
