"""How a store is read: blocks, histories and parts, out of the rows of its journal."""

from __future__ import annotations

import heapq
from collections.abc import Container, Iterable, Iterator
from itertools import chain, groupby
from struct import Struct, error
from typing import TYPE_CHECKING

from dagger.store.block import BadBlock, Block, Payload, decode
from dagger.store.environment import Environment
from dagger.store.outline import MARK, inlined, resolver
from dagger.store.payloads import PayloadReader, Strange, strange
from dagger.store.rows import (
    CHUNKS,
    OF_PART,
    OF_RUN,
    POSITION,
    RUN,
    SNAPSHOT,
    id_key,
)
from dagger.store.seal import unseal
from dagger.words.errors import StoreCorrupt, StoreNewer
from dagger.words.records import WIRING, WORLD, Record, RunForked, RunOpened, run_of
from dagger.words.versions import WrittenByNewer

if TYPE_CHECKING:
    import lmdb

AT_ONCE = 4 * 1024 * 1024
"""Bytes of blocks that are read in one transaction: none is kept open while others work."""


class Shelves:
    """Reads blocks and parts; each call is a transaction of its own."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._path = str(environment.store)

    # -- the journal -----------------------------------------------------------------

    def saved(self) -> int:
        """The position of the latest snapshot; 0 if there is none."""
        with self.environment.reading() as txn:
            value = txn.get(SNAPSHOT, db=self.environment.db["meta"])
        if value is None:
            return 0
        return int(POSITION.unpack(self._unsealed(SNAPSHOT, value, 0))[0])

    def last(self) -> int:
        """The position of the last record that is on disk."""
        with self.environment.reading() as txn:
            cursor = txn.cursor(self.environment.db["journal"])
            found = self._numbers(POSITION, cursor.key())[0] if cursor.last() else 0
        return max(found, self.saved())

    def read(self, after: int = 0) -> Iterator[Record]:
        """The records of the journal behind a position."""
        payload = self.payloads()
        found = (self.behind(block, after, payload) for block in self.unbroken(after))
        return chain.from_iterable(found)

    def unbroken(self, after: int = 0) -> Iterator[Block]:
        """The blocks behind a position, of which none is missing. Raises StoreCorrupt.

        What a snapshot holds may not be kept.
        """
        last = max(after, self.saved())
        for block in self.blocks(after):
            if block.first > last + 1:
                problem = f"records {last + 1} to {block.first - 1} are missing"
                raise StoreCorrupt(self._path, last + 1, problem)
            last = block.last
            yield block

    def blocks(self, after: int = 0) -> Iterator[Block]:
        """The blocks of the journal that hold records behind a position. Raises StoreCorrupt."""
        for key, value in self._rows("journal", POSITION.pack(after + 1)):
            yield self._decoded(value, self._numbers(POSITION, key)[0])

    # -- one run ---------------------------------------------------------------------

    def history(self, run: int, after: int = 0) -> Iterator[tuple[int, Record]]:
        """Position and record of all that concerns one run behind a position, in order."""
        wanted = (run, WIRING)
        found = (each.only(wanted) for each in self.blocks(after))
        # The journal first: what is moved meanwhile is met in both places, and not in none.
        payload = self.payloads()
        recent = [
            pair for block in found if block is not None for pair in self.records(block, payload)
        ]
        moved = [self._moved(each, after, payload) for each in wanted]
        return _once(heapq.merge(*moved, recent, key=whose), after)

    def everything(self, after: int = 0) -> Iterator[tuple[int, Record]]:
        """Position and record of all that is known behind a position, in order: of the runs
        that are kept, and of who hears what; since the snapshot of everything.
        """
        saved, kept, payload = self.saved(), self.kept(), self.payloads()
        blocks = (each.of_use(saved, kept) for each in self.blocks(after))
        recent = [pair for block in blocks for pair in self.records(block, payload)]
        moved = [self._moved(each, after, payload) for each in (WIRING, *sorted(self.histories()))]
        return _once(heapq.merge(*moved, recent, key=whose), after)

    def histories(self) -> set[int]:
        """The runs that there is history of."""
        return self._runs("history", OF_RUN)

    def _runs(self, name: str, key_of: Struct) -> set[int]:
        """The runs that there are rows of in a database."""
        found: set[int] = set()
        with self.environment.reading() as txn:
            cursor = txn.cursor(self.environment.db[name])
            there = cursor.set_range(key_of.pack(WIRING + 1, 0))
            while there:
                run = self._numbers(key_of, cursor.key())[0]
                found.add(run)
                there = cursor.set_range(key_of.pack(run + 1, 0))
        return found

    def _moved(self, run: int, after: int, payload: Payload) -> Iterator[tuple[int, Record]]:
        start, stop = OF_RUN.pack(run, after + 1), OF_RUN.pack(run + 1, 0)
        for key, value in self._rows("history", start, stop):
            last = self._numbers(OF_RUN, key)[1]
            block = self._decoded(value, last)
            if set(block.runs) != {run}:
                raise StoreCorrupt(self._path, last, f"it is not of run {run} alone")
            yield from self.records(block, payload)

    def find(self, run_id: str) -> int | None:
        """The number of the run of that id, if it is there; of several, that of the latest."""
        recent = [run for run, known in self._opened() if known == run_id]
        return recent[-1] if recent else self.indexed(run_id)

    def indexed(self, run_id: str) -> int | None:
        """The number of the run of that id in the latest snapshot. Raises StoreCorrupt."""
        with self.environment.reading() as txn:
            value = txn.get(id_key(run_id), db=self.environment.db["ids"])
        return int(RUN.unpack(self._unsealed(id_key(run_id), value))[0]) if value else None

    def ids(self) -> Iterator[tuple[int, str]]:
        """Number and id of every run, oldest first."""
        yield from self._named()
        yield from self._opened()

    def _named(self) -> Iterator[tuple[int, str]]:
        """Number and id of the runs that the snapshot holds."""
        for key, value in self._rows("ids", b"#", b"$"):
            yield self._numbers(RUN, key[1:])[0], self._unsealed(key, value).decode()

    def _opened(self) -> Iterator[tuple[int, str]]:
        """Number and id of the runs that were opened since the snapshot.

        Numbers only grow, and the first record of a run is the one that opens it. A block may
        begin before the snapshot, with runs that are forgotten by then.
        """
        with self.environment.reading() as txn:
            cursor = txn.cursor(self.environment.db["ids"])
            found = _last_below(cursor, b"$")
            newest = self._numbers(RUN, cursor.key()[1:])[0] if found else 0
        saved, payload = self.saved(), self.payloads()
        for block in self.blocks(saved):
            first = []
            for at, run in enumerate(block.runs):
                if newest < run < WORLD and block.first + block.offsets[at] > saved:
                    newest = run
                    first.append(at)
            for _, record in self.records(block.at(first), payload):
                assert isinstance(record, RunOpened | RunForked)
                yield record.run, record.id

    # -- the snapshot ----------------------------------------------------------------

    def kept(self) -> set[int]:
        """The runs that the latest snapshot holds."""
        return {run for run, _ in self._named()}

    def parts(self) -> Iterator[tuple[int, bytes]]:
        """All parts of the latest snapshot, the world first. Raises StoreCorrupt."""
        rows = self._rows("state", b"")
        for part, found in groupby(rows, key=lambda row: self._numbers(OF_PART, row[0])[0]):
            yield part, self._whole(list(found))

    def held(self) -> set[int]:
        """The runs that the latest snapshot has parts of: those that it keeps."""
        return self._runs("state", OF_PART)

    def part(self, number: int) -> bytes | None:
        """One part of the latest snapshot, if it is there."""
        rows = self._rows("state", OF_PART.pack(number, 0), OF_PART.pack(number + 1, 0))
        found = list(rows)
        return self._whole(found) if found else None

    def _whole(self, rows: list[tuple[bytes, bytes]]) -> bytes:
        count = CHUNKS.pack(len(rows))
        whole = b"".join(self._unsealed(key + count, value) for key, value in rows)
        if not whole.startswith(MARK):
            return whole
        try:
            return inlined(whole[len(MARK) :], resolver(self.payloads()))
        except WrittenByNewer as newer:
            raise StoreNewer(self._path, str(newer)) from newer
        except ValueError as broken:
            raise StoreCorrupt(self._path, self.saved(), str(broken)) from broken

    def _unsealed(self, key: bytes, value: bytes, position: int | None = None) -> bytes:
        found = unseal(key, value)
        if found is None:
            position = self.saved() if position is None else position
            raise StoreCorrupt(self._path, position, f"row {key!r} has another checksum")
        return found

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

    def _numbers(self, key_of: Struct, key: bytes) -> tuple[int, ...]:
        """What a key is made of. Raises StoreCorrupt."""
        try:
            return key_of.unpack(key)
        except error as broken:
            raise StoreCorrupt(self._path, 0, f"there is no key {key!r}") from broken

    def _decoded(self, value: bytes, last: int) -> Block:
        try:
            found = decode(value)
        except BadBlock as broken:
            raise self._broken(last, broken) from broken
        if found.last != last:
            raise StoreCorrupt(self._path, last, f"the block of record {found.last} is there")
        return found

    def payloads(self) -> Payload:
        """What large payloads are read with, for a while: it has the latest ones at hand."""
        return PayloadReader(self.environment).payload

    def strange_payloads(self, runs: Container[int]) -> list[Strange]:
        """What is wrong with payloads and their uses, where there are only these runs."""
        with self.environment.reading() as txn:
            return list(strange(txn, self.environment.db, runs))

    def behind(self, block: Block, position: int, payload: Payload) -> list[Record]:
        """The records of a block behind a position. Raises StoreCorrupt."""
        try:
            return block.behind(position, payload)
        except BadBlock as broken:
            raise self._broken(block.first, broken) from broken

    def records(self, block: Block, payload: Payload) -> Iterator[tuple[int, Record]]:
        """Each record of a block with its position. Raises StoreCorrupt."""
        try:
            yield from block.records(payload)
        except BadBlock as broken:
            raise self._broken(block.first, broken) from broken

    def _broken(self, position: int, broken: BadBlock) -> StoreCorrupt | StoreNewer:
        """What a bad block is to who reads the store; `position` where it does not say which."""
        position = broken.position or position
        if broken.newer:
            return StoreNewer(self._path, f"record {position}: {broken}")
        return StoreCorrupt(self._path, position, str(broken))


def whose(pair: tuple[int, Record]) -> tuple[int, int]:
    """What makes a record of a history the one that it is."""
    return pair[0], run_of(pair[1])


def _once(pairs: Iterable[tuple[int, Record]], after: int) -> Iterator[tuple[int, Record]]:
    """Those behind a position, each once."""
    once = (next(same) for _, same in groupby(pairs, key=whose))
    return (pair for pair in once if pair[0] > after)


def _last_below(cursor: lmdb.Cursor[bytes], key: bytes) -> bool:
    """Go to the last key before another one; whether there is any."""
    return cursor.prev() if cursor.set_range(key) else cursor.last()
