"""The core's scenarios over a store on disk, and what publishing from outside costs there."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

from dagger import Config, Executor, LiveRun, agent
from dagger.store.block import block
from dagger.words.effects import Publication
from dagger.words.packing import packer
from dagger.words.payload import encode
from dagger.words.records import Published
from tests.bench import scenarios
from tests.bench.folders import BareDisk, folder, megabytes
from tests.bench.scenarios import OTHER, PAYLOAD, SCHEMA, chain, chain_agents, memory, ratio


async def stored_chain_shared(messages: int = 30_000) -> dict[str, float]:
    """The chain of `chain_shared`, until all of it is on disk."""
    return await ratio(lambda: chain(messages, chain_agents(), folder))


async def stored_chain_checked(messages: int = 30_000) -> dict[str, float]:
    """The chain of `chain_checked`, until all of it is on disk."""
    return await ratio(lambda: chain(messages, chain_agents(schema_in=OTHER), folder))


async def stored_long_chain() -> dict[str, float]:
    """`long_chain` with a store: snapshots are made meanwhile."""
    return await scenarios.long_chain(place=folder)


async def stored_one_run_long() -> dict[str, float]:
    """`one_run_long` with a store: the history of an open run is kept whole."""
    return await scenarios.one_run_long(place=folder)


async def stored_many_runs(runs: int = 300_000, publishers: int = 1_000) -> dict[str, float]:
    """Runs of one invocation from outside, 10,000 at a time: the last of them against the first.

    Retention is the default one, which is reached with the first.
    """

    @agent(subscribe="start", input_schema=SCHEMA)
    async def single(payload: Any) -> None:
        return None

    batch = 10_000
    with folder() as path:
        async with Executor([single], store=path, config=Config()) as executor:

            async def some() -> None:
                await concurrently(publishers, batch, lambda: executor.publish("start", PAYLOAD))
                await executor.drain()

            await some()
            before, there = memory(), megabytes(path)
            seconds = [await scenarios.timed(some) / batch for _ in range(runs // batch)]
            grown, more = memory() - before, megabytes(path) - there
    first, last = statistics.median(seconds[:10]), statistics.median(seconds[-10:])
    return {
        "us": last * 1e6,
        "us_at_first": first * 1e6,
        "ratio": last / first,
        "grown_mb": grown,
        "disk_mb": there,
        "disk_grown_mb": more,
    }


async def publish_one(count: int = 1_000) -> dict[str, float]:
    """Publishing from outside into a run, one after the other, beyond what the disk takes.

    In turns with commits of the same bytes to a bare LMDB environment: `over_ms` is the
    median of the one less the median of the other, `heard_over_ms` the same where an idle
    agent hears the message, and its settling is written as well.
    """

    @agent(subscribe="heard", input_schema=SCHEMA)
    async def idle(payload: Any) -> None:
        return None

    took: dict[str, list[float]] = {"nobody": [], "heard": [], "bare": []}
    with folder() as path:
        bare = BareDisk(path / "bare")
        async with Executor([idle], store=path / "state", config=Config()) as executor:
            executor.channel("nobody")
            live = await executor.start("heard", PAYLOAD)
            async with live:
                for _ in range(count // 50):
                    took["nobody"] += [await _latency(live, "nobody") for _ in range(50)]
                    took["bare"] += [bare.commit(_same_bytes()) for _ in range(50)]
                    took["heard"] += [await _latency(live, "heard") for _ in range(50)]
        bare.close()
    nobody, heard, alone = (statistics.median(took[each]) * 1e3 for each in took)
    return {
        "over_ms": nobody - alone,
        "heard_over_ms": heard - alone,
        "bare_ms": alone,
        "publish_ms": nobody,
        "p99_ms": statistics.quantiles(took["nobody"], n=100)[98] * 1e3,
    }


async def publish_many(waiters: int = 1_000) -> dict[str, float]:
    """What a publication costs where 1,000 wait at a time, in percent of one that waits alone."""

    @agent(subscribe="start")
    async def leaf(payload: Any) -> None:
        return None

    with folder() as path:
        async with Executor([leaf], store=path, config=Config()) as executor:
            executor.channel("nobody")
            live = await executor.start("start", PAYLOAD)
            async with live:

                def publish() -> Awaitable[Any]:
                    return live.publish("nobody", PAYLOAD)

                one: list[float] = []
                many: list[float] = []
                for _ in range(scenarios.ROUNDS):
                    one.append(await _each(1, 500, publish))
                    many.append(await _each(waiters, 20 * waiters, publish))
    alone, together = min(one), min(many)
    return {
        "percent": 100 * together / alone,
        "times": alone / together,
        "us_of_one": alone * 1e6,
        "us": together * 1e6,
    }


async def concurrently(tasks: int, count: int, call: Callable[[], Awaitable[Any]]) -> None:
    """Await the call `count` times, in so many tasks, each of them one after the other."""

    async def some() -> None:
        for _ in range(count // tasks):
            await call()

    await asyncio.gather(*[some() for _ in range(tasks)])


async def _each(tasks: int, count: int, call: Callable[[], Awaitable[Any]]) -> float:
    """Seconds a call."""
    return await scenarios.timed(lambda: concurrently(tasks, count, call)) / count


async def _latency(live: LiveRun, channel: str) -> float:
    started = time.perf_counter()
    await live.publish(channel, PAYLOAD)
    return time.perf_counter() - started


def _same_bytes() -> bytes:
    """What is written for one publication."""
    publication = Publication("nobody", encode(PAYLOAD))
    return block(1, [1], [packer()(Published(1, publication, (), False, time.time()))]).encode()
