"""Messages in time: delivered later, and of no use after a while."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from dagger import (
    Config,
    Context,
    ExecutionError,
    Executor,
    Immediate,
    LoopClock,
    MemoryStore,
    Report,
    Store,
    agent,
)
from dagger.testing import LaggingStore
from tests.promises.conftest import MakeExecutor
from tests.virtual import START, on_virtual_time
from tests.waiting import in_hand, until


def test_a_message_comes_when_it_is_due() -> None:
    """`delay` and `at`, inside and outside, in whichever order: each comes at its time."""
    came: list[tuple[str, float]] = []
    clock = LoopClock(START)

    @agent(subscribe="start", publish="later")
    async def sender(payload: Any, ctx: Context) -> None:
        ctx.publish("later", "an hour", delay=3600)
        ctx.publish("later", "a moment", at=datetime.fromtimestamp(START + 60, UTC))
        ctx.publish("later", "now")
        ctx.publish("later", "in the past", at=START - 60)

    @agent(subscribe="later")
    async def hears(payload: str) -> None:
        came.append((payload, round(clock.now() - START)))

    async def main() -> None:
        async with Executor([sender, hears], clock=clock) as executor:
            report = await executor.run("start", 1, delay=10)
            assert report.status == "completed"
            async with await executor.start("start", 2) as run:
                await run.publish("later", "into the run", delay=5)
            await run.result()

    on_virtual_time(main)
    assert sorted(came[:2]) == [("in the past", 10), ("now", 10)]
    assert came[2:4] == [("a moment", 60), ("an hour", 3610)]
    assert ("into the run", 3615) in came[4:]


def test_what_is_late_has_expired() -> None:
    """A message that nobody has taken by the end of its `ttl` is expired, and counted so."""

    @agent(subscribe="start", publish="work")
    async def sender(ctx: Context) -> None:
        ctx.publish("work", 100)
        ctx.publish("work", 1, ttl=99)
        ctx.publish("work", 1, ttl=101)
        ctx.publish("work", 1, delay=50, ttl=40)
        ctx.publish("work", 1, delay=150, ttl=1)

    @agent(subscribe="work")
    async def worker(payload: int) -> None:
        await anyio.sleep(payload)

    found: list[Report] = []

    async def main() -> None:
        async with Executor([sender, worker], clock=LoopClock()) as executor:
            found.append(await executor.run("start", None))

    on_virtual_time(main)
    [report] = found
    assert report.status == "completed"
    assert report.agents["worker"].dispositions == {"ok": 3, "expired": 2}
    assert [node.status for node in report.tree.nodes()].count("expired") == 2


def test_an_attempt_that_fails_too_late_is_the_last() -> None:
    """What is in hand when it expires goes on; if that fails, no attempt follows."""
    tried: list[int] = []

    @agent(subscribe="start", retry=Immediate(), max_attempts=5)
    async def worker(ctx: Context) -> None:
        tried.append(ctx.attempt)
        await anyio.sleep(10)
        raise ValueError("no")

    async def main() -> None:
        async with Executor([worker], clock=LoopClock()) as executor:
            report = await executor.run("start", None, ttl=15)
            assert report.agents["worker"].dispositions == {"expired": 1}

    on_virtual_time(main)
    assert tried == [1, 2]


@pytest.mark.parametrize("ttl", [None, 60.0])
async def test_times_go_on_while_nobody_is_there(
    make_executor: MakeExecutor, store: Store | None, ttl: float | None
) -> None:
    """A message that became due while the process was down comes when it is back, or has
    expired.
    """
    store = store or MemoryStore()
    came: list[str] = []

    @agent(subscribe="start")
    async def hears(payload: str) -> None:
        came.append(payload)

    times: dict[str, Any] = {"delay": 3600} if ttl is None else {"delay": 3600, "ttl": ttl}
    async with make_executor([hears], store=store, clock=LoopClock(START)) as executor:
        await executor.publish("start", "later", run_id="case", **times)
    async with make_executor([hears], store=store, clock=LoopClock(START + 1800)) as executor:
        run = executor.live("case")
        assert run.status == "running"
        await anyio.wait_all_tasks_blocked()
        assert came == []
    async with make_executor([hears], store=store, clock=LoopClock(START + 7200)) as executor:
        run = executor.live("case")
        await until(lambda: run.report().ended is not None)
    assert came == (["later"] if ttl is None else [])
    assert run.report().agents["hears"].dispositions == {"ok" if ttl is None else "expired": 1}


async def test_what_comes_later_takes_no_room(make_executor: MakeExecutor) -> None:
    """A message that waits for its time is not counted against the capacity of a queue."""
    gate = anyio.Event()

    @agent(subscribe="start", capacity=1, overflow="reject")
    async def worker(payload: Any) -> None:
        await gate.wait()

    async with make_executor([worker]) as executor:
        run = await executor.start("start", 0)
        await until(lambda: in_hand(executor) == 1)
        for _ in range(5):
            await run.publish("start", 1, delay=1000)
        await run.publish("start", 2)
        gate.set()
        await until(lambda: run.progress().agents["worker"].handled == 2)
        assert (await run.cancel()).agents["worker"].dispositions == {"ok": 2, "cancelled": 5}


@pytest.mark.parametrize(
    "times",
    [
        {"delay": -1},
        {"delay": "soon"},
        {"delay": True},
        {"ttl": 0},
        {"ttl": float("nan")},
        {"at": datetime(2026, 1, 1)},
        {"at": "tomorrow"},
        {"delay": 1, "at": START},
    ],
    ids=str,
)
async def test_times_that_are_none(make_executor: MakeExecutor, times: dict[str, Any]) -> None:
    """A time that is none is refused, where it is given."""

    @agent(subscribe="start", publish="out", max_attempts=1)
    async def sender(ctx: Context) -> None:
        with pytest.raises(ExecutionError):
            ctx.publish("out", 1, **times)

    async with make_executor([sender]) as executor:
        with pytest.raises(ExecutionError):
            await executor.publish("start", None, **times)
        async with await executor.start("start", None) as run:
            with pytest.raises(ExecutionError):
                await run.publish("start", None, **times)
        assert (await run.result()).outputs == {}
        assert run.report().error is None


async def test_sleep_until_a_moment(make_executor: MakeExecutor) -> None:
    """`ctx.sleep(until=)` takes a datetime with a timezone, or epoch seconds."""

    @agent(subscribe="start", publish="out", max_attempts=1)
    async def sleeper(ctx: Context) -> str:
        await ctx.sleep(until=START - 5)
        await ctx.sleep(until=datetime(2020, 1, 1, tzinfo=UTC))
        for wrong in ({}, {"seconds": 1, "until": 1}, {"until": datetime(2020, 1, 1)}):
            with pytest.raises(ExecutionError):
                await ctx.sleep(**wrong)
        return "awake"

    async with make_executor([sleeper], config=Config(max_attempts=1)) as executor:
        assert (await executor.run("start", None)).outputs == {"out": ["awake"]}


async def test_a_run_whose_only_message_expires_as_it_begins_ends(
    make_executor: MakeExecutor,
) -> None:
    """A message may be of no use any more before the run that it opens is on disk."""

    @agent(subscribe="start")
    async def hears(payload: Any) -> None:
        raise AssertionError("it came too late")

    class Slow(LaggingStore):
        TURNS = 5_000  # more than a millisecond

    async with make_executor([hears], store=Slow()) as executor:
        run = await executor.start("start", None, ttl=0.001)
        report = await run.result()
    assert (report.status, report.dispositions) == ("completed", {"expired": 1})
