"""A short day's work, with runs that are soon forgotten and commands from outside."""

from __future__ import annotations

import pickle
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import anyio

from dagger import Config, Executor, LmdbStore, agent
from dagger.executor import commands, recovery
from dagger.store import outline
from dagger.store.inbox import Command
from tests.crash.processes import Say
from tests.crash.workload import AGENTS, FOR_EVER, see_through, watch
from tests.faults.shim import Shim

ITEMS = 3
SMALL = 5
"""Runs of a single invocation each, one after the other."""
KEPT = 3


@agent(subscribe="small", publish="smaller")
async def shrink(payload: int) -> int:
    """All that a small run does."""
    return payload - 1


CONFIG = Config(snapshot_every_records=40, snapshot_every_seconds=0.05, keep_runs=KEPT)


def day(say: Say, path: Path, done: Collection[str]) -> None:
    """All of it, but for the runs and the commands that are known to be `done`."""
    outline.LARGE = 6  # bytes: much of what is written is kept apart
    recovery.DEATHS = FOR_EVER  # these come from outside, and no delivery is to blame
    commands.EVERY = 0.001
    anyio.run(_day, say, LmdbStore(path), done)


def last_day(say: Say, path: Path, done: Collection[str], last: int, torn: bool) -> None:
    """The same, up to the `last` call that changes something on the disk."""
    shim = Shim()
    shim.watch(path)
    shim.exit(last, torn=torn, seed=last)
    day(say, path, done)


def recorded_day(
    say: Say, path: Path, done: Collection[str], trace: Path, root: Path | None = None
) -> None:
    """The same to its end, with all such calls below `root` and all that is said in a trace."""
    shim = Shim()
    shim.watch(root or path, trace)

    def noted(*words: Any) -> None:
        shim.mark(pickle.dumps(words))
        say(*words)

    day(noted, path, done)
    say("calls", shim.calls)


async def _day(say: Say, store: LmdbStore, done: Collection[str]) -> None:
    day = Executor([*AGENTS, shrink], store=store, config=CONFIG)
    async with day as executor, anyio.create_task_group() as watching:
        watching.start_soon(watch, say, executor)
        await executor.start("start", {"items": ITEMS, "extras": 4}, run_id="run 0")
        for number in range(SMALL):
            await _small(say, executor, f"small {number}", done)
        await _cancelled(say, executor, store, done)
        await see_through(say, executor, 0, ITEMS)
        watching.cancel_scope.cancel()
    say("done")


async def _small(say: Say, executor: Executor, run_id: str, done: Collection[str]) -> None:
    """A run that others make forgotten before the day is over."""
    if run_id not in done:
        report = await executor.run("small", 1, run_id=run_id)
        say("report", run_id, report.to_dict())


async def _cancelled(say: Say, executor: Executor, store: LmdbStore, done: Collection[str]) -> None:
    """A run that waits for people until a command from outside ends it."""
    live = await executor.start("start", {"items": 0, "extras": 1}, run_id="asks")
    report = await live.result()
    if report.ended is None and "posted" not in done:
        assert store.inbox is not None
        store.inbox.post(Command("cancel", "asks", {}, time.time(), "somebody"))
        say("posted")
    async for _ in live.outcomes():
        pass  # until its end
    report = await live.result()
    say("report", "asks", report.to_dict())
