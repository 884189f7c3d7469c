"""Limits: how many at once, by key, run and executor; and how many in a time."""

from __future__ import annotations

from collections import Counter
from typing import Any

import anyio
import pytest

from dagger import (
    Agent,
    ConcurrencyKey,
    Context,
    DefinitionError,
    Executor,
    Linear,
    LoopClock,
    MemoryStore,
    RateLimit,
    ResourcePool,
    Resources,
    agent,
)
from dagger.testing import LaggingStore, assert_conserved
from tests.promises.conftest import MakeExecutor
from tests.promises.gates import Gate, spread
from tests.state.meaning import live_state
from tests.virtual import START, on_virtual_time
from tests.waiting import idle, until


class Counted:
    """An agent that counts how many of it run at once, in all and by key."""

    def __init__(self, name: str, **options: Any) -> None:
        self.running: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

        @agent(name=name, **{"subscribe": "work", "capacity": 500, **options})
        async def work(payload: dict[str, Any], ctx: Context) -> None:
            for key in ("all", str(payload["key"])):
                self.running[key] += 1
                self.most[key] = max(self.most[key], self.running[key])
            for _ in range(3):
                await anyio.lowlevel.checkpoint()
            for key in ("all", str(payload["key"])):
                self.running[key] -= 1
            await ctx.sleep(0)

        self.agent: Agent = work


def items(count: int, keys: int = 3) -> list[dict[str, Any]]:
    """Payloads of so many keys, in turn."""
    return [{"key": number % keys, "number": number} for number in range(count)]


# -- at once ---------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["key", lambda payload: payload["key"]])
async def test_at_most_so_many_of_a_key_at_once(make_executor: MakeExecutor, key: Any) -> None:
    """Over all runs; and others go on meanwhile."""
    counted = Counted("work", concurrency=20, concurrency_key=ConcurrencyKey(key, 2))
    async with make_executor([spread, counted.agent]) as executor:
        runs = [await executor.start("start", items(30)) for _ in range(2)]
        for run in runs:
            report = await run.result()
            assert report.agents["work"].dispositions == {"ok": 30}
            assert_conserved(report)
        await idle(executor)
        assert executor.resources().waiting == ()
    assert all(counted.most[each] <= 2 for each in "012")
    assert counted.most["all"] > 2


async def test_keys_of_one_name_count_together(make_executor: MakeExecutor) -> None:
    """Two agents that share a service share its limit, if they name it."""
    shared = ConcurrencyKey("key", 1, name="service")
    one = Gate("one", "work", concurrency=9, concurrency_key=shared)
    other = Gate("other", "work", concurrency=9, concurrency_key=shared)
    async with make_executor([spread, one.agent, other.agent]) as executor:
        run = await executor.start("start", items(2, keys=2))
        await until(lambda: len(executor.resources().waiting) == 2)
        assert len(one.handled) + len(other.handled) == 2
        assert {each.what for each in executor.resources().waiting} == {
            "concurrency key service = '0'",
            "concurrency key service = '1'",
        }
        one.open.set()
        other.open.set()
        assert (await run.result()).status == "completed"


def test_one_name_is_one_limit() -> None:
    """Agents that count together say the same; another limit under that name is refused."""

    def limited(name: str, **limits: Any) -> Agent:
        return Gate(name, **limits).agent

    one = limited("one", concurrency_key=ConcurrencyKey("key", 1, name="service"))
    other = limited("other", concurrency_key=ConcurrencyKey("id", 5, name="service"))
    problem = r"agent 'other': .*name='service'\) is limit=5 here and limit=1 of agent 'one'"
    with pytest.raises(DefinitionError, match=problem):
        Executor([one, other])
    slow = limited("slow", rate_limit=RateLimit(1, per="minute", name="service"))
    fast = limited("fast", rate_limit=RateLimit(9, per="second", name="service"))
    executor = Executor([one, slow])  # names of keys and of rates are each for themselves
    with pytest.raises(DefinitionError, match=r"9 per 1 s, burst=9 here and 1 per 60 s, burst=1"):
        executor.register(fast)
    executor.register(limited("slow", rate_limit=fast.rate_limit), replace=True)
    executor.register(fast)


async def test_who_takes_over_says_how_many(make_executor: MakeExecutor) -> None:
    """The limit of an agent that is replaced is no more, also where it has something in hand."""
    old = Gate("work", concurrency=9, concurrency_key=ConcurrencyKey("key", 1))
    new = Gate("work", concurrency=9, concurrency_key=ConcurrencyKey("key", 3))
    async with make_executor([spread, old.agent]) as executor:
        run = await executor.start("start", items(5, keys=1))
        await until(lambda: len(executor.resources().waiting) == 4)
        executor.register(new.agent, replace=True)
        await until(lambda: len(new.handled) == 2)
        await until(lambda: len(executor.resources().waiting) == 2)
        old.open.set()
        await until(lambda: len(new.handled) == 3)
        new.open.set()
        assert (await run.result()).status == "completed"


async def test_a_run_may_be_held_to_so_many(make_executor: MakeExecutor) -> None:
    """`max_concurrent=` of a run bounds all of its agents together, and no other run."""
    one, other = Counted("one", concurrency=9), Counted("other", concurrency=9)
    other.running, other.most = one.running, one.most
    async with make_executor([spread, one.agent, other.agent]) as executor:
        run = await executor.start("start", items(40), max_concurrent=3)
        report = await run.result()
        await idle(executor)
    assert one.most["all"] == 3
    assert report.status == "completed"
    assert report.agents["one"].dispositions == {"ok": 40}


async def test_a_run_that_is_held_to_one_holds_no_other(make_executor: MakeExecutor) -> None:
    """Its agents work for other runs meanwhile, as many at once as they may."""
    gate = Gate("work", "work", concurrency=5)
    async with make_executor([spread, gate.agent]) as executor:
        held = await executor.start("start", [1, 1, 1], max_concurrent=1)
        await until(lambda: len(executor.resources().waiting) == 2)
        others = [await executor.start("work", 2) for _ in range(4)]
        await until(lambda: len(gate.handled) == 5)
        assert Counter(gate.handled) == {1: 1, 2: 4}
        gate.open.set()
        for each in (held, *others):
            assert (await each.result()).status == "completed"
        await idle(executor)


async def test_a_held_run_and_a_busy_agent_do_not_block_each_other(
    make_executor: MakeExecutor,
) -> None:
    """No place of a run is kept for who waits for its agent, and no slot for who waits for a
    place; and full queues between them make no circle that nobody sees.
    """

    @agent(subscribe="start", publish="work", publish_each=True)
    async def spread(payload: int) -> list[int]:
        return list(range(payload))

    @agent(subscribe="work", publish=["more", "ask"], capacity=2, overflow="block", concurrency=2)
    async def one(payload: int, ctx: Context) -> None:
        ctx.publish("more", await ctx.request("ask", payload))

    @agent(subscribe="more", capacity=1, overflow="block")
    async def two(payload: int) -> None:
        await anyio.lowlevel.checkpoint()

    @agent(subscribe="ask")
    async def ask(payload: int) -> int:
        return payload

    async with make_executor([spread, one, two, ask]) as executor:
        runs = [
            await executor.start("start", 12, max_concurrent=1 if each % 2 else None)
            for each in range(4)
        ]
        for run in runs:
            report = await run.result()
            assert report.status == "completed", report
            assert report.agents["two"].dispositions == {"ok": 12}
        await idle(executor)
        assert executor.resources().waiting == ()


async def test_the_executor_may_be_held_to_so_many(make_executor: MakeExecutor) -> None:
    """`Config.max_concurrent` bounds all agents and runs together; who waits does not count."""
    agents = [Counted(name, concurrency=9) for name in ("one", "two", "three")]
    for each in agents:
        each.running, each.most = agents[0].running, agents[0].most
    known = [spread, *(each.agent for each in agents)]
    async with make_executor(known, config={"max_concurrent": 3}) as executor:
        runs = [await executor.start("start", items(30)) for _ in range(3)]
        for run in runs:
            assert (await run.result()).status == "completed"
        await idle(executor)
    assert agents[0].most["all"] == 3


async def test_what_waits_says_for_what(make_executor: MakeExecutor) -> None:
    """By the order in which it is asked: keys, rates, places of agent, run, executor; resources."""
    gate = Gate(
        "work",
        "work",
        concurrency=2,
        concurrency_key=ConcurrencyKey("key", 1, name="customer"),
        rate_limit=RateLimit(3, per="day", name="api"),
        resources=Resources(gpu=1),
    )
    pool = ResourcePool(gpu=1)
    async with make_executor([spread, gate.agent], resources=pool) as executor:
        async with await executor.start("work", {"key": "a"}) as run:
            await until(lambda: len(gate.handled) == 1)
            await run.publish("work", {"key": "a"})
            await run.publish("work", {"key": "b"})
            await until(lambda: len(run.report().waiting) == 2)
            assert sorted(each.what for each in run.report().waiting) == [
                "concurrency key customer = 'a'",
                "gpu",
            ]
            [mine] = run.report().allocations
            assert mine.amounts == {
                "concurrency key customer = 'a'": 1,
                "places of agent 'work'": 1,
                "gpu": 1,
            }
            text = str(run.report())
            assert "waiting (2)" in text
            assert "for gpu" in text
            gate.open.set()
            await until(lambda: len(gate.handled) == 3)
            await run.publish("work", {"key": "b"})
            await until(lambda: [each.what for each in run.report().waiting] == ["rate limit api"])
            assert run.report().to_dict()["waiting"][0]["agent"] == "work"
            await run.cancel("a day is too long")
        assert (await run.result()).status == "cancelled"


async def test_nothing_is_kept_of_keys_that_waited_in_vain(make_executor: MakeExecutor) -> None:
    """Limits by key are made when they are needed, and gone when what needed them has ended."""
    holder = Gate("holder", "hold", resources=Resources(gpu=1))
    limit = ConcurrencyKey(lambda payload: payload, 1)
    options: dict[str, Any] = {
        "concurrency_key": limit,
        "rate_limit": RateLimit(9, key=lambda payload: payload),
    }
    work = Gate("work", resources=Resources(gpu=1), concurrency=9, **options)
    pool = ResourcePool(gpu=1)
    async with make_executor([spread, holder.agent, work.agent], resources=pool) as executor:
        await executor.start("hold", 0)
        await until(lambda: holder.handled == [0])
        run = await executor.start("start", list(range(5)), max_concurrent=9)
        await until(lambda: len(executor.resources().waiting) == 5)
        engine = executor._engine
        assert engine is not None
        known = engine.policing._lasting._known
        assert len(known) == 11
        await run.cancel("no more")
        assert known == {}


# -- in a time -------------------------------------------------------------------------------


class Timed:
    """An agent that notes when it handled what, in seconds from the start."""

    def __init__(self, clock: Any, **options: Any) -> None:
        self.at: list[tuple[Any, float]] = []

        @agent(name="timed", **{"subscribe": "work", "capacity": 5_000, **options})
        async def timed(payload: Any, ctx: Context) -> None:
            self.at.append((payload, round(clock.now() - START, 2)))

        self.agent: Agent = timed

    @property
    def times(self) -> list[float]:
        """Only when."""
        return [at for _, at in self.at]


def within(times: list[float], seconds: float) -> int:
    """The most that there are in any time of so many seconds."""
    return max(sum(at <= each < at + seconds for each in times) for at in times)


def test_a_bucket_of_tokens_holds_a_burst_and_fills_evenly() -> None:
    """A hundred per minute: as many at once where it is full, then one each 0.6 s."""
    clock = LoopClock(START)
    timed = Timed(clock, rate_limit=RateLimit(100, per="minute"))

    async def main() -> None:
        async with Executor([spread, timed.agent], clock=clock) as executor:
            report = await executor.run("start", list(range(300)))
            assert report.agents["timed"].dispositions == {"ok": 300}
            [(what, (count, seconds))] = report.waited.items()
            assert what == "rate limit of agent 'timed'"
            assert count > 190
            assert seconds > 10_000
            await anyio.sleep(600)
            timed.at.clear()
            await executor.run("start", list(range(101)))

    on_virtual_time(main)
    assert timed.times[:100] == [timed.times[0]] * 100
    assert timed.times[100] == pytest.approx(timed.times[0] + 0.6, abs=0.02)


def test_over_any_time_no_more_begin_than_may() -> None:
    """A rate with a burst, and attempts that fail: each that begins is counted."""
    clock = LoopClock(START)
    calls: list[float] = []

    @agent(
        subscribe="work",
        capacity=500,
        concurrency=5,
        rate_limit=[RateLimit(10, per=60, burst=3), RateLimit(2, per="second")],
        retry="immediate",
    )
    async def flaky(payload: int, ctx: Context) -> None:
        calls.append(clock.now())
        if ctx.attempt == 1 and payload % 2:
            raise ConnectionError("try again")

    async def main() -> None:
        async with Executor([spread, flaky], clock=clock) as executor:
            report = await executor.run("start", list(range(30)))
            assert report.agents["flaky"].dispositions == {"ok": 30}

    on_virtual_time(main)
    assert len(calls) == 45
    assert within(calls, 60) <= 10 + 3
    assert within(calls, 0.99) <= 2 + 1
    assert calls[-1] - calls[0] == pytest.approx((45 - 3) * 6, rel=0.05)


def test_who_comes_back_from_a_wait_takes_no_token() -> None:
    """A limit counts what begins: a handler that has slept, or asked, only goes on."""
    clock = LoopClock(START)
    back: list[float] = []

    @agent(subscribe="work", rate_limit=RateLimit(1, per=100))
    async def sleeps(payload: int, ctx: Context) -> None:
        for _ in range(3):
            await ctx.sleep(1)
        back.append(clock.now() - START)

    async def main() -> None:
        async with Executor([spread, sleeps], clock=clock) as executor:
            await executor.run("start", [1, 2])

    on_virtual_time(main)
    assert back == pytest.approx([3, 103], abs=0.1)


@pytest.mark.parametrize("how", ["late", "paused", "restarted"])
def test_who_waits_no_more_is_not_said_to(how: str) -> None:
    """What was written down that it waits for is over when its wait has failed, and when it begins
    at once after a pause, or in another executor.
    """
    clock, store = LoopClock(START), MemoryStore()
    pool, gpu = ResourcePool(gpu=1), Resources(gpu=1, timeout=5 if how == "late" else None)
    waits: list[list[str]] = []

    def life() -> tuple[Gate, Gate]:
        holder = Gate("holder", "hold", resources=gpu)
        return holder, Gate("work", resources=gpu, retry=Linear(1_000))

    def told(executor: Executor, run_id: str) -> None:
        waits.append([each.what for each in executor.live(run_id).report().waiting])

    async def main() -> None:
        holder, work = life()
        agents = [holder.agent, work.agent]
        async with Executor(agents, store=store, clock=clock, resources=pool) as executor:
            await executor.start("hold", 0, run_id="holds")
            await anyio.sleep(1)
            run = await executor.start("work", 1, run_id="waits")
            await anyio.sleep(3)
            told(executor, "waits")
            if how == "late":
                await anyio.sleep(5)
            elif how == "paused":
                await run.pause()
                holder.open.set()
                await anyio.sleep(1)
                await run.resume()
            if how != "restarted":
                await anyio.sleep(3)
                told(executor, "waits")
                return
        holder, work = life()
        async with Executor([work.agent], store=store, clock=clock, resources=pool) as executor:
            await anyio.sleep(3)
            told(executor, "waits")

    on_virtual_time(main)
    assert waits == [["gpu"], ["its next attempt"] if how == "late" else []]


def test_each_key_has_its_own_bucket() -> None:
    """One customer's tokens are no other's; and those that have some do not wait."""
    clock = LoopClock(START)
    timed = Timed(clock, rate_limit=RateLimit(1, per=10, key="key"))

    async def main() -> None:
        async with Executor([spread, timed.agent], clock=clock) as executor:
            await executor.run("start", items(9, keys=3))
            assert len(live_state(executor).tokens.buckets) == 3

    on_virtual_time(main)
    assert timed.times == pytest.approx([0] * 3 + [10] * 3 + [20] * 3, abs=0.1)


@pytest.mark.parametrize("store", [MemoryStore, LaggingStore])
def test_a_restart_fills_no_bucket(store: type[MemoryStore]) -> None:
    """What was taken before counts, also in another executor and after time has passed."""
    clock, kept = LoopClock(START), store()
    timed = Timed(clock, rate_limit=RateLimit(4, per=40, key=None))

    async def main() -> None:
        for _ in range(5):
            async with Executor([spread, timed.agent], store=kept, clock=clock) as executor:
                await executor.publish("start", list(range(2)))
                await anyio.sleep(15)
        async with Executor([spread, timed.agent], store=kept, clock=clock) as executor:
            await executor.drain()

    on_virtual_time(main)
    assert len(timed.times) == 10
    assert within(timed.times, 40) <= 4 + 4
    assert timed.times[-1] >= (10 - 4) * 10 - 1


def test_a_clock_that_is_set_back_does_not_shut_a_limit() -> None:
    """An hour back costs no more than the bucket takes to fill."""

    class Jumping(LoopClock):
        back = 0.0

        def now(self) -> float:
            return super().now() - self.back

    clock = Jumping(START)
    timed = Timed(clock, rate_limit=RateLimit(1, per=10))
    waited: list[float] = []

    async def main() -> None:
        async with Executor([spread, timed.agent], clock=clock) as executor:
            await executor.run("work", 1)
            clock.back = 3600.0
            began = anyio.current_time()
            await executor.run("work", 2)
            waited.append(anyio.current_time() - began)

    on_virtual_time(main)
    assert waited[0] <= 70.1  # and a minute in which nobody has looked at the clock


def test_rates_of_one_name_are_shared() -> None:
    """Several agents call one service, which allows so many in a time."""
    clock = LoopClock(START)
    limit = RateLimit(1, per=10, name="service")
    one = Timed(clock, rate_limit=limit)

    @agent(subscribe="work", capacity=100, rate_limit=limit)
    async def other(payload: Any) -> None:
        one.at.append((payload, round(clock.now() - START, 2)))

    async def main() -> None:
        async with Executor([spread, one.agent, other], clock=clock) as executor:
            await executor.run("start", [1, 2])

    on_virtual_time(main)
    assert one.times == pytest.approx([0, 10, 20, 30], abs=0.1)


WRONG = [
    (lambda: RateLimit(0), r"RateLimit\(count\) is a number above 0, not 0"),
    (lambda: RateLimit(5, per="fortnight"), "'second', 'minute', 'hour', 'day', not 'fortnight'"),
    (lambda: RateLimit(5, burst=0), r"RateLimit\(burst=\) is a whole number of at least 1"),
    (lambda: RateLimit(5, name=""), "a text that is not empty"),
    (lambda: ConcurrencyKey("", 1), "a field of the payload or a function of it"),
    (lambda: ConcurrencyKey("a", 0), "at least 1, not 0"),
]


@pytest.mark.parametrize(("made", "problem"), WRONG)
def test_odd_limits_are_refused_when_they_are_said(made: Any, problem: str) -> None:
    """An error says which value of which option is wrong."""
    with pytest.raises(DefinitionError, match=problem):
        made()
