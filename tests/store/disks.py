"""Disks for tests: a small one, and one that cannot be written to; both need root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(at: Path, size: int) -> Iterator[Path]:
    """A disk of so many bytes, in memory."""
    at.mkdir()
    with _mounted(at, "-t", "tmpfs", "-o", f"size={size}", "tmpfs"):
        yield at


@contextmanager
def read_only(folder: Path, at: Path) -> Iterator[Path]:
    """The same folder under another name, where nothing can be written."""
    at.mkdir()
    with _mounted(at, "--bind", str(folder)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(at)], check=True)
        yield at


@contextmanager
def _mounted(at: Path, *how: str) -> Iterator[None]:
    if os.getuid() != 0:
        pytest.skip("only root may mount")
    done = subprocess.run(["mount", *how, str(at)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(at)], check=True)


class Filler:
    """A file that takes all the room that is left on a disk, or gives it back."""

    def __init__(self, disk: Path) -> None:
        self._path = disk / "filler"

    def fill(self, spare: int = 0) -> None:
        """Leave no room but for so many bytes."""
        with self._path.open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                file.truncate(file.tell() - spare)

    def free(self) -> None:
        """Give all of it back."""
        self._path.unlink()
