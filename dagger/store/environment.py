"""LMDB environments as Dagger opens them, and what is guarded against in each.

The file format is that of engine 0.9. Commits are synchronous, always: with sync=False a
power cut leaves a file that cannot be read. The map is not writable, so that a stray
pointer cannot write into it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, TypeVar

from dagger.store.sharing import Sharing
from dagger.words.errors import DatabaseError, NotAStore

if TYPE_CHECKING:
    import lmdb

T = TypeVar("T")

ENGINE = 0
"""The engine, and so the format of the file: LMDB 0.9."""

PAGE = 4096
START = 16 * 1024 * 1024
"""Bytes of the map at first. Files are sparse: only what is written takes room."""

ROOM = 1024 * 1024
"""Bytes that are kept free in the map, for what a transaction copies of the tree."""


class Environment:
    """One LMDB environment with its named databases.

    Transactions begin and end within one call, in one thread. The map grows by doubling
    before it is full; while it does, no other thread of ours may have a transaction open.
    """

    def __init__(self, path: Path, names: tuple[str, ...], *, readonly: bool = False) -> None:
        self.path = path
        self._names = names
        self._readonly = readonly
        self._use = Sharing()  # shared by whoever has a transaction open
        self._still: lmdb.Transaction[bytes] | None = None
        self._open()

    def _open(self) -> None:
        import lmdb

        try:
            self._env = lmdb.open(
                str(self.path),
                lib_version=ENGINE,
                mode=0o600,
                map_size=max(START, _size(self.path)),
                readonly=self._readonly,
                create=False,
                max_dbs=len(self._names),
                sync=True,
                metasync=True,
                writemap=False,
            )
            self.db = {name: self._database(name) for name in self._names}
        except lmdb.Error as error:
            raise NotAStore(str(self.path), plain(error)) from error
        self._env.reader_check()  # readers that were killed hold on to old pages

    def _database(self, name: str) -> Any:
        return self._env.open_db(name.encode(), create=not self._readonly)

    @contextmanager
    def reading(self) -> Iterator[lmdb.Transaction[bytes]]:
        """A read transaction, adopting the map if another process has let it grow."""
        import lmdb

        if self._still is not None:
            yield self._still
            return
        while True:
            with self._use.shared():
                try:
                    txn = self._env.begin()
                except lmdb.MapResizedError:
                    pass
                else:
                    with txn:
                        yield txn
                    return
            self._adopt()

    @contextmanager
    def still(self) -> Iterator[None]:
        """All that is read within is read of one moment; nothing is written meanwhile."""
        with self.reading() as txn:
            self._still = txn
            try:
                yield
            finally:
                self._still = None

    @contextmanager
    def writing(self, need: int) -> Iterator[lmdb.Transaction[bytes]]:
        """A write transaction with room for `need` bytes; durable when the block is left.

        Raises lmdb.Error or OSError, and then nothing of it is written.
        """
        self._grow(need)
        with self._use.shared(), self._env.begin(write=True) as txn:
            yield txn

    def copy(self, path: Path) -> None:
        """Write a copy without free pages, as of now, into an empty folder."""
        with self._use.shared():
            self._env.copy(str(path), compact=True)

    def _adopt(self) -> None:
        """Take over the size that another process has given to the map."""
        with self._use.alone():
            self._env.set_mapsize(0)

    def _grow(self, need: int) -> None:
        info = self._env.info()
        size, used = info["map_size"], (info["last_pgno"] + 1) * PAGE
        wanted = used + 2 * need + ROOM
        if wanted > size:
            while size < wanted:
                size *= 2
            with self._use.alone():
                self._env.set_mapsize(size)

    def again(self) -> None:
        """Close and open it: after some failures LMDB refuses everything until then."""
        with self._use.alone():
            self._env.close()
            self._open()

    def clear_readers(self) -> None:
        """Let go of what killed readers hold on to."""
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
        with lmdb.open(str(made), lib_version=ENGINE, map_size=START, mode=0o600):
            pass
        environment = Environment(made, names)
        try:
            fill(environment)
        finally:
            environment.close()
        os.rename(made, path)
        _sync_folder(path.parent)
    except (lmdb.Error, OSError) as error:
        shutil.rmtree(made, ignore_errors=True)
        raise DatabaseError(f"a store cannot be made in {path.parent}: {plain(error)}") from error


def plain(error: BaseException) -> str:
    """What went wrong, in words."""
    return str(error).removeprefix("mdb_") or type(error).__name__


def _size(path: Path) -> int:
    """Bytes that the map must have at least: those of the file, in whole doublings."""
    try:
        there = (path / "data.mdb").stat().st_size
    except OSError:
        there = 0
    size = START
    while size < there + ROOM:
        size *= 2
    return size


def _sync_folder(path: Path) -> None:
    """Make names in a folder durable: a file's own fsync does not."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
