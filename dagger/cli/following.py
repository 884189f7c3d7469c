"""The records of a store as they are written, for who does not own it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice
from typing import TYPE_CHECKING

from dagger.executor.recovery import saved, saved_run
from dagger.state.run import Keep
from dagger.state.state import State

if TYPE_CHECKING:
    from dagger.store.reader import StoreReader
    from dagger.words.records import Record

AT_ONCE = 10_000
"""Records that are read in one go: the store is held still for no longer than that takes."""

LITTLE = Keep(outputs=0, dead_letters=0, nodes=1)
"""To tell what a record means takes the open deliveries, and nothing of what has ended."""


class Following:
    """Follows the records of a store, or of one run in it; `state` is their fold.

    Of runs that are kept all records are there; `start` is the position behind which they
    are told.
    """

    def __init__(self, reader: StoreReader, run: int | None = None, after: int | None = None):
        """From position `after` on, or else from now on."""
        self._reader = reader
        self._run = run
        with reader.still():
            snapshot = reader.saved()
            self.start = reader.position if after is None else after
            if self.start < snapshot:
                self.state, self.position = State(LITTLE), 0
            elif run is None:
                self.state, self.position = saved(reader, LITTLE), snapshot
            else:
                self.state, self.position = saved_run(reader, run, LITTLE), snapshot

    def news(self) -> Iterator[tuple[int, Record]]:
        """What was written since the last call, each record before it is applied to `state`."""
        full = True
        while full:
            with self._reader.still():
                end = self._reader.position
                found = list(islice(self._behind(), AT_ONCE))
            for position, record in found:
                if position > self.start:
                    yield position, record
                self.state.apply(record)
                self.position = position
            full = len(found) == AT_ONCE
        self.position = end

    def _behind(self) -> Iterator[tuple[int, Record]]:
        """Records behind `position`, each with its own."""
        reader, position = self._reader, self.position
        if self._run is not None:
            return reader.history(self._run, position)
        if reader.saved() <= position:
            return zip(count(position + 1), reader.read(position), strict=False)
        return reader.everything(position)  # some of it may have left the journal
