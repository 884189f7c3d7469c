"""What is done to a store that nobody uses: made small again, or cut where it is damaged."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from dagger.store.block import BadBlock, Block, decode
from dagger.store.environment import START, Environment, sync_folder
from dagger.store.faults import plain
from dagger.store.lock import Lock
from dagger.store.payloads import keep, mend
from dagger.store.saving import delete
from dagger.store.shelves import NAMES, OF_PART, OF_RUN, POSITION, chunks, id_rows, number_key
from dagger.words.errors import DatabaseError, NotAStore


@contextmanager
def alone(path: Path) -> Iterator[Path]:
    """Own a store that is there already, without opening it. Raises LockError, NotAStore."""
    if not (path / "journal").is_dir():
        raise NotAStore(str(path), "there is no store in that folder")
    lock = Lock(path / "owner")
    lock.acquire()
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
            with (made / "data.mdb").open("rb+") as file:
                os.fsync(file.fileno())
            os.chmod(made / "data.mdb", 0o600)
            (journal / "lock.mdb").unlink(missing_ok=True)  # it is about the old file
            os.replace(made / "data.mdb", data)
            sync_folder(journal)
        except OSError as error:
            raise DatabaseError(f"{path} cannot be compacted: {plain(error)}") from error
        finally:
            shutil.rmtree(made, ignore_errors=True)
        return before, data.stat().st_size


def leftovers(path: Path) -> list[Path]:
    """What a process that was killed has left half made in a store's folder."""
    names = (".journal-*", ".compact-*", "inbox.*")
    return sorted(found for name in names for found in path.glob(name))


def set_aside(path: Path) -> Path:
    """Copy the journal as it is into a folder beside it, which is returned."""
    kept = path / f"damaged-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}"
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
        """Take out what is strange about large payloads, where there are only these runs."""
        with self.environment.writing(START) as txn:
            mend(txn, self.environment.db, runs)

    def put_id(self, run: int, run_id: str | None) -> None:
        """Let a run be found by this id; None for by none."""
        db = self.environment.db["ids"]
        with self.environment.writing(0) as txn:
            txn.delete(number_key(run), db=db)
            for key, value in id_rows(run, run_id) if run_id is not None else ():
                txn.put(key, value, db=db)

    def close(self) -> None:
        self.environment.close()


def _before(value: bytes, position: int) -> Block | None:
    """The records of a block that are before a position; None if there are none."""
    try:
        block = decode(value)
    except BadBlock:
        return None
    places = [at for at, each in enumerate(block.offsets) if block.first + each < position]
    return block.at(places) if places else None
