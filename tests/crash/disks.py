"""Stores on disks that stall or fail as long as a test says so, or are the last thing one sees."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dagger import LmdbStore
from dagger.store.block import Block
from dagger.store.saving import Saving
from tests.patience import PATIENCE

DEAD = 9
"""The exit code of a process that ends at a write."""


class BadDisk(LmdbStore):
    """Well, but for a while `with` one of the other methods."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path)
        self.writes = 0
        """Writes that were tried: one that is stalled counts."""
        self.snapshots = 0
        """How many of them were to make a snapshot."""
        self.given_up = False
        """Whether nobody has ended a stall: who should do so was waiting for the disk."""
        self._free = threading.Event()
        self._free.set()
        self._error: Exception | None = None
        self._snapshot_error: Exception | None = None
        self._written = False

    @contextmanager
    def stalled(self) -> Iterator[None]:
        """Nothing is written."""
        self._free.clear()
        try:
            yield
        finally:
            self._free.set()

    @contextmanager
    def failing(self, error: Exception, *, written: bool = False) -> Iterator[None]:
        """Every write raises; with `written`, what it was to write is on disk all the same."""
        self._error, self._written = error, written
        try:
            yield
        finally:
            self._error = None

    @contextmanager
    def failing_snapshots(self, error: Exception) -> Iterator[None]:
        """What would make a snapshot raises; it is too big for what is left of the disk."""
        self._snapshot_error = error
        try:
            yield
        finally:
            self._snapshot_error = None

    def write(self, blocks: Sequence[Block], job: Saving | None) -> bool:
        self.writes += 1
        self.snapshots += job is not None
        self.given_up |= not self._free.wait(PATIENCE / 4)
        error = self._error or (self._snapshot_error if job is not None else None)
        if error is not None and not self._written:
            raise error
        tidy = super().write(blocks, job)
        if error is not None:
            raise error
        return tidy


class LastWrite(LmdbStore):
    """Ends its process at the `last`-th write, just before or right `after` it took place."""

    def __init__(self, path: str | os.PathLike[str], last: int, *, after: bool) -> None:
        super().__init__(path)
        self._left = last
        self._after = after

    def write(self, blocks: Sequence[Block], job: Saving | None) -> bool:
        self._left -= 1
        if self._left == 0 and not self._after:
            os._exit(DEAD)
        tidy = super().write(blocks, job)
        if self._left == 0:
            os._exit(DEAD)
        return tidy
