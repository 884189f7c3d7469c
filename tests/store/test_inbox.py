"""The inbox keeps its contract in memory and on disk, and between processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from struct import pack as packed
from threading import Thread, Timer
from typing import Any
from zlib import crc32

import lmdb
import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger.store.inbox import (
    MAX_BYTES,
    Command,
    Inbox,
    LmdbInbox,
    MemoryInbox,
    Unreadable,
    pack,
    unpack,
)
from dagger.words.errors import DatabaseError
from tests.patience import PATIENCE
from tests.store.inbox_contract import ODD, InboxContract, command, drained

ROOT = Path(__file__).parent.parent.parent

SENDER = """
import sys
from pathlib import Path
from dagger.store.inbox import Command, LmdbInbox

inbox = LmdbInbox(Path(sys.argv[1]))
for line in sys.stdin:
    count, size = map(int, line.split())
    for index in range(count):
        fields = {"ballast": "x" * size}
        print(inbox.post(Command("cancel", f"run-{index}", fields, 1.0, "2@here")), flush=True)
"""
"""For each line "<count> <size>": posts so many commands, and prints the number of each."""

HALFWAY = """
import sys
import lmdb

environment = lmdb.open(sys.argv[1], lib_version=0)
transaction = environment.begin(write=True)
transaction.put(b"\\xff" * 8, b"half a command")
print("1", flush=True)
sys.stdin.read()
"""
"""A sender that has got as far as into its transaction, and stays there."""

READING = """
import sys
import lmdb

environment = lmdb.open(sys.argv[1], lib_version=0)
transaction = environment.begin()
print("1", flush=True)
sys.stdin.read()
"""
"""Somebody who has begun to read, and stays at it."""


class Process:
    """Another process with a program; it is killed if it takes too long."""

    def __init__(self, program: str, folder: Path) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-c", program, str(folder)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._patience = Timer(PATIENCE, self.child.kill)
        self._patience.start()

    def order(self, count: int, size: int = 0) -> None:
        """Have it post, and wait for nothing."""
        assert self.child.stdin
        self.child.stdin.write(f"{count} {size}\n")
        self.child.stdin.flush()

    def number(self) -> int:
        """The next number that it prints."""
        assert self.child.stdout
        return int(self.child.stdout.readline())

    def post(self, count: int, size: int = 0) -> list[int]:
        """Have it post, and wait for the numbers."""
        self.order(count, size)
        return [self.number() for _ in range(count)]

    def kill(self) -> list[int]:
        """End it at once, and return the numbers that it had still printed."""
        self.child.send_signal(signal.SIGKILL)
        rest, _ = self.child.communicate()
        return [int(line) for line in rest.split()]

    def close(self) -> None:
        """End it, if it has not ended."""
        if self.child.returncode is None:
            self.kill()
        self._patience.cancel()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the inbox is going to be."""
    return tmp_path / "inbox"


@pytest.fixture
def inbox(folder: Path) -> Iterator[LmdbInbox]:
    """The owner's inbox."""
    with closing(LmdbInbox(folder)) as inbox:
        yield inbox


Start = Callable[..., Process]


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Starts programs on the folder, senders unless told otherwise."""
    started: list[Process] = []

    def start(program: str = SENDER) -> Process:
        started.append(Process(program, folder))
        return started[-1]

    yield start
    for each in started:
        each.close()


class TestMemoryInbox(InboxContract):
    """The twin for stores in memory."""

    def opened(self) -> Inbox:
        return MemoryInbox()


class TestLmdbInbox(InboxContract):
    """The inbox in a folder."""

    @pytest.fixture(autouse=True)
    def _folder(self, folder: Path) -> None:
        self.folder = folder

    def opened(self) -> Inbox:
        return LmdbInbox(self.folder)


# A command and its bytes.

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(), each, max_size=3),
    max_leaves=10,
)
COMMANDS = st.builds(
    Command,
    st.text(),
    st.text(),
    st.dictionaries(st.text(), JSON, max_size=3),
    st.floats(0, 1e12),
    st.text(),
)


@given(COMMANDS)
def test_a_command_survives_packing(sent: Command) -> None:
    """What is unpacked is what was packed, whatever plain values it has."""
    assert unpack(pack(sent)) == sent


@given(COMMANDS, st.data())
def test_a_damaged_command_is_refused(sent: Command, data: st.DataObject) -> None:
    """One flipped bit anywhere, or a piece cut off, is always found out."""
    blob = bytearray(pack(sent))
    at = data.draw(st.integers(0, len(blob) - 1))
    with pytest.raises(DatabaseError):
        unpack(bytes(blob[:at]))
    blob[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(DatabaseError):
        unpack(bytes(blob))


def framed(body: bytes, version: int = 1) -> bytes:
    """A body with a head that is right for it."""
    return packed("<BI", version, crc32(body)) + body


@pytest.mark.parametrize(
    ("blob", "why"),
    [
        (framed(b"\x90", version=2), "format 2"),
        (framed(msgpack.packb({"verb": "cancel", "run": "r"})), "is none"),
        (framed(msgpack.packb(7)), "is none"),
        (framed(b"\xc1"), "is none"),
        (packed("<BI", 1, 7) + b"\x90", "checksum"),
        (b"", "cut short"),
        (bytes(MAX_BYTES + 1), "more than the 16777216 allowed"),
    ],
    ids=["version", "fields", "scalar", "msgpack", "checksum", "empty", "size"],
)
def test_what_is_no_command_is_refused(blob: bytes, why: str) -> None:
    """The error says what is wrong with it."""
    with pytest.raises(DatabaseError, match=why):
        unpack(blob)


def test_what_cannot_be_read_does_not_stand_in_the_way(folder: Path) -> None:
    """The owner is told the number and the reason, gets what is behind it, and can drop it."""
    with closing(LmdbInbox(folder)) as inbox:
        for index in (1, 2, 3):
            inbox.post(command(index))
    with lmdb.open(str(folder), lib_version=0) as raw, raw.begin(write=True) as transaction:
        transaction.put((2).to_bytes(8, "big"), b"\x01broken")
    with closing(LmdbInbox(folder)) as inbox:
        first, (number, broken), last = inbox.take(0)
        assert (first, last) == ((1, command(1)), (3, command(3)))
        assert number == 2
        assert isinstance(broken, Unreadable)
        assert "checksum" in broken.reason
        inbox.drop(2)
        assert inbox.take(0) == [last]


# One folder.


def test_commands_and_numbers_outlive_the_process(folder: Path) -> None:
    """Opened again, everything not dropped is there, and the numbers go on."""
    with closing(LmdbInbox(folder)) as inbox:
        assert [inbox.post(ODD) for _ in range(3)] == [1, 2, 3]
        inbox.drop(2)
    with closing(LmdbInbox(folder)) as inbox:
        assert inbox.take(0) == [(3, ODD)]
        inbox.drop(3)
    with closing(LmdbInbox(folder)) as inbox:
        assert inbox.take(0) == []
        assert inbox.post(ODD) == 4


def test_nobody_else_may_read_it(folder: Path) -> None:
    """Folder and files are their owner's only, whatever the umask allows."""
    umask = os.umask(0)
    try:
        LmdbInbox(folder).close()
    finally:
        os.umask(umask)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [each.stat().st_mode & 0o777 for each in folder.iterdir()] == [0o600, 0o600]
    assert list(folder.parent.iterdir()) == [folder]


def test_a_process_opens_it_once(folder: Path, inbox: LmdbInbox) -> None:
    """A second inbox of the folder in one process is refused, and the first goes on."""
    with pytest.raises(DatabaseError, match=r"already open .* a process opens an inbox once"):
        LmdbInbox(folder)
    assert inbox.post(ODD) == 1


def test_it_grows_with_what_is_in_it_and_reuses_what_was(folder: Path) -> None:
    """Megabytes find room, and once they are dropped the next ones take the same."""
    sizes = []
    with closing(LmdbInbox(folder)) as inbox:
        for round_ in range(4):
            for index in range(20):
                inbox.post(command(index, 200_000))
            assert len(drained(inbox, round_ * 20)) == 20
            inbox.drop(round_ * 20 + 20)
            sizes.append((folder / "data.mdb").stat().st_size)
        assert inbox.take(0) == []
    assert 4_000_000 < sizes[0] <= sizes[-1] < 9_000_000


def test_the_biggest_command_finds_room(inbox: LmdbInbox) -> None:
    """A command just under the limit is many times the first map, and goes through."""
    big = command(1, MAX_BYTES - 100)
    assert inbox.post(big) == 1
    assert inbox.take(0) == [(1, big)]


def spoil(folder: Path, content: bytes) -> None:
    """Replace the data file of an inbox."""
    LmdbInbox(folder).close()
    (folder / "data.mdb").write_bytes(content)


@pytest.mark.parametrize("content", [b"", b"garbage" * 4096], ids=["emptied", "overwritten"])
def test_a_damaged_folder_is_refused(folder: Path, content: bytes) -> None:
    """Emptied or overwritten, it says so and what to do, each time it is opened."""
    spoil(folder, content)
    kept = []
    for _ in range(2):
        with pytest.raises(
            DatabaseError, match=rf"{folder}: .*; it is damaged, .*move this"
        ) as told:
            LmdbInbox(folder)
        kept.append(told)
    folder.rename(folder.with_name("aside"))
    LmdbInbox(folder).close()


def test_without_a_store_there_is_no_inbox(tmp_path: Path) -> None:
    """A folder that is missing, or no folder, is not made: the error names it."""
    with pytest.raises(DatabaseError, match=r"missing.inbox: .*; the folder around it must exist"):
        LmdbInbox(tmp_path / "missing" / "inbox")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseError, match=r"file.inbox: "):
        LmdbInbox(tmp_path / "file" / "inbox")


# Several processes.


def test_each_command_is_seen_once_and_in_order(inbox: LmdbInbox, start: Start) -> None:
    """What another process posts while the owner takes and drops arrives whole."""
    sender = start()
    sender.order(50)
    seen: list[tuple[int, Any]] = []
    while len(seen) < 50 and sender.child.poll() is None:
        if batch := inbox.take(seen[-1][0] if seen else 0):
            seen += batch
            inbox.drop(batch[-1][0])
    assert [number for number, _ in seen] == list(range(1, 51))
    assert [each.run for _, each in seen] == [f"run-{index}" for index in range(50)]
    assert [sender.number() for _ in range(50)] == list(range(1, 51))
    assert inbox.take(0) == []


def test_two_senders_get_different_numbers(inbox: LmdbInbox, start: Start) -> None:
    """Whoever posts at the same time as another, each number is given to one of them."""
    senders = [start(), start()]
    for each in senders:
        each.order(50)
    mine = [inbox.post(command(index)) for index in range(10)]
    theirs = [[each.number() for _ in range(50)] for each in senders]
    for numbers in theirs:
        assert numbers == sorted(numbers)
    assert sorted(sum(theirs, mine)) == list(range(1, 111))
    assert [number for number, _ in drained(inbox)] == list(range(1, 111))


def test_many_may_make_it_at_once(folder: Path, start: Start) -> None:
    """Processes that find no inbox use the same one, and leave nothing else behind."""
    senders = [start() for _ in range(4)]
    for each in senders:
        each.order(3)
    numbers = [each.number() for each in senders for _ in range(3)]
    assert sorted(numbers) == list(range(1, 13))
    assert list(folder.parent.iterdir()) == [folder]


def test_who_is_later_uses_what_is_there(
    folder: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An inbox that another process has put in place at the last moment is not replaced."""
    rename = Path.rename

    def late(self: Path, target: Path) -> Path:
        assert start().post(1) == [1]
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", late)
    with closing(LmdbInbox(folder)) as inbox:
        assert inbox.post(ODD) == 2
        assert len(inbox.take(0)) == 2
    assert list(folder.parent.iterdir()) == [folder]


def test_one_sees_what_another_made_room_for(inbox: LmdbInbox, start: Start) -> None:
    """The owner takes what a sender had to enlarge the inbox for."""
    assert start().post(300, 10_000) == list(range(1, 301))
    taken = drained(inbox)
    assert [number for number, _ in taken] == list(range(1, 301))
    assert all(len(each.fields["ballast"]) == 10_000 for _, each in taken)  # type: ignore[union-attr]


def test_one_posts_where_another_made_room(inbox: LmdbInbox, start: Start) -> None:
    """Owner and sender enlarge it in turn, and each goes on behind the other."""
    sender = start()
    last = 0
    for count in (150, 300, 600):
        assert sender.post(count, 10_000)[-1] == last + count
        last += count + 1
        assert inbox.post(command(last, 10_000)) == last
        for _ in range(count):
            last = inbox.post(command(last, 10_000))
    assert [number for number, _ in drained(inbox)] == list(range(1, last + 1))
    inbox.drop(last)
    assert sender.post(1) == [last + 1]


def test_a_sender_killed_halfway_leaves_nothing(inbox: LmdbInbox, start: Start) -> None:
    """What it had not finished is not there, and the next to post does not wait for it."""
    inbox.post(command(1))
    halfway = start(HALFWAY)
    assert halfway.number() == 1
    halfway.kill()
    assert inbox.post(command(2)) == 2
    assert start().post(1) == [3]
    assert [number for number, _ in inbox.take(0)] == [1, 2, 3]


def test_a_reader_killed_halfway_takes_no_room(
    folder: Path, inbox: LmdbInbox, start: Start
) -> None:
    """Once another process has opened the inbox, what is dropped makes room again."""
    reading = start(READING)
    assert reading.number() == 1
    reading.kill()
    assert start().post(1) == [1]
    for _ in range(30):
        inbox.drop(inbox.post(command(1, 200_000)))
    assert (folder / "data.mdb").stat().st_size < 2_000_000


def test_a_sender_may_be_killed_at_any_time(inbox: LmdbInbox, start: Start, prove: bool) -> None:
    """Every number it was told is there afterwards, none is missing, and the inbox goes on."""
    last = 0
    for round_ in range(100 if prove else 5):
        sender = start()
        sender.order(100_000)
        told = [sender.number() for _ in range(1 + round_ % 7)]
        told += sender.kill()
        last = inbox.post(ODD)
        numbers = [number for number, _ in drained(inbox)]
        assert numbers == list(range(1, last + 1))
        assert set(told) <= set(numbers)


def test_threads_may_share_it(inbox: LmdbInbox) -> None:
    """Threads that post until it has to grow disturb neither each other nor who takes."""

    def post() -> None:
        for index in range(200):
            inbox.post(command(index, 10_000))

    threads = [Thread(target=post), Thread(target=post)]
    for each in threads:
        each.start()
    numbers: list[int] = []
    while any(each.is_alive() for each in threads):
        numbers += [number for number, _ in inbox.take(len(numbers))]
    numbers += [number for number, _ in drained(inbox, len(numbers))]
    assert numbers == list(range(1, 401))


def test_taking_waits_for_nobody(inbox: LmdbInbox, start: Start) -> None:
    """While a sender stays in its transaction, and a thread waits for it, `take` returns."""
    inbox.post(command(1))
    halfway = start(HALFWAY)
    assert halfway.number() == 1
    numbers: list[int] = []
    thread = Thread(target=lambda: numbers.append(inbox.post(command(2))))
    thread.start()
    for _ in range(1000):
        assert inbox.take(0) == [(1, command(1))]
    assert thread.is_alive()
    halfway.kill()
    thread.join()
    assert numbers == [2]
    assert inbox.take(1) == [(2, command(2))]
