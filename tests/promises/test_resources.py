"""Resources: what is taken of the pool while a handler runs, and who waits for it."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from dagger import (
    Agent,
    Context,
    DefinitionError,
    Executor,
    ResourcePool,
    Resources,
    ResourceTimeout,
    ResourceUnavailable,
    agent,
    run,
)
from dagger.testing import assert_conserved
from tests.promises.conftest import MakeExecutor
from tests.promises.gates import Gate, spread
from tests.waiting import idle, in_hand, pending, turns, until


class Meter:
    """What is in use now, as handlers see it, and the most that ever was."""

    def __init__(self, **totals: float) -> None:
        self.totals = totals
        self.used = dict.fromkeys(totals, 0.0)
        self.most = dict.fromkeys(totals, 0.0)

    def take(self, amounts: dict[str, float]) -> None:
        for name, amount in amounts.items():
            self.used[name] += amount
            self.most[name] = max(self.most[name], self.used[name])
            assert self.used[name] <= self.totals[name] + 1e-9, (name, self.used)

    def give(self, amounts: dict[str, float]) -> None:
        for name, amount in amounts.items():
            self.used[name] -= amount


def user(meter: Meter, name: str, amounts: dict[str, float], **options: Any) -> Agent:
    """An agent that tells the meter what it has while its handler runs."""
    known = {"cpu", "gpu", "memory_mb", "io", "network"}
    own = {each: amount for each, amount in amounts.items() if each in known}
    custom = {each: amount for each, amount in amounts.items() if each not in known}

    @agent(name=name, resources=Resources(**own, custom=custom), **options)
    async def use(payload: int, ctx: Context) -> None:
        meter.take(amounts)
        try:
            for _ in range(payload % 4):
                await anyio.lowlevel.checkpoint()
        finally:
            meter.give(amounts)
        if payload % 5 == 0 and ctx.attempt == 1:
            raise ValueError("once")
        await ctx.sleep(0.0)

    return use


async def test_never_more_is_given_out_than_there_is(make_executor: MakeExecutor) -> None:
    """Agents that need different things run as far as there is enough for all of them."""
    meter = Meter(cpu=2, gpu=1, license=3)
    agents = [
        user(meter, "small", {"cpu": 0.1}, subscribe="work", concurrency=30, capacity=500),
        user(meter, "both", {"cpu": 1, "gpu": 1}, subscribe="work", concurrency=9, capacity=500),
        user(meter, "licensed", {"license": 2}, subscribe="work", concurrency=9, capacity=500),
    ]
    pool = ResourcePool(cpu=2, gpu=1, custom={"license": 3})
    async with make_executor([spread, *agents], resources=pool) as executor:
        report = await executor.run("start", list(range(60)))
        await idle(executor)
        assert executor.resources().allocations == ()
        assert executor.resources().waiting == ()
        assert {each.used for each in executor.resources().pool.values()} == {0.0}
    assert report.status == "completed"
    assert report.agents["both"].dispositions == {"ok": 60}
    assert (meter.most["gpu"], meter.most["license"]) == (1, 2)
    assert_conserved(report)


async def test_who_waits_for_resources_holds_no_worker(make_executor: MakeExecutor) -> None:
    """With one worker a delivery that cannot begin is put aside, and the next one is looked at."""
    held = Gate("held", "hold", resources=Resources(gpu=1))

    @agent(subscribe="work", concurrency=1, resources=Resources(custom={"seat": 1}))
    async def other(payload: str) -> None:
        return None

    gpu = Gate("gpu", "work", resources=Resources(gpu=1))
    pool = ResourcePool(gpu=1, custom={"seat": 1})
    async with make_executor([held.agent, gpu.agent, other], resources=pool) as executor:
        async with await executor.start("hold", "first") as run:
            await until(lambda: held.handled == ["first"])
            for number in range(3):
                await run.publish("work", str(number))
            await until(lambda: run.progress().agents["other"].handled == 3)
            await until(lambda: len(executor.resources().waiting) == 3)
            assert pending(executor, "gpu") == 3
            assert in_hand(executor, "gpu") == 0
            assert gpu.handled == []
            waits = run.report().waiting
            assert [(each.agent, each.what) for each in waits] == [("gpu", "gpu")] * 3
            held.open.set()
            gpu.open.set()
        report = await run.result()
    assert gpu.handled == ["0", "1", "2"]
    assert report.status == "completed"
    assert report.waiting == ()


async def test_what_comes_as_another_is_called_is_taken_too(make_executor: MakeExecutor) -> None:
    """Whoever takes what was called sees to it that somebody takes what has come meanwhile."""
    hog = Gate("hog", "hog", resources=Resources(gpu=2))
    work = Gate("work", "work", concurrency=2, resources=Resources(gpu=1))

    @agent(subscribe="later", publish="work")
    async def later(payload: int) -> int:
        await hog.open.wait()
        return payload

    agents = [hog.agent, later, work.agent]
    async with make_executor(agents, resources=ResourcePool(gpu=2)) as executor:
        async with await executor.start("hog", 0) as run:
            await until(lambda: hog.handled == [0])
            await run.publish("later", 2)
            await until(lambda: in_hand(executor, "later") == 1)
            await run.publish("work", 1)
            await until(lambda: len(executor.resources().waiting) == 1)
            hog.open.set()
            await until(lambda: len(work.handled) == 2)
            work.open.set()
        assert (await run.result()).status == "completed"


def test_a_run_from_synchronous_code_has_a_pool_too() -> None:
    """`run(resources=)` is the pool of its executor."""

    @agent(subscribe="work", resources=Resources(gpu=2))
    async def work(payload: int) -> None:
        """It has what it needs."""

    report = run([work], "work", 1, resources=ResourcePool(gpu=2))
    assert report.status == "completed"
    with pytest.raises(ResourceUnavailable):
        run([work], "work", 1, resources=ResourcePool(gpu=1))


async def test_what_can_never_be_is_refused_at_once(make_executor: MakeExecutor) -> None:
    """A need that no pool can meet, or no quota allows, is an error where the agent is brought."""
    huge = Gate("huge", resources=Resources(gpu=2)).agent
    with pytest.raises(ResourceUnavailable, match=r"agent 'huge': it needs gpu=2 of which .* 1"):
        make_executor([huge], resources=ResourcePool(gpu=1))
    odd = Gate("odd", resources=Resources(custom={"tape drive": 1})).agent
    with pytest.raises(ResourceUnavailable, match="tape drive"):
        make_executor([odd])
    async with make_executor([], resources=ResourcePool(gpu=1)) as executor:
        with pytest.raises(ResourceUnavailable) as caught:
            executor.register(huge)
        assert (caught.value.needed, caught.value.total) == (2, 1)
        assert executor.list_agents() == []
    quotas = {"greedy": Resources(cpu=1)}
    greedy = Gate("greedy", resources=Resources(cpu=2)).agent
    with pytest.raises(ResourceUnavailable, match="its quota in the pool is 1"):
        make_executor([greedy], resources=ResourcePool(cpu=4, quotas=quotas))


def test_sums_of_fractions_are_exact(make_executor: MakeExecutor) -> None:
    """To a millionth: what amounts to all there is can begin."""
    sum_of_two = Gate("two", resources=Resources(cpu=0.1 + 0.2)).agent
    pool = ResourcePool(cpu=0.3, quotas={"two": Resources(cpu=0.3)})
    assert make_executor([sum_of_two], resources=pool) is not None


async def test_a_quota_bounds_one_agent(make_executor: MakeExecutor) -> None:
    """What all of an agent's invocations take together stays within its quota."""
    greedy = Gate("greedy", "work", concurrency=9, resources=Resources(cpu=1))
    modest = Gate("modest", "work", concurrency=9, resources=Resources(cpu=1))
    pool = ResourcePool(cpu=4, quotas={"greedy": Resources(cpu=1)})
    async with make_executor([spread, greedy.agent, modest.agent], resources=pool) as executor:
        run = await executor.start("start", [1, 2, 3])
        await until(lambda: len(greedy.handled) + len(modest.handled) == 4)
        usage = executor.resources()
        assert usage.pool["cpu"] == (4, 4, 0)
        assert usage.pool["greedy: cpu"] == (1, 1, 2)
        assert len(greedy.handled) == 1
        assert {each.what for each in usage.waiting} == {"cpu (quota of agent 'greedy')"}
        assert [each.amounts["cpu"] for each in usage.allocations] == [1.0] * 4
        assert {each.agent for each in run.report().allocations} == {"greedy", "modest"}
        greedy.open.set()
        modest.open.set()
        assert (await run.result()).status == "completed"


async def test_the_wait_for_resources_is_bounded(make_executor: MakeExecutor) -> None:
    """Who has waited for `timeout` fails, as any attempt does, and is told what it waited for."""
    holder = Gate("holder", "hold", resources=Resources(io=1))
    tried: list[int] = []

    @agent(subscribe="work", resources=Resources(io=1, timeout=0.01), max_attempts=2)
    async def hasty(payload: str, ctx: Context) -> None:
        tried.append(ctx.attempt)

    pool = ResourcePool(io=1)
    async with make_executor([holder.agent, hasty], resources=pool) as executor:
        async with await executor.start("hold", "it") as run:
            await until(lambda: holder.handled == ["it"])
            await run.publish("work", "now")
            await until(lambda: run.report().dead_letters_total == 1)
            holder.open.set()
        report = await run.result()
        await idle(executor)
    assert tried == []
    [letter] = report.dead_letters
    assert letter.failure.type == ResourceTimeout.__name__
    assert "hasty" in letter.failure.message
    assert "for io" in letter.failure.message
    assert letter.attempts == 2


async def test_a_handler_that_waits_has_nothing_meanwhile(make_executor: MakeExecutor) -> None:
    """While it asks, requests or sleeps others have it; then it comes before who has not begun."""
    order: list[str] = []

    @agent(subscribe="start", publish="ask", resources=Resources(gpu=1))
    async def asks(payload: str, ctx: Context) -> None:
        order.append("asks")
        order.append(await ctx.request("ask", "needs the same"))

    @agent(subscribe="ask", resources=Resources(gpu=1))
    async def answers(payload: str) -> str:
        order.append("answers")
        return "goes on"

    async with make_executor([asks, answers], resources=ResourcePool(gpu=1)) as executor:
        report = await executor.run("start", "go")
        await idle(executor)
    assert order == ["asks", "answers", "goes on"]
    assert report.status == "completed"


async def test_who_stops_waiting_by_itself_needs_its_turn(make_executor: MakeExecutor) -> None:
    """A handler whose own scope ends a wait has what it needs again before it goes on."""
    gate = Gate("other", "other", resources=Resources(gpu=1))
    scope = anyio.CancelScope()
    went_on: list[int] = []

    @agent(subscribe="start", resources=Resources(gpu=1))
    async def asks(payload: int, ctx: Context) -> None:
        with scope:
            await ctx.ask("?", name="it")
        went_on.append(in_hand(executor, "other"))

    pool = ResourcePool(gpu=1)
    async with make_executor([asks, gate.agent], resources=pool) as executor:
        run = await executor.start("start", 1)
        await until(lambda: bool(run.questions))
        await run.publish("other", 1)
        await until(lambda: gate.handled == [1])
        scope.cancel()
        await until(lambda: len(executor.resources().waiting) == 1)
        await turns()
        assert went_on == []
        gate.open.set()
        await until(lambda: bool(went_on))
    assert scope.cancelled_caught
    assert went_on == [0]


@pytest.mark.parametrize("how", ["cancel", "stop"])
async def test_who_waits_to_go_on_can_be_cancelled(make_executor: MakeExecutor, how: str) -> None:
    """It ends at once, and has no turn to clean up in."""
    gate = Gate("other", "other", resources=Resources(gpu=1))
    ends: list[str] = []

    @agent(subscribe="start", resources=Resources(gpu=1))
    async def asks(payload: int, ctx: Context) -> None:
        try:
            await ctx.ask("?", name="it")
            ends.append("went on")
        finally:
            ends.append("cleaned up")

    async with make_executor([asks, gate.agent], resources=ResourcePool(gpu=1)) as executor:
        run = await executor.start("start", 1)
        await until(lambda: bool(run.questions))
        await executor.start("other", 1)
        await until(lambda: gate.handled == [1])
        await run.answer("it", None)
        await until(lambda: len(executor.resources().waiting) == 1)
        if how == "cancel":
            assert (await run.cancel("no more")).dispositions == {"cancelled": 1}
            gate.open.set()
            await idle(executor)
            assert executor.resources().allocations == ()
    assert ends == ["cleaned up"]


@pytest.mark.parametrize("how", ["emit", "scatter"])
async def test_who_waits_for_room_midway_keeps_no_resources(
    make_executor: MakeExecutor, how: str
) -> None:
    """Nor does a handler that streams, or asks, into a full queue, or nobody could empty that."""

    @agent(subscribe="start", publish="items", resources=Resources(gpu=1))
    async def source(payload: int, ctx: Context) -> None:
        if how == "scatter":
            await ctx.scatter("items", [*range(payload)])
            return
        for number in range(payload):
            await ctx.emit("items", number)

    @agent(subscribe="items", capacity=1, overflow="block", resources=Resources(gpu=1))
    async def sink(payload: int) -> None:
        await anyio.lowlevel.checkpoint()

    pool = ResourcePool(gpu=1)
    async with make_executor([source, sink], resources=pool) as executor:
        async with await executor.start("start", 5, max_concurrent=1) as run:
            await run.publish("start", 5)
        report = await run.result()
        await idle(executor)
        assert executor.resources().pool["gpu"].used == 0
    assert report.status == "completed"
    assert report.agents["sink"].dispositions == {"ok": 10}


async def test_who_waits_for_room_midway_keeps_its_place(make_executor: MakeExecutor) -> None:
    """Its agent begins no more meanwhile, or full queues would hold nobody back."""
    gate = Gate("sink", "items", capacity=1, overflow="block")
    begun: list[int] = []

    @agent(subscribe="start", publish="items", resources=Resources(gpu=1))
    async def source(payload: int, ctx: Context) -> None:
        begun.append(payload)
        for number in range(3):
            await ctx.emit("items", number)

    async with make_executor([source, gate.agent], resources=ResourcePool(gpu=2)) as executor:
        async with await executor.start("start", 1) as run:
            await run.publish("start", 2)
            await until(lambda: executor.resources().pool["gpu"].used == 0 and begun == [1])
            await turns()
            assert begun == [1]
            assert [each.what for each in run.report().waiting] == ["places of agent 'source'"]
            gate.open.set()
        assert (await run.result()).status == "completed"
    assert begun == [1, 2]


async def test_who_waits_for_room_needs_no_resources(make_executor: MakeExecutor) -> None:
    """A handler that has returned, and cannot settle yet, does not keep who would make room."""

    @agent(subscribe="start", publish="work", publish_each=True, resources=Resources(cpu=1))
    async def fills(payload: int) -> list[int]:
        return list(range(payload))

    @agent(
        subscribe="work",
        publish="more",
        resources=Resources(cpu=1),
        capacity=1,
        overflow="block",
    )
    async def passes_on(payload: int) -> int:
        return payload

    @agent(subscribe="more", resources=Resources(cpu=1), capacity=1, overflow="block")
    async def takes(payload: int) -> None:
        return None

    agents = [fills, passes_on, takes]
    async with make_executor(agents, resources=ResourcePool(cpu=1)) as executor:
        report = await executor.run("start", 1)
        async with await executor.start("start", 1) as run:
            for _ in range(5):
                await run.publish("start", 1)
        assert (await run.result()).status == "completed"
        await idle(executor)
    assert report.status == "completed"


@pytest.mark.parametrize("how", ["cancel", "failure", "timeout", "unregister", "pause"])
async def test_no_end_loses_a_slot(make_executor: MakeExecutor, how: str) -> None:
    """However those end that have resources, or wait for some: afterwards all of it is free."""
    worker = Gate("work", "work", concurrency=2, resources=Resources(gpu=1))

    @agent(subscribe="fails", resources=Resources(gpu=1), timeout=0.01, max_attempts=1)
    async def fails(payload: str) -> None:
        if how == "failure":
            raise ValueError(payload)
        await anyio.sleep_forever()

    pool = ResourcePool(gpu=1)
    async with make_executor([spread, worker.agent, fails], resources=pool) as executor:
        run = await executor.start("start", [1, 2, 3, 4])
        await until(lambda: len(worker.handled) == 1)
        await until(lambda: len(executor.resources().waiting) == 3)
        match how:
            case "cancel":
                await run.cancel("enough")
            case "failure" | "timeout":
                other = await executor.start("fails", "now")
                await until(lambda: len(executor.resources().waiting) == 4)
                worker.open.set()
                assert (await other.result()).status == "failed"
            case "unregister":
                executor.unregister("work")
                worker.open.set()
            case "pause":
                await run.pause("for now")
                assert executor.resources().waiting == ()
                worker.open.set()
                await until(lambda: in_hand(executor) == 0)
                assert len(worker.handled) == 1
                await run.resume()
        report = await run.result()
        await idle(executor)
        usage = executor.resources()
        assert (usage.allocations, usage.waiting) == ((), ())
        assert {each.used for each in usage.pool.values()} == {0.0}
        assert_conserved(report)


async def test_an_agent_that_takes_over_gets_what_waited(make_executor: MakeExecutor) -> None:
    """What stood in line for an agent that is replaced is pending for its successor, in order."""
    old = Gate("work", "work", resources=Resources(gpu=1))
    new = Gate("work", "work")
    new.open.set()
    pool = ResourcePool(gpu=1)
    async with make_executor([spread, old.agent], resources=pool) as executor:
        run = await executor.start("start", [1, 2, 3])
        await until(lambda: len(executor.resources().waiting) == 2)
        executor.register(new.agent, replace=True)
        await until(lambda: len(new.handled) == 2)
        old.open.set()
        report = await run.result()
    assert (old.handled, new.handled) == ([1], [2, 3])
    assert report.status == "completed"


async def test_a_full_queue_drops_the_oldest_that_waits(make_executor: MakeExecutor) -> None:
    """Who stands in line is pending, counts for the capacity, and makes way for what is newer."""
    worker = Gate("work", "work", capacity=2, overflow="drop_oldest", resources=Resources(gpu=1))
    async with make_executor([worker.agent], resources=ResourcePool(gpu=1)) as executor:
        async with await executor.start("work", 0) as run:
            await until(lambda: worker.handled == [0])
            for number in range(1, 5):
                await run.publish("work", number)
                await turns()
            await until(lambda: len(executor.resources().waiting) == 2)
            worker.open.set()
        report = await run.result()
    assert worker.handled == [0, 3, 4]
    assert report.agents["work"].dispositions == {"ok": 3, "dropped": 2}
    assert_conserved(report)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"cpu": -1}, r"Resources\(cpu=\) is a number that is not negative, not -1"),
    ({"gpu": float("nan")}, r"Resources\(gpu=\)"),
    ({"custom": {"cpu": 1}}, r"names resources of your own, not 'cpu'"),
    ({"timeout": 0}, r"Resources\(timeout=\) is a number of seconds above 0, not 0"),
    ({"memory_mb": "2 GB"}, r"not '2 GB'"),
]


@pytest.mark.parametrize(("options", "problem"), WRONG)
def test_odd_needs_are_refused_when_they_are_said(options: Any, problem: str) -> None:
    """An error says which value of which option is wrong."""
    with pytest.raises(DefinitionError, match=problem):
        Resources(**options)


def test_what_takes_no_resources_is_refused() -> None:
    """`resources=` of an agent is Resources, of an executor a ResourcePool."""
    with pytest.raises(DefinitionError, match=r"resources takes Resources\(...\)"):
        agent(subscribe="x", resources={"cpu": 1})(lambda payload: None)  # type: ignore[call-overload]
    with pytest.raises(Exception, match="ResourcePool"):
        Executor(resources={"cpu": 1})  # type: ignore[arg-type]
