"""Latches: what one task waits for, on whichever loop, as an Event is waited for."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

import anyio

from dagger import Context, Executor, agent
from dagger.executor.latch import latches
from tests.waiting import in_hand, turns, until


async def test_who_waits_goes_on_once_it_is_set() -> None:
    """Setting it lets the waiter go on; setting it twice, or too late, is no matter."""
    latch = latches()()
    order: list[str] = []

    async def wait() -> None:
        await latch.wait()
        order.append("gone on")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await turns()
        order.append("set")
        latch.set()
        latch.set()
    latch.set()
    assert order == ["set", "gone on"]


async def test_to_wait_for_what_is_set_is_a_checkpoint() -> None:
    """To wait for a latch that is set is a checkpoint: where one may be cancelled."""
    latch = latches()()
    latch.set()
    await latch.wait()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await latch.wait()
    assert scope.cancelled_caught


async def test_who_waits_may_be_cancelled() -> None:
    """A waiter that is cancelled goes, and to set the latch then is no matter."""
    latch = latches()()
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:

            async def wait() -> None:
                with anyio.CancelScope() as inner:
                    inner.cancel()
                    await latch.wait()
                assert inner.cancelled_caught
                latch.set()
                scope.cancel()
                await anyio.sleep_forever()

            tasks.start_soon(wait)
    assert scope.cancelled_caught


async def test_a_parked_sleeper_is_light() -> None:
    """What Python allocates for a handler that sleeps, with its task, its message and its timer,
    stays below what it is allowed: 8 KB, and a tenth for what a few have to spare.
    """

    @agent(subscribe="start", publish="work", publish_each=True)
    async def source(payload: int) -> list[int]:
        return [0] * payload

    @agent(subscribe="work", concurrency=20, capacity=1_000)
    async def sleeper(payload: Any, ctx: Context) -> None:
        await ctx.sleep(3_600)

    async with Executor([source, sleeper]) as executor:
        gc.collect()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            run = await executor.start("start", 1_000)
            await until(lambda: in_hand(executor) == 1_000)
            gc.collect()
            each = (tracemalloc.get_traced_memory()[0] - before) / 1_000
        finally:
            tracemalloc.stop()
        await run.cancel()
    assert each < 8_800
