"""Budgets: time, messages and tokens of a run, each with its own terminal status."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from dagger import Agent, Context, agent
from dagger.words.errors import BudgetExceeded, ConfigError
from tests.patience import SLOWER
from tests.promises.conftest import MakeExecutor
from tests.waiting import in_hand, turns, until


@agent(subscribe="start")
async def never(payload: Any) -> None:
    """Wait for ever."""
    await anyio.sleep_forever()


# -- time ----------------------------------------------------------------------------


async def test_a_run_over_its_timeout_is_timed_out(make_executor: MakeExecutor) -> None:
    """A run that is active for longer than `timeout` is wound down, and ends `timed_out`."""
    async with make_executor([never]) as executor:
        report = await executor.run("start", None, timeout=0.02)
    assert report.status == "timed_out"
    assert report.dispositions == {"cancelled": 1}
    assert "0.02 s" in report.reason


async def test_a_run_past_its_deadline_is_timed_out(make_executor: MakeExecutor) -> None:
    """`deadline=` is wall time: a run that is open then ends `timed_out`, even at once."""
    async with make_executor([never]) as executor:
        soon = await executor.run("start", None, deadline=time.time() + 0.02)
        past = await executor.run("start", None, deadline=1.0)
    assert (soon.status, past.status) == ("timed_out", "timed_out")
    assert "deadline" in soon.reason


async def test_the_configs_timeout_holds_where_none_is_given(make_executor: MakeExecutor) -> None:
    """`Config.timeout` bounds every run that brings no timeout of its own."""
    async with make_executor([never], config={"timeout": 0.02}) as executor:
        report = await executor.run("start", None)
    assert report.status == "timed_out"


async def test_waiting_for_people_is_not_active_time(make_executor: MakeExecutor) -> None:
    """The timeout of a run stands still while all that is left of it waits for people."""

    @agent(subscribe="start", publish="out")
    async def asking(payload: Any, ctx: Context) -> Any:
        return await ctx.ask("how long?")

    async with make_executor([asking]) as executor:
        for seconds in (0.1, 1, 60):  # more, where a busy machine does not get to the question
            run = await executor.start("start", None, timeout=seconds)
            if (await run.result()).status == "waiting":
                break
        await anyio.sleep(1.5 * seconds)
        await run.answer("question-0", "this long")
        report = await run.result()
    assert report.status == "completed"
    assert report.outputs == {"out": ["this long"]}


async def test_the_deadline_holds_for_people_too(make_executor: MakeExecutor) -> None:
    """A run that waits for people beyond its deadline is timed out, and its handler cancelled."""

    @agent(subscribe="start")
    async def asking(payload: Any, ctx: Context) -> None:
        try:
            await ctx.ask("too late?")
        finally:
            cancelled.set()

    async with make_executor([asking]) as executor:
        for seconds in (0.05, 0.5, 30):  # more, where a busy machine does not get to the question
            cancelled = anyio.Event()
            run = await executor.start("start", None, deadline=time.time() + seconds)
            if (first := await run.result()).status == "waiting":
                break
        assert first.status == "waiting"
        await cancelled.wait()
        assert (await run.result()).status == "timed_out"


async def test_a_run_in_time_is_not_disturbed_later(make_executor: MakeExecutor) -> None:
    """The timer of a run that has ended in time says nothing any more."""

    @agent(subscribe="start")
    async def quick(payload: Any) -> None: ...

    async with make_executor([quick]) as executor:
        for slower in SLOWER:
            report = await executor.run("start", None, timeout=0.02 * slower)
            if report.status == "completed":
                break
        await anyio.sleep(0.04 * slower)
        assert executor.live(report.run_id).report().status == "completed"


# -- messages ------------------------------------------------------------------------


def doubling(**options: Any) -> Agent:
    """An agent that makes two messages of each, for ever."""

    @agent(
        name="double", subscribe="start", publish="start", hears_itself=True, publish_each=True,
        **options,
    )  # fmt: skip
    async def double(payload: int) -> list[int]:
        return [payload + 1] * 2

    return double


async def test_a_run_over_its_messages_is_over_budget(make_executor: MakeExecutor) -> None:
    """A settle that would exceed `max_messages` is not applied; the run ends `over_budget`."""
    async with make_executor([doubling()]) as executor:
        report = await executor.run("start", 0, max_messages=10)
    assert report.status == "over_budget"
    assert report.messages == 9  # 1 + 4 * 2: two more would have been 11
    assert "max_messages=10" in report.reason
    assert report.open == 0


async def test_a_run_may_use_its_messages_up(make_executor: MakeExecutor) -> None:
    """A run that publishes exactly as many messages as it may has done nothing wrong."""

    @agent(subscribe="start", publish="out", publish_each=True)
    async def three(payload: Any) -> list[int]:
        return [1, 2, 3]

    async with make_executor([three]) as executor:
        enough = await executor.run("start", None, max_messages=4)
        short = await executor.run("start", None, max_messages=3)
    assert enough.status == "completed"
    assert short.status == "over_budget"
    assert short.outputs == {}


async def test_the_outside_is_refused_beyond_the_budget(make_executor: MakeExecutor) -> None:
    """Publishing into a run from outside beyond `max_messages` raises, and the run goes on."""

    @agent(subscribe="start", publish="out")
    async def echo(payload: Any) -> Any:
        return payload

    async with make_executor([echo]) as executor:
        async with await executor.start("start", 1, max_messages=2) as run:
            await until(lambda: run.report().messages == 2)
            with pytest.raises(BudgetExceeded):
                await run.publish("start", 2)
        report = await run.result()
    assert report.status == "completed"
    assert report.outputs == {"out": [1]}


async def test_a_settle_that_waited_for_room_is_counted_too(make_executor: MakeExecutor) -> None:
    """What others published while a settle waited for room counts against it."""
    gates = [anyio.Event(), anyio.Event()]

    @agent(subscribe="start", publish="work", publish_each=True)
    async def spread(payload: Any) -> list[str]:
        return ["spread", "spread"]

    @agent(subscribe="work", capacity=1, overflow="block")
    async def worker(payload: Any) -> None:
        if payload != "spread":
            await gates[payload].wait()

    @agent(subscribe="noise", publish="out", publish_each=True)
    async def noise(payload: Any) -> list[int]:
        return [1, 2, 3]

    async with make_executor([spread, worker, noise]) as executor:
        run = await executor.start("work", 0, max_messages=8)
        await until(lambda: in_hand(executor, "worker") == 1)
        await run.publish("work", 1)
        await run.publish("start", None)
        await until(lambda: in_hand(executor, "spread") == 1)
        await turns()  # 3 messages so far; the settle that waits would make 5
        await run.publish("noise", None)
        await until(lambda: run.report().messages == 7)
        for gate in gates:
            gate.set()
        report = await run.result()
    assert report.status == "over_budget"
    assert report.messages == 7


async def test_requests_are_messages(make_executor: MakeExecutor) -> None:
    """Requests count against `max_messages` like everything that is published."""

    @agent(subscribe="start", publish="echo")
    async def asking(payload: Any, ctx: Context) -> None:
        for number in range(10):
            await ctx.request("echo", number)

    @agent(subscribe="echo")
    async def echo(payload: Any) -> Any:
        return payload

    async with make_executor([asking, echo]) as executor:
        report = await executor.run("start", None, max_messages=5)
    assert report.status == "over_budget"
    assert report.messages == 5


# -- tokens --------------------------------------------------------------------------


async def test_a_run_over_its_tokens_is_over_budget(make_executor: MakeExecutor) -> None:
    """`ctx.spend` counts tokens; beyond `max_tokens` the run ends `over_budget`."""

    @agent(subscribe="start", publish=["start", "out"], hears_itself=True)
    async def spend(payload: int, ctx: Context) -> None:
        await ctx.spend(tokens=10)
        ctx.publish("out", payload)
        ctx.publish("start", payload + 1)

    async with make_executor([spend]) as executor:
        report = await executor.run("start", 0, max_tokens=35)
    assert report.status == "over_budget"
    assert report.tokens == 40
    assert report.outputs == {"out": [0, 1, 2]}
    assert "max_tokens=35" in report.reason


async def test_tokens_of_failed_attempts_count(make_executor: MakeExecutor) -> None:
    """What an attempt has spent is spent, whether it fails or not."""

    @agent(subscribe="start")
    async def fail(payload: Any, ctx: Context) -> None:
        await ctx.spend(tokens=7)
        raise ValueError("spent for nothing")

    async with make_executor([fail]) as executor:
        report = await executor.run("start", None)
    assert report.tokens == 21


async def test_a_budget_cannot_be_swallowed(make_executor: MakeExecutor) -> None:
    """A handler that catches BudgetExceeded and goes on has no effect any more."""

    @agent(subscribe="start", publish="out")
    async def careless(payload: Any, ctx: Context) -> str:
        with contextlib.suppress(BudgetExceeded):
            await ctx.spend(tokens=1000)
        return "as if nothing had been"

    async with make_executor([careless]) as executor:
        report = await executor.run("start", None, max_tokens=10)
    assert report.status == "over_budget"
    assert report.outputs == {}


async def test_a_spent_budget_harms_no_other_run(make_executor: MakeExecutor) -> None:
    """The agent that spent one run's budget handles the next as if nothing had been."""
    attempts: list[int] = []

    @agent(subscribe="start", publish="out")
    async def spend(payload: int, ctx: Context) -> int:
        attempts.append(ctx.attempt)
        await ctx.spend(tokens=payload)
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        return payload

    async with make_executor([spend], config={"max_tokens": 10}) as executor:
        runs = [await executor.start("start", tokens) for tokens in (100, 1, 1)]
        reports = [await run.result() for run in runs]
    assert [report.status for report in reports] == ["over_budget", "completed", "completed"]
    assert attempts == [1, 1, 1]


async def test_the_budget_of_another_run_is_only_an_error(make_executor: MakeExecutor) -> None:
    """A handler that runs into the budget of a run that it feeds fails, and spends nothing here."""
    others: list[Any] = []

    @agent(subscribe="start", max_attempts=1)
    async def feed(payload: Any) -> None:
        await others[0].publish("other", payload)

    @agent(subscribe="other")
    async def other(payload: Any) -> None: ...

    async with make_executor([feed, other]) as executor:
        async with await executor.start("other", 0, max_messages=1) as run:
            others.append(run)
            report = await executor.run("start", 1, max_messages=1)
        assert (await run.result()).status == "completed"
    assert report.status == "failed"
    assert report.error is not None
    assert report.error.type == "BudgetExceeded"


async def test_tokens_are_not_given_back(make_executor: MakeExecutor) -> None:
    """A negative number of tokens is refused."""

    @agent(subscribe="start", max_attempts=1)
    async def cheat(payload: Any, ctx: Context) -> None:
        await ctx.spend(tokens=-1)

    async with make_executor([cheat]) as executor:
        report = await executor.run("start", None)
    assert report.error is not None
    assert report.error.type == "ValueError"


# -- all of them ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "limits",
    [
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": float("nan")},
        {"timeout": "5"},
        {"max_messages": 0},
        {"max_tokens": "many"},
        {"max_minutes": 5},
    ],
    ids=str,
)
async def test_a_limit_that_makes_no_sense_is_refused(
    make_executor: MakeExecutor, limits: dict[str, Any]
) -> None:
    """A wrong limit raises where it is given, and no run is opened."""
    async with make_executor([never]) as executor:
        with pytest.raises(ConfigError):
            await executor.run("start", None, **limits)
        assert executor.runs() == []


@pytest.mark.parametrize(
    "limit",
    [
        lambda seconds: {"timeout": seconds},
        lambda seconds: {"deadline": time.time() + seconds},
        lambda _: {"max_messages": 10},
        lambda _: {"max_tokens": 5},
    ],
    ids=["timeout", "deadline", "max_messages", "max_tokens"],
)
async def test_every_end_counts_everything(
    make_executor: MakeExecutor, limit: Callable[[float], Any]
) -> None:
    """However a run is ended, each delivery has one disposition, and nothing is open."""

    @agent(
        subscribe="start", publish="start", hears_itself=True, publish_each=True, concurrency=3
    )  # fmt: skip
    async def spread(payload: int, ctx: Context) -> list[int]:
        await ctx.spend(tokens=1)
        if payload == 3:
            await anyio.sleep_forever()
        return [payload + 1] * 2

    async with make_executor([spread]) as executor:
        for slower in SLOWER:  # else it may be over before anything was handled
            report = await executor.run("start", 0, **limit(0.02 * slower))
            if "ok" in report.dispositions:
                break
    assert report.status in ("timed_out", "over_budget")
    assert report.open == 0
    assert report.handled == report.agents["spread"].delivered
    assert set(report.dispositions) == {"ok", "cancelled"}
