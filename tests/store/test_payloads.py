"""Large payloads: on disk once, however many hold them, and gone with the last that did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lmdb
import pytest

from dagger import Config, Context, Executor, agent
from dagger.executor.repairing import repair
from dagger.executor.verifying import verify
from dagger.store.environment import ENGINE
from dagger.store.reader import StoreReader
from dagger.words.errors import StoreCorrupt

BIG = "x" * 300_000
LIMITS: dict[str, Any] = {"snapshot_every_records": 5, "keep_runs": 2}


@agent(subscribe="start", publish="second")
async def first(payload: str, ctx: Context) -> str:
    """Passes on what it gets, and keeps it everywhere."""
    ctx.cache.set("k", payload)
    ctx.tasks.add_task("job", payload, max_attempts=1)
    return payload


@agent(subscribe="second", publish="out")
async def second(payload: str, ctx: Context) -> str:
    """Passes on what it gets."""
    result: str = await ctx.step("same", lambda: payload)
    return result


def payloads(path: Path) -> int:
    """How many large payloads are on disk; everything about them is in order."""
    with StoreReader(path) as reader:
        assert list(verify(reader)) == []
    journal = str(path / "journal")
    with (
        lmdb.open(journal, max_dbs=10, readonly=True, lib_version=ENGINE) as env,
        env.begin(db=env.open_db(b"payloads", create=False)) as txn,
    ):
        return txn.stat()["entries"]


def size(path: Path) -> int:
    """Bytes of the journal."""
    return (path / "journal" / "data.mdb").stat().st_size


async def test_a_large_payload_is_on_disk_once(tmp_path: Path) -> None:
    """Messages, outputs, steps, cache, tasks, forks and other runs share it."""
    path = tmp_path / "store"
    async with Executor([first, second], store=path, config=Config(keep_runs=50)) as executor:
        for number in range(10):
            await executor.run("start", BIG, run_id=f"r{number}")
        fork = await executor.fork("r3", at="r3.0.0")
        await fork.result()
        assert fork.report().outputs == {"out": [BIG]}
    assert payloads(path) == 1
    assert size(path) < 5 * len(BIG)
    async with Executor([first, second], store=path) as executor:
        assert all(report.outputs == {"out": [BIG]} for report in executor.runs())


async def test_it_is_let_go_with_the_last_run_that_used_it(tmp_path: Path) -> None:
    """What only runs used that retention has let go is gone from the disk as well."""
    path = tmp_path / "store"
    async with Executor([first, second], store=path, config=Config(**LIMITS)) as executor:
        for number in range(12):
            await executor.run("start", BIG + str(number))
    assert payloads(path) == 2
    assert size(path) < 12 * len(BIG)


async def test_the_shared_cache_has_large_values_of_its_own(tmp_path: Path) -> None:
    """A value outlives the run that wrote it, and goes when another takes its place."""
    path = tmp_path / "store"

    @agent(subscribe="keep")
    async def keep(payload: str, ctx: Context) -> None:
        if payload != "small":
            ctx.shared.set("k", payload)

    async with Executor([keep], store=path, config=Config(**LIMITS)) as executor:
        await executor.run("keep", BIG)
        executor.shared.set("other", BIG + "2")
        for _ in range(6):
            await executor.run("keep", "small")
    assert payloads(path) == 2
    async with Executor([keep], store=path, config=Config(**LIMITS)) as executor:
        assert executor.shared.get("k") == BIG
        assert executor.shared.get("other") == BIG + "2"
        executor.shared.set("k", 1)
        executor.shared.set("other", 1)
        for _ in range(6):
            await executor.run("keep", "small")
    assert payloads(path) == 0


@pytest.mark.parametrize("harm", ["missing", "changed"])
async def test_a_lost_payload_is_found_out(tmp_path: Path, harm: str) -> None:
    """Without it the store is corrupt, says at which record, and can be repaired."""
    path = tmp_path / "store"
    settings = Config(snapshot_every_records=2**40, snapshot_every_seconds=1e9)
    executor = Executor([first, second], store=path, config=settings)
    async with executor:
        await executor.run("start", "small", run_id="one")
        await executor.run("start", BIG, run_id="two")
    with lmdb.open(str(path / "journal"), max_dbs=10, lib_version=ENGINE) as env:
        db = env.open_db(b"payloads", create=False)
        with env.begin(write=True, db=db) as txn:
            [(key, value)] = list(txn.cursor())
            txn.delete(key) if harm == "missing" else txn.put(key, value[:-1] + b"y")
    lost = pytest.raises(StoreCorrupt, match=rf"the payload [0-9a-f]{{16}} (is|has) {harm}")
    with StoreReader(path) as reader, lost:
        list(reader.history(2))
    assert any("payload" in each for each in list(repair(path)))
    with StoreReader(path) as reader:
        assert list(verify(reader)) == []
        assert "one" in dict(reader.ids()).values()
