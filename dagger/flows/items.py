"""The items of a step with `foreach`, while it runs."""

from __future__ import annotations

from collections.abc import Iterator


class Items:
    """Which items run, and how the others have ended."""

    __slots__ = (
        "_next",
        "_stopped",
        "at_once",
        "closed",
        "failed",
        "running",
        "succeeded",
        "total",
    )

    def __init__(self, total: int, at_once: int) -> None:
        self.total = total
        self.at_once = at_once
        self.running: dict[int, None] = {}
        self.failed: list[int] = []
        self.succeeded = 0
        self.closed = False
        """Whether no more items start."""
        self._next = 0
        self._stopped = False

    def next(self) -> Iterator[int]:
        """The items that may start now, in their order; they run from then on."""
        while not self.closed and self._next < self.total and len(self.running) < self.at_once:
            item = self._next
            self._next += 1
            self.running[item] = None
            yield item

    def close(self) -> None:
        """Start no more of them."""
        self.closed = True

    def stop(self) -> tuple[int, ...]:
        """Start no more, and give those that run, the first time that it is asked."""
        running = () if self._stopped else tuple(self.running)
        self.closed = self._stopped = True
        return running
