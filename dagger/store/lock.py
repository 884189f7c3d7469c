"""Who owns a store: the process that holds the kernel's lock on one file in its folder.

The lock is flock(2), so the kernel lets go of it when its owner ends, however it ends.
What is written in the file only says who that is.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import NamedTuple, TypeVar
from weakref import WeakSet

from dagger.words.clock import SystemClock
from dagger.words.errors import DatabaseError, LockError

try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None  # type: ignore[assignment]

T = TypeVar("T")

PAUSE = 0.005
"""Seconds between two tries of the same thing."""

TAKING = 10
"""Tries to take a lock: a reader who asks for the owner has hold of it for an instant."""

READING = 40
"""Tries to read who the owner is: it writes that just after it took the lock."""


class Owner(NamedTuple):
    """Process `pid` on `host`, which has owned a store since a time in seconds of the epoch."""

    pid: int
    host: str
    since: float


UNKNOWN = Owner(0, "unknown", 0.0)
"""An owner that could not write down who it is."""


class Lock:
    """The right to write to a store; `path` is the file that stands for it.

    At most one lock of a path is held at a time, in all processes of the machine. A
    fork leaves it with the parent: in the child `forked` is true from the start, and
    `on_fork` has been called.
    """

    def __init__(self, path: Path, on_fork: Callable[[], None] | None = None) -> None:
        self.forked = False
        self._path = path
        self._on_fork = on_fork
        self._file: FileIO | None = None

    def acquire(self) -> None:
        """Become the owner; blocks for a quarter of a second at most.

        Raises LockError if somebody is, be it this process, DatabaseError where the
        system has no such locks, and OSError if the file cannot be opened or locked.
        """
        if fcntl is None:
            raise DatabaseError(
                f"the store {self._path.parent} cannot be owned: this system has no flock, "
                "without which two processes could write to one store; use a MemoryStore"
            )
        file = FileIO(self._path, "a+")
        try:
            self._take(file)
        except BaseException:
            file.close()
            raise
        self._file = file
        _held.add(self)
        _sign(file)

    def release(self) -> None:
        """Let go; once is enough, and after a fork there is nothing to let go of."""
        if self._file is not None:
            _held.discard(self)
            # Not by closing alone: a process that is just being started has the file as well.
            fcntl.flock(self._file, fcntl.LOCK_UN)
            self._close()

    def _take(self, file: FileIO) -> None:
        if not _persist(lambda: _flock(file, fcntl.LOCK_EX), TAKING):
            found = _who(file)
            raise LockError(str(self._path.parent), found.pid, found.host)

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _left_to_parent(self) -> None:
        self._close()  # and no LOCK_UN, which would take it from the parent
        self.forked = True
        if self._on_fork is not None:
            self._on_fork()


def owner(path: Path) -> Owner | None:
    """Who holds the lock on the file `path` now; None if nobody does, or there is no file.

    Takes nothing from anybody. Raises OSError if the file cannot be read.
    """
    if fcntl is None:
        return None  # nor can anybody
    if not path.exists():
        return None
    with FileIO(path) as file:
        if _flock(file, fcntl.LOCK_SH):
            fcntl.flock(file, fcntl.LOCK_UN)
            return None
        return _who(file)


def _flock(file: FileIO, kind: int) -> bool:
    """Take a lock on an open file, unless another one is in its way."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(file: FileIO) -> None:
    """Write down that this process is the owner."""
    here = Owner(os.getpid(), os.uname().nodename, SystemClock.now())
    try:
        file.truncate(0)
        file.write(json.dumps(here._asdict()).encode())
    except OSError:
        pass  # A full disk makes it no less the owner, only a nameless one.


def _who(file: FileIO) -> Owner:
    return _persist(lambda: _signed(file), READING) or UNKNOWN


def _signed(file: FileIO) -> Owner | None:
    """Who has signed; None as long as the signature is not whole."""
    file.seek(0)
    try:
        said = json.loads(file.read())
        return Owner(said["pid"], said["host"], said["since"])
    except (ValueError, KeyError, TypeError):
        return None


def _persist(attempt: Callable[[], T | None], tries: int) -> T | None:
    """What comes of the first attempt that comes to something, or of the last."""
    for _ in range(tries - 1):
        if result := attempt():
            return result
        time.sleep(PAUSE)  # noqa: TID251  a process waits here, before it has a loop to wait in
    return attempt()


_held: WeakSet[Lock] = WeakSet()


def _after_fork() -> None:
    """Leave every lock to the parent, in the child and before anything else happens there."""
    held = list(_held)
    _held.clear()
    for lock in held:
        lock._left_to_parent()


if fcntl is not None:
    os.register_at_fork(after_in_child=_after_fork)
