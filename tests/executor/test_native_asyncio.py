"""On asyncio, tasks may be cancelled behind anyio's back: the same promises hold."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest

from dagger import Context, Executor, Immediate, agent
from dagger.words.config import Config
from tests.patience import PATIENCE
from tests.waiting import in_hand, turns, until

QUICK = Config(retry_strategy=Immediate())


@pytest.mark.parametrize("cancels", [1, 2, 3])
def test_a_task_that_is_cancelled_natively_stops_its_executor(cancels: int) -> None:
    """`task.cancel()`, however often, ends the block, and its handlers are awaited all the same."""
    cleaned: list[Any] = []
    runs: list[Any] = []

    @agent(subscribe="start")
    async def tidy(payload: Any) -> None:
        try:
            await asyncio.sleep(1_000)
        finally:
            with anyio.CancelScope(shield=True):
                await turns(5 * cancels)
            cleaned.append(payload)

    async def block() -> None:
        async with Executor([tidy]) as executor:
            runs.append(await executor.start("start", 1))
            await until(lambda: in_hand(executor) == 1)
            await asyncio.sleep(1_000)

    async def main() -> None:
        task = asyncio.create_task(block())
        await until(lambda: bool(runs))
        await turns()
        for _ in range(cancels):
            task.cancel()
            await turns(2)
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(main(), PATIENCE))
    assert cleaned == [1]
    assert runs[0].report().status == "cancelled"


def test_native_timeouts_work_around_and_inside() -> None:
    """`asyncio.timeout`, `gather`, `wait_for` and tasks are at home in and around handlers."""

    @agent(subscribe="start", publish="out", timeout=PATIENCE)
    async def native(payload: Any, ctx: Context) -> Any:
        results = await asyncio.gather(*(asyncio.sleep(0, number) for number in range(3)))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await ctx.sleep(1_000)
        task = asyncio.create_task(asyncio.sleep(1_000))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return results

    @agent(subscribe="endless")
    async def endless(payload: Any) -> None:
        await asyncio.sleep(1_000)

    async def main() -> None:
        async with Executor([native, endless]) as executor:
            report = await asyncio.wait_for(executor.run("start", None), PATIENCE)
            assert report.outputs == {"out": [[0, 1, 2]]}
            running = asyncio.create_task(executor.run("endless", None, run_id="endless"))
            await until(lambda: in_hand(executor) == 1)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(running, 0.01)
            assert executor.live("endless").status == "running"

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


async def cancel_and_wait() -> None:
    """Cancel the task that it runs in, and wait for it."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(1_000)


async def await_a_cancelled_task() -> None:
    """Wait for a task that somebody has cancelled."""
    task = asyncio.create_task(asyncio.sleep(1_000))
    task.cancel()
    await task


@pytest.mark.parametrize("cancel", [cancel_and_wait, await_a_cancelled_task])
def test_a_handler_that_cancels_itself_has_failed(cancel: Any) -> None:
    """A cancellation that nobody here asked for fails the attempt, and harms nobody later."""

    @agent(subscribe="start", publish="out")
    async def handler(payload: str, ctx: Context) -> int:
        if payload == "cancels" or (payload == "flaky" and ctx.attempt == 1):
            await cancel()
        if payload == "endless":
            await asyncio.sleep(1_000)
        return ctx.attempt

    async def main() -> None:
        async with Executor([handler], config=QUICK) as executor:
            for _ in range(3):
                report = await executor.run("start", "cancels")
                assert report.status == "failed"
                assert report.error is not None
                assert "cancelled itself" in report.error.message
                assert (await executor.run("start", "flaky")).outputs == {"out": [2]}
                assert (await executor.run("start", "fine")).outputs == {"out": [1]}
                run = await executor.start("start", "endless")
                await until(lambda: in_hand(executor) == 1)
                assert (await run.cancel()).status == "cancelled"

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_a_handler_that_cancels_its_task_and_leaves_stops_nobody() -> None:
    """A cancellation that comes too late for its own handler does not end the executor."""

    @agent(subscribe="start", publish="out")
    async def handler(payload: Any) -> Any:
        task = asyncio.current_task()
        assert task is not None
        if payload == "cancels":
            task.cancel()
        return payload

    async def main() -> None:
        async with Executor([handler], config=QUICK) as executor:
            for _ in range(3):
                await executor.run("start", "cancels")
                assert (await executor.run("start", "fine")).outputs == {"out": ["fine"]}

    asyncio.run(asyncio.wait_for(main(), PATIENCE))
