"""What policies cost: an agent with them against one without, and many that wait for one slot."""

from __future__ import annotations

import statistics
import time
from typing import Any

import anyio
import anyio.lowlevel

from dagger import (
    Agent,
    ConcurrencyKey,
    Executor,
    ResourcePool,
    Resources,
    agent,
)
from tests.bench.scenarios import PAYLOAD, ROUNDS, SCHEMA, hop

MESSAGES = 20_000

USUAL: dict[str, Any] = {"subscribe": "work", "input_schema": SCHEMA, "capacity": 200_000}

POOL = ResourcePool(cpu=1_000, gpu=1_000)


def source(count: int) -> Agent:
    """An agent that publishes so many messages in one settle."""

    @agent(subscribe="start", publish="work", publish_each=True)
    async def source(payload: Any) -> list[Any]:
        return [PAYLOAD] * count

    return source


def worker(**options: Any) -> Agent:
    """An agent that does nothing."""

    @agent(name="worker", concurrency=4, **USUAL, **options)
    async def work(payload: Any) -> None:
        return None

    return work


def patient(**options: Any) -> Agent:
    """An agent that lets others have the loop for a moment: they stand in line behind it."""

    @agent(name="worker", concurrency=20_000, resources=Resources(gpu=1_000), **USUAL, **options)
    async def work(payload: Any) -> None:
        await anyio.lowlevel.checkpoint()

    return work


async def policed() -> dict[str, float]:
    """Microseconds that an invocation costs more with resources and a priority, nobody waiting."""
    bare, hops, costly = [], [], []
    for _ in range(ROUNDS):
        hops.append(await hop())
        bare.append(await _seconds(worker()))
        costly.append(await _seconds(worker(resources=Resources(cpu=1, gpu=0.5), priority=1)))
    more = statistics.median(
        (one - other) / MESSAGES for one, other in zip(costly, bare, strict=True)
    )
    each = statistics.median(hops)
    return {
        "more_us": more * 1e6,
        "reference_more_us": more / each * 0.73,
        "without_us": statistics.median(bare) / MESSAGES * 1e6,
        "hop_us": each * 1e6,
    }


async def one_slot() -> dict[str, float]:
    """10,000 that wait for one slot, against 1,000: what each costs."""
    few, many = [], []
    for _ in range(ROUNDS):
        few.append(await _seconds(patient(), 1_000) / 1_000)
        many.append(await _seconds(patient(), 10_000) / 10_000)
    return {
        "ratio": statistics.median(many) / statistics.median(few),
        "each_us": statistics.median(many) * 1e6,
    }


async def one_key_each() -> dict[str, float]:
    """The same where each of 10,000 has a key of its own, and waits for one resource."""
    few, many = [], []
    for _ in range(ROUNDS):
        few.append(await _seconds(patient(concurrency_key=_own_key()), 1_000) / 1_000)
        many.append(await _seconds(patient(concurrency_key=_own_key()), 10_000) / 10_000)
    return {
        "ratio": statistics.median(many) / statistics.median(few),
        "each_us": statistics.median(many) * 1e6,
    }


def _own_key() -> ConcurrencyKey:
    keys = iter(range(10**9))
    return ConcurrencyKey(lambda payload: next(keys), 1)


async def _seconds(agent: Agent, count: int = MESSAGES) -> float:
    """From when all is published until all is done."""
    async with Executor([source(count), agent], resources=POOL) as executor:
        started = time.perf_counter()
        report = await executor.run("start", None)
        seconds = time.perf_counter() - started
    assert report.agents["worker"].dispositions == {"ok": count}
    return seconds
