"""The journal in memory: the twin of the one on disk, shipped for tests and for no store."""

from __future__ import annotations

from collections.abc import Iterator

from dagger.words.records import Record, pack, unpack


class MemoryStore:
    """A store that lasts as long as its object.

    `keep=True` keeps every record, packed as on disk: an executor that is given the
    same object again goes on where the last one was. `keep=False` only counts, and does
    not last: an executor does not trouble such a store with records nobody will read.
    """

    def __init__(self, *, keep: bool = True) -> None:
        self._keep = keep
        self._blobs: list[bytes] = []
        self._position = 0

    @property
    def lasting(self) -> bool:
        return self._keep

    @property
    def position(self) -> int:
        return self._position

    @property
    def durable(self) -> int:
        """Everything appended: this journal is as durable as it gets."""
        return self._position

    def append(self, record: Record) -> None:
        if self._keep:
            self._blobs.append(pack(record))
        self._position += 1

    async def flush(self) -> None:
        """Nothing to wait for."""

    def read(self, after: int = 0) -> Iterator[Record]:
        for blob in self._blobs[after:]:
            yield unpack(blob)

    async def close(self) -> None:
        """Nothing to let go."""
