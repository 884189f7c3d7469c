"""The store on disk: one folder, one owner, one writer."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from dagger.store.block import Block, decode
from dagger.store.contract import Parts
from dagger.store.environment import Environment, create, plain
from dagger.store.hands import open_hands
from dagger.store.inbox import LmdbInbox
from dagger.store.lock import Lock
from dagger.store.posting import poster
from dagger.store.shelves import NAMES, OF_PART, OF_RUN, POSITION, Shelves, chunks
from dagger.store.writer import Job, Writer
from dagger.words.errors import (
    DatabaseError,
    NotAStore,
    OutcomeUnknown,
    StoreForked,
    StoreUnavailable,
)
from dagger.words.records import WIRING, Record, packer, run_of

if TYPE_CHECKING:
    import lmdb

FORMAT = 1
"""The format of a store as a whole; see docs/durability.md."""

CLOGGED = 64 * 1024 * 1024
"""Bytes that may wait to be written before no more work is taken."""

TIDY = 1024 * 1024
"""Bytes of blocks that one commit moves into history, at most."""


class LmdbStore:
    """A store in a folder, made when it is first opened. See `Store` for what it promises."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.heard: Callable[[], None] | None = None
        self.clogged = False
        self._lock = Lock(self.path / "owner", self._forked)
        self._position = 0
        self._durable = 0
        self._appended = 0  # bytes
        self._touched: set[int] = set()
        self._waiting: deque[tuple[int, anyio.Event]] = deque()
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
        return StoreUnavailable(str(self.path), plain(self._problem))

    # -- opening and closing ---------------------------------------------------------

    async def open(self) -> None:
        make(self.path)
        self._lock.acquire()
        try:
            if not (self.path / "journal").exists():
                create(self.path / "journal", NAMES, _first)
            self._environment = Environment(self.path / "journal", NAMES)
            self._shelves = Shelves(self._environment)
            check_format(self._environment, self.path)
            self.hands = open_hands(self.path / "hands")
            self.inbox = LmdbInbox(self.path / "inbox")
        except BaseException:
            self._lock.release()
            raise
        self._position = self._durable = self._shelves.last()
        self._appended = 0
        self._problem = None
        self._closed = self.clogged = False
        self._over = anyio.Event()
        self._tell = poster(self._progress)
        self._writer = Writer(self, self._position, self._tell)
        self._add = self._writer.add
        self._writer.start()

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._writer.stop()
        with anyio.CancelScope(shield=True):
            await self._over.wait()
        self.hands.close()
        self.inbox.close()
        self._environment.close()
        self._lock.release()
        if self._durable < self._position:
            raise self._unknown()

    def _forked(self) -> None:
        """In a child of the owner: what is open here belongs to the parent."""

        def refuse(*_: Any) -> None:
            raise StoreForked(str(self.path))

        self._add = refuse
        self._closed = True

    # -- appending -------------------------------------------------------------------

    def append(self, record: Record) -> None:
        blob, run = self._pack(record), run_of(record)
        self._add((run, blob))
        self._position += 1
        self._touched.add(run)
        self._appended += len(blob)
        if self._writer.asleep:
            self._writer.wake()
        if not self.clogged and self._appended - self._writer.bytes > CLOGGED:
            self._clog()

    @contextmanager
    def together(self) -> Iterator[None]:
        group: list[int | bytes] = []
        self._add, add = group.extend, self._add
        try:
            yield
        finally:
            self._add = add
            add(group)
            self._writer.wake()

    async def flush(self) -> None:
        position = self._position
        if self._durable >= position:
            return
        if self._problem is not None or self._closed:
            raise self._unknown()
        event = anyio.Event()
        self._waiting.append((position, event))
        await event.wait()
        if self._durable < position:
            raise self._unknown()

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
        if self.heard is not None:
            self.heard()

    # -- reading ---------------------------------------------------------------------

    def saved(self) -> int:
        return self._shelves.saved()

    def parts(self) -> Iterator[tuple[int, bytes]]:
        return self._shelves.parts()

    def part(self, number: int) -> bytes | None:
        return self._shelves.part(number)

    def read(self, after: int = 0) -> Iterator[Record]:
        for block in self._shelves.blocks(after):
            self._touched.update(block.runs)
            for position, record in self._shelves.records(block):
                if position > after:
                    yield record

    def history(self, run: int) -> Iterator[tuple[int, Record]]:
        return self._shelves.history(run)

    # -- snapshots -------------------------------------------------------------------

    def touched(self) -> set[int]:
        touched, self._touched = self._touched, set()
        return touched

    async def save(self, position: int, parts: Parts, gone: Collection[int]) -> None:
        saving = Saving(position, parts, gone)
        self._writer.submit(saving)
        await saving.wait()

    # -- in the writer's thread ------------------------------------------------------

    def write(self, blocks: list[Block], job: Job | None) -> bool:
        """One transaction: new blocks, a snapshot, and some of what is to be tidied up."""
        rows = [(POSITION.pack(each.last), each.encode()) for each in blocks]
        need = sum(len(value) for _, value in rows) + (job.size if isinstance(job, Saving) else 0)
        with self._environment.writing(3 * need + 2 * TIDY) as txn:
            txn.cursor(self._environment.db["journal"]).putmulti(rows)
            if isinstance(job, Saving):
                job.write(txn, self._environment.db)
            return tidy(txn, self._environment.db, max(TIDY, 2 * need))

    def recover(self) -> None:
        self._environment.again()


class Saving:
    """A snapshot on its way to the disk."""

    def __init__(self, position: int, parts: Parts, gone: Collection[int]) -> None:
        self.after = position
        self.size = sum(len(piece) for pieces in parts.values() for piece in pieces)
        self._rows = [
            (OF_PART.pack(number, at), value)
            for number, pieces in parts.items()
            for at, value in enumerate(chunks(pieces))
        ]
        self._old = [*parts, *gone]
        self._gone = gone
        self._event = anyio.Event()
        self._error: Exception | None = None
        self._tell = poster(self._event.set)

    def write(self, txn: lmdb.Transaction[bytes], db: dict[str, Any]) -> None:
        """Put the new parts in the place of the old ones."""
        for part in self._old:
            _delete(txn.cursor(db["state"]), OF_PART.pack(part, 0), OF_PART.pack(part + 1, 0))
        for run in self._gone:
            _delete(txn.cursor(db["history"]), OF_RUN.pack(run, 0), OF_RUN.pack(run + 1, 0))
        txn.cursor(db["state"]).putmulti(self._rows)
        txn.put(b"snapshot", POSITION.pack(self.after), db=db["meta"])

    def done(self, error: Exception | None) -> None:
        self._error = error
        self._tell()

    async def wait(self) -> None:
        await self._event.wait()
        if self._error is not None:
            raise self._error


def tidy(txn: lmdb.Transaction[bytes], db: dict[str, Any], budget: int) -> bool:
    """Move blocks that the snapshot holds into the history of their runs; whether there
    are more. What was left of runs that are gone is let go.
    """
    saved = txn.get(b"snapshot", db=db["meta"])
    cursor = txn.cursor(db["journal"])
    while saved is not None and cursor.first() and cursor.key() <= saved:
        if budget <= 0:
            return True
        value = cursor.value()
        budget -= len(value)
        block = decode(value)
        for run in sorted(set(block.runs)):
            if run == WIRING or txn.get(OF_PART.pack(run, 0), db=db["state"]) is not None:
                own = block.only((run,))
                if own is not None:
                    txn.put(OF_RUN.pack(run, own.last), own.encode(), db=db["history"])
        cursor.delete()
    return False


def _delete(cursor: lmdb.Cursor[bytes], start: bytes, stop: bytes) -> None:
    there = cursor.set_range(start)
    while there and cursor.key() < stop:
        there = cursor.delete()


def make(path: Path) -> None:
    """The folder of a store; one that is full of something else is refused."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        there = {each.name for each in path.iterdir() if not each.name.startswith(".")}
    except OSError as error:
        raise NotAStore(str(path), plain(error)) from error
    if there and "journal" not in there and not there <= {"owner", "inbox", "hands"}:
        raise NotAStore(str(path), "the folder has other things in it, and no journal")


def _first(environment: Environment) -> None:
    with environment.writing(0) as txn:
        txn.put(b"format", POSITION.pack(FORMAT), db=environment.db["meta"])


def check_format(environment: Environment, path: Path) -> None:
    """Raise NotAStore for a store of a format that is not known here."""
    with environment.reading() as txn:
        value = txn.get(b"format", db=environment.db["meta"])
    if value is None:
        raise NotAStore(str(path), "its journal is empty, and does not say which format it has")
    if (version := POSITION.unpack(value)[0]) != FORMAT:
        raise NotAStore(str(path), f"it has format {version}, and a newer Dagger is needed for it")
