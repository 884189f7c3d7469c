"""What a process under the preloaded shim may tell it."""

from __future__ import annotations

import ctypes
import os
from enum import IntFlag
from pathlib import Path
from typing import Any

ENOUGH = 2**63 - 1


class Kind(IntFlag):
    """Kinds of calls: those of `enum kind` in the source."""

    DATA = 1
    """Writes, but for"""
    META = 2
    """those through a descriptor that syncs each of them."""
    SYNC = 4
    SIZE = 8
    NAME = 16
    """What makes, moves or removes files and folders."""
    MARK = 32


class Shim:
    """The shim of this process, which must have been preloaded."""

    def __init__(self) -> None:
        self._library: Any = ctypes.CDLL(None)
        self._library.faults_calls.restype = ctypes.c_long

    def watch(self, folder: Path, trace: Path | None = None) -> None:
        """Count all calls that change something below a folder; note them in a trace."""
        folder.mkdir(parents=True, exist_ok=True)
        into = None if trace is None else os.fsencode(trace)
        self._library.faults_watch(os.fsencode(folder.resolve()), into)

    @property
    def calls(self) -> int:
        """How many there were."""
        count: int = self._library.faults_calls()
        return count

    def exit(self, at: int, *, torn: bool, seed: int = 0) -> None:
        """End the process instead of its call `at`, or amid the first write from there."""
        self._library.faults_exit(ctypes.c_long(at), torn, seed)

    def fail(self, kinds: Kind, times: int, *, spare: int = 0, performed: bool = False) -> None:
        """Let so many calls of these kinds fail, after so many that do not, even if performed."""
        counts = ctypes.c_long(spare), ctypes.c_long(times)
        self._library.faults_fail(int(kinds), *counts, performed)

    def quota(self, more: int | None) -> None:
        """Let the files grow by so many bytes in all, and refuse what is over; None is enough."""
        self._library.faults_quota(ctypes.c_long(ENOUGH if more is None else more))

    def mark(self, blob: bytes) -> None:
        """Put something into the trace that is true from now on."""
        self._library.faults_mark(blob, ctypes.c_size_t(len(blob)))
