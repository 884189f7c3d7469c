"""Budgets: time, messages, tokens and cost of a run, of parts of it, and of a block."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import anyio
import pytest

from dagger import (
    Agent,
    Budget,
    BudgetExceeded,
    ConfigError,
    Context,
    ExecutionError,
    RequestFailed,
    Store,
    agent,
    gather,
)
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


async def test_a_limit_may_be_given_as_a_float(make_executor: MakeExecutor) -> None:
    """`max_tokens=1e1` is 10 tokens, and is told as such."""

    @agent(subscribe="start")
    async def spend(payload: int, ctx: Context) -> None:
        await ctx.spend(10)

    async with make_executor([spend]) as executor:
        report = await executor.run("start", 0, max_tokens=1e1)  # type: ignore[arg-type]
    assert report.ok
    assert (report.budget.limits.tokens, report.budget.left.tokens) == (10, 0)


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


# -- cost ----------------------------------------------------------------------------


async def test_a_run_over_its_cost_is_over_budget(make_executor: MakeExecutor) -> None:
    """`ctx.spend` counts a cost; beyond `max_cost` the run ends `over_budget`."""

    @agent(subscribe="start", publish=["start", "out"], hears_itself=True)
    async def spend(payload: int, ctx: Context) -> None:
        await ctx.spend(5, cost=0.1)
        ctx.publish("out", payload)
        ctx.publish("start", payload + 1)

    async with make_executor([spend]) as executor:
        report = await executor.run("start", 0, max_cost=0.3)
    assert report.status == "over_budget"
    assert report.outputs == {"out": [0, 1, 2]}  # three times 0.1 is 0.3, and not more
    assert (report.spent.cost, report.spent.tokens) == (0.4, 20)
    assert "max_cost=0.3" in report.reason


async def test_costs_add_up_exactly(make_executor: MakeExecutor) -> None:
    """However many small costs are added, the sum is what was written down, and so it is in
    the tree.
    """

    @agent(subscribe="start")
    async def spend(payload: Any, ctx: Context) -> None:
        for _ in range(1_000):
            await ctx.spend(cost=0.1)
        await ctx.spend(cost=Decimal("0.000000001"))

    async with make_executor([spend], config={"max_cost": 200}) as executor:
        report = await executor.run("start", None)
    assert report.spent.cost == 100.000000001
    assert [node.cost for node in report.tree.nodes()] == [100.000000001]
    assert "cost 100.000000001" in report.tree.text()
    assert "cost 100.000000001 of 200" in str(report)


async def test_the_cost_of_failed_attempts_counts(make_executor: MakeExecutor) -> None:
    """What an attempt has cost is spent, whether it fails or not."""

    @agent(subscribe="start")
    async def fail(payload: Any, ctx: Context) -> None:
        await ctx.spend(cost=0.7)
        raise ValueError("spent for nothing")

    async with make_executor([fail]) as executor:
        report = await executor.run("start", None)
    assert report.spent.cost == 2.1


@pytest.mark.parametrize("cost", [-1, float("nan"), float("inf"), "1", True, 1e18])
async def test_a_cost_that_makes_no_sense_is_refused(
    make_executor: MakeExecutor, cost: Any
) -> None:
    """A cost is a number, 0 or more."""

    @agent(subscribe="start", max_attempts=1)
    async def cheat(payload: Any, ctx: Context) -> None:
        await ctx.spend(cost=cost)

    async with make_executor([cheat]) as executor:
        report = await executor.run("start", None)
    assert report.error is not None
    assert "cost= is a number, 0 or more" in report.error.message
    assert report.spent.cost == 0


# -- set aside -----------------------------------------------------------------------


async def test_what_is_set_aside_cannot_be_overspent_together(
    make_executor: MakeExecutor,
) -> None:
    """Of ten at once, each of which sets 30 aside before it spends them, three get them."""
    got, refused = list[int](), list[BudgetExceeded]()
    gate = anyio.Event()

    @agent(subscribe="start", publish="work", publish_each=True)
    async def spread(payload: int) -> list[int]:
        return list(range(payload))

    @agent(subscribe="work", concurrency=10)
    async def work(payload: int, ctx: Context) -> None:
        try:
            async with ctx.budget(tokens=30):
                got.append(payload)
                await gate.wait()
                await ctx.spend(30)
        except BudgetExceeded as error:
            refused.append(error)
            if len(refused) == 7:
                gate.set()

    async with make_executor([spread, work]) as executor:
        report = await executor.run("start", 10, max_tokens=100)
    assert (len(got), len(refused), report.status, report.tokens) == (3, 7, "completed", 90)
    assert {(each.budget, each.limit, each.wanted) for each in refused} == {
        ("max_tokens", 100, 120)
    }


async def test_the_unused_rest_is_free_again(make_executor: MakeExecutor) -> None:
    """As a block is left, also by an error, what was not spent in it is anybody's."""

    @agent(subscribe="start", publish="out")
    async def work(payload: Any, ctx: Context) -> list[Any]:
        with contextlib.suppress(ValueError):
            async with ctx.budget(tokens=100, cost=5, messages=3) as budget:
                await ctx.spend(30, cost=0.5)
                left, used = budget.left, budget.used
                raise ValueError
        async with ctx.budget(tokens=70, cost=4.5, messages=3):
            pass
        return [left.tokens, left.cost, left.messages, used.tokens, used.cost, used.messages]

    async with make_executor([work]) as executor:
        report = await executor.run("start", 0, max_tokens=100, max_cost=5, max_messages=4)
    assert report.outputs == {"out": [[70, 4.5, 3, 30, 0.5, 0]]}


async def test_more_than_is_set_aside_may_be_caught(make_executor: MakeExecutor) -> None:
    """Who spends more than is set aside gets BudgetExceeded; the run is not over its budget."""

    @agent(subscribe="start", publish="out")
    async def work(payload: Any, ctx: Context) -> str:
        async with ctx.budget(tokens=10):
            await ctx.spend(10)
            try:
                await ctx.spend(1)
            except BudgetExceeded as error:
                return f"{error.budget} {error.limit} {error.wanted} {error.node == ctx.node_id}"
        return ""

    async with make_executor([work]) as executor:
        report = await executor.run("start", 0, max_tokens=100)
    assert report.outputs == {"out": ["tokens 10 11 True"]}
    assert (report.status, report.tokens) == ("completed", 11)


async def test_inner_blocks_draw_on_outer_ones(make_executor: MakeExecutor) -> None:
    """A block within a block sets aside what is left of that, and spends of both."""

    @agent(subscribe="start", publish="out")
    async def work(payload: Any, ctx: Context) -> list[Any]:
        said = list[Any]()
        async with ctx.budget(tokens=50) as outer:
            async with ctx.budget(tokens=30) as inner:
                await ctx.spend(20)
                said += [outer.left.tokens, inner.left.tokens]
                with pytest.raises(BudgetExceeded):
                    async with ctx.budget(tokens=11):
                        pass
                async with ctx.budget(cost=1):
                    await ctx.spend(5, cost=0.25)
            said += [outer.left.tokens, outer.used.tokens, outer.used.cost]
            with pytest.raises(BudgetExceeded):
                async with ctx.budget(tokens=26):
                    pass
        return said

    async with make_executor([work]) as executor:
        report = await executor.run("start", 0, max_tokens=50, max_cost=1)
    assert report.outputs == {"out": [[20, 10, 25, 25, 0.25]]}
    assert (report.tokens, report.spent.cost) == (25, 0.25)


async def test_tasks_of_a_handler_have_blocks_of_their_own(make_executor: MakeExecutor) -> None:
    """Side by side in one handler, each task draws on the block that it is in."""

    @agent(subscribe="start", publish="out")
    async def work(payload: Any, ctx: Context) -> list[Any]:
        left = dict[int, Any]()

        async def one(number: int) -> None:
            async with ctx.budget(tokens=10 * number) as budget:
                await anyio.lowlevel.checkpoint()
                await ctx.spend(number)
                await anyio.lowlevel.checkpoint()
                left[number] = budget.left.tokens

        async with ctx.budget(tokens=60) as budget, anyio.create_task_group() as tasks:
            for number in (1, 2, 3):
                tasks.start_soon(one, number)
        return [left[1], left[2], left[3], budget.used.tokens]

    async with make_executor([work]) as executor:
        report = await executor.run("start", 0, max_tokens=60)
    assert report.outputs == {"out": [[9, 18, 27, 6]]}


async def test_messages_of_a_block_are_counted_as_they_are_said(
    make_executor: MakeExecutor,
) -> None:
    """What is published and requested in a block counts against its `messages`, and stays set
    aside until the invocation settles.
    """

    @agent(subscribe="start", publish=["out", "echo"])
    async def work(payload: Any, ctx: Context) -> None:
        async with ctx.budget(messages=3) as budget:
            ctx.publish("out", await ctx.request("echo", 1))
            assert budget.left.messages == 1
            ctx.publish("out", 2)
            with pytest.raises(BudgetExceeded):
                ctx.publish("out", 3)
            with pytest.raises(BudgetExceeded):
                await ctx.request("echo", 3)
        with pytest.raises(BudgetExceeded):  # 2 are said, and 2 promised: that leaves 1 of 5
            async with ctx.budget(messages=2):
                pass
        async with ctx.budget(messages=1):
            ctx.publish("out", 4)

    @agent(subscribe="echo")
    async def echo(payload: Any) -> Any:
        return payload

    async with make_executor([work, echo]) as executor:
        report = await executor.run("start", 0, max_messages=5)
    assert report.outputs == {"out": [1, 2, 4]}
    assert report.status == "completed"


async def test_who_sets_nothing_aside_leaves_what_others_have(
    make_executor: MakeExecutor,
) -> None:
    """What would be taken from those who have set it aside raises, and the run goes on: neither
    tokens, nor messages of others, nor of the outside.
    """
    taken, gate = anyio.Event(), anyio.Event()

    @agent(subscribe="start", publish="out")
    async def careful(payload: Any, ctx: Context) -> None:
        async with ctx.budget(tokens=50, messages=1):
            taken.set()
            await gate.wait()
            await ctx.spend(49)
            ctx.publish("out", "mine")

    @agent(subscribe="other", publish="out", max_attempts=1, on_failure="continue")
    async def careless(payload: Any, ctx: Context) -> str:
        await ctx.spend(payload)
        return "not mine"

    async with make_executor([careful, careless]) as executor:
        run = await executor.start("start", 0, max_tokens=60, max_messages=5)
        await taken.wait()
        for handled, tokens in enumerate([10, 1], 1):
            await run.publish("other", tokens)
            while run.report().handled < handled:
                await turns()
        with pytest.raises(BudgetExceeded, match="the outside would reach 6 of max_messages=5"):
            await run.publish("other", 1)
        gate.set()
        report = await run.result()
    assert (report.tokens, report.status, report.dispositions["dead"]) == (60, "completed", 1)
    assert report.outputs == {"out": ["not mine", "mine"]}


async def test_the_seconds_of_a_block_bound_it(make_executor: MakeExecutor) -> None:
    """A block that takes longer is cancelled within, and raises BudgetExceeded."""

    @agent(subscribe="start", publish="out")
    async def slow(payload: Any, ctx: Context) -> list[Any]:
        said = list[Any]()
        for wait in (ctx.sleep, anyio.sleep):
            with pytest.raises(BudgetExceeded) as caught:
                async with ctx.budget(seconds=0.01):
                    await wait(60)
            said.append(caught.value.budget)
        async with ctx.budget(seconds=60) as budget:
            assert (budget.left.seconds or 0) > 0
            with pytest.raises(BudgetExceeded):
                async with ctx.budget(seconds=61):
                    pass
        with pytest.raises(BudgetExceeded):  # more than is left of the run's timeout
            async with ctx.budget(seconds=601):
                pass
        return said

    async with make_executor([slow]) as executor:
        report = await executor.run("start", 0, timeout=600)
    assert report.outputs == {"out": [["seconds", "seconds"]]}


@pytest.mark.parametrize("end", ["cancel", "timeout", "abandon", "unload"])
async def test_however_an_invocation_ends_it_holds_nothing(
    make_executor: MakeExecutor, end: str
) -> None:
    """Cancelled, timed out, given up or unloaded: what it had set aside is free."""
    begun, free = anyio.Event(), anyio.Event()
    left_alone = list[str]()

    @agent(
        name="holder", subscribe="start", max_attempts=1, on_failure="continue",
        timeout=0.05 if end == "timeout" else None, unload=end == "unload",
    )  # fmt: skip
    async def holder(payload: Any, ctx: Context) -> None:
        async with ctx.budget(tokens=100):
            begun.set()
            if end == "unload":
                await ctx.ask("go on?")
            while not free.is_set():
                try:
                    await anyio.sleep(60)
                except BaseException as error:
                    left_alone.append(type(error).__name__)
                    if end != "abandon":
                        raise

    @agent(subscribe="other", publish="out", max_attempts=1)
    async def other(payload: Any, ctx: Context) -> str:
        async with ctx.budget(tokens=100):
            await ctx.spend(100)
        return "all of it"

    config = {"cancel_grace": 0.01}
    async with make_executor([holder, other], config=config) as executor:
        async with await executor.start("start", 0, max_tokens=100) as run:
            await begun.wait()
            if end in ("cancel", "abandon"):
                await run.cancel_invocation(f"holder:{run.id}.1")
            elif end == "timeout":
                await until(lambda: run.report().handled == 1)
            else:
                await until(lambda: bool(run.questions) and in_hand(executor, "holder") == 0)
            await run.publish("other", 0)
            await until(lambda: bool(run.report().outputs))
            free.set()
            if end == "unload":
                await run.cancel_invocation(f"holder:{run.id}.1")
        report = await run.result()
    assert report.outputs == {"out": ["all of it"]}
    assert report.tokens == 100


async def test_a_block_needs_amounts(make_executor: MakeExecutor) -> None:
    """Amounts that make no sense are refused, and so is a block without any."""

    @agent(subscribe="start")
    async def work(payload: Any, ctx: Context) -> None:
        wrong: list[dict[str, Any]] = [{}, {"tokens": -1}, {"tokens": 1.5}, {"seconds": "1"}]
        for amounts in wrong:
            with pytest.raises(ExecutionError):
                ctx.budget(**amounts)

    async with make_executor([work]) as executor:
        report = await executor.run("start", 0)
    assert report.ok


# -- of messages ---------------------------------------------------------------------


def tree_of_work(budget: Budget | None, each: int = 10) -> list[Agent]:
    """Two jobs, of which the first has a budget, of three items that spend 10 tokens each."""

    @agent(subscribe="start", publish="job")
    async def plan(payload: Any, ctx: Context) -> None:
        ctx.publish("job", "bounded", budget=budget)
        ctx.publish("job", "free")

    @agent(subscribe="job", publish="item", publish_each=True)
    async def job(payload: str) -> list[str]:
        return [payload] * 3

    @agent(subscribe="item", publish="out")
    async def item(payload: str, ctx: Context) -> str:
        await ctx.spend(each, cost=0.1)
        return payload

    return [plan, job, item]


async def test_what_descends_from_a_message_has_its_budget(make_executor: MakeExecutor) -> None:
    """Once the budget of a message is spent, what descends from it is dead, and is not tried
    again; the rest of the run goes on.
    """
    async with make_executor(tree_of_work(Budget(tokens=15))) as executor:
        report = await executor.run("start", 0)
    assert report.status == "failed"
    assert sorted(report.outputs["out"]) == ["bounded", "free", "free", "free"]
    assert report.dispositions == {"ok": 7, "dead": 2}
    message = f"{report.run_id}.1.0"
    assert {letter.failure.type for letter in report.dead_letters} == {"BudgetExceeded"}
    assert all(repr(message) in letter.failure.message for letter in report.dead_letters)
    assert sorted(letter.attempts for letter in report.dead_letters) == [0, 1]
    assert report.tokens == 50
    [budget] = report.budget.messages
    assert (budget.message, budget.channel, budget.agent) == (message, "job", "plan")
    assert (budget.limits.tokens, budget.used.tokens, budget.left.tokens) == (15, 20, 0)
    assert (budget.used.cost, budget.used.messages) == (0.2, 4)
    assert "budgets of messages (1)" in str(report)
    assert "20 of 15 tokens" in str(report)
    assert report.to_dict()["budget"]["messages"][0]["used"]["tokens"] == 20


@pytest.mark.parametrize(
    "budget", [Budget(cost=0.15), Budget(messages=4)], ids=["cost", "messages"]
)
async def test_each_amount_bounds_what_descends(
    make_executor: MakeExecutor, budget: Budget
) -> None:
    """Cost is like tokens; of messages none is published beyond the budget."""
    async with make_executor(tree_of_work(budget)) as executor:
        report = await executor.run("start", 0)
    assert sorted(report.outputs["out"]) == ["bounded", "free", "free", "free"]
    assert report.dispositions == {"ok": 7, "dead": 2}
    assert report.budget.messages[0].used.messages == 4


async def test_the_time_of_a_message_is_over_for_all_that_descends(
    make_executor: MakeExecutor,
) -> None:
    """When the seconds are over, what is at work is cancelled, and it and what waits is dead."""
    cancelled = list[str]()

    @agent(subscribe="start", publish="job")
    async def plan(payload: Any, ctx: Context) -> None:
        ctx.publish("job", "late", budget=Budget(seconds=payload))
        ctx.publish("job", "in time")

    @agent(subscribe="job", publish="item", publish_each=True)
    async def job(payload: str) -> list[str]:
        return [payload] * 2

    @agent(subscribe="item", publish="out", concurrency=2)
    async def item(payload: str, ctx: Context) -> str:
        if payload == "late":
            try:
                await anyio.sleep_forever()
            finally:
                cancelled.append(payload)
        return payload

    @agent(subscribe="item")
    async def waits(payload: str, ctx: Context) -> None:
        if payload == "late":
            await ctx.ask("why?")

    async with make_executor([plan, job, item, waits]) as executor:
        for seconds in (0.05, 0.5, 5):  # more, where a busy machine does not get to all of it
            cancelled.clear()
            report = await executor.run("start", seconds)
            while report.ended is None:  # while all that is left waits for people
                await anyio.sleep(0.01)
                report = await executor.live(report.run_id).result()
            if len(cancelled) == 2:
                break
    assert report.outputs == {"out": ["in time", "in time"]}
    assert cancelled == ["late", "late"]
    assert report.agents["item"].dispositions == {"ok": 2, "dead": 2}
    assert report.agents["waits"].dispositions == {"ok": 2, "dead": 2}
    assert {each.failure.type for each in report.dead_letters} == {"BudgetExceeded"}


async def test_budgets_within_budgets_draw_on_all_around_them(
    make_executor: MakeExecutor,
) -> None:
    """What is spent counts in each budget up to the run's; a message without one inherits what
    is left of the nearest; only the run's own ends the run.
    """

    @agent(subscribe="start", publish="outer")
    async def start(payload: Any, ctx: Context) -> None:
        ctx.publish("outer", 0, budget=Budget(tokens=50))

    @agent(subscribe="outer", publish=["inner", "plain"])
    async def outer(payload: Any, ctx: Context) -> None:
        ctx.publish("inner", 40, budget=Budget(tokens=100, cost=1))
        ctx.publish("plain", 5)

    @agent(subscribe=["inner", "plain"], publish="out")
    async def spend(payload: int, ctx: Context) -> int:
        await ctx.spend(payload)
        return payload

    async with make_executor([start, outer, spend]) as executor:
        report = await executor.run("start", 0, max_tokens=60)
        over = await executor.run("start", 0, max_tokens=44)
    assert (report.status, over.status) == ("completed", "over_budget")
    around, within = report.budget.messages
    assert (around.used.tokens, within.used.tokens) == (45, 40)
    assert within.within == around.message
    assert within.left == Budget(tokens=5, cost=1)
    assert report.budget.left.tokens == 15


async def test_reservations_count_in_the_budgets_of_messages(
    make_executor: MakeExecutor,
) -> None:
    """Who sets something aside gets it of the message's budget as well as of the run's."""
    errors = list[BudgetExceeded]()

    @agent(subscribe="start", publish="work")
    async def start(payload: Any, ctx: Context) -> None:
        ctx.publish("work", 0, budget=Budget(tokens=20))

    @agent(subscribe="work")
    async def work(payload: Any, ctx: Context) -> None:
        try:
            async with ctx.budget(tokens=21):
                pass
        except BudgetExceeded as error:
            errors.append(error)
        async with ctx.budget(tokens=20):
            await ctx.spend(20)

    async with make_executor([start, work]) as executor:
        report = await executor.run("start", 0, max_tokens=60)
    assert report.ok
    assert [(each.message, each.limit) for each in errors] == [(f"{report.run_id}.1.0", 20)]


async def test_a_request_may_bring_a_budget(make_executor: MakeExecutor) -> None:
    """Whoever answers draws on it, and fails beyond it; who has asked goes on."""

    @agent(subscribe="start", publish=["out", "think"])
    async def asking(payload: Any, ctx: Context) -> None:
        for tokens in (10, 11):
            try:
                said = await ctx.request("think", tokens, budget=Budget(tokens=10))
            except RequestFailed as error:
                said = "BudgetExceeded" in str(error)
            ctx.publish("out", said)
        wanted = await ctx.scatter("think", [1, 2], budget=Budget(tokens=2))
        ctx.publish("out", wanted)

    @agent(subscribe="think", on_failure="continue")
    async def think(payload: int, ctx: Context) -> int:
        await ctx.spend(payload)
        return payload

    async with make_executor([asking, think]) as executor:
        report = await executor.run("start", 0)
    assert report.outputs == {"out": [10, True, [1, 2]]}
    assert [each.used.tokens for each in report.budget.messages] == [10, 11, 1, 2]


async def test_a_handler_cannot_swallow_the_budget_of_a_message(
    make_executor: MakeExecutor,
) -> None:
    """One that catches BudgetExceeded and goes on has no effect, and is not tried again."""
    attempts = list[int]()

    @agent(subscribe="start", publish="out", on_failure="continue")
    async def careless(payload: Any, ctx: Context) -> str:
        attempts.append(ctx.attempt)
        with contextlib.suppress(BudgetExceeded):
            await ctx.spend(10)
        return "as if nothing had been"

    async with make_executor([careless]) as executor:
        report = await executor.run("start", 0, budget=Budget(tokens=9))
    assert (report.outputs, attempts) == ({}, [1])
    assert report.dispositions == {"dead": 1}


async def test_a_join_draws_on_what_its_parts_have_in_common(make_executor: MakeExecutor) -> None:
    """What gathers the results of several budgets is in none of them, but in the one around."""

    @agent(subscribe="start", publish="job", publish_each=False)
    async def plan(payload: Any, ctx: Context) -> None:
        for tokens in (5, 6):
            ctx.publish("job", tokens, budget=Budget(tokens=tokens))

    @agent(subscribe="job", publish="done")
    async def job(payload: int, ctx: Context) -> int:
        await ctx.spend(payload)
        return payload

    @agent(subscribe=gather("done"), publish="out")
    async def total(payload: list[int], ctx: Context) -> int:
        await ctx.spend(9)
        return sum(payload)

    async with make_executor([plan, job, total]) as executor:
        report = await executor.run("start", 0, budget=Budget(tokens=20))
    assert report.outputs == {"out": [11]}
    assert [each.used.tokens for each in report.budget.messages] == [20, 5, 6]


@pytest.mark.parametrize("budget", [Budget(), 5, {"tokens": 5}], ids=repr)
async def test_a_budget_of_a_message_is_one(make_executor: MakeExecutor, budget: Any) -> None:
    """What is no budget, or bounds nothing, is refused where it is given."""

    @agent(subscribe="start", publish="out")
    async def work(payload: Any, ctx: Context) -> None:
        with pytest.raises(ExecutionError):
            ctx.publish("out", 0, budget=budget)

    async with make_executor([work]) as executor:
        assert (await executor.run("start", 0)).ok


async def test_budgets_of_messages_outlive_the_process(
    lasting: Store, make_executor: MakeExecutor
) -> None:
    """Another executor goes on with what was spent and what is left, and knows when the time
    was over.
    """

    @agent(subscribe="start", publish=["work", "wait"])
    async def start(payload: Any, ctx: Context) -> None:
        ctx.publish("work", 0, budget=Budget(tokens=35, cost=1))
        ctx.publish("wait", 0, budget=Budget(seconds=0.05))

    @agent(subscribe="work")
    async def work(payload: Any, ctx: Context) -> None:
        await ctx.spend(10)  # called anew, it spends anew
        await ctx.ask("go on?")
        async with ctx.budget(tokens=15):
            await ctx.spend(10)

    @agent(subscribe="wait", on_failure="continue")
    async def wait(payload: Any, ctx: Context) -> None:
        await ctx.ask("too late?")

    agents = [start, work, wait]
    async with make_executor(agents, store=lasting) as executor:
        run = await executor.start("start", 0, run_id="run")
        await until(lambda: len(run.questions) > 0 and bool(run.report().budget.messages))
        asked = [each for each in run.questions if each.node_id.startswith("work")]
        while not asked:
            await anyio.sleep(0.001)
            asked = [each for each in run.questions if each.node_id.startswith("work")]
    await anyio.sleep(0.05)
    async with make_executor(agents, store=lasting) as executor:
        run = executor.live("run")
        await until(lambda: run.report().dispositions.get("dead") == 1)
        await run.answer(asked[0].id, "yes")
        report = await run.result()
    assert report.dispositions == {"ok": 2, "dead": 1}
    kept = report.budget.messages[0]
    assert (kept.used.tokens, kept.limits.tokens) == (30, 35)
    assert [letter.agent for letter in report.dead_letters] == ["wait"]


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
        {"max_cost": -0.1},
        {"max_cost": 1e11},
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
        lambda _: {"max_cost": 0.05},
    ],
    ids=["timeout", "deadline", "max_messages", "max_tokens", "max_cost"],
)
async def test_every_end_counts_everything(
    make_executor: MakeExecutor, limit: Callable[[float], Any]
) -> None:
    """However a run is ended, each delivery has one disposition, and nothing is open."""

    @agent(
        subscribe="start", publish="start", hears_itself=True, publish_each=True, concurrency=3
    )  # fmt: skip
    async def spread(payload: int, ctx: Context) -> list[int]:
        await ctx.spend(tokens=1, cost=0.01)
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
