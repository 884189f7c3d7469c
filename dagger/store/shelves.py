"""What is in the journal's environment, and how it is read.

    journal  position of its last record -> a block: what came since, and a little before
    history  run, position of its last record -> a block of that run's own records
    state    part, chunk -> some bytes of the latest snapshot, each with its checksum
    ids      run id -> run; run -> run id
    meta     "format", "snapshot" (its position)

Keys are big-endian, so that they are in order.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from hashlib import blake2b
from itertools import groupby
from struct import Struct
from typing import TYPE_CHECKING
from zlib import crc32

from dagger.store.block import BadBlock, Block, decode
from dagger.store.environment import Environment
from dagger.words.errors import StoreCorrupt
from dagger.words.records import WIRING, WORLD, Record, RunForked, RunOpened

if TYPE_CHECKING:
    import lmdb

NAMES = ("journal", "history", "state", "ids", "meta")

POSITION = Struct(">Q")
RUN = Struct(">I")
OF_RUN = Struct(">IQ")
"""Run, and position of the last record."""
OF_PART = Struct(">IH")
"""Part, and number of the chunk."""

CHUNK = 1024 * 1024
"""Bytes of a part that are kept in one value."""

LONG_ID = 256
"""Bytes of a run id beyond which its key is cut, and told apart by a digest."""

AT_ONCE = 4 * 1024 * 1024
"""Bytes of blocks that are read in one transaction: none is kept open while others work."""

_SUM = Struct("<I")


class Shelves:
    """Reads blocks and parts; each call is a transaction of its own."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._path = str(environment.path)

    # -- the journal -----------------------------------------------------------------

    def saved(self) -> int:
        """The position of the latest snapshot; 0 if there is none."""
        with self.environment.reading() as txn:
            return _number(txn.get(b"snapshot", db=self.environment.db["meta"]))

    def last(self) -> int:
        """The position of the last record that is on disk."""
        with self.environment.reading() as txn:
            cursor = txn.cursor(self.environment.db["journal"])
            found = POSITION.unpack(cursor.key())[0] if cursor.last() else 0
            return max(found, _number(txn.get(b"snapshot", db=self.environment.db["meta"])))

    def read(self, after: int = 0) -> Iterator[Record]:
        """The records of the journal behind a position."""
        for block in self.blocks(after):
            yield from self.behind(block, after)

    def blocks(self, after: int = 0) -> Iterator[Block]:
        """The blocks of the journal that hold records behind a position. Raises StoreCorrupt."""
        for key, value in self._rows("journal", POSITION.pack(after + 1)):
            yield self._decoded(value, POSITION.unpack(key)[0])

    # -- one run ---------------------------------------------------------------------

    def history(self, run: int, after: int = 0) -> Iterator[tuple[int, Record]]:
        """Position and record of all that concerns one run behind a position, in order."""
        wanted = (run, WIRING)
        found = (each.only(wanted) for each in self.blocks(after))
        recent = (pair for block in found if block is not None for pair in self.records(block))
        moved = [self._moved(each, after) for each in wanted]
        merged = heapq.merge(*moved, recent, key=lambda pair: pair[0])
        # What is moved meanwhile is met in both places.
        once = (next(same) for _, same in groupby(merged, key=lambda pair: pair[0]))
        return (pair for pair in once if pair[0] > after)

    def histories(self) -> set[int]:
        """The runs that there is history of."""
        found: set[int] = set()
        with self.environment.reading() as txn:
            cursor = txn.cursor(self.environment.db["history"])
            there = cursor.set_range(OF_RUN.pack(WIRING + 1, 0))
            while there:
                run = OF_RUN.unpack(cursor.key())[0]
                found.add(run)
                there = cursor.set_range(OF_RUN.pack(run + 1, 0))
        return found

    def _moved(self, run: int, after: int) -> Iterator[tuple[int, Record]]:
        start, stop = OF_RUN.pack(run, after + 1), OF_RUN.pack(run + 1, 0)
        for key, value in self._rows("history", start, stop):
            yield from self.records(self._decoded(value, OF_RUN.unpack(key)[1]))

    def find(self, run_id: str) -> int | None:
        """The number of the run of that id, if it is there."""
        with self.environment.reading() as txn:
            value = txn.get(id_key(run_id), db=self.environment.db["ids"])
        if value is not None:
            return int(RUN.unpack(value)[0])
        return next((run for run, known in self._opened() if known == run_id), None)

    def ids(self) -> Iterator[tuple[int, str]]:
        """Number and id of every run, oldest first."""
        for key, value in self._rows("ids", b"#", b"$"):
            yield RUN.unpack(key[1:])[0], value.decode()
        yield from self._opened()

    def _opened(self) -> Iterator[tuple[int, str]]:
        """Number and id of the runs that were opened since the snapshot.

        Numbers only grow, and the first record of a run is the one that opens it. A block may
        begin before the snapshot, with runs that are forgotten by then.
        """
        with self.environment.reading() as txn:
            cursor = txn.cursor(self.environment.db["ids"])
            newest = RUN.unpack(cursor.key()[1:])[0] if _last_below(cursor, b"$") else 0
        saved = self.saved()
        for block in self.blocks(saved):
            first = []
            for at, run in enumerate(block.runs):
                if newest < run < WORLD and block.first + block.offsets[at] > saved:
                    newest = run
                    first.append(at)
            for _, record in self.records(block.at(first)):
                assert isinstance(record, RunOpened | RunForked)
                yield record.run, record.id

    # -- the snapshot ----------------------------------------------------------------

    def kept(self) -> set[int]:
        """The runs that the latest snapshot holds."""
        return {RUN.unpack(key[1:])[0] for key, _ in self._rows("ids", b"#", b"$")}

    def parts(self) -> Iterator[tuple[int, bytes]]:
        """All parts of the latest snapshot, the world first. Raises StoreCorrupt."""
        rows = self._rows("state", b"")
        for part, chunks in groupby(rows, key=lambda row: OF_PART.unpack(row[0])[0]):
            yield part, b"".join(self._whole(part, value) for _, value in chunks)

    def part(self, number: int) -> bytes | None:
        """One part of the latest snapshot, if it is there."""
        rows = self._rows("state", OF_PART.pack(number, 0), OF_PART.pack(number + 1, 0))
        chunks = [self._whole(number, value) for _, value in rows]
        return b"".join(chunks) if chunks else None

    def _whole(self, part: int, value: bytes) -> bytes:
        if len(value) < _SUM.size or _SUM.unpack_from(value)[0] != crc32(value[_SUM.size :]):
            problem = f"part {part} of the snapshot has another checksum"
            raise StoreCorrupt(self._path, self.saved(), problem)
        return value[_SUM.size :]

    # -- rows ------------------------------------------------------------------------

    def _rows(self, name: str, start: bytes, stop: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Keys and values from one key to before another, some at a time."""
        at: bytes | None = start
        while at is not None:
            with self.environment.reading() as txn:
                some, at = self._some(txn.cursor(self.environment.db[name]), at, stop)
            yield from some

    def _some(
        self, cursor: lmdb.Cursor[bytes], start: bytes, stop: bytes
    ) -> tuple[list[tuple[bytes, bytes]], bytes | None]:
        """About AT_ONCE bytes of rows, and the key to go on with."""
        found: list[tuple[bytes, bytes]] = []
        size = 0
        there = cursor.set_range(start) if start else cursor.first()
        while there:
            key = cursor.key()
            if stop and key >= stop:
                return found, None
            if size >= AT_ONCE:
                return found, key
            value = cursor.value()
            found.append((key, value))
            size += len(value)
            there = cursor.next()
        return found, None

    def _decoded(self, value: bytes, last: int) -> Block:
        try:
            return decode(value)
        except BadBlock as broken:
            raise StoreCorrupt(self._path, last, str(broken)) from broken

    def behind(self, block: Block, position: int) -> list[Record]:
        """The records of a block behind a position. Raises StoreCorrupt."""
        try:
            return block.behind(position)
        except BadBlock as broken:
            raise StoreCorrupt(self._path, block.first, str(broken)) from broken

    def records(self, block: Block) -> Iterator[tuple[int, Record]]:
        """Each record of a block with its position. Raises StoreCorrupt."""
        try:
            yield from block.records()
        except BadBlock as broken:
            raise StoreCorrupt(self._path, block.first, str(broken)) from broken


def _last_below(cursor: lmdb.Cursor[bytes], key: bytes) -> bool:
    """Go to the last key before another one; whether there is any."""
    return cursor.prev() if cursor.set_range(key) else cursor.last()


def id_key(run_id: str) -> bytes:
    """The key of a run id: keys are at most 511 bytes long."""
    encoded = run_id.encode()
    if len(encoded) > LONG_ID:
        encoded = encoded[:LONG_ID] + blake2b(encoded, digest_size=16).digest()
    return b"=" + encoded


def number_key(run: int) -> bytes:
    """The key under which a run's id is found."""
    return b"#" + RUN.pack(run)


def chunks(whole: bytes) -> Iterator[bytes]:
    """The values that a part is kept in: never none, so that the part is there."""
    for start in range(0, max(1, len(whole)), CHUNK):
        piece = whole[start : start + CHUNK]
        yield _SUM.pack(crc32(piece)) + piece


def _number(value: bytes | None) -> int:
    return POSITION.unpack(value)[0] if value else 0
