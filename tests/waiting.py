"""Waiting for what is about to happen, without guessing how long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count

import anyio
import anyio.lowlevel

from dagger import Executor
from dagger.state.queues import PENDING, RUNNING, Delivery
from tests.patience import PATIENCE
from tests.state.meaning import live_state

TURNS = 10_000
"""Of the loop, after which others than it are waited for."""


async def until(condition: Callable[[], bool]) -> None:
    """Let others run until something holds; fails after many turns of the loop and a long time.

    What goes on in threads, to a disk for one, is given time of its own in the end.
    """
    begun = time.monotonic()
    for turn in count():
        if condition():
            return
        if turn > TURNS and time.monotonic() > begun + PATIENCE / 2:
            raise AssertionError("it never came to hold")
        await anyio.sleep(0.001 if turn > TURNS else 0)


async def turns(count: int = 20) -> None:
    """Let others run for some turns of the loop: time for what must not happen."""
    for _ in range(count):
        await anyio.lowlevel.checkpoint()


def deliveries(executor: Executor, agent: str | None = None) -> list[Delivery]:
    """The unsettled deliveries of all runs, or those of one agent."""
    return [
        each
        for run in live_state(executor).runs.values()
        for each in run.deliveries.values()
        if agent in (None, each.queue.subscriber.name)
    ]


def pending(executor: Executor, agent: str | None = None) -> int:
    """How many deliveries wait in queues."""
    return sum(each.stage == PENDING for each in deliveries(executor, agent))


def in_hand(executor: Executor, agent: str | None = None) -> int:
    """How many deliveries workers have taken."""
    return sum(each.stage == RUNNING for each in deliveries(executor, agent))


async def idle(executor: Executor) -> None:
    """Let others run until no agent has anything in hand; fails if a slot is never given back."""
    await until(lambda: not any(each.running or each.waiting for each in executor.list_agents()))
