"""Retention: ended runs are forgotten by number, age and size, in memory and on disk alike."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from dagger import Config, Context, Executor, LmdbStore, agent
from dagger.store.reader import StoreReader
from dagger.testing.store_suite import MESSAGE
from dagger.words.records import RunEnded, RunOpened, RunsForgotten


@agent(subscribe="start", publish="out")
async def echo(payload: Any) -> Any:
    """Say it again."""
    return payload


def stored(path: Path) -> tuple[list[str], list[int], list[int]]:
    """Of the runs that a folder holds: their ids, and the numbers of parts and histories."""
    with StoreReader(path) as reader:
        ids = dict(reader.ids())
        parts = [number for number, _ in reader.parts() if number]
        numbers = range(1, 20)
        told = [each for each in numbers if any(own(reader, each))]
    return list(ids.values()), parts, told


def own(reader: StoreReader, number: int) -> list[Any]:
    """The records of one run, without those that say who hears what."""
    return [each for _, each in reader.history(number) if each[0] == number]


async def test_what_is_forgotten_leaves_the_disk(tmp_path: Path) -> None:
    """Snapshot, history and id of a forgotten run are deleted, whichever executor ran it."""
    path, config = tmp_path / "store", Config(keep_runs=2)
    for opening in range(4):
        async with Executor([echo], store=path, config=config) as executor:
            for number in (0, 1):
                await executor.run("start", number, run_id=f"{opening}.{number}")
        assert stored(path) == (
            [f"{opening}.0", f"{opening}.1"],
            [2 * opening + 1, 2 * opening + 2],
            [2 * opening + 1, 2 * opening + 2],
        )


async def test_what_is_forgotten_before_a_crash_leaves_the_disk_after_it(tmp_path: Path) -> None:
    """A crash between forgetting a run and the next snapshot brings no run back."""
    path, crashed, config = tmp_path / "store", tmp_path / "crashed", Config(keep_runs=1)
    async with Executor([echo], store=path, config=config) as executor:
        await executor.run("start", 1, run_id="first")
    async with Executor([echo], store=path, config=config) as executor:
        await executor.run("start", 2, run_id="second")
        shutil.copytree(path, crashed)
    async with Executor([echo], store=crashed, config=config) as executor:
        assert [report.run_id for report in executor.runs()] == ["second"]
        assert {info.name: info.message_count for info in executor.list_channels()}["start"] == 2
    assert stored(crashed) == (["second"], [2], [2])


async def test_an_id_may_be_used_again_once_it_is_forgotten(tmp_path: Path) -> None:
    """The id of a forgotten run is free, and leads to the run that has it now."""
    path, config = tmp_path / "store", Config(keep_runs=1)
    for number in range(3):
        async with Executor([echo], store=path, config=config) as executor:
            await executor.run("start", number, run_id=str(number % 2))
    async with Executor([echo], store=path, config=config) as executor:
        assert (await executor.run("start", "new", run_id="1")).outputs == {"out": ["new"]}
    with StoreReader(path) as reader:
        assert reader.find("1") == 4
        assert reader.find("0") is None


@pytest.mark.parametrize("count", [0, 3])
async def test_ended_runs_are_counted_over_all_openings(tmp_path: Path, count: int) -> None:
    """`keep_runs` of ended runs are kept, whichever executor ran them; 0 keeps none."""
    config = Config(keep_runs=count)
    for number in range(5):
        async with Executor([echo], store=tmp_path / "store", config=config) as executor:
            await executor.run("start", number, run_id=str(number))
    ids, parts, told = stored(tmp_path / "store")
    assert ids == ["2", "3", "4"][:count]
    assert parts == told == [3, 4, 5][:count]


async def test_runs_are_found_beside_those_that_came_and_went(tmp_path: Path) -> None:
    """A run that ended and was forgotten before a snapshot hides no later one from readers."""
    path = tmp_path / "store"
    store = LmdbStore(path)
    await store.open()
    store.append(RunOpened(1, "gone", {}, MESSAGE, 1.0))
    await store.flush()
    with store.together():  # one block, and a snapshot in the middle of it
        store.append(RunEnded(1, "completed", "", 2.0))
        store.append(RunsForgotten((1,)))
        position = store.position
        store.append(RunOpened(2, "new", {}, MESSAGE, 3.0))
    await store.save(position, {0: [b""]}, {}, ())
    await store.close()
    with StoreReader(path) as reader:
        assert list(reader.ids()) == [(2, "new")]
        assert (reader.find("new"), reader.find("gone")) == (2, None)


async def test_the_oldest_are_those_that_ended_first(tmp_path: Path) -> None:
    """It is the end of a run that counts, and not its start, also when a store is opened anew."""

    @agent(subscribe="start", publish="out")
    async def ask(payload: str, ctx: Context) -> Any:
        return await ctx.ask("well?", name="well") if payload == "slow" else payload

    path = tmp_path / "store"
    async with Executor([ask], store=path) as executor:
        slow = await executor.start("start", "slow", run_id="slow")
        await slow.result()
        await executor.run("start", "quick", run_id="quick")
        await slow.answer("well", "at last")
        await slow.result()
    async with Executor([ask], store=path, config=Config(keep_runs=1)):
        pass
    assert stored(path)[0] == ["slow"]
