"""An executor that lives for long: run after run, of which it keeps the latest."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import anyio

from dagger import Config, Context, Executor, agent
from tests.crash.processes import Say

KEPT = 200
TASKS = 20
"""Runs at a time."""

CONFIG = Config(keep_runs=KEPT, snapshot_every_records=300)


@agent(subscribe="start", publish="next")
async def first(payload: str, ctx: Context) -> str:
    """Writes something, in the run and for all runs."""
    ctx.cache.set("payload", payload)
    ctx.shared.set(f"key {len(payload) % 10}", payload)
    return payload


@agent(subscribe="next")
async def second(payload: str) -> None:
    """Ends it."""


def live_long(say: Say, path: Path, runs: int) -> None:
    """So many runs, and every 20th part of them a look at what they leave: memory and file."""
    anyio.run(_live_long, say, path, runs)


async def _live_long(say: Say, path: Path, runs: int) -> None:
    random = Random(1)

    async def some() -> None:
        for _ in range(runs // 20 // TASKS):
            await executor.run("start", "x" * random.randrange(3_000))

    async with Executor([first, second], store=path, config=CONFIG) as executor:
        for _ in range(20):
            async with anyio.create_task_group() as group:
                for _ in range(TASKS):
                    group.start_soon(some)
            say("bytes", _resident(), (path / "journal" / "data.mdb").stat().st_size)


def _resident() -> int:
    """Bytes of memory that this process takes."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
