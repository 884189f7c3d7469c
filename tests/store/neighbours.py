"""Processes that use a store at the same time as the test does."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import lmdb

from dagger import DatabaseError, LmdbStore, OutcomeUnknown
from dagger.store import writer
from dagger.store.reader import StoreReader
from dagger.words.records import Kept
from tests.crash.processes import Say
from tests.waiting import until

BLOB = bytes(1_000_000)

NOBODY = 65534

AT_ONCE = 20
"""Readers in one process."""


def own(say: Say, path: Path) -> None:
    """Own a store for ever."""

    async def stay() -> None:
        await LmdbStore(path).open()
        say("owns")
        await anyio.sleep_forever()

    anyio.run(stay)


def append(say: Say, path: Path, count: int) -> None:
    """Own a store, and write so many megabytes."""

    async def write() -> None:
        store = LmdbStore(path)
        await store.open()
        for number in range(count):
            store.append(Kept(1, number, "step:s", "#0", BLOB, 1.0))
        await store.close()

    anyio.run(write)


def starve(say: Say, path: Path) -> None:
    """Write more than can be mapped into memory, until there is room for it again."""
    writer.PATIENCE = (0.01, 0.01)

    async def write() -> None:
        store = LmdbStore(path)
        await store.open()
        store.append(Kept(1, 0, "step:s", "#0", b"first", 1.0))
        await store.flush()
        with _little_memory(16 * 1024 * 1024):
            with store.together():  # one transaction, for which the map has to be 64 MiB
                for number in range(1, 6):
                    store.append(Kept(1, number, "step:s", "#0", BLOB, 1.0))
            try:
                await store.flush()
            except OutcomeUnknown as error:
                say(type(error).__name__, str(error))
            say(type(store.trouble).__name__, str(store.trouble))
            say("read", len(list(store.read())))
        await until(lambda: store.trouble is None)
        say("read", len(list(store.read())))
        await store.close()

    anyio.run(write)


@contextmanager
def _little_memory(more: int) -> Iterator[None]:
    """Within, a process may take so many bytes more than it has."""
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (taken + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def look_in(say: Say, path: Path) -> None:
    """Open a store to read it, and say how that went."""
    try:
        with StoreReader(path) as reader:
            say("read", reader.position)
    except DatabaseError as error:
        say("refused", type(error).__name__, str(error))


def look_in_as_guest(say: Say, path: Path) -> None:
    """The same as a user whom nothing belongs to."""
    os.chdir(path)  # before that: the folders above may be closed to others
    if os.getuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    look_in(say, Path())


def kill_readers(say: Say, path: Path, rounds: int) -> None:
    """Start readers that take nearly all places there are, and are killed; again and again."""
    for _ in range(rounds):
        readers = [_forked(lambda: _reading(path)) for _ in range(6)]
        for pid in readers:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        say("killed", 6 * AT_ONCE)


def _reading(path: Path) -> object:
    """Transactions, which last as long as this is kept."""
    with StoreReader(path) as reader:
        reader.saved()
    environment = lmdb.open(str(path / "journal"), lib_version=0, readonly=True)
    return environment, [environment.begin() for _ in range(AT_ONCE)]


def _forked(call: Callable[[], object]) -> int:
    """A child that is still there once it has made the call."""
    end, its_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _kept = call()
            os.write(its_end, b"!")
            signal.pause()
        finally:
            os._exit(1)
    os.close(its_end)
    try:
        assert os.read(end, 1), "a reader found no place"
    finally:
        os.close(end)
    return pid
