"""Repairing: what is damaged is found, put aside and cut out; all else stays."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgpack
import pytest

from dagger import Config, Executor, LockError, StoreNewer, agent
from dagger.executor.recovery import restored
from dagger.executor.repairing import repair
from dagger.executor.verifying import Finding, inbox, verify
from dagger.store import disk
from dagger.store.block import block
from dagger.store.care import Surgery
from dagger.store.pagefile import DATA
from dagger.store.reader import StoreReader
from dagger.store.rows import OF_PART, OF_RUN, SNAPSHOT, id_key, number_key
from dagger.words.records import RECORDS, WIRING, RunForked, RunResumed, Wrote
from tests.samples import later as samples
from tests.state.meaning import meaning

SAMPLE = Path(samples.__file__).with_name("format-1-later")


@agent(subscribe="start", publish="out")
async def echo(payload: Any) -> Any:
    """Answer with what came."""
    return payload


async def fill(path: Path, runs: int = 4) -> None:
    """A store with a snapshot, history, and some journal behind it."""
    async with Executor([echo], store=path) as executor:
        for number in range(runs):
            await executor.run("start", number, run_id=f"run-{number}")
    config = Config(snapshot_every_records=2**40)
    async with Executor([echo], store=path, config=config) as executor:
        await executor.run("start", "late", run_id="late")
        executor._engine.snapshots._latest = executor._engine.state.position  # type: ignore[union-attr]


def findings(path: Path) -> list[Finding]:
    """What `verify` has to say."""
    with StoreReader(path) as reader:
        return list(verify(reader))


@contextmanager
def broken(path: Path, name: str, prefix: bytes) -> Iterator[None]:
    """Flip a bit in the last byte of the first value under a prefix."""
    surgery = Surgery(path)
    db = surgery.environment.db[name]
    with surgery.environment.writing(0) as txn:
        cursor = txn.cursor(db)
        assert cursor.set_range(prefix)
        value = cursor.value()
        cursor.put(cursor.key(), value[:-1] + bytes([value[-1] ^ 1]))
    surgery.close()
    yield


def ids(path: Path) -> list[str]:
    """The runs that are there."""
    with StoreReader(path) as reader:
        return [run.id for run in restored(reader).runs.values()]


async def test_a_whole_store_needs_nothing(tmp_path: Path) -> None:
    """Nothing is found, nothing is done, and nothing is put aside."""
    await fill(tmp_path)
    assert findings(tmp_path) == []
    before = sorted(os.listdir(tmp_path))
    assert list(repair(tmp_path)) == []
    assert sorted(os.listdir(tmp_path)) == before


async def test_a_broken_journal_is_cut_at_the_last_good_record(tmp_path: Path) -> None:
    """Everything before it is kept, the rest is put aside."""
    await fill(tmp_path)
    with broken(tmp_path, "journal", b""):
        (found,) = findings(tmp_path)
        assert found.where == "journal"
        done = list(repair(tmp_path))
    assert "copied the journal" in done[0]
    assert done[1].startswith("cut the journal at record")
    assert findings(tmp_path) == []
    assert ids(tmp_path) == [f"run-{number}" for number in range(4)]
    (kept,) = [each for each in os.listdir(tmp_path) if each.startswith("damaged-")]
    assert "data.mdb" in os.listdir(tmp_path / kept)
    async with Executor([echo], store=tmp_path) as executor:
        assert (await executor.run("start", "late", run_id="late")).ok


@pytest.mark.parametrize("name", ["state", "history"])
async def test_what_is_there_twice_is_made_anew(tmp_path: Path, name: str) -> None:
    """A run's part comes back from its history, and its history begins with its part."""
    await fill(tmp_path)
    with StoreReader(tmp_path) as reader:
        before = meaning(restored(reader))
    prefix = OF_PART.pack(2, 0) if name == "state" else OF_RUN.pack(2, 0)
    with broken(tmp_path, name, prefix):
        assert {found.run for found in findings(tmp_path)} == {2}
        done = list(repair(tmp_path))
    assert len(done) == 2
    assert findings(tmp_path) == []
    with StoreReader(tmp_path) as reader:
        assert meaning(restored(reader)) == before


async def test_a_run_that_is_broken_twice_is_given_up(tmp_path: Path) -> None:
    """It is named, and the others stay."""
    await fill(tmp_path)
    part, history = OF_PART.pack(2, 0), OF_RUN.pack(2, 0)
    with broken(tmp_path, "state", part), broken(tmp_path, "history", history):
        done = list(repair(tmp_path))
    assert any("gave up run 2" in each for each in done)
    assert findings(tmp_path) == []
    assert ids(tmp_path) == ["run-0", "run-2", "run-3", "late"]


async def test_what_the_snapshot_holds_can_do_without_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken block from before the snapshot is given up, and nothing behind it."""
    monkeypatch.setattr(disk, "TIDY", 0)
    await fill(tmp_path)
    with StoreReader(tmp_path) as reader:
        assert next(reader.blocks()).last <= reader.saved() < reader.position
        before = meaning(restored(reader))
    with broken(tmp_path, "journal", b""):
        (found, *_) = findings(tmp_path)
        assert found.where == "journal"
        done = list(repair(tmp_path))
    assert done[1].startswith("gave up what is broken before record ")
    assert findings(tmp_path) == []
    with StoreReader(tmp_path) as reader:
        assert meaning(restored(reader)) == before
        assert next(reader.blocks()).first > reader.saved()


async def test_the_work_goes_on_past_a_broken_block_before_the_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told once and stays where it is, until a repair that takes nothing else along."""
    with monkeypatch.context() as patched:
        patched.setattr(disk, "TIDY", 0)
        await fill(tmp_path)
    with broken(tmp_path, "journal", b""):
        async with Executor([echo], store=tmp_path) as executor:
            assert (await executor.run("start", "on", run_id="on")).ok
            await executor.gc()
            assert (await executor.run("start", "and on", run_id="and on")).ok
    assert sum("left where it is" in each.message for each in caplog.records) == 1
    known = ids(tmp_path)
    assert known[-2:] == ["on", "and on"]
    with StoreReader(tmp_path) as reader:
        before = meaning(restored(reader))
    assert findings(tmp_path)[0].where == "journal"
    list(repair(tmp_path))
    assert findings(tmp_path) == []
    with StoreReader(tmp_path) as reader:
        assert meaning(restored(reader)) == before


async def test_a_broken_inbox_is_moved_away(tmp_path: Path) -> None:
    """Commands that nobody has carried out are lost with it, and the runs are not concerned."""
    await fill(tmp_path)
    known = ids(tmp_path)
    file = tmp_path / "inbox" / DATA
    file.write_bytes(file.read_bytes()[:5000])
    assert [found.where for found in inbox(tmp_path)] == ["inbox"]
    assert "moved the inbox to " in list(repair(tmp_path))[-1]
    assert list(inbox(tmp_path)) == []
    async with Executor([echo], store=tmp_path) as executor:
        assert [run.run_id for run in executor.runs()] == known


async def test_a_lost_world_is_made_anew_from_histories(tmp_path: Path) -> None:
    """All runs stay; the shared cache, which is nowhere else, is gone, and that is told."""
    await fill(tmp_path)
    with StoreReader(tmp_path) as reader:
        before = meaning(restored(reader))
    with broken(tmp_path, "state", OF_PART.pack(0, 0)):
        done = list(repair(tmp_path))
    assert done[1].startswith("gave up the shared cache, ")
    assert findings(tmp_path) == []
    with StoreReader(tmp_path) as reader:
        assert meaning(restored(reader)) == before
    async with Executor([echo], store=tmp_path) as executor:
        assert (await executor.run("start", "more", run_id="more")).ok
        assert len(executor.runs()) == 6


def test_runs_are_not_blamed_for_a_lost_world(tmp_path: Path) -> None:
    """What cannot be loaded without it is not told as a finding of its own."""
    store = shutil.copytree(SAMPLE, tmp_path / "store")
    with broken(store, "state", OF_PART.pack(0, 0)):
        (found,) = findings(store)
        assert (found.where, found.run) == ("snapshot", 0)
        list(repair(store))


@pytest.mark.parametrize(
    ("name", "key", "where"),
    [
        ("meta", SNAPSHOT, "meta"),
        ("ids", number_key(2), "ids"),
        ("ids", id_key("run-1"), "ids"),
        ("history", OF_RUN.pack(WIRING, 0), "history"),
    ],
)
async def test_what_leads_to_runs_is_made_anew(
    tmp_path: Path, name: str, key: bytes, where: str
) -> None:
    """The position of the snapshot, the ids of runs, and who heard what are there otherwise."""
    await fill(tmp_path)
    with StoreReader(tmp_path) as reader:
        before = meaning(restored(reader))
    with broken(tmp_path, name, key):
        assert {found.where for found in findings(tmp_path)} == {where}
        list(repair(tmp_path))
    assert findings(tmp_path) == []
    known = ids(tmp_path)
    with StoreReader(tmp_path) as reader:
        assert meaning(restored(reader)) == before
        assert [reader.find(run_id) for run_id in known] == [1, 2, 3, 4, 5]


async def test_a_store_in_use_is_not_repaired(tmp_path: Path) -> None:
    """Its owner is named."""
    async with Executor([echo], store=tmp_path):
        with pytest.raises(LockError):
            list(repair(tmp_path))


def newer_part(part: int, blob: bytes) -> Callable[[Surgery], None]:
    """A part of the snapshot that only a newer version understands."""
    return lambda surgery: surgery.put_part(part, blob)


def newer_row(row: list[Any], version: int = 1) -> Callable[[Surgery], None]:
    """A record behind all others that only a newer version understands."""

    def append(surgery: Surgery) -> None:
        journal = surgery.environment.db["journal"]
        with surgery.environment.writing(0) as txn:
            cursor = txn.cursor(journal)
            assert cursor.last()
            last = int.from_bytes(cursor.key(), "big") + 1
            encoded = block(last, [5], [msgpack.packb(row)]).encode()
            data = bytes([version]) + encoded[1:]
            txn.put(last.to_bytes(8, "big"), data, db=journal)

    return append


FORK = [RECORDS.index(RunForked), 9, "new", "late", "late.0.0", msgpack.ExtType(9, b""), 1.0]
WRITE = [RECORDS.index(Wrote), 5, [[1, "rename", "n", "k", b""]]]


@pytest.mark.spoilt("it is of a newer version")
@pytest.mark.parametrize(
    ("write", "told"),
    [
        (newer_part(0, b"\x7f"), "unknown format 127 of a snapshot"),
        (newer_part(2, b"\x7f"), "unknown format 127 of a snapshot"),
        (newer_part(2, msgpack.packb(1) + msgpack.packb([99])), "unknown row 99 in a snapshot"),
        (newer_part(2, msgpack.packb(1) + msgpack.packb([1] * 9)), "fields of a row 1 in a snapsh"),
        (newer_row([0], version=2), "record 19: block format 2 is not known"),
        (newer_row([99, 5]), "record 19: a record cannot be read: unknown record number 99"),
        (
            newer_row([RECORDS.index(RunResumed), 5, 1.0, "by"]),
            "record 19: a record cannot be read",
        ),
        (newer_row(FORK), "record 19: a record cannot be read: unknown reference 9"),
        (newer_row(WRITE), "unknown cache operation 'rename'"),
    ],
    ids=[
        *("world", "run", "row", "fields of a row"),
        *("block", "record", "fields of a record", "reference", "operation"),
    ],
)
async def test_what_a_newer_version_wrote_is_left_as_it_is(
    tmp_path: Path, write: Callable[[Surgery], None], told: str
) -> None:
    """What is not understood is not broken: whoever comes is told, and nobody repairs it."""
    await fill(tmp_path)
    surgery = Surgery(tmp_path)
    write(surgery)
    surgery.close()
    before, there = (tmp_path / "journal" / DATA).read_bytes(), sorted(os.listdir(tmp_path))
    assert [found.where for found in findings(tmp_path)] == ["format"]
    with pytest.raises(StoreNewer, match=f"newer version of Dagger .*{told}.*use that version"):
        ids(tmp_path)
    with pytest.raises(StoreNewer, match=told):
        list(repair(tmp_path))
    with pytest.raises(StoreNewer, match=told):
        await Executor([echo], store=tmp_path).__aenter__()
    assert (tmp_path / "journal" / DATA).read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == there


async def test_a_changed_format_of_a_block_is_damage(tmp_path: Path) -> None:
    """Where a bit is flipped, and all else is of today's format, no newer version was there."""
    await fill(tmp_path)
    surgery = Surgery(tmp_path)
    with surgery.environment.writing(0) as txn:
        cursor = txn.cursor(surgery.environment.db["journal"])
        assert cursor.last()
        cursor.put(cursor.key(), b"\x03" + cursor.value()[1:])
    surgery.close()
    (found,) = findings(tmp_path)
    assert (found.where, found.problem) == ("journal", "its first bytes have changed")
    assert any(each.startswith("cut the journal") for each in repair(tmp_path))
    assert findings(tmp_path) == []
