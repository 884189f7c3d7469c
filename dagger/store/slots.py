"""The table of readers in LMDB's lock file, and the room that it has on the disk.

LMDB makes that file longer without writing to it, maps it, and writes into the map. On a
full disk that is a SIGBUS: when a file that is missing is made, and when so many read at
once that a page of the table is used for the first time. So the room is taken beforehand.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

LOCK = "lock.mdb"

BYTES = 8192
"""Bytes of the table: LMDB's own size, for 126 readers at once."""

REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
"""What the system says of files and folders that are read-only for this process."""


def take_slots(folder: Path) -> bool:
    """See to it that the table can be used; False if this process may not write to it.

    To be called before LMDB opens it, since who closes a file lets go of all locks that
    the process has on it. Raises OSError, where there is no room above all.
    """
    try:
        file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno in REFUSED:
            return False
        raise
    try:
        if os.fstat(file).st_blocks * 512 < BYTES and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file, 0, BYTES)
    finally:
        os.close(file)
    return True
