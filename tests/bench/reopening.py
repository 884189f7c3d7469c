"""How long a store takes to open again, and one run of it to be read.

Stores are filled, and opened, by processes that end as if they were killed.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dagger import Agent, Config, Executor, agent
from dagger.executor.recovery import restored, restored_run, whole_run
from dagger.store.lmdb import LmdbStore
from dagger.store.reader import StoreReader
from tests.bench.folders import elsewhere, folder, megabytes
from tests.bench.scenarios import PAYLOAD, ROUNDS, SCHEMA, chain_agents, hop, memory, timed
from tests.bench.stored import concurrently

NEVER: dict[str, Any] = {"snapshot_every_records": 2**40, "snapshot_every_seconds": 1e9}

BATCH = 3_333
"""Messages of one run of the chain: 10,000 records and a few."""

HOP = 0.73e-6
"""Seconds of a hop on the machine that the budgets were set on."""

End = Callable[[Any], None]


def reopen_records() -> dict[str, float]:
    """A journal of 1,000,000 records of runs of the chain, without a snapshot."""
    return _reopened(leave_chains, 1_000_000, NEVER)


def reopen_small_runs() -> dict[str, float]:
    """The same of runs of one invocation, a little over three records each."""
    return _reopened(leave_small_runs, 1_000_000, NEVER)


def reopen_default() -> dict[str, float]:
    """The default policy: 240,000 records and more behind a snapshot of many runs."""
    return _reopened(leave_chains, 500_000, {})


def _reopened(leave: Callable[..., None], records: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Seconds of `Executor.__aenter__`: the median of some, each in a fresh process.

    `reference_s` is what it would be where a hop takes as long as in design.md: each is
    held against the hops before and after it, for the speed of a machine comes and goes.
    """
    with folder() as path:
        elsewhere(leave, path, records, settings)
        with StoreReader(path) as reader:
            since = reader.position - reader.saved()
        disk = megabytes(path)
        rounds = [elsewhere(reopen, path) for _ in range(ROUNDS)]
    reference = statistics.median(seconds * HOP / bare for seconds, bare, _ in rounds)
    seconds, bare, grown = (statistics.median(each) for each in zip(*rounds, strict=True))
    return {
        "reference_s": reference,
        "reference_s_per_million": reference / since * 1e6,
        "seconds": seconds,
        "hop_us": bare * 1e6,
        "records_since": since,
        "grown_mb": grown,
        "disk_mb": disk,
    }


def one_of_many_runs(runs: int = 10_000, more: int = 240_000) -> dict[str, float]:
    """Reading one run of 10,000, against reading all; and behind a long journal."""
    with folder() as path:
        elsewhere(keep_small_runs, path, runs)
        with StoreReader(path) as reader:
            everything = _milliseconds(lambda: restored(reader))
            one = _of_some(runs, lambda number: restored_run(reader, number))
            whole = _of_some(runs, lambda number: whole_run(reader, number))
        elsewhere(leave_small_runs, path, more, {**NEVER, "keep_runs": 2 * runs})
        with StoreReader(path) as reader:
            behind = _of_some(runs, lambda number: restored_run(reader, number))
    return {
        "ms": one,
        "whole_ms": whole,
        "all_ms": everything,
        "behind_240000_records_ms": behind,
    }


# -- what other processes do ---------------------------------------------------------


def leave_chains(end: End, path: Path, records: int, settings: dict[str, Any]) -> None:
    """So many records of runs of the chain, and on to where a snapshot would be due."""
    store, config = LmdbStore(path), Config(**settings)
    due = config.snapshot_every_records - 3 * BATCH

    async def main() -> None:
        async with Executor(chain_agents(), store=store, config=config) as executor:
            while store.position < records or 0 < store.position - (store.saved() or 2**40) < due:
                await executor.run("start", BATCH)
            end(None)

    asyncio.run(main())


def leave_small_runs(end: End, path: Path, records: int, settings: dict[str, Any]) -> None:
    """So many records of runs of one invocation."""

    async def main() -> None:
        async with Executor(single(), store=path, config=Config(**settings)) as executor:
            await _small_runs(executor, records // 3)
            end(None)

    asyncio.run(main())


def keep_small_runs(end: End, path: Path, runs: int) -> None:
    """So many runs of one invocation in a snapshot."""

    async def main() -> None:
        async with Executor(single(), store=path, config=Config(keep_runs=2 * runs)) as executor:
            await _small_runs(executor, runs)
        end(None)

    asyncio.run(main())


def reopen(end: End, path: Path) -> None:
    """Seconds that opening takes, those of a hop, and megabytes that the process grows by."""

    async def main() -> None:
        agents = [*chain_agents(), single()]
        executor = Executor(agents, store=path, config=Config(**NEVER))
        hops = [await hop() for _ in range(ROUNDS)]
        before = memory()
        seconds = await timed(executor.__aenter__)
        grown = memory() - before
        hops += [await hop() for _ in range(ROUNDS)]
        end((seconds, statistics.median(hops), grown))

    asyncio.run(main())


def single() -> Agent:
    """An agent of one invocation a run."""

    @agent(subscribe="single", input_schema=SCHEMA)
    async def single(payload: Any) -> None:
        return None

    return single


async def _small_runs(executor: Executor, runs: int) -> None:
    await concurrently(1_000, runs, lambda: executor.publish("single", PAYLOAD))
    await executor.drain()


# -- time ----------------------------------------------------------------------------


def _of_some(runs: int, call: Callable[[int], Any]) -> float:
    """Milliseconds for one run: the median of some."""
    numbers = itertools.islice(range(1, runs, runs // 100), 100)
    return statistics.median(_milliseconds(lambda n=number: call(n)) for number in numbers)  # type: ignore[misc]


def _milliseconds(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    assert call() is not None
    return (time.perf_counter() - started) * 1e3
