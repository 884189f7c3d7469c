"""The store on disk: one folder, one owner, one writer."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import anyio

from dagger.store.backup import backup
from dagger.store.ballast import Ballast
from dagger.store.block import Block, Payload
from dagger.store.contract import Parts
from dagger.store.disk import JournalDisk
from dagger.store.environment import Environment
from dagger.store.faults import explained, plain, unavailable
from dagger.store.hands import NO_HANDS, open_hands
from dagger.store.inbox import Inbox, LmdbInbox
from dagger.store.layout import check_format, make, make_journal
from dagger.store.lock import Lock
from dagger.store.pagefile import DATA
from dagger.store.posting import poster
from dagger.store.rows import NAMES
from dagger.store.saving import Saving
from dagger.store.shelves import Shelves
from dagger.store.writer import Writer
from dagger.words.errors import DatabaseError, OutcomeUnknown, StoreForked
from dagger.words.packing import packer
from dagger.words.records import Record, run_of

CLOGGED = 64 * 1024 * 1024
"""Bytes that may wait to be written before no more work is taken."""


class LmdbStore:
    """A store in a folder, made when it is first opened. See `Store` for what it promises."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.heard: Callable[[], None] | None = None
        self.hands = NO_HANDS
        self.inbox: Inbox | None = None
        self.clogged = False
        self._lock = Lock(self.path / "owner", self._forked)
        self._position = 0
        self._durable = 0
        self._appended = 0  # bytes
        self._touched: set[int] = set()
        self._waiting: deque[tuple[int, anyio.Event]] = deque()
        self._tidy: list[anyio.Event] = []  # who looks whether all is tidied up
        self._problem: Exception | None = None
        self._closed = True
        self._pack = packer()

    @property
    def lasting(self) -> bool:
        return True

    @property
    def position(self) -> int:
        return self._position

    @property
    def durable(self) -> int:
        return self._durable

    @property
    def trouble(self) -> DatabaseError | None:
        if self._problem is None:
            return None
        return unavailable(self.path, self._problem)

    # -- opening and closing ---------------------------------------------------------

    async def open(self) -> None:
        with ExitStack() as opened:
            self._take_hold(opened)
            self._position = self._durable = self._shelves.last()
            self._opened = opened.pop_all()
        self._appended = 0
        self._touched = set()
        self._problem = None
        self._closed = self.clogged = False
        self._over = anyio.Event()
        self._tell = poster(self._progress)
        self._writer = Writer(self, self._position, self._tell)
        self._add = self._writer.add
        self._writer.start()

    def _take_hold(self, opened: ExitStack) -> None:
        """Lock it, and open what is in it; made first, where it is not there yet."""
        journal = self.path / "journal"
        try:
            make(self.path)
            self._lock.acquire()
            opened.callback(self._lock.release)
            make_journal(journal)
            self._environment = Environment(journal, NAMES)
            opened.callback(self._environment.close)
            check_format(self._environment, self.path)
            self.hands = open_hands(self.path / "hands")
            opened.callback(self.hands.close)
            self.inbox = inbox = LmdbInbox(self.path / "inbox")
            opened.callback(inbox.close)
        except OSError as error:
            raise explained(self.path, error) from error
        self._shelves = Shelves(self._environment)
        ballast = Ballast(self.path / "ballast", journal / DATA)
        self._disk = JournalDisk(self._environment, ballast)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._writer.stop()
        with anyio.CancelScope(shield=True):
            await self._over.wait()
        self._opened.close()
        if self._durable < self._position:
            raise self._unknown()

    def _forked(self) -> None:
        """In a child of the owner: what is open here belongs to the parent."""

        def refuse(*_: Any) -> None:
            raise StoreForked(str(self.path))

        self._add = refuse
        self._closed = True
        self.hands.close()

    # -- appending -------------------------------------------------------------------

    def append(self, record: Record) -> None:
        blob, run = self._pack(record), run_of(record)
        self._position += 1
        self._touched.add(run)
        self._appended += len(blob)
        self._add((run, blob))
        if self._writer.asleep:
            self._writer.wake()
        if not self.clogged and self._appended - self._writer.bytes > CLOGGED:
            self._clog()

    @contextmanager
    def together(self) -> Iterator[None]:
        group: list[int | bytes] = []
        before = self._position
        self._add, add = group.extend, self._add
        try:
            yield
        finally:
            self._add = add
            self._writer.together(before, self._position)
            add(group)
            self._writer.wake()

    async def flush(self) -> None:
        position = self._position
        if self._durable >= position:
            return
        if self._problem is not None or self._closed:
            raise self._unknown()
        event = self._next_event()
        self._waiting.append((position, event))
        await event.wait()
        if self._durable < position:
            raise self._unknown()

    def _next_event(self) -> anyio.Event:
        """For who waits now: that of the latest one, if both are written together.

        To make an event takes longer than to append a record.
        """
        waiting = self._waiting
        shared = waiting and waiting[-1][0] > self._writer.taken
        return waiting.pop()[1] if shared else anyio.Event()

    def _unknown(self) -> OutcomeUnknown:
        problem = plain(self._problem) if self._problem else "it was closed"
        return OutcomeUnknown(str(self.path), problem)

    def _clog(self) -> None:
        self.clogged = True
        if self.heard is not None:
            self.heard()

    def _progress(self) -> None:
        """On the loop: the writer has got on, or has failed."""
        writer, waiting = self._writer, self._waiting
        self._durable, self._problem = writer.written, writer.problem
        if self.clogged and self._appended - writer.bytes < CLOGGED // 2:
            self.clogged = False
        over = self._problem is not None or writer.ended
        while waiting and (over or waiting[0][0] <= self._durable):
            waiting.popleft()[1].set()
        if writer.ended:
            self._over.set()
        for event in self._tidy:
            event.set()
        self._tidy.clear()
        if self.heard is not None:
            self.heard()

    # -- reading ---------------------------------------------------------------------

    def saved(self) -> int:
        return self._shelves.saved()

    def kept(self) -> set[int]:
        return self._shelves.kept()

    def parts(self) -> Iterator[tuple[int, bytes]]:
        return self._shelves.parts()

    def part(self, number: int) -> bytes | None:
        return self._shelves.part(number)

    def read(self, after: int = 0) -> Iterator[Record]:
        payload = self._shelves.payloads()
        found = (self._read(block, after, payload) for block in self._shelves.unbroken(after))
        return chain.from_iterable(found)

    def _read(self, block: Block, after: int, payload: Payload) -> list[Record]:
        self._touched.update(block.runs)
        return self._shelves.behind(block, after, payload)

    def history(self, run: int, after: int = 0) -> Iterator[tuple[int, Record]]:
        return self._shelves.history(run, after)

    def everything(self, after: int = 0) -> Iterator[tuple[int, Record]]:
        return self._shelves.everything(after)

    def backup(self, to: str | os.PathLike[str]) -> int:
        """Copy what is on disk into a new folder; its size in bytes. In any thread."""
        return backup(self._environment, Path(to))

    # -- snapshots -------------------------------------------------------------------

    def touched(self) -> set[int]:
        touched, self._touched = self._touched, set()
        return touched

    async def save(
        self, position: int, parts: Parts, ids: Mapping[int, str], gone: Collection[int]
    ) -> None:
        saving = Saving(position, parts, ids, gone)
        saving.start(self._writer.submit)
        await saving.over.wait()
        if saving.error is not None:
            raise OutcomeUnknown(str(self.path), plain(saving.error)) from saving.error

    async def tidied(self) -> None:
        while self._writer.tidying and not self._closed:
            event = anyio.Event()
            self._tidy.append(event)
            self._writer.wake()
            await event.wait()

    # -- in the writer's thread ------------------------------------------------------

    def write(self, blocks: Sequence[Block], job: Saving | None) -> bool:
        """One transaction; see `JournalDisk.write`."""
        return self._disk.write(blocks, job)

    def recover(self) -> None:
        """Get ready to try again."""
        self._disk.recover()
