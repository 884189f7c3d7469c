"""Whatever state a store is in, opening it is an error that says what to do, or goes well.

It is never a signal, a hang, something wrong, or an empty store in the place of a full one.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from functools import partial
from pathlib import Path
from random import Random

import anyio
import lmdb
import pytest

from dagger import (
    DatabaseError,
    DiskFull,
    LmdbStore,
    NotAStore,
    OutcomeUnknown,
    StoreCorrupt,
    StoreReadOnly,
)
from dagger.store import disk, slots, writer
from dagger.store.care import Surgery
from dagger.store.environment import Environment, create
from dagger.store.inbox import LmdbInbox
from dagger.store.pagefile import DATA
from dagger.store.reader import StoreReader
from dagger.store.rows import SNAPSHOT
from dagger.words.records import ChannelOpened, Kept
from tests.conftest import Figures
from tests.crash.processes import finished, running
from tests.crash.workload import whole_day
from tests.store import damage
from tests.store.damage import add_runs, as_owner, as_reader, verdicts
from tests.store.disks import Filler, read_only, small_disk
from tests.store.filling import MIB, fill_twice
from tests.store.inbox_contract import command
from tests.store.neighbours import append, kill_readers, look_in, look_in_as_guest, own, starve
from tests.waiting import until

SLOWEST = 5.0
"""Seconds that anything about a damaged store may take."""

JOURNAL = f"journal/{DATA}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with snapshots, histories and some hundred blocks; its owner was killed."""
    path = tmp_path_factory.mktemp("made") / "store"
    finished(whole_day, path, 3)
    finished(add_runs, path, 8)
    return path


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(made, tmp_path / "store"))


def contents(path: Path) -> dict[str, bytes]:
    """All files of a folder but those that say who uses it."""
    files = (each for each in path.rglob("*") if each.is_file())
    return {
        str(each.relative_to(path)): each.read_bytes()
        for each in files
        if each.name not in ("owner", "hands", "ballast", slots.LOCK)
    }


def damaged(path: Path, match: str) -> None:
    """Fail unless owner and reader refuse a store as damaged, and leave it as it is."""
    before = contents(path)
    for read in (as_owner, as_reader, as_owner):
        with pytest.raises((StoreCorrupt, NotAStore), match=match) as refused:
            read(path)
        assert isinstance(refused.value, StoreCorrupt | NotAStore)
        assert refused.value.path == str(path)
    assert contents(path) == before


# -- damage --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["cuts", "flips"])
def test_damage_is_found_or_does_no_harm(
    store: Path, kind: str, prove: bool, figures: Figures
) -> None:
    """A file that is cut, or has a flipped bit, is refused, or means what it meant."""
    size = (store / JOURNAL).stat().st_size
    damages = getattr(damage, kind)(Random(7), size, 100 if prove else 12)
    said = list(verdicts(store, JOURNAL, damages, SLOWEST))
    assert not [each for each in said if each.said == "wrong"]
    assert all(each.said.startswith(("same", "StoreCorrupt: ", "NotAStore: ")) for each in said)
    found = sum(each.said != "same" for each in said)
    assert found
    figures(
        f"{len(damages)} {kind}, each for a reader and an owner: "
        f"{found} found, {len(said) - found} harmless, 0 signals"
    )


def test_a_damaged_inbox_stops_nobody_from_reading(
    store: Path, prove: bool, figures: Figures
) -> None:
    """What commands were in can be refused to the owner; the journal is not concerned."""
    size = (store / "inbox" / DATA).stat().st_size
    random, count = Random(8), 20 if prove else 4
    damages = damage.cuts(random, size, count) + damage.flips(random, size, count)
    for who, what, said in verdicts(store, f"inbox/{DATA}", damages, SLOWEST):
        assert said == "same" or (who == "owner" and "move this folder away" in said), (what, said)
    figures(f"{count} cuts and {count} flips of an inbox: the journal was read each time")


def test_an_emptied_file_is_no_new_store(store: Path) -> None:
    """Cut to nothing, or taken away, it is told: LMDB alone would make an empty one of it."""
    (store / JOURNAL).write_bytes(b"")
    damaged(store, rf"the store {store} is damaged \(data.mdb: it is empty\); copy the folder")
    (store / JOURNAL).unlink()
    damaged(store, r"its file data.mdb is missing")


def test_a_journal_that_is_gone_is_missed(store: Path) -> None:
    """Where the rest of a store is, no new journal is made."""
    shutil.rmtree(store / "journal")
    damaged(store, "its journal is missing")


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    """LMDB files that are no store are refused, and nothing is written into them."""
    journal = tmp_path / "journal"
    for engine in (0, 1):
        with lmdb.open(str(journal), lib_version=engine, max_dbs=1) as other:
            other.open_db(b"addresses")
        damaged(tmp_path, "(it has other databases|is no file of LMDB 0.9).*; name another folder")
        shutil.rmtree(journal)


def test_a_failed_opening_leaves_nothing_open(store: Path) -> None:
    """Once the damage is mended, the same process can open the store."""
    whole = (store / JOURNAL).read_bytes()
    expected = as_reader(store)
    for broken in (whole[:100_000], b""):
        (store / JOURNAL).write_bytes(broken)
        damaged(store, "damaged")
        (store / JOURNAL).write_bytes(whole)
        assert as_reader(store) == as_owner(store) == expected


@pytest.mark.spoilt("a row of it is broken")
def test_a_broken_row_leaves_nothing_open(store: Path) -> None:
    """Also when all pages are in order, and it is a row by which the store is read that is not."""
    surgery = Surgery(store)
    with surgery.environment.writing(0) as txn:
        txn.put(SNAPSHOT, b"something else", db=surgery.environment.db["meta"])
    surgery.close()
    damaged(store, "another checksum")


# -- read-only -----------------------------------------------------------------------


def test_a_read_only_store_can_be_read(store: Path, tmp_path: Path) -> None:
    """Who may not write there reads all of it, and cannot own it, which is told."""
    expected = as_reader(store)
    with read_only(store, tmp_path / "ro") as path:
        assert as_reader(path) == expected
        with pytest.raises(StoreReadOnly, match="can be looked into while nobody owns it"):
            as_owner(path)
        (store / "journal" / slots.LOCK).unlink()
        assert as_reader(path) == expected
    assert as_owner(store) == expected


def test_a_store_of_somebody_else_can_be_read(store: Path) -> None:
    """Who may read the files, and no more, reads them."""
    expected = as_reader(store)
    files = [store, *store.rglob("*")]
    for each in files:
        each.chmod(0o555 if each.is_dir() else 0o444)
    ((said, *why),) = finished(look_in_as_guest, store)
    assert said == "read", why
    (store / JOURNAL).chmod(0)
    ((said, *why),) = finished(look_in_as_guest, store)
    assert (said, why[0]) == ("refused", "DatabaseError")
    assert "Permission denied" in why[1]
    assert "this user has to be allowed to read all of it" in why[1]
    for each in files:
        each.chmod(0o755 if each.is_dir() else 0o644)
    assert as_owner(store) == expected


def test_a_read_only_store_is_not_read_while_it_changes(store: Path, tmp_path: Path) -> None:
    """An owner who cannot know of a reader would overwrite what that reads."""
    with read_only(store, tmp_path / "ro") as path, running(own, store) as owner:
        owner.until("owns")
        with pytest.raises(StoreReadOnly, match=f"process {owner.pid} owns it"):
            as_reader(path)
        as_reader(store)


# -- neighbours ----------------------------------------------------------------------


@pytest.mark.spoilt("its records are of no run that there is")
def test_killed_readers_leave_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prove: bool, figures: Figures
) -> None:
    """However many die while they read, the next one finds a place, and pages are used again."""
    monkeypatch.setattr(disk, "MINUTE", 0.0)
    rounds = 167 if prove else 2
    anyio.run(_rewrite_while_readers_die, tmp_path, rounds)
    figures(f"{rounds * 6:,} readers killed, each with 20 transactions; the file does not grow")
    with StoreReader(tmp_path) as reader:
        assert reader.position == 60


async def _rewrite_while_readers_die(path: Path, rounds: int) -> None:
    store = LmdbStore(path)
    await store.open()

    async def rewrite() -> int:
        for number in range(20):
            store.append(Kept(1, number, "step:s", "#0", bytes(100_000), 1.0))
            await store.flush()
            await store.save(store.position, {0: [bytes(200_000)]}, {}, ())
        return (path / JOURNAL).stat().st_size

    size = await rewrite()
    with running(kill_readers, path, rounds) as child:
        for _ in range(rounds):
            child.until("killed", 120)
    assert await rewrite() <= size + MIB
    assert await rewrite() <= size + MIB
    await store.close()


@pytest.mark.spoilt("its records are of no run that there is")
def test_a_reader_keeps_up_with_a_store_that_grows(tmp_path: Path) -> None:
    """One that was opened when the store was small reads what made it many times larger."""
    finished(append, tmp_path, 1)
    with StoreReader(tmp_path) as reader:
        for count in (20, 40):
            finished(append, tmp_path, count - reader.position)
            assert len(list(reader.read())) == reader.position == count


def test_a_map_that_is_too_small_grows(tmp_path: Path) -> None:
    """A transaction that needs more than it said succeeds after a few tries."""
    create(tmp_path / "env", ("db",), lambda environment: None)
    environment = Environment(tmp_path / "env", ("db",))
    failed = 0
    for _ in range(10):
        try:
            with environment.writing(0) as txn:
                for number in range(60):
                    txn.put(b"%d" % number, bytes(1_000_000), db=environment.db["db"])
            break
        except lmdb.MapFullError:
            failed += 1
            environment.again()
    assert 0 < failed < 8
    with environment.reading() as txn:
        assert txn.stat(environment.db["db"])["entries"] == 60
    environment.close()


@pytest.mark.spoilt("its records are of no run that there is")
def test_a_map_that_cannot_grow_is_told(tmp_path: Path) -> None:
    """Where the file does not fit into memory any more, that is an error with what to do about
    it, reading goes on, and so does writing once there is room.
    """
    unknown, refused, before, after = finished(starve, tmp_path)
    assert unknown[0] == "OutcomeUnknown"
    assert "Cannot allocate memory" in unknown[1]
    assert refused[0] == "MapFull"
    assert f"the file of the store {tmp_path} cannot be mapped into memory" in refused[1]
    assert "let this process have more address space (`ulimit -v`" in refused[1]
    assert (before, after) == (("read", 1), ("read", 6))


# -- faults --------------------------------------------------------------------------


def break_commits(folder: Path) -> None:
    """Let what ends a commit, the write of a meta page, fail in this process.

    LMDB has a file descriptor for that alone.
    """
    data = os.open(folder / DATA, os.O_RDONLY)
    for name in os.listdir("/proc/self/fd"):
        file = int(name)
        try:
            same = os.path.sameopenfile(file, data)
            if same and fcntl.fcntl(file, fcntl.F_GETFL) & os.O_DSYNC:
                os.dup2(data, file)
        except OSError:
            pass
    os.close(data)


async def test_a_commit_that_fails_at_its_end_is_recovered_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After that LMDB refuses everything in this process; reading and writing go on anyway."""
    monkeypatch.setattr(writer, "PATIENCE", (0.1, 0.1))
    store = LmdbStore(tmp_path)
    await store.open()
    for number in range(3):
        break_commits(tmp_path / "journal")
        store.append(ChannelOpened(f"c{number}", 1.0))
        with pytest.raises(OutcomeUnknown):
            await store.flush()
        assert len(list(store.read())) in (number, number + 1)
        await until(lambda: store.trouble is None)
        assert len(list(store.read())) == number + 1
    await store.close()


def test_who_only_reads_recovers_too(tmp_path: Path) -> None:
    """Reading opens the environment anew where a write has left it unusable, and so on."""
    create(tmp_path / "env", ("db",), lambda environment: None)
    environment = Environment(tmp_path / "env", ("db",))
    for number in range(3):
        with environment.writing(0) as txn:
            txn.put(b"number", b"%d" % number, db=environment.db["db"])
        break_commits(environment.path)
        with pytest.raises(lmdb.Error), environment.writing(0) as txn:
            txn.put(b"number", b"lost", db=environment.db["db"])
        with environment.reading() as txn:
            assert txn.get(b"number", db=environment.db["db"]) == b"%d" % number
    environment.close()


def test_an_inbox_is_recovered_as_well(tmp_path: Path) -> None:
    """The command whose commit failed is not there, and the next one is."""
    inbox = LmdbInbox(tmp_path / "inbox")
    break_commits(tmp_path / "inbox")
    with pytest.raises(DatabaseError):
        inbox.post(command(1))
    assert inbox.post(command(2)) == 1
    assert inbox.take(0) == [(1, command(2))]
    inbox.close()


@pytest.mark.parametrize("spare", [0, 12_288], ids=["full", "nearly full"])
async def test_a_full_disk_loses_nothing(
    spare: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    figures: Figures,
) -> None:
    """Who publishes is told, what was acknowledged stays, and with room again all goes on."""
    monkeypatch.setattr(writer, "PATIENCE", (0.01, 0.01))
    with small_disk(tmp_path / "disk", 8 * MIB) as there:
        filler, store = Filler(there), there / "store"

        def look() -> None:
            ((said, *_),) = finished(look_in, store)
            assert said == "read"

        kept = await fill_twice(store, partial(filler.fill, spare), look, filler.free)
    assert "that were kept for this are let go of; make room" in caplog.text
    figures(f"a disk full twice: all {kept} runs that were acknowledged are there")


def test_a_full_disk_kills_nobody(store: Path, tmp_path: Path) -> None:
    """Opening a store, or making one, where there is no room works or is an error."""
    with small_disk(tmp_path / "disk", 8 * MIB) as there:
        shutil.copytree(store, there / "store")
        Filler(there).fill()
        ((said, *_),) = finished(look_in, there / "store")
        assert said == "read"
        assert as_owner(there / "store") == as_reader(store)
        (there / "store" / "journal" / slots.LOCK).unlink()
        Filler(there).fill()
        ((said, *why),) = finished(look_in, there / "store")
        assert (said, why[0]) == ("refused", "DiskFull")
        assert "make room on it" in why[1]
        with pytest.raises(DiskFull, match=r"No space left on device\), .*; make room on it"):
            as_owner(there / "other")
        Filler(there).free()
        assert as_owner(there / "store") == as_reader(store)
        as_owner(there / "other")
