"""A day's work of every kind, for processes that are killed in the midst of it.

Started again over the same store it goes on where it was, and what it comes to in the end
does not depend on how often that happened. It tells what it was shown: what was
acknowledged, each outcome, each report.
"""

from __future__ import annotations

from pathlib import Path

import anyio
import anyio.lowlevel

from dagger import Config, Context, Executor, Linear, LiveRun, LmdbStore, Outcome, agent
from dagger.executor import recovery
from dagger.store import outline
from tests.crash.disks import LastWrite
from tests.crash.processes import Say

RUNS = 4
ITEMS = 10
EXTRAS = 4
"""Messages that the outside publishes into every third run."""
JOBS = 3
FOR_EVER = 1_000_000
"""More than there will be kills."""


def square(number: int) -> int:
    """Work that a step does, in a thread."""
    return number * number


@agent(subscribe="start", publish="items", publish_each=True)
async def split(payload: dict[str, int]) -> list[int]:
    """Fan out."""
    return list(range(payload["items"]))


@agent(subscribe=["items", "extras"], publish="squares", concurrency=3)
async def work(payload: int, ctx: Context) -> int:
    """A step, and writes that commute."""
    squared: int = await ctx.step("square", square, payload)
    ctx.cache.append("worked", payload)
    ctx.cache.increment("sum", payload)
    ctx.shared.append("worked", payload)
    ctx.shared.increment("sum", payload)
    return squared


@agent(subscribe="items", retry=Linear(0.002), max_attempts=3)
async def flaky(payload: int, ctx: Context) -> None:
    """Fails the first time, after it has written."""
    ctx.cache.append("flaky", payload)
    if payload % 3 == 0 and ctx.attempt == 1:
        raise ValueError("not yet")


@agent(subscribe="items", concurrency=3, key=lambda payload: payload % 3)
async def ordered(payload: int, ctx: Context) -> None:
    """In order within each of three keys."""
    ctx.cache.append(f"order {payload % 3}", payload)
    await anyio.lowlevel.checkpoint()


@agent(subscribe="squares", publish="narrowed", capacity=2, overflow="block")
async def narrow(payload: int, ctx: Context) -> int:
    """Lets those wait who publish too fast."""
    ctx.cache.append("narrowed", payload)
    return payload


@agent(subscribe="items", concurrency=4)
async def nap(payload: int, ctx: Context) -> None:
    """Sleeps a little."""
    if payload % 4 == 0:
        await ctx.sleep(0.004)
    ctx.cache.increment("naps")


@agent(subscribe="items", publish="double", concurrency=2)
async def ask_around(payload: int, ctx: Context) -> None:
    """Asks another agent, now and then."""
    if payload % 4 == 1:
        ctx.cache.increment("doubled", await ctx.request("double", payload))


@agent(subscribe="double")
async def double(payload: int) -> int:
    """Answers."""
    return 2 * payload


@agent(subscribe="items", on_failure="continue", max_attempts=1)
async def picky(payload: int) -> None:
    """Fails for good, now and then."""
    if payload % 5 == 0:
        raise ValueError(f"not {payload}")


@agent(subscribe="items", publish="negated")
def negate(payload: int) -> int:
    """Works in a thread."""
    return -payload


@agent(subscribe="start", publish="jobs", publish_each=True)
async def plan(payload: dict[str, int], ctx: Context) -> list[int]:
    """Creates tasks."""
    for number in range(JOBS):
        ctx.tasks.add_task("job", number, max_attempts=FOR_EVER)
    return list(range(JOBS))


@agent(subscribe="jobs", concurrency=2)
async def carry_out(payload: int, ctx: Context) -> None:
    """Claims and completes a task."""
    task = ctx.tasks.claim_task("job")
    assert task is not None
    await anyio.lowlevel.checkpoint()
    ctx.cache.append("jobs", task.data)
    ctx.tasks.complete_task(task.id, True)


@agent(subscribe="start")
async def wait_for_people(payload: dict[str, int], ctx: Context) -> None:
    """Keeps a run open until all extras have been published."""
    if payload["extras"]:
        ctx.cache.set("said", await ctx.ask("is that all?", name="all"))


AGENTS = [
    *(split, work, flaky, ordered, narrow, nap, ask_around, double),
    *(picky, negate, plan, carry_out, wait_for_people),
]
CONFIG = Config(snapshot_every_records=40, snapshot_every_seconds=0.05)


def whole_day(
    say: Say, path: Path, runs: int = RUNS, items: int = ITEMS, backend: str = "asyncio"
) -> None:
    """All runs to their ends."""
    outline.LARGE = 6  # bytes: much of what is written is kept apart
    recovery.DEATHS = FOR_EVER  # these come from outside, and no delivery is to blame
    anyio.run(_work, say, LmdbStore(path), runs, items, backend=backend)


def last_day(say: Say, path: Path, runs: int, items: int, last: int, after: bool) -> None:
    """The same, up to a write to the disk."""
    recovery.DEATHS = FOR_EVER
    anyio.run(_work, say, LastWrite(path, last, after=after), runs, items)


async def _work(say: Say, store: LmdbStore, runs: int, items: int) -> None:
    async with (
        Executor(AGENTS, store=store, config=CONFIG) as executor,
        anyio.create_task_group() as watching,
    ):
        watching.start_soon(watch, say, executor)
        async with anyio.create_task_group() as group:
            for number in range(runs):
                group.start_soon(see_through, say, executor, number, items + number)
        watching.cancel_scope.cancel()
    say("done")


async def watch(say: Say, executor: Executor) -> None:
    """Tell every outcome."""
    async for outcome in executor.outcomes():
        assert isinstance(outcome, Outcome)
        say("outcome", outcome.node_id, outcome.status, outcome.attempts, outcome.ended)


async def see_through(say: Say, executor: Executor, number: int, items: int) -> None:
    """One run from its first message to its report."""
    run_id = f"run {number}"
    payload = {"items": items, "extras": EXTRAS if number % 3 == 0 else 0}
    if number % 3 == 2:
        report = await executor.run("start", payload, run_id=run_id)
    else:
        receipt = await executor.publish("start", payload, run_id=run_id)
        say("kept", run_id, receipt.message_id, payload)
        live = executor.live(run_id)
        await _publish_extras(say, live, payload["extras"])
        report = await live.result()
        if report.ended is None:
            await live.answer("all", "yes")
            say("answered", run_id)
            report = await live.result()
    say("report", run_id, report.to_dict())


async def _publish_extras(say: Say, live: LiveRun, count: int) -> None:
    """Those that have not been published yet: only we publish on that channel."""
    known = live.report().channels.get("extras")
    for number in range(known.messages if known else 0, count):
        extra = 1000 + number
        say("kept", live.id, await live.publish("extras", extra), extra)
