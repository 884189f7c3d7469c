"""Priority: who begins first where not all can, and who gives way to whom."""

from __future__ import annotations

import random
import threading
from typing import Any

import anyio
import pytest

from dagger import (
    Config,
    ConfigError,
    Context,
    DefinitionError,
    Executor,
    LoopClock,
    RateLimit,
    ResourcePool,
    Resources,
    agent,
)
from dagger.rules.turns import AGEING
from dagger.testing import assert_conserved
from tests.promises.conftest import MakeExecutor
from tests.promises.gates import Gate, spread
from tests.virtual import on_virtual_time
from tests.waiting import idle, in_hand, turns, until

GPU = Resources(gpu=1)
ONE = ResourcePool(gpu=1)


async def test_the_more_urgent_agent_begins_first(make_executor: MakeExecutor) -> None:
    """Of what waits for the same thing, the higher priority goes first, whenever it came."""
    order: list[str] = []

    def worker(name: str, priority: int) -> Any:
        @agent(name=name, subscribe=name, priority=priority, resources=GPU)
        async def work(payload: int) -> None:
            order.append(name)

        return work

    holder = Gate("holder", "hold", resources=GPU)
    agents = [holder.agent, worker("low", -1), worker("usual", 0), worker("high", 2)]
    async with make_executor(agents, resources=ONE) as executor:
        async with await executor.start("hold", "it") as run:
            await until(lambda: holder.handled == ["it"])
            for name in ("low", "usual", "high"):
                await run.publish(name, 1)
                await run.publish(name, 2)
            await until(lambda: len(executor.resources().waiting) == 6)
            holder.open.set()
        await run.result()
    assert order == ["high", "high", "usual", "usual", "low", "low"]


@pytest.mark.parametrize("priority", ["rank.of", lambda payload: payload["rank"]["of"]])
async def test_a_priority_may_come_from_the_payload(
    make_executor: MakeExecutor, priority: Any
) -> None:
    """A field or a function of it; then one agent's own line is in that order."""
    worker = Gate("work", "work", priority=priority, capacity=50)
    async with make_executor([spread, worker.agent]) as executor:
        items = [{"rank": {"of": rank}, "number": n} for n, rank in enumerate([0, 5, 1, 5, -3])]
        run = await executor.start("start", items)
        await until(lambda: len(executor.resources().waiting) == 4)
        worker.open.set()
        await run.result()
    assert [each["number"] for each in worker.handled] == [0, 1, 3, 2, 4]


async def test_a_priority_that_is_none_fails_its_attempt(make_executor: MakeExecutor) -> None:
    """What a function raises, or a field that is not there, is told as any failure is."""
    worker = Gate("work", "work", priority="rank", max_attempts=1)
    async with make_executor([worker.agent]) as executor:
        report = await executor.run("work", {"other": 1})
        await idle(executor)
    [letter] = report.dead_letters
    assert "priority='rank': there is no 'rank'" in letter.failure.message
    assert worker.handled == []


async def test_a_run_has_a_priority(make_executor: MakeExecutor) -> None:
    """All that an urgent run causes comes before what others cause, where it has to wait."""
    order: list[str] = []

    @agent(subscribe="work", resources=GPU)
    async def work(payload: str) -> None:
        order.append(payload)

    holder = Gate("holder", "hold", resources=GPU)
    async with make_executor([holder.agent, work], resources=ONE) as executor:
        first = await executor.start("hold", "it")
        await until(lambda: holder.handled == ["it"])
        usual = [await executor.start("work", "usual") for _ in range(3)]
        urgent = await executor.start("work", "urgent", priority=1)
        late = await executor.start("work", "late", priority=-1)
        await until(lambda: len(executor.resources().waiting) == 5)
        holder.open.set()
        for run in (first, *usual, urgent, late):
            await run.result()
    assert order == ["urgent", "usual", "usual", "usual", "late"]


async def test_runs_take_turns_where_they_wait_for_the_same(make_executor: MakeExecutor) -> None:
    """A big run that came first does not keep a small one waiting for all it has to do."""
    order: list[str] = []

    @agent(subscribe="work", resources=GPU, capacity=100)
    async def work(payload: str) -> None:
        order.append(payload)

    holder = Gate("holder", "hold", resources=GPU)
    async with make_executor([spread, holder.agent, work], resources=ONE) as executor:
        first = await executor.start("hold", "it")
        await until(lambda: holder.handled == ["it"])
        big = await executor.start("start", ["big"] * 50)
        await until(lambda: len(executor.resources().waiting) == 50)
        small = await executor.start("start", ["small"] * 2)
        await until(lambda: len(executor.resources().waiting) == 52)
        holder.open.set()
        for run in (first, small, big):
            await run.result()
    assert order.index("small") <= 2
    assert "small" in order[order.index("small") + 1 :][:3]


async def test_nothing_starves(make_executor: MakeExecutor) -> None:
    """What waits grows as urgent as what keeps coming: the meek have their turn."""
    order: list[str] = []

    @agent(subscribe="urgent", publish="urgent", priority=2, resources=GPU, hears_itself=True)
    async def urgent(payload: int) -> int | None:
        order.append("urgent")
        return payload - 1 if payload else None

    @agent(subscribe="meek", resources=GPU)
    async def meek(payload: int) -> None:
        order.append("meek")

    holder = Gate("holder", "hold", resources=GPU)
    async with make_executor([holder.agent, urgent, meek], resources=ONE) as executor:
        async with await executor.start("hold", "it") as run:
            await until(lambda: holder.handled == ["it"])
            for number in range(3):  # there is always another one that waits
                await run.publish("urgent", 40 + number)
            await run.publish("meek", 1)
            await until(lambda: len(executor.resources().waiting) == 4)
            holder.open.set()
        await run.result()
    assert "meek" in order[: 3 * AGEING * 2]


# -- preemption ------------------------------------------------------------------------------


async def test_the_urgent_take_what_preemptible_ones_have(make_executor: MakeExecutor) -> None:
    """The lower one is interrupted before it settles and put back; its steps are kept."""
    calls: list[str] = []
    asleep, interrupted, urgent_ran = anyio.Event(), anyio.Event(), anyio.Event()

    @agent(subscribe="slow", publish="out", preemptible=True, resources=GPU)
    async def slow(payload: int, ctx: Context) -> str:
        calls.append(f"slow, attempt {ctx.attempt}")
        ctx.cache.increment("begun")
        await ctx.step("costly", lambda: calls.append("step"))
        if not urgent_ran.is_set():
            asleep.set()
            try:
                await anyio.sleep_forever()
            finally:
                interrupted.set()
        return "done"

    @agent(subscribe="urgent", priority=1, resources=GPU)
    async def urgent(payload: int) -> None:
        calls.append("urgent")
        urgent_ran.set()

    async with make_executor([slow, urgent], resources=ONE) as executor:
        async with await executor.start("slow", 1) as run:
            await asleep.wait()
            await run.publish("urgent", 1)
        report = await run.result()
        await idle(executor)
        assert executor.resources().allocations == ()
        assert run.cache.get("begun") == 1
    assert interrupted.is_set()
    assert calls == ["slow, attempt 1", "step", "urgent", "slow, attempt 1"]
    assert report.status == "completed"
    assert report.outputs == {"out": ["done"]}
    assert report.retries == 0
    assert_conserved(report)


async def test_each_of_the_urgent_takes_what_it_needs(make_executor: MakeExecutor) -> None:
    """Also those that come right behind another one of their agent."""
    low = Gate("low", "low", preemptible=True, concurrency=3, resources=GPU)
    high = Gate("high", "high", priority=1, concurrency=3, resources=GPU)
    async with make_executor([low.agent, high.agent], resources=ResourcePool(gpu=3)) as executor:
        async with await executor.start("low", 1) as run:
            await run.publish("low", 2)
            await run.publish("low", 3)
            await until(lambda: len(low.handled) == 3)
            for number in (1, 2, 3):
                await run.publish("high", number)
            await until(lambda: len(high.handled) == 3)
            assert [each.agent for each in executor.resources().waiting] == ["low"] * 3
            low.open.set()
            high.open.set()
        assert (await run.result()).status == "completed"
        await idle(executor)


def test_nobody_gives_way_to_who_waits_for_a_time() -> None:
    """While a rate limit has no token, nobody is interrupted; once it has one, they are."""
    clock = LoopClock(1_700_000_000.0)
    begun: list[tuple[str, float]] = []
    came = 0.0

    @agent(subscribe="low", preemptible=True, resources=GPU)
    async def low(payload: int) -> None:
        begun.append(("low", anyio.current_time() - came))
        await anyio.sleep(100)

    @agent(subscribe="high", priority=1, resources=GPU, rate_limit=RateLimit(1, per=10))
    async def high(payload: int) -> None:
        begun.append(("high", anyio.current_time() - came))

    async def main() -> None:
        nonlocal came
        came = anyio.current_time()
        async with Executor([low, high], resources=ONE, clock=clock) as executor:
            async with await executor.start("high", 1) as run:
                await anyio.sleep(1)
                await run.publish("low", 1)
                await anyio.sleep(1)
                await run.publish("high", 2)
            await run.result()

    on_virtual_time(main)
    assert [name for name, _ in begun] == ["high", "low", "high", "low"]
    assert [at for _, at in begun] == pytest.approx([0, 1, 10, 10], abs=0.1)


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ({"preemptible": True, "priority": 1}, {"priority": 1}),
        ({"preemptible": True, "priority": 2}, {"priority": 1}),
        ({}, {"priority": 9}),
    ],
)
async def test_nobody_gives_way_who_need_not(
    make_executor: MakeExecutor, low: dict[str, Any], high: dict[str, Any]
) -> None:
    """Those of the same or higher priority, and those who did not say they may be, go on."""
    worker = Gate("low", "low", resources=GPU, **low)
    urgent = Gate("high", "high", resources=GPU, **high)
    async with make_executor([worker.agent, urgent.agent], resources=ONE) as executor:
        async with await executor.start("low", 1) as run:
            await until(lambda: worker.handled == [1])
            await run.publish("high", 1)
            await until(lambda: len(executor.resources().waiting) == 1)
            assert in_hand(executor, "low") == 1
            worker.open.set()
            urgent.open.set()
        assert (await run.result()).status == "completed"
    assert worker.handled == [1]


async def test_a_preempted_one_whose_run_is_cancelled_ends(make_executor: MakeExecutor) -> None:
    """Put back and waiting, it is cancelled as any other."""
    low = Gate("low", "low", preemptible=True, resources=GPU)
    urgent = Gate("high", "high", priority=1, resources=GPU)
    async with make_executor([low.agent, urgent.agent], resources=ONE) as executor:
        run = await executor.start("low", 1)
        await until(lambda: low.handled == [1])
        other = await executor.start("high", 1)
        await until(lambda: urgent.handled == [1])
        assert [each.agent for each in executor.resources().waiting] == ["low"]
        await run.cancel("no more")
        report = await run.result()
        assert report.agents["low"].dispositions == {"cancelled": 1}
        urgent.open.set()
        assert (await other.result()).status == "completed"
        await idle(executor)
        assert executor.resources().waiting == ()


async def test_low_priorities_give_way_to_the_usual(make_executor: MakeExecutor) -> None:
    """Higher is what counts: 0 is more urgent than what says that it is less than usual."""
    low = Gate("low", "low", priority=-1, preemptible=True, resources=GPU)
    usual = Gate("usual", "usual", resources=GPU)
    async with make_executor([low.agent, usual.agent], resources=ONE) as executor:
        async with await executor.start("low", 1) as run:
            await until(lambda: low.handled == [1])
            await run.publish("usual", 1)
            await until(lambda: usual.handled == [1])
            low.open.set()
            usual.open.set()
        assert (await run.result()).status == "completed"


async def test_the_urgent_of_two_agents_take_what_each_needs(make_executor: MakeExecutor) -> None:
    """Who finds that enough have been told to give way may need another one, once it is clear that
    they did so for somebody else.
    """
    low = Gate("low", "low", preemptible=True, concurrency=2, resources=GPU)
    one = Gate("one", "urgent", priority=1, resources=GPU)
    other = Gate("other", "urgent", priority=1, resources=GPU)
    agents = [low.agent, one.agent, other.agent]
    async with make_executor(agents, resources=ResourcePool(gpu=2)) as executor:
        async with await executor.start("low", 1) as run:
            await run.publish("low", 2)
            await until(lambda: len(low.handled) == 2)
            await run.publish("urgent", 1)
            await until(lambda: len(one.handled) + len(other.handled) == 2)
            for each in (low, one, other):
                each.open.set()
        assert (await run.result()).status == "completed"


class Reluctant:
    """A preemptible agent that takes its time, once, to clean up as it gives way."""

    def __init__(self) -> None:
        self.handled: list[Any] = []
        self.gives_way, self.gone = anyio.Event(), anyio.Event()

        @agent(name="low", subscribe="low", preemptible=True, resources=GPU)
        async def low(payload: Any) -> None:
            self.handled.append(payload)
            if not self.gives_way.is_set():
                try:
                    await anyio.sleep_forever()
                finally:
                    self.gives_way.set()
                    with anyio.CancelScope(shield=True):
                        await self.gone.wait()

        self.agent = low


async def test_what_gives_way_in_a_paused_run_is_not_taken(make_executor: MakeExecutor) -> None:
    """Put back in a run that was paused meanwhile, it is called only when that goes on."""
    low, urgent = Reluctant(), Gate("high", "high", priority=1, resources=GPU)
    urgent.open.set()
    async with make_executor([low.agent, urgent.agent], resources=ONE) as executor:
        run = await executor.start("low", 1)
        await until(lambda: low.handled == [1])
        other = await executor.start("high", 1)
        await low.gives_way.wait()
        await run.pause("for now")
        low.gone.set()
        assert (await other.result()).status == "completed"
        await turns()
        assert low.handled == [1]
        await run.resume()
        assert (await run.result()).status == "completed"
    assert low.handled == [1, 1]


@pytest.mark.parametrize("successor", [True, False])
async def test_what_gives_way_as_its_agent_goes_is_not_lost(
    make_executor: MakeExecutor, successor: bool
) -> None:
    """A successor gets it; without one it is discarded, as what is pending."""
    low, urgent = Reluctant(), Gate("high", "high", priority=1, resources=GPU)
    later = Gate("low", "low")
    later.open.set()
    urgent.open.set()
    async with make_executor([low.agent, urgent.agent], resources=ONE) as executor:
        run = await executor.start("low", 1)
        await until(lambda: low.handled == [1])
        other = await executor.start("high", 1)
        await low.gives_way.wait()
        if successor:
            executor.register(later.agent, replace=True)
        else:
            executor.unregister("low")
        low.gone.set()
        assert (await other.result()).status == "completed"
        report = await run.result()
        await idle(executor)
    assert report.dispositions == ({"ok": 1} if successor else {"discarded": 1})
    assert later.handled == ([1] if successor else [])


async def test_what_gives_way_may_wait_as_it_does(make_executor: MakeExecutor) -> None:
    """Whoever is interrupted and waits once more on its way out has no turn then, and is put
    back all the same.
    """
    begun: list[int] = []
    gave_way = anyio.Event()

    @agent(subscribe="low", preemptible=True, resources=GPU)
    async def low(payload: int, ctx: Context) -> None:
        begun.append(payload)
        if not gave_way.is_set():
            try:
                await anyio.sleep_forever()
            finally:
                gave_way.set()
                await ctx.sleep(3_600, name="cleaning up")

    urgent = Gate("high", "high", priority=1, resources=GPU)
    async with make_executor([low, urgent.agent], resources=ONE) as executor:
        async with await executor.start("low", 1) as run:
            await until(lambda: begun == [1])
            await run.publish("high", 1)
            await run.publish("high", 2)
            await until(lambda: urgent.handled == [1])
            await until(lambda: gave_way.is_set() and in_hand(executor, "low") == 0)
            urgent.open.set()
        assert (await run.result()).status == "completed"
        await idle(executor)
    assert begun == [1, 1]


async def test_nobody_gives_way_whose_agent_is_let_go(make_executor: MakeExecutor) -> None:
    """What an agent has in hand as it is unregistered is finished."""
    low = Gate("low", "low", preemptible=True, resources=GPU)
    urgent = Gate("high", "high", priority=1, resources=GPU)
    urgent.open.set()
    async with make_executor([low.agent, urgent.agent], resources=ONE) as executor:
        run = await executor.start("low", 1)
        await until(lambda: low.handled == [1])
        executor.unregister("low")
        other = await executor.start("high", 1)
        await until(lambda: len(executor.resources().waiting) == 1)
        await turns()
        low.open.set()
        assert (await run.result()).dispositions == {"ok": 1}
        assert (await other.result()).status == "completed"


async def test_a_thread_is_not_left_with_what_others_have(make_executor: MakeExecutor) -> None:
    """While a step runs in a thread, which nobody can interrupt, its handler does not give way."""
    go_on = threading.Event()
    inside: list[int] = []
    seen: list[int] = []

    def load() -> None:
        inside.append(1)
        go_on.wait()
        inside.pop()

    @agent(subscribe="low", preemptible=True, resources=GPU)
    async def low(payload: int, ctx: Context) -> None:
        await ctx.step("load", load)
        if not seen:
            await anyio.sleep_forever()

    @agent(subscribe="high", priority=1, resources=GPU)
    async def high(payload: int) -> None:
        seen.append(len(inside))

    async with make_executor([low, high], resources=ONE) as executor:
        async with await executor.start("low", 1) as run:
            await until(lambda: bool(inside))
            await run.publish("high", 1)
            await until(lambda: len(executor.resources().waiting) == 1)
            await turns()
            assert in_hand(executor, "low") == 1
            go_on.set()
        assert (await run.result()).status == "completed"
    assert seen == [0]


async def test_a_handler_that_fails_as_it_gives_way_has_not_failed(
    make_executor: MakeExecutor,
) -> None:
    """What a handler raises because it was interrupted is no failed attempt."""
    begun: list[int] = []
    over = anyio.Event()

    @agent(subscribe="low", preemptible=True, resources=GPU, max_attempts=1)
    async def low(payload: int, ctx: Context) -> None:
        begun.append(ctx.attempt)
        if not over.is_set():
            try:
                await anyio.sleep_forever()
            except BaseException as error:
                raise ValueError("cleaning up failed") from error

    @agent(subscribe="high", priority=1, resources=GPU)
    async def high(payload: int) -> None:
        over.set()

    async with make_executor([low, high], resources=ONE) as executor:
        async with await executor.start("low", 1) as run:
            await until(lambda: begun == [1])
            await run.publish("high", 1)
        report = await run.result()
    assert begun == [1, 1]
    assert report.agents["low"].dispositions == {"ok": 1}


async def test_a_storm_of_preemptions_loses_nothing(make_executor: MakeExecutor) -> None:
    """Whatever is interrupted however often: each delivery takes effect once, and none is lost."""
    dice = random.Random(11)
    calls = 0

    def worker(name: str, priority: int, cpu: float) -> Any:
        @agent(
            name=name,
            subscribe=name,
            priority=priority,
            preemptible=priority < 3,
            concurrency=4,
            capacity=500,
            resources=Resources(cpu=cpu),
        )
        async def work(payload: int, ctx: Context) -> None:
            nonlocal calls
            calls += 1
            ctx.cache.increment(f"done {name}")
            await ctx.step("once", lambda: ctx.node_id)
            for _ in range(payload % 7):
                await anyio.lowlevel.checkpoint()

        return work

    agents = [worker("a", 0, 1), worker("b", 1, 2), worker("c", 2, 0.5), worker("d", 3, 2)]
    async with make_executor(agents, resources=ResourcePool(cpu=2)) as executor:
        sent = dict.fromkeys("abcd", 0)
        async with await executor.start("a", 0) as run:
            sent["a"] = 1
            for number in range(80):
                name = dice.choice("abcd")
                sent[name] += 1
                await run.publish(name, number)
                if number % 3 == 0:
                    await anyio.lowlevel.checkpoint()
        report = await run.result()
        await idle(executor)
        found = {name: run.cache.get(f"done {name}", default=0) for name in "abcd"}
        assert {each.used for each in executor.resources().pool.values()} == {0.0}
    assert report.status == "completed"
    assert found == sent
    assert calls >= sum(sent.values())
    assert_conserved(report)


def test_odd_priorities_are_refused(make_executor: MakeExecutor) -> None:
    """Of agents where they are declared, of runs where they are begun."""
    with pytest.raises(DefinitionError, match="priority must be a whole number"):
        agent(subscribe="x", priority=1.5)(lambda payload: None)  # type: ignore[call-overload]
    with pytest.raises(DefinitionError, match="runs in a thread, which nobody can interrupt"):
        agent(subscribe="x", preemptible=True)(lambda payload: None)
    with pytest.raises(ConfigError, match="max_concurrent"):
        Config(max_concurrent=0)


async def test_odd_priorities_of_runs_are_refused(make_executor: MakeExecutor) -> None:
    """A run says a whole number."""
    async with make_executor([spread]) as executor:
        for limits in ({"priority": "high"}, {"priority": 1.5}, {"max_concurrent": 0}):
            with pytest.raises(ConfigError):
                await executor.run("start", [], **limits)
