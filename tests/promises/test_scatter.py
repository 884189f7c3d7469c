"""Scatter: many requests at once, and their replies in the order of the payloads."""

from __future__ import annotations

import time
from typing import Any

import anyio
import pytest

from dagger import (
    Agent,
    Context,
    Executor,
    MemoryStore,
    RequestFailed,
    ScatterFailed,
    Store,
    agent,
)
from tests.patience import PATIENCE
from tests.promises.conftest import MakeExecutor
from tests.waiting import in_hand, turns, until


@agent(subscribe="start", publish=["ask", "out"])
async def scatterer(payload: dict[str, Any], ctx: Context) -> None:
    """Ask as it is told, and say what came of it."""
    payloads = payload.pop("payloads")
    try:
        ctx.publish("out", await ctx.scatter("ask", payloads, **payload))
    except ScatterFailed as error:
        told = {str(at): type(each).__name__ for at, each in error.failures.items()}
        ctx.publish("out", {"results": error.results, "failures": told})
    except RequestFailed as error:
        ctx.publish("out", type(error).__name__)


def delayed(*, meet: int = 0, most: list[int] | None = None) -> Agent:
    """Answers, the later the smaller the number; fails on "bad" ones. The first ones wait until
    so many `meet`.
    """
    at_work, met = 0, anyio.Event()

    @agent(subscribe="ask", concurrency=50, max_attempts=1, on_failure="continue")
    async def answer(payload: Any) -> Any:
        nonlocal at_work
        at_work += 1
        if most is not None:
            most.append(at_work)
        if payload == "bad":
            at_work -= 1
            raise ValueError(payload)
        if at_work >= meet:
            met.set()
        await met.wait()
        await turns(30 - payload)
        at_work -= 1
        return payload * payload

    return answer


@pytest.mark.parametrize("limit", [None, 1, 3, 100])
async def test_replies_are_gathered_in_order(
    make_executor: MakeExecutor, limit: int | None
) -> None:
    """Whichever comes first, results stand as the payloads do; `limit` bounds what is in flight."""
    most: list[int] = []
    at_once = min(limit or 10, 10)
    payload = {"payloads": list(range(10)), "limit": limit, "timeout": PATIENCE}
    async with make_executor([scatterer, delayed(meet=at_once, most=most)]) as executor:
        report = await executor.run("start", payload)
    assert report.outputs == {"out": [[number * number for number in range(10)]]}
    assert max(most) == at_once


async def test_nothing_is_scattered(make_executor: MakeExecutor) -> None:
    """Of no payloads the result is none."""
    async with make_executor([scatterer, delayed()]) as executor:
        report = await executor.run("start", {"payloads": []})
    assert report.outputs == {"out": [[]]}


@pytest.mark.parametrize("limit", [None, 2])
async def test_those_that_fail_are_told_with_the_others(
    make_executor: MakeExecutor, limit: int | None
) -> None:
    """All are waited for; the error holds the replies that came and why others did not."""
    payload = {"payloads": [1, "bad", 3, "bad", 5], "limit": limit}
    async with make_executor([scatterer, delayed()]) as executor:
        report = await executor.run("start", payload)
    failures = {"1": "ResponderFailed", "3": "ResponderFailed"}
    assert report.outputs["out"] == [{"results": [1, None, 9, None, 25], "failures": failures}]


async def test_the_first_failure_may_be_enough(make_executor: MakeExecutor) -> None:
    """With `first_failure` its own error is raised, and nothing more is asked."""
    payload = {"payloads": ["bad", 1, 2, 3, 4], "limit": 1, "first_failure": True}
    async with make_executor([scatterer, delayed()]) as executor:
        report = await executor.run("start", payload)
    assert report.outputs["out"] == ["ResponderFailed"]
    assert report.channels["ask"].messages == 1


async def test_nothing_goes_out_unless_all_may(make_executor: MakeExecutor) -> None:
    """A payload that cannot be sent is an error before the first request."""
    payload = {"payloads": [1, 2, "text"]}

    @agent(name="scatterer", subscribe="start", publish={"ask": {"type": "integer"}, "out": True})
    async def strict(payload: Any, ctx: Context) -> None:
        await ctx.scatter("ask", payload["payloads"])

    async with make_executor([strict, delayed()], config={"max_attempts": 1}) as executor:
        report = await executor.run("start", payload)
    assert report.error is not None
    assert report.error.type == "ValidationError"
    assert "ask" not in report.channels


@pytest.mark.parametrize("limit", [0, -1, 1.5, True])
async def test_a_limit_is_a_number_of_requests(make_executor: MakeExecutor, limit: Any) -> None:
    """Anything else is refused."""
    config = {"max_attempts": 1}
    async with make_executor([scatterer, delayed()], config=config) as executor:
        report = await executor.run("start", {"payloads": [1], "limit": limit})
    assert report.error is not None
    assert "limit=" in report.error.message


async def test_a_retry_asks_only_for_what_it_has_not_got(make_executor: MakeExecutor) -> None:
    """Replies are kept under the places of their payloads; those that failed are asked anew."""
    heard: list[int] = []

    @agent(subscribe="start", publish=["ask", "out"], max_attempts=3)
    async def asker(ctx: Context) -> None:
        ctx.publish("out", await ctx.scatter("ask", range(6), limit=4))

    @agent(subscribe="ask", concurrency=3, max_attempts=1, on_failure="continue")
    async def flaky(payload: int) -> int:
        heard.append(payload)
        if payload % 2 and heard.count(payload) == 1:
            raise ValueError("not yet")
        return payload * 10

    async with make_executor([asker, flaky]) as executor:
        report = await executor.run("start", 0)
    assert report.outputs == {"out": [[0, 10, 20, 30, 40, 50]]}
    assert sorted(heard) == [0, 1, 1, 2, 3, 3, 4, 5, 5]


async def test_a_scatter_goes_on_after_a_restart(
    make_executor: MakeExecutor, store: Store | None
) -> None:
    """What was asked is not asked again, what was replied is kept, and the rest follows."""
    if store is None:
        return
    heard: list[int] = []
    gate = anyio.Event()

    @agent(subscribe="start", publish=["ask", "out"])
    async def asker(ctx: Context) -> None:
        ctx.publish("out", await ctx.scatter("ask", range(8), limit=3))

    @agent(subscribe="ask", concurrency=3)
    async def answer(payload: int) -> int:
        heard.append(payload)
        if payload == 4:
            await gate.wait()
        return payload * 10

    async with make_executor([asker, answer], store=store) as executor:
        await executor.start("start", 0, run_id="r")
        await until(lambda: len(heard) == 8)
        await until(lambda: in_hand(executor, "answer") == 1)
        await turns()
    gate.set()
    async with make_executor([asker, answer], store=store) as executor:
        report = await executor.live("r").result()
    assert report.outputs == {"out": [[number * 10 for number in range(8)]]}
    assert sorted(heard) == [0, 1, 2, 3, 4, 4, 5, 6, 7]
    assert report.channels["ask"].messages == 8


async def test_a_scatter_of_thousands_is_linear() -> None:
    """Thousands of requests at once cost as much each as a few."""

    @agent(subscribe="start", publish=["ask", "out"])
    async def asker(payload: int, ctx: Context) -> None:
        ctx.publish("out", sum(await ctx.scatter("ask", range(payload), limit=1_000)))

    @agent(subscribe="ask", capacity=1_000, overflow="reject", concurrency=5)
    async def answer(payload: int) -> int:
        return payload

    took: dict[int, float] = {}
    async with Executor([asker, answer], store=MemoryStore()) as executor:
        for count in (1, 400, 4_000):  # the first one for what is done once
            began = time.thread_time()
            report = await executor.run("start", count)
            took[count] = time.thread_time() - began
            assert report.outputs == {"out": [count * (count - 1) // 2]}
    assert took[4_000] < 3 * 10 * took[400]
