"""What is done to a store that nobody uses: made small again, or cut where it is damaged."""

from __future__ import annotations

import os
import shutil
import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from dagger.store.block import BadBlock, Block, decode
from dagger.store.disk import move
from dagger.store.environment import START, Environment, create, sync_folder
from dagger.store.faults import explained, plain
from dagger.store.layout import bereft, known_format, write_format
from dagger.store.lock import Lock
from dagger.store.pagefile import DATA, BadFile
from dagger.store.payloads import keep
from dagger.store.rows import (
    FORMAT,
    NAMES,
    OF_RUN,
    POSITION,
    chunks,
    delete,
    drop_history,
    drop_id,
    drop_part,
    put_id,
    put_snapshot,
)
from dagger.store.salvage import Row, salvaged
from dagger.store.slots import LOCK
from dagger.store.uses import renew_uses
from dagger.words.errors import DatabaseError


@contextmanager
def alone(path: Path) -> Iterator[Path]:
    """Own a store that is there already, without opening it. Raises LockError, NotAStore,
    StoreCorrupt, StoreReadOnly.
    """
    lock = Lock(path / "owner")
    try:
        if not (path / "journal").is_dir():
            raise bereft(path)
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
        db = self.environment.db
        while True:
            with self.environment.writing(START) as txn:
                cursor = txn.cursor(db["journal"])
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
                move(txn, db, _upto(block, saved))
                if block.last > saved:
                    txn.put(key, _behind(block, saved).encode(), db=db["journal"])

    def put_snapshot(self, position: int) -> None:
        """Let this be the position of the snapshot."""
        with self.environment.writing(0) as txn:
            put_snapshot(txn, self.environment.db, position)

    def put_ids(self, ids: Mapping[int, str]) -> None:
        """Let these be all ids of runs."""
        with self.environment.writing(START) as txn:
            txn.drop(self.environment.db["ids"], delete=False)
            for run, run_id in ids.items():
                put_id(txn, self.environment.db, run, run_id)

    def put_id(self, run: int, run_id: str) -> None:
        """Let a run be found by this id."""
        with self.environment.writing(0) as txn:
            drop_id(txn, self.environment.db, run)
            put_id(txn, self.environment.db, run, run_id)

    def put_history(self, run: int, records: Block | None) -> None:
        """Let this be all the history of a run."""
        db = self.environment.db
        with self.environment.writing(START) as txn:
            drop_history(txn, db, run)
            if records is not None:
                keep(txn, db, records.uses)
                txn.put(OF_RUN.pack(run, records.last), records.encode(), db=db["history"])

    def put_part(self, run: int, whole: bytes | None) -> None:
        """Let this be a run in the snapshot; None takes it out."""
        db = self.environment.db
        with self.environment.writing(START) as txn:
            drop_part(txn, db, run)
            for key, value in chunks(run, whole) if whole is not None else ():
                txn.put(key, value, db=db["state"])

    def forget(self, run: int) -> None:
        """Take away all that there is of a run."""
        with self.environment.writing(START) as txn:
            for drop in (drop_part, drop_history, drop_id):
                drop(txn, self.environment.db, run)

    def renew_uses(self) -> None:
        """Write down anew who uses large payloads."""
        with self.environment.writing(START) as txn:
            renew_uses(txn, self.environment.db)

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
