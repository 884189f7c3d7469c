"""A program with policies, which may be killed while its handlers have slots and tokens."""

from __future__ import annotations

import os
import time
from pathlib import Path

import anyio

from dagger import (
    ConcurrencyKey,
    Config,
    Context,
    Executor,
    Immediate,
    RateLimit,
    ResourcePool,
    Resources,
    agent,
)
from tests.crash.processes import Say

JOBS = 60
KEYS = 3
PER = 0.25
COUNT = 10
BURST = 4


def work(say: Say, path: Path, log: str) -> None:
    """Go on with the one run, and write down each call before anything else."""
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(what: str, number: int) -> None:
        os.write(file, f"{what} {number} {time.time()}\n".encode())

    @agent(subscribe="start", publish="job", publish_each=True)
    async def plan(payload: int) -> list[int]:
        return list(range(payload))

    @agent(
        subscribe="job",
        publish="done",
        concurrency=8,
        capacity=JOBS,
        resources=Resources(gpu=1),
        concurrency_key=ConcurrencyKey(lambda payload: payload % KEYS, 1),
        rate_limit=RateLimit(COUNT, per=PER, burst=BURST),
        preemptible=True,
    )
    async def job(payload: int, ctx: Context) -> int:
        note("begin", payload)
        await anyio.sleep(0.002)
        ctx.cache.increment("done")
        return payload

    @agent(subscribe="job", priority=1, resources=Resources(gpu=1), capacity=JOBS)
    async def urgent(payload: int, ctx: Context) -> None:
        ctx.cache.increment("urgent")

    async def main() -> None:
        config = Config(retry_strategy=Immediate())
        pool = ResourcePool(gpu=2)
        agents = [plan, job, urgent]
        async with Executor(agents, store=path, config=config, resources=pool) as executor:
            say("begun")
            run = await executor.start("start", JOBS, run_id="policed")
            report = await run.result()
            usage = executor.resources()
            counts = run.cache.get("done"), run.cache.get("urgent")
            say("report", str(report.status), report.dispositions, report.outputs["done"], counts)
            say("usage", usage.pool["gpu"].used, len(usage.waiting), len(usage.allocations))

    anyio.run(main)
