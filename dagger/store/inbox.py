"""The inbox: commands from any process to the executor that owns the store.

A sender posts, and ends if it likes; the owner takes each command, carries it out, and
drops it once that is durable. Commands are numbered from 1, and no number is ever given
twice: an owner that remembers the last it carried out carries out each exactly once.

On disk an inbox is an LMDB environment of its own, so that senders never wait for the
journal. Row 0 holds the number last given, row n the command n; keys and numbers are 8
bytes, big-endian. A command is 1 byte of format, 4 of CRC-32 over the rest (little-endian),
and the rest: a msgpack map of its fields.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from struct import Struct, error
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar
from zlib import crc32

from dagger.store.faults import code
from dagger.store.pagefile import BadFile, check
from dagger.store.slots import take_slots
from dagger.words.errors import DatabaseError
from dagger.words.payload import decode, encode

if TYPE_CHECKING:
    import lmdb

T = TypeVar("T")

FORMAT = 1

MAX_BYTES = 16 * 1024 * 1024
"""Size of a command, packed."""

BATCH = 100
"""Commands that are taken at a time."""

MAP_SIZE = 1024 * 1024
"""Bytes of memory that a new inbox is mapped to; doubled as often as needed."""

_HEAD = Struct("<BI")
_NUMBER = Struct(">Q")
_LAST = _NUMBER.pack(0)


class Command(NamedTuple):
    """What somebody wants the owner to do."""

    verb: str
    run: str
    """The id of the run it is about; "" for all."""
    fields: dict[str, Any]
    """What else the verb needs, plain JSON."""
    at: float
    """When it was sent, in seconds of the epoch."""
    sender: str
    """The process that sent it: "pid@host"."""


class Unreadable(NamedTuple):
    """Stands where a command was that nobody can read: tell it, and drop it."""

    reason: str


Taken = tuple[int, Command | Unreadable]
"""A command and its number."""


class Inbox(Protocol):
    """Commands in the order they were posted, until they are dropped.

    Every method may be called from any thread. Those that write wait for the disk and for
    other processes; `take` waits for neither. All raise DatabaseError, and so they do once
    the inbox is closed; then `close` alone does nothing.
    """

    def post(self, command: Command) -> int:
        """Append a command and return its number: one more than the last, from 1.

        It is durable on return. Raises SerializationError if it is not plain or too big.
        """

    def take(self, after: int) -> list[Taken]:
        """The commands behind number `after`, in order, at most 100; they stay."""

    def drop(self, upto: int) -> None:
        """Let go of the commands up to a number: they have been carried out.

        No number up to it is given any more, even if it never was: an owner who remembers
        more than the inbox does, because the folder was replaced, will hear again.
        """

    def close(self) -> None:
        """Let go of the inbox; what is in it stays."""


def pack(command: Command) -> bytes:
    """The bytes of a command. Raises SerializationError."""
    body = encode(command._asdict(), f"command {command.verb!r}", MAX_BYTES - _HEAD.size)
    return _HEAD.pack(FORMAT, crc32(body)) + body


def unpack(blob: bytes) -> Command:
    """The command that was packed. Raises DatabaseError."""
    if len(blob) > MAX_BYTES:
        raise DatabaseError(f"a command of {len(blob)} bytes, more than the {MAX_BYTES} allowed")
    try:
        version, checksum = _HEAD.unpack_from(blob)
        if version != FORMAT:
            raise DatabaseError(
                f"a command of format {version}, and only {FORMAT} is known: "
                "sent by another version of Dagger?"
            )
        body = blob[_HEAD.size :]
        if crc32(body) != checksum:
            raise DatabaseError("a command is damaged: its checksum does not match")
        return Command(**decode(body))
    except (error, ValueError, TypeError) as broken:
        raise DatabaseError(f"a command is cut short or is none: {broken}") from broken


class MemoryInbox:
    """The inbox of a store that no other process can see."""

    def __init__(self) -> None:
        self._blobs: dict[int, bytes] | None = {}
        self._last = 0
        self._lock = Lock()

    def post(self, command: Command) -> int:
        blob = pack(command)
        with self._lock:
            blobs = self._open()
            self._last += 1
            blobs[self._last] = blob
            return self._last

    def take(self, after: int) -> list[Taken]:
        with self._lock:
            rows = [row for row in self._open().items() if row[0] > after]
        return _taken(rows[:BATCH])

    def drop(self, upto: int) -> None:
        with self._lock:
            self._blobs = {number: blob for number, blob in self._open().items() if number > upto}
            self._last = max(self._last, upto)

    def close(self) -> None:
        self._blobs = None

    def _open(self) -> dict[int, bytes]:
        if self._blobs is None:
            raise DatabaseError("the inbox is closed")
        return self._blobs


class LmdbInbox:
    """The inbox in a folder, which is made if there is none; its parent must exist.

    A process opens it once: whoever else needs it there uses the same object.
    """

    def __init__(self, folder: Path) -> None:
        import lmdb

        self._folder = folder
        self._writing = Lock()
        self._reading = Lock()
        # Two locks, so that nobody who reads waits for another thread's fsync. The map is
        # moved under both: a transaction that is under way would lose the ground it reads.
        try:
            if not folder.exists():
                _create(folder)
            _sync(folder.parent)  # whoever made it: it is there before anything is in it
            self._environment = _checked(folder)
        except (lmdb.Error, OSError, BadFile) as failed:
            raise _trouble(folder, failed) from failed
        try:
            self._transact(_last_given)
        except DatabaseError:
            self.close()
            raise

    def post(self, command: Command) -> int:
        blob = pack(command)

        def append(transaction: lmdb.Transaction[bytes]) -> int:
            number = _last_given(transaction) + 1
            key = _NUMBER.pack(number)
            transaction.put(_LAST, key)
            transaction.put(key, blob)
            return number

        return self._transact(append, write=True)

    def take(self, after: int) -> list[Taken]:
        key = _NUMBER.pack(after)

        def behind(transaction: lmdb.Transaction[bytes]) -> list[tuple[bytes, bytes]]:
            cursor = transaction.cursor()
            if not cursor.last() or cursor.key() <= key:
                return []
            cursor.set_range(_NUMBER.pack(after + 1))
            return list(islice(cursor, BATCH))

        rows = self._transact(behind)
        return _taken((_NUMBER.unpack(each)[0], blob) for each, blob in rows)

    def drop(self, upto: int) -> None:
        end = _NUMBER.pack(upto)

        def remove(transaction: lmdb.Transaction[bytes]) -> None:
            cursor = transaction.cursor()
            cursor.set_range(_NUMBER.pack(1))
            while b"" < cursor.key() <= end:
                cursor.delete()
            if upto > _last_given(transaction):
                transaction.put(_LAST, end)

        self._transact(remove, write=True)

    def close(self) -> None:
        with self._writing, self._reading:
            self._environment.close()

    def _transact(self, work: Callable[[lmdb.Transaction[bytes]], T], write: bool = False) -> T:
        """What `work` returns, done in one transaction: whole, or not at all.

        Where the map turns out too small all of it is undone, and done again on a larger one.
        """
        import lmdb

        lock = self._writing if write else self._reading
        panicked = False
        while True:
            try:
                with lock, self._environment.begin(write=write) as transaction:
                    return work(transaction)
            except (lmdb.MapFullError, lmdb.MapResizedError) as failed:
                mendable: lmdb.Error = failed
            except lmdb.PanicError as failed:
                if panicked:
                    raise _trouble(self._folder, failed) from failed
                panicked, mendable = True, failed
            except lmdb.Error as failed:
                raise _trouble(self._folder, failed) from failed
            self._mend(mendable)

    def _mend(self, failed: lmdb.Error) -> None:
        """Double the map if it is full, catch up with another process that did, or open it
        anew: once the end of a commit has failed, nothing else helps.
        """
        import lmdb

        try:
            with self._writing, self._reading:
                if isinstance(failed, lmdb.PanicError):
                    self._environment.close()
                    self._environment = _checked(self._folder)
                else:
                    size = self._environment.info()["map_size"]
                    full = isinstance(failed, lmdb.MapFullError)
                    self._environment.set_mapsize(2 * size if full else 0)
        except (lmdb.Error, OSError, BadFile) as worse:
            raise _trouble(self._folder, worse) from worse


def _taken(rows: Iterable[tuple[int, bytes]]) -> list[Taken]:
    return [(number, _read(blob)) for number, blob in rows]


def _read(blob: bytes) -> Command | Unreadable:
    try:
        return unpack(blob)
    except DatabaseError as broken:
        return Unreadable(str(broken))


def _last_given(transaction: lmdb.Transaction[bytes]) -> int:
    """The number of the latest command, dropped or not."""
    import lmdb

    number = transaction.get(_LAST)
    if number is None:  # a data file that was cut to nothing opens as an empty one
        raise lmdb.CorruptedError("row 0 is missing")
    last: int = _NUMBER.unpack(number)[0]
    return last


def _create(folder: Path) -> None:
    """Make an empty inbox, all at once, unless another process is sooner."""
    made = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        with _environment(made) as environment, environment.begin(write=True) as transaction:
            transaction.put(_LAST, _NUMBER.pack(0))
        _sync(made)
        made.rename(folder)
    except OSError:
        if not (folder / "data.mdb").exists():
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _checked(folder: Path) -> lmdb.Environment:
    """The environment that is there. Raises BadFile where LMDB would stumble over it."""
    check(folder)
    environment = _environment(folder)
    try:
        with environment.begin():  # meanwhile nobody overwrites pages
            check(folder, whole=True)
    except BaseException:
        environment.close()
        raise
    return environment


def _environment(folder: Path) -> lmdb.Environment:
    import lmdb

    take_slots(folder)
    environment = lmdb.open(
        str(folder),
        lib_version=0,
        subdir=True,
        sync=True,
        writemap=False,
        map_size=MAP_SIZE,
        max_dbs=0,
        mode=0o600,  # what runs are about is nobody else's business
    )
    environment.reader_check()  # those who were killed while they read keep no pages
    return environment


def _sync(folder: Path) -> None:
    """Make durable which files are in a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_ADVICE = {
    0: "a process opens an inbox once, and uses that object until it closes it",
    errno.ENOENT: "the folder around it must exist: is that a store?",
    errno.ENOSPC: "make room on the disk, and try again",
    errno.EACCES: "this user must be allowed to write there",
    errno.EPERM: "this user must be allowed to write there",
    errno.EROFS: "this user must be allowed to write there",
}
"""What to do about an error of the system, by its number; 0 are those of the lmdb package."""


def _trouble(folder: Path, failed: lmdb.Error | OSError | BadFile) -> DatabaseError:
    import lmdb

    broken = (lmdb.InvalidError, lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.BadTxnError)
    if isinstance(failed, (BadFile, *broken)):
        advice = (
            "it is damaged, or is no inbox: while nobody uses the store, move this folder away, "
            "and an empty inbox takes its place"
        )
    else:
        advice = _ADVICE.get(code(failed), "see to the disk, and open the store again")
    return DatabaseError(f"the inbox {folder}: {failed}; {advice}")
