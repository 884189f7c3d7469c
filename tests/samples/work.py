"""What is going on in the sample stores: a little of everything that a store can hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio

from dagger import Agent, Config, Context, Executor, Immediate, Linear, Message, agent

BIG = "large " * 12_000

CONFIG = Config(snapshot_every_records=60, snapshot_every_seconds=1e9, keep_runs=6)


@agent(subscribe="start", publish=["work", "slow", "later", "ask", "out"], max_attempts=2)
async def lead(payload: dict[str, Any], ctx: Context) -> None:
    """Uses all there is, fails once, and hands out the work."""
    for number in range(payload.get("items", 0)):
        ctx.publish("work", number, key=str(number % 2), headers={"n": str(number)})
        ctx.tasks.add_task("t", {"n": number}, 2)
    for channel in payload.get("to", ()):
        ctx.publish(channel, payload)
    ctx.publish("out", Message.new("me", payload), task="named")
    ctx.cache.set("payload", payload, namespace="of the run")
    ctx.shared.increment("runs")
    ctx.shared.append("seen", payload.get("items"))
    await ctx.step("once", lambda: 5)
    await ctx.spend(tokens=7)
    await ctx.emit("out", "shown")
    ctx.log("said")
    ctx.cache.set("reply", await ctx.request("ask", 1))
    if ctx.attempt == 1:
        raise ValueError("once more")


@agent(subscribe="ask")
async def answer(payload: int) -> int:
    """What a request gets."""
    return payload + 1


@agent(
    subscribe="work", key="k", concurrency=3, capacity=3, overflow="drop_oldest",
    max_attempts=2, retry=Immediate(), on_failure="continue", publish="out",
    input_schema={"maximum": 4},
)  # fmt: skip
async def work(payload: int, ctx: Context) -> Any:
    """Tasks, and an end of every kind."""
    task = ctx.tasks.claim_task("t")
    ctx.cache.append("worked", payload)
    if payload == 3:
        raise ValueError("never")
    if task is not None and payload % 2:
        ctx.tasks.complete_task(task.id, success=True)
    return {"n": payload}


@agent(subscribe="slow", publish="out")
async def person(payload: dict[str, Any], ctx: Context) -> Any:
    """Waits for somebody."""
    return await ctx.ask("go on?", name="well")


@agent(subscribe="later", retry=Linear(3600), max_attempts=3, on_failure="continue")
async def later(payload: dict[str, Any], ctx: Context) -> None:
    """Would be tried again in an hour, and then once more."""
    raise TimeoutError("not now")


@agent(subscribe="brief")
async def brief(payload: int) -> None:
    """Runs that are soon forgotten."""


@agent(subscribe="start")
async def gone(payload: dict[str, Any]) -> None:
    """Is unregistered later."""


AGENTS: list[Agent] = [lead, answer, work, person, later, brief]


async def made(path: Path, copy: Path) -> None:
    """An executor leaves a store behind, and a copy of it as it goes."""
    async with Executor([*AGENTS, gone], store=path, config=CONFIG) as executor:
        await _make(executor)
        await executor.backup(copy)


async def _make(executor: Executor) -> None:
    """Leave runs of every status behind, in snapshot, history and journal."""
    executor.channel("shut")
    executor.shutdown_channel("shut")
    for number in range(9):
        await executor.run("brief", number)
    await executor.run("start", {"items": 6}, run_id="dropped")
    executor.unregister("gone")
    await executor.run("start", {"items": 3, "big": BIG, "to": ["out"]}, run_id="large")
    fork = await executor.fork("large", at="large.1.0", run_id="fork")
    await fork.result()
    waiting = await executor.start("start", {"to": ["slow"], "big": BIG}, run_id="waiting")
    while not waiting.questions:
        await _turn()
    cancelled = await executor.start("start", {"to": ["slow"]}, run_id="cancelled")
    while not cancelled.questions:
        await _turn()
    await cancelled.cancel("not needed")
    retrying = await executor.start("start", {"to": ["later"]}, run_id="retrying")
    while retrying.report().retries < 2:
        await _turn()
    paused = await executor.start("start", {"items": 2}, run_id="paused")
    await paused.pause("for now")
    executor.shared.set("from outside", BIG + "too")


async def _turn() -> None:
    """Let the others go on."""
    await anyio.sleep(0.001)
