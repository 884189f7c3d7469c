"""How long the event loop stands still while a snapshot is made."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Any

from dagger import Config, Executor, LiveRun, agent
from dagger.store.lmdb import LmdbStore
from tests.bench.folders import folder
from tests.bench.scenarios import chain_agents

KEYS, PENDING = 100_000, 10_000

BEAT = 0.001
SECONDS = 5.0
"""Between two beats, and for how long they are listened to."""


class Snapshotted(LmdbStore):
    """Counts the snapshots that are made of it."""

    made = 0

    async def save(self, *arguments: Any) -> None:
        await super().save(*arguments)
        self.made += 1


async def heartbeat() -> dict[str, float]:
    """Snapshots of a run with 100,000 cache keys and 10,000 pending deliveries, else quiet."""
    return await _compared(at_work=False)


async def heartbeat_at_work() -> dict[str, float]:
    """The same while other agents work without a pause, on small runs.

    They keep the loop from beating as well: what counts is what snapshots add to that.
    """
    return await _compared(at_work=True)


async def _compared(at_work: bool) -> dict[str, float]:
    """Milliseconds for which the loop stood still, and what it was without snapshots."""
    calm, _ = await _stalls(at_work, every=1e9)
    stalls, made = await _stalls(at_work, every=0.5)
    return {
        "max_ms": max(stalls),
        "added_ms": max(stalls) - max(calm),
        "p99_ms": statistics.quantiles(stalls, n=100)[98],
        "calm_max_ms": max(calm),
        "calm_p99_ms": statistics.quantiles(calm, n=100)[98],
        "snapshots": made,
    }


async def _stalls(at_work: bool, every: float) -> tuple[list[float], int]:
    """Each stall in milliseconds, and how many snapshots there were."""
    settings = Config(snapshot_every_seconds=every, keep_runs=16, cancel_grace=0.1)
    with folder() as path:
        store = Snapshotted(path)
        async with Executor([*_big(), *chain_agents()], store=store, config=settings) as executor:
            executor.channel("nobody")
            live = await executor.start("big", None)
            async for _ in live.outcomes():
                break  # the cache and the queue are full
            tasks = [asyncio.create_task(_touch(live))]
            if at_work:
                tasks += [asyncio.create_task(_work(executor)) for _ in range(4)]
            stalls = await _beats()
            made = store.made
            for each in tasks:
                each.cancel()
            await asyncio.wait(tasks)
    return stalls, made


def _big() -> list[Any]:
    """Agents whose run has much to be copied."""

    @agent(subscribe="big", publish="waiting", publish_each=True)
    def fill(payload: Any, ctx: Any) -> Any:
        for number in range(KEYS):
            ctx.cache.set(f"key-{number}", number)
        return range(PENDING)

    @agent(subscribe="waiting", capacity=2 * PENDING)
    async def never(payload: Any) -> None:
        await asyncio.Event().wait()

    return [fill, never]


async def _touch(live: LiveRun) -> None:
    """Change a little of the big run all the time, so that each snapshot copies it."""
    while True:
        await live.publish("nobody", 1)
        await asyncio.sleep(0.1)


async def _work(executor: Executor) -> None:
    while True:
        await executor.run("start", 20)


async def _beats() -> list[float]:
    """By how many milliseconds each of many wakings came late."""
    late: list[float] = []
    over = time.perf_counter() + SECONDS
    while (before := time.perf_counter()) < over:
        await asyncio.sleep(BEAT)
        late.append((time.perf_counter() - before - BEAT) * 1e3)
    return late
