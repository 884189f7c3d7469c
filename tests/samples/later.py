"""What is going on in the second sample store of format 1: what was added to it since the first.

Each kind of record, effect and row that there was by then stands in one of the two.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio

from dagger import (
    Agent,
    Budget,
    Config,
    Context,
    Executor,
    Immediate,
    LmdbStore,
    RateLimit,
    ResourcePool,
    Resources,
    agent,
    batch,
    gather,
)
from dagger.store.inbox import Command

CONFIG = Config(
    snapshot_every_records=2**40,
    snapshot_every_seconds=1e9,
    keep_runs=12,
    keep_idempotency_keys=1,
    retry_strategy=Immediate(),
)


@agent(subscribe="start", publish="parts", publish_each=True)
async def spread(payload: list[int]) -> list[int]:
    """What joins get."""
    return payload


@agent(subscribe=gather("parts"), scope="start", publish="out")
async def together(payload: list[int]) -> int:
    """All there are, once nothing moves any more."""
    return sum(payload)


@agent(subscribe=batch("parts", size=2, within=0.01), publish="out")
async def by_twos(payload: list[int]) -> list[int]:
    """Two at a time, or one that has waited long enough."""
    return payload


@agent(subscribe="tales", publish="words", stream=True, max_attempts=2)
async def tell(payload: str, ctx: Context) -> AsyncIterator[str]:
    """Says less the second time, or waits amid what it says."""
    yield "once"
    if payload == "wait":
        await ctx.ask("go on?", name="go on")
    elif ctx.attempt == 1:
        yield "twice"
        raise ValueError("lost the thread")


@agent(subscribe="orders", publish="bills", idempotency_key=lambda payload: payload["id"])
async def charge(payload: dict[str, Any], ctx: Context) -> str:
    """Once for each order."""
    if payload.get("doubt"):
        await ctx.ask("charge?", name="charge")
    return f"bill of {payload['id']}"


@agent(subscribe="fragile", max_attempts=1, on_failure="continue")
async def fragile(payload: str, ctx: Context) -> None:
    """Works once the shared cache says so."""
    ctx.tasks.add_task("mend", payload, 1)
    if not ctx.shared.get("mended"):
        raise ValueError("broken")


@agent(subscribe="people")
async def decide(payload: str, ctx: Context) -> None:
    """Asks somebody who is not there, or who is waited for."""
    if payload == "late":
        await ctx.ask("which?", name="which", timeout=0.01, default="none")
    else:
        await ctx.ask("which?", name="which")


@agent(subscribe="slow", concurrency=2, resources=Resources(io=1))
async def slow(payload: float) -> None:
    """Has the one unit of io for so many seconds."""
    await anyio.sleep(payload)


@agent(subscribe="rare", rate_limit=RateLimit(1, per="day", key="what"))
async def rare(payload: dict[str, str]) -> None:
    """Once a day for each thing."""


@agent(subscribe="grants", publish="people")
async def grant(payload: str, ctx: Context) -> None:
    """Gives others something to spend."""
    await ctx.spend(3, cost=0.25)
    ctx.publish("people", payload, budget=Budget(tokens=10, cost=1.5))


AGENTS: list[Agent] = [
    *(spread, together, by_twos, tell, charge, fragile, decide),
    *(slow, rare, grant),
]
POOL = ResourcePool(io=1)


async def made(path: Path, copy: Path) -> None:
    """Two executors after each other leave a store behind, and a copy of it as the second goes."""
    async with Executor(AGENTS, store=path, config=CONFIG, resources=POOL) as executor:
        await _begin(executor)
    store = LmdbStore(path)
    async with Executor(AGENTS, store=store, config=CONFIG, resources=POOL) as executor:
        await _go_on(executor, store)
        await executor.backup(copy)


async def _begin(executor: Executor) -> None:
    async with await executor.start("start", [1, 2, 3], run_id="joins") as live:
        while [3] not in live.report().outputs.get("out", ()):
            await _turn()
    await executor.run("tales", "retract", run_id="retracted")
    for number in range(3):  # the second is a duplicate, the third forgets the first
        order = {"id": "a" if number < 2 else "b"}
        await executor.run("orders", order, run_id=f"order {number}")
    await executor.run("people", "late", run_id="late")
    async with await executor.start("fragile", "first", run_id="broken") as live:
        while live.report().dead_letters_total < 1:
            await _turn()
        await live.publish("fragile", "second")
        while live.report().dead_letters_total < 2:
            await _turn()
        first, second = executor.dead_letters.list()
        executor.dead_letters.discard(first.node_id)
        executor.shared.set("mended", True)
        await executor.dead_letters.redrive(second.node_id)
        while live.report().open:
            await _turn()
        live.tasks.claim_task("mend")
    await executor.run("rare", {"what": "a"}, run_id="rare a")
    async with await executor.start("slow", 2.5, run_id="slow") as live:
        await live.publish("slow", 0.0)
    await live.result()
    await executor.schedule("start", [7], timedelta(seconds=1), id="often")
    await executor.schedule("start", [8], timedelta(days=400), id="seldom")
    while not executor.schedules.show("often").fired:
        await _turn()
    await executor.schedules.pause("often")
    await _leave_open(executor)


async def _leave_open(executor: Executor) -> None:
    """A stream that waits, an order in doubt, and a run that waits for people."""
    for channel, payload in {
        "tales": "wait",
        "orders": {"id": "c", "doubt": True},
        "people": "soon",
        "grants": "soon",
    }.items():
        live = await executor.start(channel, payload, run_id=f"open {channel}")
        while not live.questions:
            await _turn()
    live = await executor.start("people", "soon", run_id="held")
    await live.pause("for now")
    live.tasks.add_task("look", 1, 1)


async def _go_on(executor: Executor, store: LmdbStore) -> None:
    assert store.inbox is not None
    await executor.schedules.remove("seldom")
    await executor.run("rare", {"what": "b"}, run_id="rare b")
    await executor.schedules.pause("often")
    live = await executor.start("people", "soon", run_id="left")
    await live.pause("for now")
    await live.publish("people", "soon")
    store.inbox.post(Command("cancel", "left", {}, time.time(), "1@sample"))
    await live.result()
    await executor.live("held").resume()
    await executor.run("orders", {"id": "d"}, run_id="order 3")
    await executor.run("orders", {"id": "d"}, run_id="order 4")
    await executor.schedule("start", [9], timedelta(seconds=1), id="again")
    while not executor.schedules.show("again").fired:
        await _turn()
    await executor.schedules.pause("again")
    while "joins" in {run.run_id for run in executor.runs()}:
        await executor.run("start", [1, 2, 3])


async def _turn() -> None:
    """Let the others go on."""
    await anyio.sleep(0.001)
