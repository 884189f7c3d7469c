"""A store that is durable a little later, like one on disk, and never sooner than it says."""

from __future__ import annotations

import anyio.lowlevel

from dagger import MemoryStore


class LaggingStore(MemoryStore):
    """Keeps records in memory; each flush takes some turns of the loop.

    Whoever relies on a record to be durable before it has waited for it is found out.
    """

    TURNS = 5

    def __init__(self) -> None:
        super().__init__()
        self._durable = 0

    @property
    def durable(self) -> int:
        return self._durable

    async def flush(self) -> None:
        position = self.position
        for _ in range(self.TURNS):
            await anyio.lowlevel.checkpoint()
        self._durable = max(self._durable, position)

    async def close(self) -> None:
        self._durable = self.position
