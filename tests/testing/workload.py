"""A day's work with something of everything: full queues, failures, waits, cancellation."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import anyio.lowlevel

from dagger import Agent, Context, Exponential, MemoryStore, agent
from dagger.testing import LaggingStore, assert_conserved, simulated

NewStore = Callable[[], MemoryStore | LaggingStore]


def agents() -> list[Agent]:
    """Agents that get into each other's way."""

    @agent(subscribe="start", publish=["work", "slow"])
    async def spread(payload: int, ctx: Context) -> None:
        for number in range(payload):
            ctx.publish("work", number)
            ctx.publish("slow", number)
            await anyio.lowlevel.checkpoint()

    @agent(
        subscribe="work",
        publish="sum",
        concurrency=3,
        capacity=2,
        overflow="block",
        max_attempts=3,
        retry=Exponential(initial_delay=1, jitter=0.5),
    )
    async def work(payload: int, ctx: Context) -> int:
        await anyio.sleep(payload % 3)
        if payload % 4 == 0 and ctx.attempt < 2:
            raise ValueError(payload)
        return int(await ctx.step("step", lambda: payload))

    @agent(subscribe="slow", capacity=2, overflow="drop_oldest", publish="sum")
    def slow(payload: int) -> int:
        return payload

    @agent(subscribe="sum", concurrency=2, timeout=5, max_attempts=1, on_failure="continue")
    async def add(payload: int, ctx: Context) -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(anyio.sleep, random.random())
        if payload == 5:
            await anyio.sleep(100)
        ctx.cache.increment("sum", payload)

    return [spread, work, slow, add]


def workload(
    store: MemoryStore | LaggingStore | None = None,
) -> Callable[[], Coroutine[Any, Any, tuple[str, ...]]]:
    """A program of three runs, one of which is cancelled in the midst; how they ended."""

    async def main() -> tuple[str, ...]:
        async with simulated(*agents(), store=store) as executor:
            runs = [await executor.start("start", 8, run_id=f"run {n}") for n in range(3)]

            async def cancel() -> None:
                await anyio.sleep(3)
                await runs[1].cancel()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(cancel)
            reports = [await run.result() for run in runs]
        for report in reports:
            assert_conserved(report)
            assert report.ended is not None
        return tuple(str(report.status) for report in reports)

    return main
