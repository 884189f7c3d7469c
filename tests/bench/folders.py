"""Folders on a real disk for what is measured, and the processes that leave stores in them."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

HERE = Path(__file__).parents[2] / "build"
"""Not the system's folder for temporary files: that may be in memory."""


@contextmanager
def folder() -> Iterator[Path]:
    """A fresh folder on the file system of the repository, gone afterwards."""
    HERE.mkdir(exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix="bench-", dir=HERE))
    try:
        yield made
    finally:
        shutil.rmtree(made)


def megabytes(path: Path) -> float:
    """What the files below a folder take on the disk: holes take nothing."""
    return sum(each.stat().st_blocks for each in path.rglob("*")) * 512 / 1e6


def elsewhere(work: Callable[..., None], *arguments: Any) -> Any:
    """What `work(end, *arguments)` gives to `end(value)`, in a fresh process.

    That call ends the process as a kill does: nothing is put away.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(work, there, arguments))
    process.start()
    there.close()
    try:
        return here.recv()
    except EOFError:
        raise RuntimeError(f"{work.__name__} has failed") from None
    finally:
        process.join()


def _work(work: Callable[..., None], there: Connection, arguments: tuple[Any, ...]) -> None:
    def end(value: Any = None) -> None:
        there.send(value)
        os._exit(0)

    work(end, *arguments)


class BareDisk:
    """An LMDB environment and nothing else: what one commit costs in this folder now."""

    def __init__(self, path: Path) -> None:
        import lmdb

        path.mkdir()
        self._environment = lmdb.open(
            str(path), lib_version=0, sync=True, writemap=False, map_size=1 << 30
        )
        self._last = 0

    def commit(self, blob: bytes) -> float:
        """Seconds until one more row is on disk."""
        started = time.perf_counter()
        with self._environment.begin(write=True) as txn:
            self._last += 1
            txn.put(self._last.to_bytes(8, "big"), blob)
        return time.perf_counter() - started

    def close(self) -> None:
        self._environment.close()
