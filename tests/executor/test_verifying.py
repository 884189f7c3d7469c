"""Verifying: what is whole is found whole, however much of it was kept in memory."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from dagger import Config, Context, Executor, LiveRun, LmdbStore, agent
from dagger.executor.repairing import repair
from dagger.executor.verifying import Finding, verify
from dagger.state.run import Keep
from dagger.store.reader import StoreReader
from tests.waiting import in_hand, until


@agent(subscribe="numbers", publish="squares", on_failure="continue", max_attempts=1)
async def square(payload: int) -> int:
    """Fails on odd numbers."""
    if payload % 2:
        raise ValueError("odd")
    return payload * payload


async def grow(run: LiveRun) -> None:
    """Make a run ten messages longer."""
    async with run:
        for number in range(10):
            await run.publish("numbers", number)


def little(kept: int) -> Config:
    """Settings that keep so much of each run."""
    return Config(keep_outputs=kept, keep_dead_letters=kept, keep_nodes=max(1, kept))


def findings(path: Path, keep: Keep | None) -> list[Finding]:
    """Everything that is wrong with a store."""
    with StoreReader(path) as reader:
        return list(verify(reader, keep))


KEEPS = [None, Keep(0, 0, 1), Keep(3, 3, 3), Keep(10_000, 10_000, 10_000)]


@pytest.mark.parametrize("keep", KEEPS)
@pytest.mark.parametrize(("before", "after"), [(0, 3), (3, 0), (3, 10_000), (10_000, 10_000)])
async def test_settings_make_no_findings(
    tmp_path: Path, keep: Keep | None, before: int, after: int
) -> None:
    """What its owners have kept of a run, and who verifies it, may differ: it is whole."""
    async with Executor([square], store=tmp_path, config=little(before)) as executor:
        run = await executor.start("numbers", 0, run_id="long")
        async with run:
            await grow(run)
            await executor.drain()
            await run.pause()
            await run.publish("numbers", 4)
    async with Executor([square], store=tmp_path, config=little(after)) as executor:
        run = executor.live("long")
        async with run:
            await run.resume()
            await grow(run)
        await run.result()
    assert findings(tmp_path, keep) == []
    assert list(repair(tmp_path, keep)) == []


@pytest.mark.parametrize("keep", KEEPS)
async def test_a_discarded_letter_makes_no_finding(tmp_path: Path, keep: Keep | None) -> None:
    """A dead letter that somebody has discarded is missed nowhere."""
    async with Executor([square], store=tmp_path) as executor:
        run = await executor.start("numbers", 0, run_id="long")
        await grow(run)
        await run.result()
        executor.dead_letters.discard(executor.dead_letters.list()[1].node_id)
    assert findings(tmp_path, keep) == []


async def test_tasks_in_hand_make_no_finding(tmp_path: Path) -> None:
    """Tasks may be in another order in a snapshot than in the journal, but for those that wait."""
    go = anyio.Event()

    @agent(subscribe="jobs")
    async def claim(payload: int, ctx: Context) -> None:
        ctx.tasks.claim_task("job")
        await go.wait()

    store = LmdbStore(tmp_path / "store")
    config = Config(snapshot_every_records=1)
    async with Executor([claim], store=store, config=config) as executor:
        run = await executor.start("jobs", 0, run_id="case")
        async with run:
            for number in range(3):
                run.tasks.add_task("job", number, 1)
            await run.publish("jobs", 1)
            await until(lambda: in_hand(executor) == 1)
            await until(lambda: store.saved() == store.position)
            await executor.backup(tmp_path / "copy")
            go.set()
    assert findings(tmp_path / "copy", None) == []
    assert findings(tmp_path / "store", None) == []


async def test_refused_messages_make_no_finding(tmp_path: Path) -> None:
    """Who would have heard a message that was refused is counted nowhere."""

    @agent(subscribe="pairs", publish="narrow", on_failure="continue", max_attempts=1)
    async def pair(payload: int, ctx: Context) -> None:
        ctx.publish("narrow", payload)
        ctx.publish("narrow", -payload)

    @agent(subscribe="narrow", capacity=1, overflow="reject")
    async def narrow(payload: int) -> None: ...

    async with Executor([pair], store=tmp_path) as executor:
        async with await executor.start("pairs", 1) as run:
            await executor.drain()
            executor.register(narrow)
            await run.publish("pairs", 2)
        assert (await run.result()).dispositions == {"ok": 1, "dead": 1}
    assert findings(tmp_path, None) == []
