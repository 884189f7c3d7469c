"""What errors of the system and of LMDB say about a store, and what to do about them."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING

from dagger.store.pagefile import BadFile, ForeignFile
from dagger.store.slots import REFUSED
from dagger.words.errors import (
    DatabaseError,
    DiskFull,
    MapFull,
    NotAStore,
    StoreCorrupt,
    StoreReadOnly,
    StoreUnavailable,
)

if TYPE_CHECKING:
    import lmdb

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

MAP_FULL = frozenset({errno.ENOMEM, -30792})
"""The latter is LMDB's own: the map has to grow first."""


def code(error: BaseException) -> int:
    """The number that the system gives an error; 0 if it gave none."""
    return getattr(error, "errno", None) or getattr(error, "code", None) or 0


def plain(error: BaseException) -> str:
    """What went wrong, in words."""
    return str(error).removeprefix("mdb_") or type(error).__name__


def explained(
    path: Path, error: lmdb.Error | OSError | BadFile, *, reading: bool = False
) -> DatabaseError:
    """The error of ours that says what another one means for the store in `path`.

    `reading` says that nothing was to be written.
    """
    import lmdb

    broken = (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.InvalidError, lmdb.BadTxnError)
    if isinstance(error, lmdb.NotFoundError):
        return NotAStore(str(path), "it has other databases than this version of Dagger makes")
    foreign = (ForeignFile, lmdb.VersionMismatchError)
    if isinstance(error, (*foreign, NotADirectoryError, FileExistsError)):
        return NotAStore(str(path), plain(error))
    if isinstance(error, (BadFile, *broken)):
        return StoreCorrupt(str(path), 0, plain(error))
    if code(error) in REFUSED and not reading:
        return StoreReadOnly(str(path), plain(error))
    if code(error) in FULL | MAP_FULL:
        return unavailable(path, error)
    return DatabaseError(f"the store {path} cannot be used: {plain(error)}; {advice(error)}")


def unavailable(path: Path, error: BaseException) -> StoreUnavailable:
    """What it means for the store in `path` that something cannot be written."""
    kinds = ((DiskFull, FULL), (MapFull, MAP_FULL))
    kind = next((kind for kind, codes in kinds if code(error) in codes), StoreUnavailable)
    return kind(str(path), plain(error))


def advice(error: BaseException) -> str:
    """What to do about it."""
    import lmdb

    if isinstance(error, lmdb.ReadersFullError):
        return "too many processes read it at once; wait until some have ended"
    if isinstance(error, lmdb.Error) and code(error) == 0:
        return "a process opens a store once, and closes it before it does again"
    if code(error) in REFUSED:
        return "this user has to be allowed to read all of it"
    return "see to the disk, and open it again"
