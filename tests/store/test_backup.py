"""Backups: a store of one moment, made while work goes on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from dagger import DatabaseError, ExecutionError, Executor, MemoryStore, agent
from dagger.executor.recovery import restored
from dagger.executor.verifying import verify
from dagger.store.reader import StoreReader
from tests.state import meaning


@agent(subscribe="start", publish="out")
async def echo(payload: Any) -> Any:
    """Answer with what came."""
    return payload


async def test_a_backup_is_a_store_of_its_own(tmp_path: Path) -> None:
    """It holds all that was done by then, opens like any store, and goes its own way."""
    async with Executor([echo], store=tmp_path / "store") as executor:
        await executor.run("start", 1, run_id="one")
        size = await executor.backup(tmp_path / "copy")
        await executor.run("start", 2, run_id="two")
    assert size == (tmp_path / "copy" / "journal" / "data.mdb").stat().st_size
    async with Executor([echo], store=tmp_path / "copy") as executor:
        assert [each.run_id for each in executor.runs()] == ["one"]
        assert (await executor.run("start", 1, run_id="one")).outputs == {"out": [1]}
    with StoreReader(tmp_path / "copy") as reader:
        assert list(verify(reader)) == []


async def test_a_reader_backs_up_a_store_that_is_owned(tmp_path: Path) -> None:
    """Whoever may read a store may copy it; it folds to the same state."""
    async with Executor([echo], store=tmp_path / "store") as executor:
        await executor.run("start", 1, run_id="one")
    with StoreReader(tmp_path / "store") as reader:
        reader.backup(tmp_path / "copy")
        state = restored(reader)
    with StoreReader(tmp_path / "copy") as copy:
        assert meaning.meaning(restored(copy)) == meaning.meaning(state)


async def test_a_backup_overwrites_nothing(tmp_path: Path) -> None:
    """A folder that is there is refused, and so is a store in memory; nothing is left over."""
    async with Executor([echo], store=tmp_path / "store") as executor:
        with pytest.raises(DatabaseError, match="is there already"):
            await executor.backup(tmp_path / "store")
    async with Executor([echo], store=MemoryStore()) as executor:
        with pytest.raises(ExecutionError, match="on disk"):
            await executor.backup(tmp_path / "copy")
    assert os.listdir(tmp_path) == ["store"]
