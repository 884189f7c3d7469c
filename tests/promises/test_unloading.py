"""Unloading: a handler that waits is let go of, and goes on as after a restart."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import anyio
import pytest

from dagger import Context, Report, RequestTimeout, agent
from dagger.testing import simulate, simulated
from tests.promises.conftest import MakeExecutor
from tests.waiting import deliveries, in_hand, turns, until


class Local:
    """Something that a handler holds on to."""


async def test_an_unloaded_handler_takes_nothing_but_its_delivery(
    make_executor: MakeExecutor,
) -> None:
    """While it waits neither its stack nor a worker is there; its agent counts it as waiting."""
    held: list[weakref.ref[Local]] = []

    @agent(subscribe="start", publish="out", unload=True)
    async def asking(payload: str, ctx: Context) -> Any:
        local = Local()
        held.append(weakref.ref(local))
        return await ctx.ask(payload)

    async with make_executor([asking]) as executor:
        run = await executor.start("start", "well?")
        assert (await run.result()).status == "waiting"
        await until(lambda: executor.list_agents()[0].running == 0)
        gc.collect()
        assert held[0]() is None
        assert in_hand(executor) == 0
        [told] = executor.list_agents()
        assert (told.running, told.waiting, told.pending) == (0, 1, 0)
        await run.answer("question-0", "well")
        report = await run.result()
    assert report.outputs == {"out": ["well"]}
    assert len(held) == 2


async def test_what_it_did_before_is_done_once(make_executor: MakeExecutor) -> None:
    """It is called again in the same attempt: steps are kept, and effects take place once."""
    calls: list[int] = []
    attempts: list[int] = []

    def count() -> int:
        calls.append(1)
        return len(calls)

    @agent(subscribe="start", publish="out", unload=True)
    async def handler(payload: int, ctx: Context) -> Any:
        attempts.append(ctx.attempt)
        ctx.cache.increment("called")
        ctx.publish("out", "before")
        first = await ctx.step("count", count)
        await ctx.ask("first?")
        second = await ctx.step("count", count)
        await ctx.ask("second?")
        return first + second

    async with make_executor([handler]) as executor:
        run = await executor.start("start", 1)
        for number in range(2):
            await run.result()
            await until(lambda: in_hand(executor) == 0)
            await run.answer(f"question-{number}", None)
        report = await run.result()
        assert run.cache.get("called") == 1
    assert report.outputs == {"out": ["before", 3]}
    assert (calls, attempts) == ([1, 1], [1, 1, 1])
    assert (report.retries, report.dispositions) == (0, {"ok": 1})


async def test_it_cleans_up_first(make_executor: MakeExecutor) -> None:
    """`finally` is run, also if it waits; an answer that comes meanwhile is not missed."""
    order: list[str] = []
    gate = anyio.Event()

    @agent(subscribe="start", publish="out", unload=True)
    async def handler(payload: Any, ctx: Context) -> Any:
        order.append("called")
        if order.count("called") == 2:
            return await ctx.ask("?")
        try:
            return await ctx.ask("?")
        finally:
            order.append("cleans up")
            await gate.wait()
            order.append("cleaned up")

    async with make_executor([handler]) as executor:
        run = await executor.start("start", None)
        await until(lambda: order == ["called", "cleans up"])
        await run.answer("question-0", "yes")
        await turns()
        assert order == ["called", "cleans up"]  # never two of it at once
        gate.set()
        report = await run.result()
    assert report.outputs == {"out": ["yes"]}
    assert order == ["called", "cleans up", "cleaned up", "called"]


async def test_a_handler_cannot_swallow_it(make_executor: MakeExecutor) -> None:
    """Whatever it returns or raises instead has no effect."""

    @agent(subscribe="start", publish="out", unload=True)
    async def swallows(payload: str, ctx: Context) -> Any:
        try:
            return await ctx.ask("?")
        except BaseException:
            if payload == "returns":
                return "swallowed"
            raise ValueError("instead") from None

    async with make_executor([swallows]) as executor:
        for payload in ("returns", "raises"):
            run = await executor.start("start", payload)
            assert (await run.result()).status == "waiting"
            await run.answer("question-0", payload)
            report = await run.result()
            assert (report.outputs, report.retries) == ({"out": [payload]}, 0)


@pytest.mark.parametrize("cleans", [False, True])
async def test_an_unloaded_invocation_can_be_cancelled(
    make_executor: MakeExecutor, cleans: bool
) -> None:
    """Cancelling its run ends it at once, also while it cleans up."""
    gate = anyio.Event()
    cleaning: list[bool] = []

    @agent(subscribe="start", unload=True)
    async def handler(payload: bool, ctx: Context) -> None:
        try:
            await ctx.sleep(3_600)
        finally:
            if payload:
                cleaning.append(True)
                await gate.wait()

    async with make_executor([handler]) as executor:
        run = await executor.start("start", cleans)
        await until(lambda: executor.list_agents()[0].waiting == 1 or bool(cleaning))
        report = await run.cancel()
        assert (report.status, report.dispositions) == ("cancelled", {"cancelled": 1})
        cleaning.clear()

        run = await executor.start("start", cleans)
        await until(lambda: executor.list_agents()[0].waiting == 1 or bool(cleaning))
        [delivery] = deliveries(executor)
        await run.cancel_invocation(f"handler:{run.id}.{delivery.number}")
        report = await run.result()
        assert (report.status, report.dispositions) == ("completed", {"cancelled": 1})


async def test_a_request_of_one_who_is_gone_is_overdue_in_time(
    make_executor: MakeExecutor,
) -> None:
    """The timeout of a request, and of a question, goes on while nobody is there to see it."""

    @agent(subscribe=["start", "again"], publish=["out", "questions"], unload=True)
    async def handler(payload: Any, ctx: Context) -> None:
        try:
            await ctx.request("questions", payload, timeout=0.01)
        except RequestTimeout:
            ctx.publish("out", await ctx.ask("?", timeout=0.01, default="nobody"))

    @agent(subscribe="questions")
    async def never(payload: Any, ctx: Context) -> None:
        await ctx.ask("for ever?", timeout=float("inf"))

    async with make_executor([handler, never]) as executor:
        run = await executor.start("start", 1)
        await until(lambda: run.progress().agents["handler"].handled == 1)
        assert run.report().outputs == {"out": ["nobody"]}
        await run.cancel()


async def test_a_reply_comes_to_one_who_is_gone(make_executor: MakeExecutor) -> None:
    """The reply calls the handler again, which gets it."""

    @agent(subscribe="start", publish=["out", "questions"], unload=True, concurrency=3)
    async def handler(payload: int, ctx: Context) -> None:
        ctx.publish("out", await ctx.request("questions", payload))

    @agent(subscribe="questions", unload=True)
    async def twice(payload: int, ctx: Context) -> int:
        await ctx.sleep(0.001)
        return 2 * payload

    async with make_executor([handler, twice]) as executor:
        async with await executor.start("start", 0) as run:
            for number in range(1, 5):
                await run.publish("start", number)
        report = await run.result()
    assert sorted(report.outputs["out"]) == [0, 2, 4, 6, 8]


async def test_who_may_not_be_let_go_of_stays(make_executor: MakeExecutor) -> None:
    """One that has claimed a task, waits in a task of its own, or checks answers itself, stays."""
    called: list[str] = []

    def positive(value: int) -> None:
        if value < 0:
            raise ValueError("not below zero")

    @agent(subscribe="start", publish="out", unload=True, concurrency=3)
    async def handler(payload: str, ctx: Context) -> None:
        called.append(payload)
        if payload == "claims":
            task = ctx.tasks.claim_task("work")
            assert task is not None
            await ctx.sleep(0.001)
            ctx.tasks.complete_task(task.id, success=True)
        elif payload == "in a task":
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ctx.sleep, 0.001)
        else:
            ctx.publish("out", await ctx.ask("?", validator=positive))

    async with make_executor([handler]) as executor:
        async with await executor.start("start", "in a task") as run:
            run.tasks.add_task("work", 1, max_attempts=1)
            await run.publish("start", "claims")
            await run.publish("start", "checks")
            await until(lambda: len(run.questions) == 1)
        await run.result()
        with pytest.raises(Exception, match="not below zero"):
            await run.answer("question-0", -1)
        await run.answer("question-0", 1)
        report = await run.result()
    assert (report.status, report.outputs) == ("completed", {"out": [1]})
    assert sorted(called) == ["checks", "claims", "in a task"]


async def test_a_key_is_held_by_one_who_is_gone(make_executor: MakeExecutor) -> None:
    """Messages of its key wait until it has settled, whoever is free."""
    order: list[tuple[str, int]] = []

    @agent(subscribe="start", key="who", concurrency=5, unload=True)
    async def handler(payload: dict[str, Any], ctx: Context) -> None:
        await ctx.sleep(0.001)
        order.append((payload["who"], payload["number"]))

    async with make_executor([handler]) as executor:
        async with await executor.start("start", {"who": "a", "number": 0}) as run:
            for number in range(1, 8):
                await run.publish("start", {"who": "ab"[number % 2], "number": number})
        report = await run.result()
    assert report.status == "completed"
    for who in "ab":
        mine = [number for name, number in order if name == who]
        assert mine == sorted(mine)


def test_it_does_not_expire() -> None:
    """A message that has been begun is of use until it is done, whatever its `ttl` says."""

    @agent(subscribe="start", publish="out", unload=True)
    async def handler(ctx: Context) -> str:
        await ctx.sleep(60)
        return "done"

    async def main() -> Report:
        async with simulated(handler) as executor:
            return await executor.run("start", None, ttl=10)

    assert simulate(main).outputs == {"out": ["done"]}


async def test_its_timeout_is_running_time(make_executor: MakeExecutor) -> None:
    """An agent's timeout does not run while its handler is gone."""

    @agent(subscribe="start", publish="out", unload=True, timeout=10)
    async def handler(payload: Any, ctx: Context) -> str:
        await ctx.sleep(0.01)
        return "done"

    async with make_executor([handler]) as executor:
        report = await executor.run("start", None)
    assert report.outputs == {"out": ["done"]}
