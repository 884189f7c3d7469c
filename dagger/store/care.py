"""What is done to a store that nobody uses: made small again, or cut where it is damaged."""

from __future__ import annotations

import os
import shutil
import time
from bisect import bisect_right
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from dagger.store.block import BadBlock, Block, decode
from dagger.store.environment import START, Environment, create, sync_folder
from dagger.store.faults import explained, plain
from dagger.store.layout import known_format, write_format
from dagger.store.lock import Lock
from dagger.store.pagefile import DATA, BadFile
from dagger.store.payloads import keep, mend
from dagger.store.salvage import Row, salvaged
from dagger.store.saving import delete
from dagger.store.seal import seal, unseal
from dagger.store.shelves import (
    FORMAT,
    NAMES,
    OF_PART,
    OF_RUN,
    POSITION,
    SNAPSHOT,
    chunks,
    id_key,
    id_rows,
    number_key,
)
from dagger.store.slots import LOCK
from dagger.store.uses import renew_uses
from dagger.words.errors import DatabaseError, NotAStore
from dagger.words.records import WIRING

if TYPE_CHECKING:
    import lmdb


@contextmanager
def alone(path: Path) -> Iterator[Path]:
    """Own a store that is there already, without opening it. Raises LockError, NotAStore,
    StoreReadOnly.
    """
    lock = Lock(path / "owner")
    try:
        if not (path / "journal").is_dir():
            raise NotAStore(str(path), "there is no store in that folder")
        lock.acquire()
    except OSError as error:
        raise explained(path, error) from error
    try:
        yield path
    finally:
        lock.release()


def compact(path: Path) -> tuple[int, int]:
    """Write the journal anew without its free pages; bytes of the file before and after.

    The new file takes the place of the old one at once or not at all. Raises LockError,
    DatabaseError while somebody reads the store.
    """
    with alone(path):
        journal = path / "journal"
        data = journal / "data.mdb"
        made = Path(mkdtemp(prefix=".compact-", dir=path))
        try:
            environment = Environment(journal, NAMES)
            try:
                if readers := environment.readers():
                    raise DatabaseError(
                        f"{path} is being read ({readers}); compact it when nobody does"
                    )
                before = data.stat().st_size
                environment.copy(made)
            finally:
                environment.close()
            _put_in_place(made, journal)
        except OSError as error:
            raise DatabaseError(f"{path} cannot be compacted: {plain(error)}") from error
        finally:
            shutil.rmtree(made, ignore_errors=True)
        return before, data.stat().st_size


def remake(path: Path) -> int:
    """Write the journal anew, with all rows that can be read of it; how many those are.

    Raises DatabaseError if nothing can be read, or the new one cannot be written.
    """
    journal, rows = path / "journal", 0

    def fill(environment: Environment) -> None:
        nonlocal rows
        write_format(environment)
        for some in _batches(path, salvaged(journal)):
            rows += len(some)
            with environment.writing(2 * sum(len(value) for *_, value in some)) as txn:
                for name, key, value in some:
                    txn.put(key, value, overwrite=False, db=environment.db[name])
        with environment.writing(START) as txn:
            renew_uses(txn, environment.db)

    made = Path(mkdtemp(prefix=".journal-", dir=path))
    try:
        create(made / "journal", NAMES, fill)
        if not rows:
            raise BadFile("nothing of a store can be read in it")
        _put_in_place(made / "journal", journal)
    except (OSError, BadFile) as error:
        raise DatabaseError(
            f"{path} cannot be repaired: {plain(error)}; go back to a backup"
        ) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return rows


def _batches(path: Path, rows: Iterable[Row]) -> Iterator[list[Row]]:
    """The rows, about START bytes at a time."""
    some: list[Row] = []
    size = 0
    for name, key, value in rows:
        if key == FORMAT:
            known_format(value, path)
            continue
        some.append((name, key, value))
        size += len(value)
        if size > START:
            yield some
            some, size = [], 0
    yield some


def _put_in_place(made: Path, journal: Path) -> None:
    """Let a new data file take the place of the old one, at once or not at all."""
    with (made / DATA).open("rb+") as file:
        os.fsync(file.fileno())
    os.chmod(made / DATA, 0o600)
    (journal / LOCK).unlink(missing_ok=True)  # it is about the old file
    os.replace(made / DATA, journal / DATA)
    sync_folder(journal)


def leftovers(path: Path) -> list[Path]:
    """What a process that was killed has left half made in a store's folder."""
    names = (".journal-*", ".compact-*", "inbox.*")
    return sorted(found for name in names for found in path.glob(name))


def _aside(path: Path, what: str) -> Path:
    return path / f"{what}-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}"


def move_inbox(path: Path) -> Path:
    """Move the inbox away, so that the next owner makes another one; to where."""
    kept = _aside(path, "damaged-inbox")
    try:
        (path / "inbox").rename(kept)
    except OSError as error:
        raise DatabaseError(f"{path}/inbox cannot be moved away: {plain(error)}") from error
    return kept


def set_aside(path: Path) -> Path:
    """Copy the journal as it is into a folder beside it, which is returned."""
    kept = _aside(path, "damaged")
    try:
        shutil.copytree(path / "journal", kept)
    except OSError as error:
        raise DatabaseError(f"{path} cannot be copied aside: {plain(error)}") from error
    return kept


class Surgery:
    """Changes what is in a store that is damaged: owned meanwhile, and copied aside before."""

    def __init__(self, path: Path) -> None:
        self.environment = Environment(path / "journal", NAMES)

    def cut_journal(self, position: int) -> None:
        """Take away the records from `position` on."""
        db = self.environment.db["journal"]
        with self.environment.writing(START) as txn:
            cursor = txn.cursor(db)
            there = cursor.set_range(POSITION.pack(position))
            kept = _before(cursor.value(), position) if there else None
            delete(cursor, POSITION.pack(position), b"\xff" * 9)
            if kept is not None:
                txn.put(POSITION.pack(kept.last), kept.encode(), db=db)

    def tidy(self, saved: int) -> None:
        """Move what the snapshot holds out of the journal into histories, and drop what cannot
        be read of it.
        """
        journal, history = (self.environment.db[name] for name in ("journal", "history"))
        while True:
            with self.environment.writing(START) as txn:
                cursor = txn.cursor(journal)
                if not cursor.first():
                    return
                key, value = cursor.item()
                block = _readable(value)
                first = int.from_bytes(key, "big") if block is None else block.first
                if first > saved:
                    return
                cursor.delete()
                if block is None:
                    continue
                for run, own in _upto(block, saved).apart(partial(self._kept, txn)):
                    txn.put(OF_RUN.pack(run, own.last), own.encode(), db=history)
                if block.last > saved:
                    txn.put(key, _behind(block, saved).encode(), db=journal)

    def _kept(self, txn: lmdb.Transaction[bytes], run: int) -> bool:
        """Whether there is a history of a run, or of who hears what."""
        state = self.environment.db["state"]
        return run == WIRING or txn.get(OF_PART.pack(run, 0), db=state) is not None

    def put_snapshot(self, position: int) -> None:
        """Let this be the position of the snapshot."""
        with self.environment.writing(0) as txn:
            value = seal(SNAPSHOT, POSITION.pack(position))
            txn.put(SNAPSHOT, value, db=self.environment.db["meta"])

    def put_ids(self, ids: Mapping[int, str]) -> None:
        """Let these be all ids of runs."""
        with self.environment.writing(START) as txn:
            txn.drop(self.environment.db["ids"], delete=False)
        for run, run_id in ids.items():
            self.put_id(run, run_id)

    def put_history(self, run: int, records: Block | None) -> None:
        """Let this be all the history of a run."""
        db = self.environment.db["history"]
        with self.environment.writing(START) as txn:
            delete(txn.cursor(db), OF_RUN.pack(run, 0), OF_RUN.pack(run + 1, 0))
            if records is not None:
                keep(txn, self.environment.db, records.uses)
                txn.put(OF_RUN.pack(run, records.last), records.encode(), db=db)

    def put_part(self, run: int, whole: bytes | None) -> None:
        """Let this be a run in the snapshot; None takes it out."""
        db = self.environment.db["state"]
        with self.environment.writing(START) as txn:
            delete(txn.cursor(db), OF_PART.pack(run, 0), OF_PART.pack(run + 1, 0))
            for key, value in chunks(run, whole) if whole is not None else ():
                txn.put(key, value, db=db)

    def mend_payloads(self, runs: Container[int]) -> None:
        """Write down anew who uses large payloads, and take out what is strange about them,
        where there are only these runs.
        """
        with self.environment.writing(START) as txn:
            renew_uses(txn, self.environment.db)
            mend(txn, self.environment.db, runs)

    def put_id(self, run: int, run_id: str | None) -> None:
        """Let a run be found by this id; None for by none."""
        db = self.environment.db["ids"]
        with self.environment.writing(0) as txn:
            sealed = txn.pop(number_key(run), db=db)
            known = None if sealed is None else unseal(number_key(run), sealed)
            if known is not None:
                txn.delete(id_key(known.decode()), db=db)
            for key, value in id_rows(run, run_id) if run_id is not None else ():
                txn.put(key, value, db=db)

    def close(self) -> None:
        self.environment.close()


def _before(value: bytes, position: int) -> Block | None:
    """The records of a block that are before a position; None if there are none."""
    block = _readable(value)
    kept = None if block is None else _upto(block, position - 1)
    return kept if kept is not None and kept.offsets else None


def _readable(value: bytes) -> Block | None:
    try:
        return decode(value)
    except BadBlock:
        return None


def _upto(block: Block, position: int) -> Block:
    return block.at(range(bisect_right(block.offsets, position - block.first)))


def _behind(block: Block, position: int) -> Block:
    start = bisect_right(block.offsets, position - block.first)
    return block.at(range(start, len(block.offsets)))
