"""Repairing: what is damaged is found, put aside and cut out; all else stays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dagger import Config, DatabaseError, Executor, LockError, agent
from dagger.executor.recovery import restored
from dagger.executor.repairing import repair
from dagger.executor.verifying import Finding, verify
from dagger.store.care import Surgery
from dagger.store.reader import StoreReader
from dagger.store.shelves import OF_PART, OF_RUN
from tests.state.meaning import meaning


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


async def test_a_broken_world_cannot_be_repaired(tmp_path: Path) -> None:
    """The error says which damage it is, and what is left to do."""
    await fill(tmp_path)
    world = broken(tmp_path, "state", OF_PART.pack(0, 0))
    with world, pytest.raises(DatabaseError, match="go back to a backup"):
        list(repair(tmp_path))


async def test_a_store_in_use_is_not_repaired(tmp_path: Path) -> None:
    """Its owner is named."""
    async with Executor([echo], store=tmp_path):
        with pytest.raises(LockError):
            list(repair(tmp_path))
