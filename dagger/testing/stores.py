"""Stores in memory that are as slow as one on disk, and die as its process may."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager

import anyio

from dagger.store.contract import Parts
from dagger.store.hands import PAIR, Hands
from dagger.store.inbox import Inbox
from dagger.store.memory import MemoryStore
from dagger.store.posting import poster
from dagger.words.errors import DatabaseError
from dagger.words.packing import packer, unpack
from dagger.words.records import Record, run_of

SEATS = 256
"""Workers whose hands are remembered."""


class Disk:
    """What outlives a process: what it has written, and what its workers had in hand."""

    def __init__(self) -> None:
        self.journal = MemoryStore()
        self.hands = bytearray(SEATS * PAIR.size)


class LaggingStore:
    """A store in memory that is durable some turns of the loop later, as one on disk is.

    Whoever relies on a record to be durable before it has waited for it is found out. Only
    what is durable is on its `disk`: another store over that disk knows nothing else.
    """

    TURNS = 5

    lasting = True
    trouble: DatabaseError | None = None
    """Why its disk fails, while it does; for `Store.trouble`."""
    clogged = False

    def __init__(self, disk: Disk | None = None) -> None:
        self.disk = disk or Disk()
        self.heard: Callable[[], None] | None = None
        self.hands = Hands(self.disk.hands)
        self.commits = 0
        """How often records have become durable, in groups as they came."""
        self.inbox: Inbox | None = None
        self._journal = self.disk.journal
        self._position = self._durable = self._journal.position
        self._waiting: list[Record] = []  # for the disk, in order
        self._group: int | None = None  # so many of them came before those that are together
        self._touched: set[int] = set()
        self._pack = packer()
        self._turns = 0
        self._written = anyio.Event()

    @property
    def position(self) -> int:
        return self._position

    @property
    def durable(self) -> int:
        return self._durable

    async def open(self) -> None:
        """Nothing to get hold of."""

    # -- writing ---------------------------------------------------------------------

    def append(self, record: Record) -> None:
        self._waiting.append(unpack(self._pack(record)))  # its own from now on
        self._touched.add(run_of(record))
        self._position += 1
        if not self._turns:
            self._turns, self._written = self.TURNS, anyio.Event()
            self._soon = poster(self._turn)
            self._soon()

    @contextmanager
    def together(self) -> Iterator[None]:
        self._group = len(self._waiting)
        try:
            yield
        finally:
            self._group = None

    def _turn(self) -> None:
        """One turn of the loop; after the last one, what is there is durable."""
        if self._turns > 1:
            self._turns -= 1
            self._soon()
        elif self._turns:
            self._write()
            if self.heard is not None:
                self.heard()

    def _write(self) -> None:
        self._reach_disk(len(self._waiting))
        self._turns, self._durable = 0, self._position
        self.commits += 1
        self._written.set()

    def _reach_disk(self, count: int) -> None:
        for record in self._waiting[:count]:
            self._journal.append(record)
        del self._waiting[:count]

    async def flush(self) -> None:
        position = self._position
        while self._durable < position:
            await self._written.wait()

    async def save(
        self, position: int, parts: Parts, ids: Mapping[int, str], gone: Collection[int]
    ) -> None:
        await self.flush()  # it holds nothing that is not on the disk
        await self._journal.save(position, parts, ids, gone)

    async def tidied(self) -> None:
        """Nothing is ever left to do."""

    async def close(self) -> None:
        if self._waiting:
            self._write()

    def bury(self) -> None:
        """Let go of everything: its process is dead, and what is left of that is held for ever."""
        vars(self).clear()

    # -- reading what is on the disk -------------------------------------------------

    def touched(self) -> set[int]:
        touched, self._touched = self._touched | self._journal.touched(), set()
        return touched

    def read(self, after: int = 0) -> Iterator[Record]:
        return self._journal.read(after)

    def history(self, run: int, after: int = 0) -> Iterator[tuple[int, Record]]:
        return self._journal.history(run, after)

    def everything(self, after: int = 0) -> Iterator[tuple[int, Record]]:
        return self._journal.everything(after)

    def saved(self) -> int:
        return self._journal.saved()

    def kept(self) -> set[int]:
        return self._journal.kept()

    def parts(self) -> Iterator[tuple[int, bytes]]:
        return self._journal.parts()

    def part(self, number: int) -> bytes | None:
        return self._journal.part(number)


class MortalStore(LaggingStore):
    """A lagging store whose process dies at its `last` write: a record or a snapshot.

    All writes before that one are on the disk, but for records that belong together with
    it. It and all later ones are lost, and whoever waits for them does so for ever. `die`
    is called once, at that write, and has the process end.
    """

    def __init__(self, disk: Disk, last: int, die: Callable[[], None]) -> None:
        super().__init__(disk)
        self._left = last
        self._die = die

    @property
    def dead(self) -> bool:
        """Whether the last write has come."""
        return self._left <= 0

    def append(self, record: Record) -> None:
        self._begin_write()
        super().append(record)

    def _begin_write(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._reach_disk(len(self._waiting) if self._group is None else self._group)
            self._die()

    def _write(self) -> None:
        if not self.dead:
            super()._write()

    async def flush(self) -> None:
        if self.dead:
            await anyio.sleep_forever()
        await super().flush()

    async def save(
        self, position: int, parts: Parts, ids: Mapping[int, str], gone: Collection[int]
    ) -> None:
        await self.flush()
        self._begin_write()
        await self.flush()
        await super().save(position, parts, ids, gone)

    async def close(self) -> None:
        await self.flush()
        await super().close()
