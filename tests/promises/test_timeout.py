"""Agent timeout: the running time of one attempt; over it, the attempt fails like any error."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from dagger import Agent, Context, Report, agent
from tests.patience import PATIENCE, SLOWER
from tests.promises.conftest import MakeExecutor
from tests.waiting import in_hand, until


async def test_an_attempt_that_takes_too_long_fails_and_is_tried_again(
    make_executor: MakeExecutor,
) -> None:
    """A handler that is still running after `timeout=` is cancelled; the next attempt may work."""
    cancelled: list[int] = []

    @agent(subscribe="start", publish="out", timeout=0.01)
    async def slow(payload: Any, ctx: Context) -> int:
        if ctx.attempt < 3:
            try:
                await anyio.sleep_forever()
            finally:
                cancelled.append(ctx.attempt)
        return ctx.attempt

    async with make_executor([slow]) as executor:
        report = await executor.run("start", None)
    assert cancelled == [1, 2]
    assert report.status == "completed"
    assert report.outputs == {"out": [3]}
    assert report.error is not None
    assert report.error.type == "TimeoutExceeded"
    assert "0.01 s" in report.error.message


async def never(payload: Any) -> None:
    """Never return."""
    await anyio.sleep_forever()


async def stream(payload: Any) -> AsyncIterator[int]:
    """Yield once, then never again."""
    yield 1
    await anyio.sleep_forever()


async def nested(payload: Any) -> None:
    """Wait in a task group."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.sleep_forever)
        tasks.start_soon(anyio.sleep_forever)


@pytest.mark.parametrize("handler", [never, stream, nested])
async def test_a_handler_that_never_returns_ends_dead(
    make_executor: MakeExecutor, handler: Any
) -> None:
    """However it waits, a handler over its time is cancelled; after the last attempt it is dead."""
    made = agent(subscribe="start", publish="out", timeout=0.01, max_attempts=2)(handler)
    async with make_executor([made]) as executor:
        report = await executor.run("start", None)
    assert report.status == "failed"
    assert report.outputs == {}
    [letter] = report.dead_letters
    assert (letter.failure.type, letter.attempts) == ("TimeoutExceeded", 2)


async def test_a_timeout_that_is_swallowed_still_fails_the_attempt(
    make_executor: MakeExecutor,
) -> None:
    """A handler that catches its cancellation and returns has failed: nothing of it leaves."""

    @agent(subscribe="start", publish="out", timeout=0.01, max_attempts=1)
    async def stubborn(payload: Any) -> Any:
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            return "as if nothing had been"

    async with make_executor([stubborn]) as executor:
        report = await executor.run("start", None)
    assert report.outputs == {}
    assert report.dead_letters[0].failure.type == "TimeoutExceeded"
    assert report.abandoned == ()


async def test_what_a_handler_raises_over_its_time_fails_the_attempt(
    make_executor: MakeExecutor,
) -> None:
    """A handler whose cleanup raises fails with that error, and is tried again."""

    @agent(subscribe="start", publish="out", timeout=0.01)
    async def unclean(payload: Any, ctx: Context) -> int:
        if ctx.attempt == 1:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(broken)
        return ctx.attempt

    async def broken() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise ValueError("while it cleaned up")

    async with make_executor([unclean]) as executor:
        report = await executor.run("start", None)
    assert report.status == "completed"
    assert report.outputs["out"][0] > 1
    assert report.error is not None
    assert "while it cleaned up" in str(report.error)


async def test_a_timeout_harms_no_other_delivery(make_executor: MakeExecutor) -> None:
    """What the agent handles after an attempt that ran out of time has its full time."""
    attempts: list[tuple[int, int]] = []

    def some(timeout: float) -> Agent:
        @agent(name="some", subscribe="start", timeout=timeout, max_attempts=1)
        async def handler(payload: int, ctx: Context) -> None:
            attempts.append((payload, ctx.attempt))
            if payload == 0:
                try:
                    await anyio.sleep_forever()
                except anyio.get_cancelled_exc_class():
                    raise LookupError("swallowed") from None
            for _ in range(5):
                await anyio.lowlevel.checkpoint()

        return handler

    for slower in SLOWER:  # else the others are over their time as well
        attempts.clear()
        async with make_executor([some(0.05 * slower)]) as executor:
            async with await executor.start("start", 0) as run:
                for number in (1, 2, 3):
                    await run.publish("start", number)
            report = await run.result()
        if report.dispositions["dead"] == 1:
            break
    assert attempts == [(0, 1), (1, 1), (2, 1), (3, 1)]
    assert report.dispositions == {"dead": 1, "ok": 3}


async def test_waiting_is_not_running_time(make_executor: MakeExecutor) -> None:
    """`ctx.sleep`, `ctx.ask` and `ctx.request` stop the clock of the attempt's timeout."""

    def agents(timeout: float) -> list[Agent]:
        @agent(name="patient", subscribe="start", publish=["out", "questions"], timeout=timeout)
        async def patient(payload: Any, ctx: Context) -> None:
            await ctx.sleep(1.5 * timeout)
            reply = await ctx.request("questions", None)
            answer = await ctx.ask("more?")
            ctx.publish("out", [reply, answer])

        @agent(name="responder", subscribe="questions")
        async def responder(payload: Any, ctx: Context) -> str:
            await ctx.sleep(1.5 * timeout)
            return "reply"

        return [patient, responder]

    for slower in SLOWER:  # else what little there is to do takes too long
        once = {"max_attempts": 1}
        async with make_executor(agents(0.06 * slower), config=once) as executor:
            run = await executor.start("start", None)
            if (await run.result()).ended is None:
                await run.answer("question-0", "answer")
            report = await run.result()
        if report.status == "completed":
            break
    assert report.status == "completed"
    assert report.outputs == {"out": [["reply", "answer"]]}


async def test_time_goes_on_after_waiting(make_executor: MakeExecutor) -> None:
    """After a wait, an attempt has what was left of its timeout, and no more."""

    @agent(subscribe="start", timeout=0.05, max_attempts=1)
    async def slow_after_all(payload: Any, ctx: Context) -> None:
        await ctx.sleep(0.01)
        await anyio.sleep_forever()

    async with make_executor([slow_after_all]) as executor:
        report = await executor.run("start", None)
    assert report.dead_letters[0].failure.type == "TimeoutExceeded"


async def test_waiting_for_room_is_not_running_time(make_executor: MakeExecutor) -> None:
    """A settle that waits for a full queue is over with its handler: no timeout applies."""

    async def crowded(limit: float) -> Report:
        release = anyio.Event()

        @agent(subscribe="start", publish="work", publish_each=True, timeout=limit, max_attempts=1)
        async def spread(payload: Any) -> list[int]:
            return [1, 2]

        @agent(subscribe="work", capacity=1, overflow="block")
        async def worker(payload: Any) -> None:
            await release.wait()

        async with make_executor([spread, worker]) as executor:
            run = await executor.start("work", 0)
            await until(lambda: in_hand(executor, "worker") == 1)
            await run.publish("work", 0)
            await run.publish("start", None)
            with anyio.move_on_after(2 * limit):
                await run.result()
            release.set()
            return await run.result()

    for slower in SLOWER:
        report = await crowded(0.02 * slower)
        if report.status == "completed":  # else a busy machine was late for it
            break
    assert report.status == "completed"
    assert report.dispositions == {"ok": 5}


def threaded(over: threading.Event, ended: list[int], timeout: float = 0.02) -> Agent:
    """An agent whose plain handler sits in its thread until it may end."""

    @agent(name="threaded", subscribe="start", publish="out", timeout=timeout)
    def wait(payload: Any, ctx: Context) -> str:
        if ctx.attempt == 1:
            over.wait(PATIENCE)
        ended.append(ctx.attempt)
        return f"attempt {ctx.attempt}"

    return wait


async def test_a_thread_over_its_time_is_awaited_and_tried_again(
    make_executor: MakeExecutor,
) -> None:
    """A plain handler over its timeout fails; no other attempt begins before its thread ends."""
    for slower in SLOWER:  # else the second attempt is over its time as well
        over, ended, timeout = threading.Event(), list[int](), 0.02 * slower
        agents = [threaded(over, ended, timeout)]
        async with make_executor(agents, config={"cancel_grace": PATIENCE}) as executor:
            run = await executor.start("start", None)
            with anyio.move_on_after(2 * timeout):
                await run.result()
            assert run.report().retries == 0
            over.set()
            report = await run.result()
        if report.retries == 1:
            break
    assert ended == [1, 2]
    assert report.status == "completed"
    assert report.outputs == {"out": ["attempt 2"]}
    assert report.error is not None
    assert report.error.type == "TimeoutExceeded"


async def test_a_thread_that_outlives_the_grace_is_given_up(make_executor: MakeExecutor) -> None:
    """A thread that does not end within the grace is abandoned: dead, never tried beside it."""
    for slower in SLOWER:  # else the run after it is over its time as well
        over, ended, timeout = threading.Event(), list[int](), 0.02 * slower
        agents = [threaded(over, ended, timeout)]
        async with make_executor(agents, config={"cancel_grace": timeout}) as executor:
            report = await executor.run("start", None)
            assert ended == []
            assert report.status == "failed"
            assert len(report.abandoned) == 1
            assert report.dead_letters[0].failure.type == "Abandoned"
            over.set()
            after = await executor.run("start", None, run_id="after")
        if after.status == "completed":
            break
    assert after.status == "completed"


async def test_a_handler_that_ignores_its_timeout_is_given_up(
    make_executor: MakeExecutor,
) -> None:
    """One that swallows its cancellation for longer than the grace is fenced off, and dead."""

    @agent(subscribe="start", publish="out", timeout=0.01)
    async def deaf(payload: Any, ctx: Context) -> None:
        while payload == "deaf":
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                pass  # and on it goes

    async with make_executor([deaf], config={"cancel_grace": 0.02}) as executor:
        report = await executor.run("start", "deaf")
        assert report.status == "failed"
        assert report.abandoned == (report.dead_letters[0].node_id,)
        assert (await executor.run("start", "fine")).status == "completed"
