"""Ballast: room on the disk that is let go of when there is no other left.

On a full disk deletes fail as well as everything else, because LMDB writes what it changes
to other pages first. So a file that means nothing keeps some room in the store's folder.
Once a write finds the disk full, that file is emptied, and the next try has what it takes
to finish what was begun, or to delete. When there is room again, the file is filled again.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dagger.store.faults import FULL, code

LEAST = 1024 * 1024
MOST = 64 * 1024 * 1024
SHARE = 20
"""Bytes of ballast: one in so many of the data file's, within these limits."""

logger = logging.getLogger("dagger")


class Ballast:
    """The file `path`, which keeps room for changes to the file `data`."""

    def __init__(self, path: Path, data: Path) -> None:
        self._path = path
        self._data = data
        self._aboard = False

    @contextmanager
    def at_hand(self) -> Iterator[None]:
        """Around a write: it is let go of if that finds the disk full, for the next one."""
        try:
            yield
        except Exception as error:
            if code(error) in FULL:
                self._drop()
            elif code(error) == errno.EIO and self._no_room():
                # LMDB says so of a write that was cut short, as by a disk that is full.
                self._drop()
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
            raise
        if not self._aboard:
            with suppress(OSError):  # as much as there was room for does not harm
                self._aboard = self._load()

    def _load(self) -> bool:
        """Fill the file, unless that would take more than half of what is free."""
        wanted = min(MOST, max(LEAST, self._data.stat().st_size // SHARE))
        with self._path.open("ab") as file:
            missing = wanted - file.tell()
            disk = os.fstatvfs(file.fileno())
            if missing > disk.f_bavail * disk.f_frsize // 2:
                return False
            if missing > 0:
                _fill(file.fileno(), file.tell(), missing)
        return True

    def _no_room(self) -> bool:
        disk = os.statvfs(self._path.parent)
        return disk.f_bavail * disk.f_frsize < LEAST // 2

    def _drop(self) -> None:
        self._aboard = False
        size = self._path.stat().st_size if self._path.exists() else 0
        if size:
            os.truncate(self._path, 0)
            logger.warning(
                "the disk of %s is full: %s bytes that were kept for this are let go of; "
                "make room, or everything will stop soon",
                *(self._path.parent, f"{size:,}"),
            )


def _fill(file: int, start: int, size: int) -> None:
    """Take room on the disk, and not just make the file longer."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, start, size)
    else:
        os.write(file, bytes(size))
