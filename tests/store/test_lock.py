"""A store has one owner, whom everybody can name, and which a kill cannot make immortal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest

from dagger.store import lock as locks
from dagger.store.lock import UNKNOWN, Lock, Owner, owner
from dagger.words.errors import DatabaseError, LockError

if sys.platform == "win32":
    pytest.skip("Windows has no flock", allow_module_level=True)

import fcntl

ROOT = Path(__file__).parents[2]

OWNING = """
    lock.acquire()
    say("owned")
    sys.stdin.readline()
"""
FORKING = """
    free = Lock(path.with_name("free"), on_fork=lambda: called.append("for nothing"))
    free.acquire()
    free.release()
    lock.acquire()
    if os.fork() == 0:
        say("forked", lock.forked, free.forked, called)
        lock.release()
        try:
            lock.acquire()
        except LockError as error:
            say("refused", error.pid == os.getppid())
        os._exit(0)
    os.wait()
    say("parent", os.getpid(), lock.forked, called)
    sys.stdin.readline()
    lock.release()
    say("released")
    sys.stdin.readline()
"""
OUTLIVED_BY_A_FORK = """
    lock.acquire()
    if os.fork() == 0:
        say("outlives")
        sys.stdin.read()
        os._exit(0)
    signal.pause()
"""
OUTLIVED_BY_A_PROGRAM = """
    lock.acquire()
    outlives = "import sys; print('outlives', flush=True); sys.stdin.read()"
    subprocess.Popen([sys.executable, "-c", outlives], close_fds=False)
    signal.pause()
"""
WITHOUT_ROOM = """
    path.touch()
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    lock.acquire()
    say("owned")
    sys.stdin.readline()
"""
PROGRAM = """
import os, resource, signal, subprocess, sys
from pathlib import Path
from dagger.store.lock import Lock
from dagger.words.errors import LockError

def say(*words):
    print(*words, flush=True)

path = Path(sys.argv[1])
called = []
lock = Lock(path, on_fork=lambda: called.append(lock.forked))
"""


@contextmanager
def running(source: str, path: Path) -> Iterator[subprocess.Popen[str]]:
    """A program that has a `lock` of that path, in a process that is gone afterwards."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM + dedent(source), str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    """The next line that a process writes."""
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


def go_on(process: subprocess.Popen[str]) -> None:
    """Let a process that waits for a line have it."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a lock that nobody has used yet."""
    return tmp_path / "owner"


# -- one process ---------------------------------------------------------------------


def test_an_owner_can_be_named(path: Path) -> None:
    """Everybody may ask for the process, its host, and since when it has owned the store."""
    before = time.time()
    lock = Lock(path)
    lock.acquire()
    found = owner(path)
    assert found is not None
    assert found[:2] == (os.getpid(), os.uname().nodename)
    assert before <= found.since <= time.time()
    assert json.loads(path.read_text()) == found._asdict()
    lock.release()


def test_nobody_owns_what_is_free(path: Path) -> None:
    """A lock that was never taken, or was let go, has no owner, whatever the file says."""
    assert owner(path) is None
    assert not path.exists()
    lock = Lock(path)
    lock.acquire()
    lock.release()
    assert owner(path) is None
    path.write_text('{"pid": 1, "host": "a", "since": 2.0}')
    assert owner(path) is None


def test_a_second_lock_is_refused(path: Path) -> None:
    """The process that owns a store cannot own it once more, and still owns it after trying."""
    first = Lock(path)
    first.acquire()
    for second in (Lock(path), first):
        with pytest.raises(LockError, match=f"in use by process {os.getpid()} on ") as caught:
            second.acquire()
        assert caught.value.path == str(path.parent)
        assert (caught.value.pid, caught.value.host) == (os.getpid(), os.uname().nodename)
    first.release()


def test_letting_go_once_is_enough(path: Path) -> None:
    """A lock may be released before it was acquired, and twice; and acquired again."""
    lock = Lock(path)
    lock.release()
    for _ in range(3):
        lock.acquire()
        lock.release()
        lock.release()
    other = Lock(path)
    other.acquire()
    lock.release()
    assert owner(path) is not None
    other.release()


def test_a_lock_that_nobody_keeps_is_let_go(path: Path) -> None:
    """An owner that is forgotten without a release does not keep others out for ever."""
    lock = Lock(path)
    lock.acquire()
    with pytest.warns(ResourceWarning):
        del lock
    assert owner(path) is None


def test_a_reader_is_in_nobodys_way(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An instant in which a reader asks for the owner does not make an acquire fail."""
    path.touch()
    reader = path.open("rb")
    fcntl.flock(reader, fcntl.LOCK_SH)
    monkeypatch.setattr(time, "sleep", lambda _: reader.close())
    lock = Lock(path)
    lock.acquire()
    assert reader.closed
    lock.release()


def test_readers_do_not_see_each_other(path: Path) -> None:
    """Somebody else who asks for the owner at the same instant is not taken for one."""
    path.touch()
    with path.open("rb") as reader:
        fcntl.flock(reader, fcntl.LOCK_SH)
        assert owner(path) is None


@pytest.mark.parametrize("written", ["", '{"pid": 7, "host', "null", "[7]", '{"pid": 7}', "\xff"])
def test_an_owner_who_is_just_writing_is_read_again(
    path: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    """A file that does not name the owner yet is read until it does."""
    path.write_text(written, "latin-1")
    whole = Owner(7, "elsewhere", 8.5)
    monkeypatch.setattr(time, "sleep", lambda _: path.write_text(json.dumps(whole._asdict())))
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert owner(path) == whole


def test_an_owner_who_never_writes_is_unknown(path: Path) -> None:
    """A file that never names the owner is given up on, and the store is refused all the same."""
    path.touch()
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert owner(path) == UNKNOWN
        with pytest.raises(LockError, match="in use by process 0 on unknown"):
            Lock(path).acquire()


def test_where_there_are_no_locks_nobody_owns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system without flock is told so, rather than let two owners at one store."""
    monkeypatch.setattr(locks, "fcntl", None)
    lock = Lock(path)
    with pytest.raises(DatabaseError, match="this system has no flock"):
        lock.acquire()
    lock.release()
    assert owner(path) is None
    assert not path.exists()


def test_a_folder_that_is_not_there_is_an_error(path: Path) -> None:
    """The lock makes its file, and not the folder around it."""
    with pytest.raises(FileNotFoundError):
        Lock(path / "owner").acquire()


# -- several processes ---------------------------------------------------------------


def test_another_process_is_named(path: Path) -> None:
    """A store that another process owns is refused, with the number and host of that one."""
    with running(OWNING, path) as process:
        assert said(process) == "owned"
        with pytest.raises(LockError) as caught:
            Lock(path).acquire()
        assert (caught.value.pid, caught.value.host) == (process.pid, os.uname().nodename)
        found = owner(path)
        assert found is not None
        assert found.pid == process.pid


def test_a_dead_owner_is_succeeded(path: Path) -> None:
    """After a `kill -9` nobody owns the store, and the next one takes it at once."""
    with running(OWNING, path) as process:
        assert said(process) == "owned"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert owner(path) is None
    lock = Lock(path)
    lock.acquire()
    found = owner(path)
    assert found is not None
    assert found.pid == os.getpid()
    lock.release()


def test_a_fork_leaves_the_lock_with_the_parent(path: Path) -> None:
    """A forked child knows that it is one, cannot let go or take over, and ends without a trace.

    Locks that were not held when it was forked are none of its business.
    """
    with running(FORKING, path) as process:
        assert said(process) == "forked True False [True]"
        assert said(process) == "refused True"
        assert said(process) == f"parent {process.pid} False []"
        with pytest.raises(LockError) as caught:
            Lock(path).acquire()
        assert caught.value.pid == process.pid
        go_on(process)
        assert said(process) == "released"
        lock = Lock(path)
        lock.acquire()
        lock.release()


@pytest.mark.parametrize(
    "source", [OUTLIVED_BY_A_FORK, OUTLIVED_BY_A_PROGRAM], ids=["fork", "program"]
)
def test_a_child_does_not_keep_the_lock(path: Path, source: str) -> None:
    """An owner that is killed has no heirs, even if processes that it started live on."""
    with running(source, path) as process:
        assert said(process) == "outlives"
        process.send_signal(signal.SIGKILL)
        process.wait()
        lock = Lock(path)
        lock.acquire()
        lock.release()


def test_a_full_disk_has_an_owner_all_the_same(path: Path) -> None:
    """Whoever cannot write down its name owns the store nevertheless, and keeps others out."""
    with running(WITHOUT_ROOM, path) as process:
        assert said(process) == "owned"
        assert owner(path) == UNKNOWN
        with pytest.raises(LockError, match="process 0 on unknown"):
            Lock(path).acquire()
