"""Delivery: every subscribed agent gets every message once, and its effects take place once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import anyio
import pytest

from dagger import Agent, Context, Executor, agent
from dagger.testing.channel_suite import ChannelSuite
from tests.promises.conftest import MakeExecutor
from tests.waiting import pending, turns, until


class TestChannels(ChannelSuite):
    """What channels do by the public suite, over each kind of store."""

    @pytest.fixture(autouse=True)
    def _new(self, make_executor: MakeExecutor) -> None:
        self.make_executor = make_executor

    def executor(self, agents: Iterable[Agent], **options: Any) -> Executor:
        return self.make_executor(agents, **options)


async def test_a_failed_attempt_leaves_no_effect(make_executor: MakeExecutor) -> None:
    """What an attempt held back before it raised never takes place; that of the next one does."""

    @agent(subscribe="start", publish="out", max_attempts=3)
    async def flaky(payload: Any, ctx: Context) -> str:
        ctx.publish("out", f"held back by {ctx.attempt}")
        ctx.cache.append("attempts", ctx.attempt)
        ctx.shared.increment("attempts")
        ctx.tasks.add_task("work", {"attempt": ctx.attempt}, 1)
        if ctx.attempt < 3:
            raise ValueError(ctx.attempt)
        return f"returned by {ctx.attempt}"

    async with make_executor([flaky]) as executor:
        live = await executor.start("start", {})
        report = await live.result()
        assert report.outputs == {"out": ["held back by 3", "returned by 3"]}
        assert live.cache.get("attempts") == [3]
        assert executor.shared.get("attempts") == 1
        assert [task.data for task in live.tasks.get_pending_tasks()] == [{"attempt": 3}]
    assert report.retries == 2
    assert report.agents["flaky"].dispositions == {"ok": 1}


async def test_all_effects_of_a_settle_are_seen_together(make_executor: MakeExecutor) -> None:
    """Nobody sees a part of what an invocation did: all of it, or nothing yet."""
    returned, looked = anyio.Event(), anyio.Event()

    @agent(subscribe="start", publish="out")
    async def write(payload: Any, ctx: Context) -> str:
        ctx.cache.set("one", 1)
        ctx.publish("out", "early")
        returned.set()
        await looked.wait()
        ctx.cache.set("two", 2)
        return "late"

    async with make_executor([write]) as executor:
        live = await executor.start("start", {})
        await returned.wait()
        assert live.cache.keys() == []
        assert live.report().outputs == {}
        looked.set()
        report = await live.result()
        assert live.cache.keys() == ["one", "two"]
    assert report.outputs == {"out": ["early", "late"]}


async def test_a_publishing_attempt_that_is_cut_short_leaves_no_effect(
    make_executor: MakeExecutor,
) -> None:
    """An attempt that is cancelled before it returned publishes nothing."""
    inside = anyio.Event()

    @agent(subscribe="start", publish="out")
    async def hang(payload: Any, ctx: Context) -> None:
        ctx.publish("out", "never")
        inside.set()
        await anyio.sleep_forever()

    async with make_executor([hang]) as executor:
        live = await executor.start("start", {})
        await inside.wait()
        report = await live.cancel()
    assert report.outputs == {}
    assert report.agents["hang"].dispositions == {"cancelled": 1}


async def test_each_delivery_ends_in_one_disposition(make_executor: MakeExecutor) -> None:
    """Of a run's deliveries each ends once, as the outcomes and the counts agree."""

    @agent(subscribe="start", publish="numbers", publish_each=True)
    async def count(payload: Any) -> list[Any]:
        return [*range(6), "not a number"]

    @agent(subscribe="numbers", max_attempts=2, on_failure="continue")
    async def odd(payload: int) -> None:
        if payload % 2 == 0:
            raise ValueError(payload)

    async with make_executor([count, odd]) as executor:
        live = await executor.start("start", {})
        outcomes = [event async for event in live.outcomes()]
        report = await live.result()

    ends = [(each.node_id, each.status) for each in outcomes]  # type: ignore[union-attr]
    assert len(ends) == len({node for node, _ in ends}) == report.handled == 8
    assert report.agents["odd"].dispositions == {"ok": 3, "dead": 3, "rejected": 1}
    assert {node.id: node.status for node in report.tree.nodes()} == dict(ends)


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_a_big_run_cannot_starve_a_small_one(
    make_executor: MakeExecutor, concurrency: int
) -> None:
    """Workers take round-robin over runs: a small run ends while a big one is under way."""
    ready = anyio.Event()
    order: list[str] = []

    @agent(subscribe="start", publish="work", publish_each=True)
    async def spread(payload: int) -> list[int]:
        return list(range(payload))

    @agent(subscribe="work", concurrency=concurrency)
    async def work(ctx: Context) -> None:
        await ready.wait()
        order.append(ctx.run_id)

    async with make_executor([spread, work]) as executor:
        big = await executor.start("start", 300, run_id="big")
        small = await executor.start("start", 5, run_id="small")
        await until(lambda: small.state.messages == 6)
        ready.set()
        await small.result()
        await big.result()

    last = max(at for at, run_id in enumerate(order) if run_id == "small")
    assert last <= 2 * 5 + 2 * concurrency


async def test_each_run_has_a_queue_of_its_own(make_executor: MakeExecutor) -> None:
    """What one run has pending takes no room from another run's queue."""
    ready = anyio.Event()

    @agent(subscribe="start", publish="work", publish_each=True)
    async def spread(payload: int) -> list[int]:
        return list(range(payload))

    @agent(subscribe="work", capacity=4, overflow="reject")
    async def work(payload: int) -> None:
        await ready.wait()

    async with make_executor([spread, work], config={"max_attempts": 1}) as executor:
        runs = [await executor.start("start", 4) for _ in range(5)]
        await until(lambda: all(run.state.messages == 5 for run in runs))
        ready.set()
        assert {(await run.result()).status for run in runs} == {"completed"}


async def test_a_worker_is_hired_for_each_slot(make_executor: MakeExecutor) -> None:
    """An agent with `concurrency=3` has three deliveries in hand, and never a fourth."""
    inside, release = 0, anyio.Event()
    most = 0

    @agent(subscribe="start", publish="work", publish_each=True)
    async def spread(payload: int) -> list[int]:
        return list(range(payload))

    @agent(subscribe="work", concurrency=3)
    async def work(payload: int) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await release.wait()
        inside -= 1

    async with make_executor([spread, work]) as executor:
        live = await executor.start("start", 10)
        await until(lambda: inside == 3)
        await turns()
        assert pending(executor, "work") == 7
        release.set()
        await live.result()
    assert most == 3


async def test_nothing_has_begun_when_start_returns(make_executor: MakeExecutor) -> None:
    """Whoever starts a run can hold it open, and watch it, from the very beginning."""
    begun: list[str] = []

    @agent(subscribe="start")
    async def note(ctx: Context) -> None:
        begun.append(ctx.run_id)

    async with make_executor([note]) as executor:
        for _ in range(70):
            run = await executor.start("start", {})
            assert run.id not in begun
            async with run:
                outcomes = run.outcomes()
                await until(lambda run=run: run.id in begun)  # type: ignore[misc]
            assert [each.agent async for each in outcomes] == ["note"]  # type: ignore[union-attr]
