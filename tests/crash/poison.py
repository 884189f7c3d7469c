"""Programs with a delivery that kills its process, and others that only wait meanwhile."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import anyio

from dagger import Agent, Context, Executor, Immediate, agent, run
from dagger.authoring.view import ExecutorView
from dagger.executor.recovery import DEATHS
from tests.crash.disks import DEAD
from tests.crash.processes import Say

WAYS: dict[str, Callable[[], None]] = {
    "signal": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda: os._exit(DEAD),
}
"""How a process is ended from within."""

CODES = {"signal": -signal.SIGKILL, "exit": DEAD}


# -- those who only wait -------------------------------------------------------------


@agent(subscribe="start", publish=["push", "poison"])
async def plan(payload: str, ctx: Context) -> None:
    """A task, two messages of which the second will wait for room, and the poison."""
    ctx.tasks.add_task("job", payload, max_attempts=DEATHS + 1)
    for number in (1, 2):
        ctx.publish("push", number)
    ctx.publish("poison", payload)


@agent(subscribe="start")
async def sleeping(payload: str, ctx: Context) -> None:
    """Sleeps."""
    await ctx.sleep(0.5)


@agent(subscribe="start")
async def asking(payload: str, ctx: Context) -> None:
    """Waits for people."""
    await ctx.ask("well?", name="well")


@agent(subscribe="push", publish="narrow")
async def pushing(payload: int, ctx: Context) -> None:
    """Has done its work; the second time there is no room for it."""
    ctx.publish("narrow", payload)
    ctx.publish("narrow", -payload)


def _one_line(payload: int) -> str:
    _looked_at.add(payload)
    return "all"


_looked_at: set[int] = set()
"""The payloads of whom it is known that they stand in line."""


@agent(subscribe="narrow", key=_one_line, capacity=1, overflow="block")
async def narrow(payload: int, ctx: Context) -> None:
    """Waits for people, with others in line for its key."""
    await ctx.ask("well?", name="well")


async def _all_wait(executor: Executor | ExecutorView) -> None:
    """Return once the others only wait."""
    while True:
        await anyio.sleep(0.001)
        there = {each.name: each for each in executor.list_agents()}
        parked = there["asking"].waiting and there["narrow"].waiting
        settled = there["sleeping"].running + there["sleeping"].pending == 0
        full = there["narrow"].pending == 1 and there["pushing"].pending == 0
        in_line = len(_looked_at) == 2  # else one is about to be in hand, to be asked for its key
        if parked and settled and full and in_line:
            return


# -- the poison ----------------------------------------------------------------------


@agent(subscribe="poison")
async def poison(payload: str, ctx: Context, executor: ExecutorView) -> None:
    """Claims a task, and takes the process with it."""
    ctx.tasks.claim_task("job")
    await _all_wait(executor)
    await ctx.step("the claim is on disk", int, key=str(os.getpid()))
    WAYS[payload]()


WAITERS = [plan, sleeping, asking, pushing, narrow]


def lie_low(say: Say, path: Path) -> None:
    """A life in which everybody waits, until somebody kills it."""

    async def main() -> None:
        async with Executor(WAITERS, store=path) as executor:
            await executor.start("start", "signal", run_id="case")
            await _all_wait(executor)
            say("all wait")
            await anyio.sleep_forever()

    anyio.run(main)


def go_on(say: Say, path: Path, way: str, answers: bool) -> None:
    """A life with the poison: to its death, or with answers to the end of the run."""

    async def main() -> None:
        async with Executor([*WAITERS, poison], store=path) as executor:
            live = await executor.start("start", way, run_id="case")
            while live.report().ended is None:
                for question in live.questions if answers else ():
                    await live.answer(question.id, "well")
                await anyio.sleep(0.001)
            say("report", (await live.result()).to_dict())

    anyio.run(main)


# -- poison of other kinds -----------------------------------------------------------


@agent(subscribe="start")
def in_a_thread(payload: str) -> None:
    """Dies in a thread."""
    WAYS["exit"]()


@agent(subscribe="start")
async def in_a_step(payload: str, ctx: Context) -> None:
    """Dies in a step."""
    await ctx.step("outside", WAYS["exit"])


def _kill(payload: str) -> str:
    time.sleep(0.25)  # so that the disk knows of it, also where its thread is slow to begin
    WAYS["exit"]()
    return payload


@agent(subscribe="start", key=_kill)
async def in_a_key(payload: str) -> None:
    """Dies before it is called."""


@agent(subscribe="start", max_attempts=3, retry=Immediate())
async def in_another_attempt(payload: str, ctx: Context) -> None:
    """Fails, and dies when it is tried again."""
    if ctx.attempt == 1:
        raise ValueError("once")
    WAYS["exit"]()


@agent(subscribe="start", on_failure="continue")
async def not_missed(payload: str) -> None:
    """Dies, and its run does not mind."""
    WAYS["exit"]()


@agent(subscribe="start", on_failure="stop")
async def sorely_missed(payload: str) -> None:
    """Dies, and its run is to stop for it."""
    WAYS["exit"]()


@agent(subscribe="start")
async def bystander(payload: str, ctx: Context) -> None:
    """Is still asleep when its run is stopped."""
    await ctx.sleep(0 if payload == "goes on" else 3600)


ALONE: dict[str, tuple[Agent, str, dict[str, int]]] = {
    "in a thread": (in_a_thread, "failed", {"ok": 1, "dead": 1}),
    "in a step": (in_a_step, "failed", {"ok": 1, "dead": 1}),
    "in a key": (in_a_key, "failed", {"ok": 1, "dead": 1}),
    "in another attempt": (in_another_attempt, "failed", {"ok": 1, "dead": 1}),
    "that a run survives": (not_missed, "completed", {"ok": 1, "dead": 1}),
    "that stops a run": (sorely_missed, "failed", {"cancelled": 1, "dead": 1}),
}


def run_alone(say: Say, path: Path, name: str) -> None:
    """A life with one of these."""
    agents = [ALONE[name][0], bystander]
    payload = "stops" if name == "that stops a run" else "goes on"
    say("report", run(agents, "start", payload, store=path, run_id="case").to_dict())


# -- poison among others -------------------------------------------------------------

CROWD = 5
"""Messages that are in hand together, of which one kills."""


@agent(subscribe="start", publish="crowd", publish_each=True)
async def gather(payload: int) -> list[int]:
    """A crowd."""
    return list(range(CROWD))


@agent(subscribe="crowd", concurrency=CROWD)
async def one_of_many(payload: int) -> None:
    """Works for a while, in which one of them kills the process."""
    await anyio.sleep(0.01)
    if payload == CROWD // 2:
        WAYS["exit"]()
    await anyio.sleep(0.05)


@agent(subscribe="elsewhere")
async def elsewhere(payload: int) -> None:
    """The work of another run."""
    await anyio.sleep(0.05)


def run_crowd(say: Say, path: Path) -> None:
    """A life with all of them, and another run beside theirs."""

    async def main() -> None:
        agents = [gather, one_of_many, elsewhere]
        async with Executor(agents, store=path) as executor:
            runs = [
                await executor.start("start", 1, run_id="crowd"),
                await executor.start("elsewhere", 1, run_id="other"),
            ]
            for each in runs:
                say("report", (await each.result()).to_dict())

    anyio.run(main)
