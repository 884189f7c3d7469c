"""The records of a store as they are written, for who does not own it."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import count, groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING

from dagger.executor.recovery import saved, saved_run
from dagger.state.run import Keep
from dagger.state.state import State
from dagger.words.records import WIRING

if TYPE_CHECKING:
    from dagger.store.reader import StoreReader
    from dagger.words.records import Record

AT_ONCE = 10_000
"""Records that are read in one go: the store is held still for no longer than that takes."""

LITTLE = Keep(outputs=0, dead_letters=0, nodes=1)
"""To tell what a record means takes the open deliveries, and nothing of what has ended."""


class Following:
    """Follows the records of a store, or of one run in it; `state` is their fold.

    Of one run all records are there. Of all runs together, only those since the latest
    snapshot are: `start` is the position behind which they are told.
    """

    def __init__(self, reader: StoreReader, run: int | None = None, after: int | None = None):
        """From position `after` on, or else from now on."""
        self._reader = reader
        self._run = run
        with reader.still():
            snapshot = reader.saved()
            self.start = reader.position if after is None else after
            if run is None:
                self.start = max(self.start, snapshot)
                self.state, self.position = saved(reader, LITTLE), snapshot
            elif self.start >= snapshot:
                self.state, self.position = saved_run(reader, run, LITTLE), snapshot
            else:
                self.state, self.position = State(LITTLE), 0

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
        return self._histories()

    def _histories(self) -> Iterator[tuple[int, Record]]:
        """The same from the histories of the runs: there was a snapshot meanwhile, and what
        it holds may have left the journal.
        """
        known = [number for number, run in self.state.runs.items() if run.ended_at is None]
        fresh = [number for number, _ in self._reader.ids() if number > self.state.next_run]
        histories = [self._reader.history(each, self.position) for each in (WIRING, *known, *fresh)]
        merged = heapq.merge(*histories, key=itemgetter(0))
        return (next(same) for _, same in groupby(merged, key=itemgetter(0)))
