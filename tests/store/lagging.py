"""A store that is durable a little later, like one on disk, and never sooner than it says."""

from __future__ import annotations

import anyio.lowlevel

from dagger import MemoryStore
from dagger.store.posting import poster
from dagger.words.records import Record


class LaggingStore(MemoryStore):
    """Keeps records in memory; each flush takes some turns of the loop.

    Whoever relies on a record to be durable before it has waited for it is found out.
    """

    TURNS = 5

    def __init__(self) -> None:
        super().__init__()
        self._durable = 0
        self._turns = 0

    @property
    def durable(self) -> int:
        return self._durable

    def append(self, record: Record) -> None:
        super().append(record)
        if not self._turns:
            self._turns = self.TURNS
            self._soon = poster(self._turn)
            self._soon()

    def _turn(self) -> None:
        """One turn of the loop; after the last one, what was there at the first is durable."""
        self._turns -= 1
        if self._turns:
            self._soon()
            return
        self._durable = self.position
        if self.heard is not None:
            self.heard()

    async def flush(self) -> None:
        position = self.position
        while self._durable < position:
            await anyio.lowlevel.checkpoint()

    async def close(self) -> None:
        self._durable = self.position
