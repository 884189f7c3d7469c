"""LMDB environments as Dagger opens them, and what is guarded against in each.

The file format is that of engine 0.9. Commits are synchronous, always: with sync=False a
power cut leaves a file that cannot be read. The map is not writable, so that a stray
pointer cannot write into it. Nothing is handed to LMDB that would kill the process: the
file is looked at first, and so is the room that the table of readers has on the disk.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, TypeVar

from dagger.store import pagefile
from dagger.store.faults import FULL, advice, code, explained, plain, unavailable
from dagger.store.sharing import Sharing
from dagger.store.slots import take_slots
from dagger.words.errors import DatabaseError

if TYPE_CHECKING:
    import lmdb

T = TypeVar("T")

ENGINE = 0
"""The engine, and so the format of the file: LMDB 0.9."""

START = 16 * 1024 * 1024
"""Bytes of the map at first. Files are sparse: only what is written takes room."""

ROOM = 1024 * 1024
"""Bytes that are kept free in the map, for what a transaction copies of the tree."""


class Environment:
    """One LMDB environment with its named databases.

    Transactions begin and end within one call, in one thread. The map grows by doubling
    before it is full; while it does, no other thread of ours may have a transaction open.

    Raises NotAStore, StoreCorrupt, StoreReadOnly and DatabaseError, and lmdb.Error or
    OSError for what goes wrong while it is written to.
    """

    def __init__(
        self,
        path: Path,
        names: tuple[str, ...],
        *,
        readonly: bool = False,
        making: bool = False,
    ) -> None:
        self.path = path
        self.store = path.parent
        """The store's folder: what errors are about."""
        self._names = names
        self._readonly = readonly
        self._making = making  # the databases, which are not there yet
        self._room = ROOM
        self._use = Sharing()  # shared by whoever has a transaction open
        self._still: lmdb.Transaction[bytes] | None = None
        self._lost = False
        """Whether LMDB has let go of the map, and not got another one: it is opened anew."""
        self._open(whole=True)

    def _open(self, *, whole: bool) -> None:
        import lmdb

        try:
            pagefile.check(self.path)
            self._file = os.stat(self.path / pagefile.DATA)
            self.locked = take_slots(self.path)
            """Whether a writer knows of who reads here, and leaves what it reads alone."""
            self._env = lmdb.open(
                str(self.path),
                lib_version=ENGINE,
                mode=0o600,
                map_size=max(START, _size(self.path)),
                readonly=self._readonly,
                lock=self.locked or not self._readonly,
                create=False,
                max_dbs=len(self._names),
                sync=True,
                metasync=True,
                writemap=False,
            )
        except (lmdb.Error, OSError, pagefile.BadFile) as error:
            raise self._explained(error) from error
        try:
            self._env.reader_check()  # before a slot is needed: killed readers have kept theirs
            with self._caught_up(self._env.begin):  # meanwhile nobody overwrites pages
                pagefile.check(self.path, whole=whole)
            self.db = {name: self._database(name) for name in self._names}
        except (lmdb.Error, OSError, pagefile.BadFile) as error:
            self._env.close()
            raise self._explained(error) from error

    def _explained(self, error: lmdb.Error | OSError | pagefile.BadFile) -> DatabaseError:
        return explained(self.store, error, reading=self._readonly)

    def _database(self, name: str) -> Any:
        return self._caught_up(lambda: self._env.open_db(name.encode(), create=self._making))

    def _caught_up(self, call: Callable[[], T]) -> T:
        """What a call returns, even if another process has let the map grow just now."""
        import lmdb

        try:
            return call()
        except lmdb.MapResizedError:
            self._env.set_mapsize(0)
            return call()

    @contextmanager
    def reading(self) -> Iterator[lmdb.Transaction[bytes]]:
        """A read transaction. Raises StoreCorrupt, DatabaseError."""
        import lmdb

        try:
            if self._still is not None:
                yield self._still
                return
            with ExitStack() as held:
                yield self._begin(held)
        except lmdb.Error as error:
            raise self._explained(error) from error

    def _begin(self, held: ExitStack) -> lmdb.Transaction[bytes]:
        """A read transaction, which ends with `held`."""
        import lmdb

        mend = self.again if self._readonly and self._replaced() else None
        while True:
            if mend is not None:
                mend()
            with ExitStack() as tried:
                tried.enter_context(self._use.shared())
                if self._lost:
                    mend = self.again
                    continue
                try:
                    txn = tried.enter_context(self._env.begin())
                except lmdb.MapResizedError:  # another process has let it grow
                    mend = self._adopt
                except lmdb.PanicError:  # a write has failed, and nothing else helps
                    if mend == self.again:
                        raise
                    mend = self.again
                else:
                    held.push(tried.pop_all())
                    return txn

    def _replaced(self) -> bool:
        """Whether another file is there now than the one that is open: a compact one, a mended
        one or a backup.
        """
        try:
            return not os.path.samestat(self._file, os.stat(self.path / pagefile.DATA))
        except OSError:  # none at all, and the open one is as good as ever
            return False

    @contextmanager
    def still(self) -> Iterator[None]:
        """All that is read within is read of one moment; nothing is written meanwhile."""
        with self.reading() as txn:
            outer, self._still = self._still, txn
            try:
                yield
            finally:
                self._still = outer

    @contextmanager
    def writing(self, need: int) -> Iterator[lmdb.Transaction[bytes]]:
        """A write transaction with room for `need` bytes; durable when the block is left.

        Raises lmdb.Error or OSError, and then nothing of it is written.
        """
        import lmdb

        self._grow(need)
        try:
            with self._use.shared(), self._env.begin(write=True) as txn:
                yield txn
        except lmdb.MapFullError:
            self._room *= 2  # for the next try
            raise

    def copy(self, path: Path) -> None:
        """Write a copy without free pages, as of now, into an empty folder."""
        import lmdb

        try:
            with self._use.shared():
                self._env.copy(str(path), compact=True)
        except lmdb.Error as error:
            raise self._explained(error) from error

    def _adopt(self) -> None:
        """Take over the size that another process has given to the map."""
        self._resize(0)

    def _resize(self, size: int) -> None:
        """Another size of the map: without room for that in memory, there is none left."""
        with self._use.alone():
            self._lost = True
            self._env.set_mapsize(size)
            self._lost = False

    def _grow(self, need: int) -> None:
        info = self._env.info()
        size, used = info["map_size"], (info["last_pgno"] + 1) * self._env.stat()["psize"]
        wanted = used + 2 * need + self._room
        if wanted > size:
            while size < wanted:
                size *= 2
            self._resize(size)

    def again(self) -> None:
        """Close and open it: after some failures LMDB refuses everything until then."""
        with self._use.alone():
            self._lost = True
            self._env.close()
            self._open(whole=False)
            self._lost = False

    def readers(self) -> int:
        """How many readers of other processes there are, whether they read just now or not."""
        self._env.reader_check()
        _, *rows = self._env.readers().splitlines()  # "pid thread transaction"
        return sum(int(row.split()[0]) != os.getpid() for row in rows)

    def clear_readers(self) -> None:
        """Let go of the pages that readers hold on to who were killed."""
        with self._use.shared():
            self._env.reader_check()

    def close(self) -> None:
        with self._use.alone():
            self._env.close()


def create(path: Path, names: tuple[str, ...], fill: Callable[[Environment], None]) -> None:
    """Make an environment that is there with all that `fill` writes, or not at all."""
    import lmdb

    path.parent.mkdir(parents=True, exist_ok=True)
    made = Path(mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        take_slots(made)
        with lmdb.open(str(made), lib_version=ENGINE, map_size=START, mode=0o600):
            pass
        environment = Environment(made, names, making=True)
        try:
            fill(environment)
        finally:
            environment.close()
        sync_folder(made)
        os.rename(made, path)
        sync_folder(path.parent)
    except DatabaseError:
        shutil.rmtree(made, ignore_errors=True)
        raise
    except (lmdb.Error, OSError) as error:
        shutil.rmtree(made, ignore_errors=True)
        if code(error) in FULL:
            raise unavailable(path.parent, error) from error
        problem = f"{plain(error)}; {advice(error)}"
        raise DatabaseError(f"a store cannot be made in {path.parent}: {problem}") from error


def _size(path: Path) -> int:
    """Bytes that the map must have at least: those of the file, in whole doublings."""
    there = (path / pagefile.DATA).stat().st_size
    size = START
    while size < there + ROOM:
        size *= 2
    return size


def sync_folder(path: Path) -> None:
    """Make names in a folder durable: a file's own fsync does not."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
