"""The journal in memory: the twin of the one on disk, shipped for tests and for no store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext

from dagger.store.contract import Parts
from dagger.store.hands import Hands
from dagger.store.inbox import Inbox
from dagger.words.errors import DatabaseError
from dagger.words.packing import packer, unpack
from dagger.words.records import WIRING, Record, run_of


class MemoryStore:
    """A store that lasts as long as its object.

    `keep=True` keeps every record, packed as on disk: an executor that is given the
    same object again goes on where the last one was. `keep=False` only counts, and does
    not last: an executor does not trouble such a store with records nobody will read.
    """

    def __init__(self, *, keep: bool = True) -> None:
        self.heard: Callable[[], None] | None = None
        self.hands = Hands(bytearray(64 * 1024))
        self.inbox: Inbox | None = None
        self._keep = keep
        self._pack = packer()
        self._blobs: list[bytes] = []
        self._runs: list[int] = []  # of each record
        self._position = 0
        self._saved = 0
        self._parts: dict[int, bytes] = {}
        self._touched: set[int] = set()

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

    @property
    def trouble(self) -> DatabaseError | None:
        return None

    @property
    def clogged(self) -> bool:
        return False

    async def open(self) -> None:
        """Nothing to get hold of."""

    def append(self, record: Record) -> None:
        if self._keep:
            self._blobs.append(self._pack(record))
            self._runs.append(run := run_of(record))
            self._touched.add(run)
        self._position += 1

    def together(self) -> AbstractContextManager[None]:
        return nullcontext()

    async def flush(self) -> None:
        """Nothing to wait for."""

    def read(self, after: int = 0) -> Iterator[Record]:
        self._touched.update(self._runs[after:])
        for blob in self._blobs[after:]:
            yield unpack(blob)

    def history(self, run: int, after: int = 0) -> Iterator[tuple[int, Record]]:
        for position, (of, blob) in enumerate(zip(self._runs, self._blobs, strict=True), 1):
            if position > after and of in (run, WIRING):
                yield position, unpack(blob)

    def everything(self, after: int = 0) -> Iterator[tuple[int, Record]]:
        for position, blob in enumerate(self._blobs[after:], after + 1):
            yield position, unpack(blob)

    def saved(self) -> int:
        return self._saved

    def kept(self) -> set[int]:
        return {number for number in self._parts if number != WIRING}

    def parts(self) -> Iterator[tuple[int, bytes]]:
        yield from sorted(self._parts.items())

    def part(self, number: int) -> bytes | None:
        return self._parts.get(number)

    def touched(self) -> set[int]:
        touched, self._touched = self._touched, set()
        return touched

    async def save(
        self, position: int, parts: Parts, ids: Mapping[int, str], gone: Collection[int]
    ) -> None:
        for number in gone:
            self._parts.pop(number, None)
        self._parts.update({number: b"".join(pieces) for number, pieces in parts.items()})
        self._saved = position

    async def tidied(self) -> None:
        """Nothing is ever left to do."""

    async def close(self) -> None:
        """Nothing to let go."""
