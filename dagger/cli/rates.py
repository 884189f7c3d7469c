"""How fast things go now: counts over time, seen through a short window."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

WINDOW = 2.0
"""Seconds over which a rate is taken."""


class Rates:
    """Counts per second, by name, over the last WINDOW seconds or as much as there is."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, Mapping[str, int]]] = deque([(0.0, {})])

    def at(self, seconds: float, counts: Mapping[str, int]) -> dict[str, float]:
        """The rates at this time, which is never before the last one; 0 at the very start."""
        self._seen.append((seconds, counts))
        while len(self._seen) > 2 and self._seen[1][0] <= seconds - WINDOW:
            self._seen.popleft()
        since, before = self._seen[0]
        span = seconds - since
        return {
            name: (count - before.get(name, 0)) / span if span > 0 else 0.0
            for name, count in counts.items()
        }
