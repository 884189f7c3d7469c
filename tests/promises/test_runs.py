"""Runs: many at once, isolated, bounded, held open where wanted, and remembered for a while."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

import dagger
from dagger import (
    Config,
    Context,
    EventDriven,
    Executor,
    LoopClock,
    NoAgentsRegistered,
    Receipt,
    agent,
)
from dagger.words.errors import ChannelNotFound, ExecutorBusy, RunClosed, RunNotFound
from tests.patience import SLOWER
from tests.promises.conftest import MakeExecutor
from tests.virtual import on_virtual_time
from tests.waiting import in_hand, turns, until


@agent(subscribe="start", publish="out")
async def echo(payload: Any) -> Any:
    """Say it again."""
    return payload


# -- at once -------------------------------------------------------------------------


async def test_runs_are_isolated_from_each_other(make_executor: MakeExecutor) -> None:
    """Cache, tasks, outputs and failures of a run are its own."""

    @agent(subscribe="start", publish=["next"])
    async def write(payload: int, ctx: Context) -> None:
        ctx.cache.append("seen", payload)
        ctx.publish("next", payload)

    @agent(subscribe="next", publish="out", max_attempts=1)
    async def read(payload: int, ctx: Context) -> Any:
        if payload == 3:
            raise ValueError("only this run")
        return ctx.cache.get("seen")

    async with make_executor([write, read]) as executor:
        runs = [await executor.start("start", number) for number in range(6)]
        reports = [await run.result() for run in runs]
    assert [report.outputs.get("out") for report in reports] == [
        None if number == 3 else [[number]] for number in range(6)
    ]
    assert [report.ok for report in reports] == [number != 3 for number in range(6)]


async def test_a_big_run_does_not_starve_a_small_one(make_executor: MakeExecutor) -> None:
    """Workers take round-robin over runs: a small run ends long before a big one."""
    handled: list[str] = []

    @agent(subscribe="start", publish="work", publish_each=True)
    async def spread(payload: list[Any]) -> list[Any]:
        return [payload[0]] * payload[1]

    @agent(subscribe="work", capacity=10_000)
    async def work(payload: str) -> None:
        await anyio.lowlevel.checkpoint()
        handled.append(payload)

    async with make_executor([spread, work]) as executor:
        big = await executor.start("start", ["big", 2_000])
        await until(lambda: len(handled) > 10)
        small = await executor.start("start", ["small", 5])
        await small.result()
        await big.cancel()
    served = handled[handled.index("small") :]
    last = max(at for at, name in enumerate(served) if name == "small")
    assert served[:last].count("big") < 100


async def test_a_hundred_agents(make_executor: MakeExecutor) -> None:
    """A message goes to a hundred agents, and through a hundred agents in a row."""

    def link(number: int) -> Any:
        @agent(name=f"link-{number}", subscribe=f"chain-{number}", publish=f"chain-{number + 1}")
        async def forward(payload: int) -> int:
            return payload + 1

        return forward

    def hearer(number: int) -> Any:
        @agent(name=f"hearer-{number}", subscribe="chain-0", publish="heard")
        async def hear(payload: int) -> int:
            return number

        return hear

    agents = [link(number) for number in range(100)] + [hearer(number) for number in range(100)]
    async with make_executor(agents) as executor:
        report = await executor.run("chain-0", 0)
    assert report.status == "completed"
    assert report.outputs["chain-100"] == [100]
    assert sorted(report.outputs["heard"]) == list(range(100))
    assert report.handled == 200


async def test_thousands_of_runs_in_one_executor(prove: bool) -> None:
    """An executor handles thousands of open runs at once, each for itself."""
    count = 10_000 if prove else 1_000
    gate = anyio.Event()

    @agent(subscribe="start", publish="out", concurrency=10)
    async def gated(payload: int) -> int:
        await gate.wait()
        return payload

    config = Config(keep_runs=count, max_open_runs=count)
    async with Executor([gated], config=config) as executor:
        runs = [await executor.start("start", number) for number in range(count)]
        assert len(executor.runs()) == count
        gate.set()
        await executor.drain()
        reports = [await run.result() for run in runs]
    assert all(report.status == "completed" for report in reports)
    assert [report.outputs["out"] for report in reports] == [[number] for number in range(count)]


async def test_stopping_with_many_waiting_runs_is_quick() -> None:
    """Hundreds of parked handlers are cancelled and awaited in one go."""
    begun = []

    @agent(subscribe="start")
    async def sleeper(payload: Any, ctx: Context) -> None:
        begun.append(payload)
        await ctx.sleep(1_000)

    async with Executor([sleeper]) as executor:
        runs = [await executor.start("start", number) for number in range(500)]
        await until(lambda: len(begun) == 500)
        await until(lambda: executor.list_agents()[0].waiting == 500)
    assert {run.status for run in runs} == {"cancelled"}


# -- the gate ------------------------------------------------------------------------


def gated(gates: dict[Any, anyio.Event], order: list[Any]) -> Any:
    """An agent whose handler ends when the gate of its payload is opened."""

    @agent(name="gated", subscribe="start", publish="out", concurrency=10)
    async def wait(payload: Any) -> Any:
        order.append(payload)
        await gates.setdefault(payload, anyio.Event()).wait()
        return payload

    return wait


async def test_open_runs_are_bounded(make_executor: MakeExecutor) -> None:
    """Beyond `max_open_runs` an outside publish waits, first come first served."""
    gates: dict[Any, anyio.Event] = {}
    order: list[Any] = []
    async with (
        make_executor([gated(gates, order)], config={"max_open_runs": 2}) as executor,
        anyio.create_task_group() as tasks,
    ):
        for number in range(6):
            tasks.start_soon(executor.run, "start", number)
            await turns(5)
        assert order == [0, 1]
        assert len(executor.runs()) == 2
        for number in range(4):
            gates[number].set()
            await until(lambda number=number: len(order) == number + 3)  # type: ignore[misc]
        assert order == [0, 1, 2, 3, 4, 5]
        for gate in gates.values():
            gate.set()


async def test_who_comes_later_does_not_overtake(make_executor: MakeExecutor) -> None:
    """A publish that arrives as room appears stands behind those who wait already."""
    gates: dict[Any, anyio.Event] = {}
    order: list[Any] = []
    async with make_executor([gated(gates, order)], config={"max_open_runs": 1}) as executor:
        first = await executor.start("start", "first")
        await until(lambda: order == ["first"])
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(executor.run, "start", "second")
            await turns()
            gates["first"].set()
            await first.result()  # from here on there is room, and "second" is about to take it
            tasks.start_soon(executor.run, "start", "third")
            await until(lambda: len(order) == 2)
            assert order == ["first", "second"]
            gates["second"].set()
            await until(lambda: len(order) == 3)
            gates["third"].set()


async def test_a_publish_may_refuse_to_wait(make_executor: MakeExecutor) -> None:
    """With `wait=False` a publish that finds no room raises ExecutorBusy."""
    gates: dict[Any, anyio.Event] = {}
    async with make_executor([gated(gates, [])], config={"max_open_runs": 1}) as executor:
        first = await executor.start("start", 1, wait=False)
        with pytest.raises(ExecutorBusy, match="max_open_runs"):
            await executor.start("start", 2, wait=False)
        with pytest.raises(ExecutorBusy):
            await executor.publish("start", 2, wait=False)
        await until(lambda: 1 in gates)
        gates[1].set()
        await first.result()
        await executor.start("start", 2, wait=False)
        await executor.live(executor.runs()[-1].run_id).cancel()


async def test_open_bytes_are_bounded(make_executor: MakeExecutor) -> None:
    """Beyond `max_open_bytes` of payloads from outside an outside publish waits as well."""
    gates: dict[Any, anyio.Event] = {}
    order: list[Any] = []
    config = {"max_open_bytes": 1_000}
    async with make_executor([gated(gates, order)], config=config) as executor:
        big = await executor.start("start", "x" * 1_500)
        with pytest.raises(ExecutorBusy):
            await executor.start("start", "small", wait=False)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(executor.start, "start", "small")
            await turns()
            assert order == ["x" * 1_500]
            await big.cancel()
        await until(lambda: order[1:] == ["small"])
        gates["small"].set()
        await executor.drain()


# -- ways in -------------------------------------------------------------------------


async def test_a_workflow_may_be_data(make_executor: MakeExecutor) -> None:
    """`execute(EventDriven(channel, payload))` is `run(channel, payload)`."""
    async with make_executor([echo]) as executor:
        report = await executor.execute(EventDriven("start", {"a": 1}), run_id="spec")
    assert report.run_id == "spec"
    assert report.outputs == {"out": [{"a": 1}]}


async def test_publishing_from_outside_opens_a_run(make_executor: MakeExecutor) -> None:
    """`publish` returns the ids of run and message at once; the run goes on by itself."""
    messages: list[str] = []

    @agent(subscribe="start", publish="out")
    async def note(payload: Any, message: dagger.Message) -> Any:
        messages.append(message.id)
        return payload

    async with make_executor([note]) as executor:
        receipt = await executor.publish("start", 1)
        given = await executor.publish("start", dagger.Message.new("me", 2), run_id="mine")
        assert isinstance(receipt, Receipt)
        assert given.run_id == "mine"
        assert await executor.drain() == []
        assert executor.live(receipt.run_id).report().outputs == {"out": [1]}
    assert messages == [receipt.message_id, given.message_id]


def test_one_line_runs_agents_from_synchronous_code() -> None:
    """`dagger.run(agents, channel, payload)` is an executor, a run, and its report."""
    report = dagger.run([echo], "start", [1, 2], run_id="sync", timeout=10)
    assert report.status == "completed"
    assert report.run_id == "sync"
    assert report.outputs == {"out": [[1, 2]]}


def test_one_line_raises_what_the_run_raises() -> None:
    """What is wrong with the call is raised as it is, from synchronous code too."""
    with pytest.raises(ChannelNotFound, match="start"):
        dagger.run([echo], "nowhere", 1)
    with pytest.raises(NoAgentsRegistered):
        dagger.run([], "start", 1)


async def test_executors_may_be_nested(make_executor: MakeExecutor) -> None:
    """A handler may run an executor of its own, and may use the one outside for another run."""
    outer: list[Executor] = []

    @agent(subscribe="start", publish="out")
    async def nesting(payload: int, ctx: Context) -> Any:
        async with Executor([echo]) as inner:
            report = await inner.run("start", payload, run_id=ctx.run_id)
        beside = await outer[0].run("beside", payload)
        return [report.outputs["out"][0], beside.outputs["out"][0]]

    @agent(subscribe="beside", publish="out")
    async def beside(payload: int) -> int:
        return payload + 1

    async with make_executor([nesting, beside]) as executor:
        outer.append(executor)
        report = await executor.run("start", 1)
    assert report.outputs == {"out": [[1, 2]]}


# -- held open -----------------------------------------------------------------------


async def test_a_run_may_be_held_open(make_executor: MakeExecutor) -> None:
    """`async with run:` keeps a run open that has nothing to do, so that more can be published."""
    async with make_executor([echo]) as executor:
        async with await executor.start("start", 0) as run:
            for number in range(1, 4):
                await until(lambda number=number: run.report().handled == number)  # type: ignore[misc]
                assert run.status == "running"
                await run.publish("start", number)
        report = await run.result()
        assert report.outputs == {"out": [0, 1, 2, 3]}
        with pytest.raises(RunClosed, match="completed"):
            await run.publish("start", 4)
        with pytest.raises(RunClosed):
            async with run:
                pass


async def test_a_run_may_be_held_by_several(make_executor: MakeExecutor) -> None:
    """A run ends when the last who holds it lets go, also by an exception."""
    async with make_executor([echo]) as executor:
        run = await executor.start("start", 0)
        async with run:
            with pytest.raises(LookupError):
                async with run:
                    raise LookupError("let go")
            await until(lambda: run.report().handled == 1)
            await turns()
            assert run.report().ended is None
        assert (await run.result()).status == "completed"


async def test_a_held_run_can_be_cancelled(make_executor: MakeExecutor) -> None:
    """Holding a run open does not keep it from being ended."""
    async with make_executor([echo]) as executor:
        async with await executor.start("start", 0) as run:
            await until(lambda: run.report().handled == 1)
            assert (await run.cancel()).status == "cancelled"
        for slower in SLOWER:  # else it may be over before it is held
            run = await executor.start("start", 0, timeout=0.02 * slower)
            if run.report().ended is None:
                break
        async with run:
            assert (await run.result()).status == "timed_out"


# -- drained -------------------------------------------------------------------------


async def test_drain_waits_until_nothing_can_move(make_executor: MakeExecutor) -> None:
    """`drain()` returns the runs that wait for something from outside, and only those."""
    gate = anyio.Event()

    @agent(subscribe="start")
    async def mixed(payload: str, ctx: Context) -> None:
        if payload == "asks":
            await ctx.ask("?")
        elif payload == "works":
            await gate.wait()

    async with make_executor([mixed]) as executor:
        asking = await executor.start("start", "asks")
        await executor.start("start", "works")
        async with anyio.create_task_group() as tasks:
            drained: list[Any] = []

            async def drain() -> None:
                drained.append([run.id for run in await executor.drain()])

            tasks.start_soon(drain)
            await turns()
            assert drained == []
            gate.set()
        assert drained == [[asking.id]]
        async with await executor.start("start", "quick") as held:
            assert {run.id for run in await executor.drain()} == {asking.id, held.id}
        await asking.answer("question-0", None)
        assert await executor.drain() == []


async def test_draining_nothing_returns_at_once(make_executor: MakeExecutor) -> None:
    """An executor without open runs is drained."""
    async with make_executor([echo]) as executor:
        assert await executor.drain() == []


# -- remembered ----------------------------------------------------------------------


async def test_ended_runs_are_kept_up_to_a_number(make_executor: MakeExecutor) -> None:
    """The last `keep_runs` ended runs are remembered, the older ones forgotten; never open ones."""

    @agent(subscribe="start", publish="out")
    async def asking(payload: Any, ctx: Context) -> Any:
        return await ctx.ask("?") if payload == "asks" else payload

    async with make_executor([asking], config={"keep_runs": 3}) as executor:
        await executor.run("start", "asks", run_id="open")
        for number in range(6):
            await executor.run("start", number, run_id=f"run-{number}")
        assert [report.run_id for report in executor.runs()] == ["open", "run-3", "run-4", "run-5"]
        with pytest.raises(RunNotFound, match="run-0"):
            executor.live("run-0")
        assert executor.live("run-4").report().outputs == {"out": [4]}
        await executor.live("open").cancel()


async def test_a_run_that_is_forgotten_at_once_has_its_report(make_executor: MakeExecutor) -> None:
    """With `keep_runs=0` nothing is remembered, and whoever waits still gets the report."""
    async with make_executor([echo], config={"keep_runs": 0}) as executor:
        run = await executor.start("start", 1)
        assert (await run.result()).outputs == {"out": [1]}
        assert executor.runs() == []
        assert (await executor.run("start", 2, run_id="again")).outputs == {"out": [2]}
        assert (await executor.run("start", 3, run_id="again")).outputs == {"out": [3]}


def test_ended_runs_are_kept_for_a_time() -> None:
    """Runs that ended more than `keep_runs_seconds` ago are forgotten."""

    async def main() -> list[str]:
        config = Config(keep_runs_seconds=60)
        async with Executor([echo], config=config, clock=LoopClock()) as executor:
            for number in range(4):
                await executor.run("start", number, run_id=str(number))
                await anyio.sleep(25)
            return [report.run_id for report in executor.runs()]

    kept = on_virtual_time(main)
    assert kept == ["1", "2", "3"]


async def test_a_run_keeps_its_last_outputs(make_executor: MakeExecutor) -> None:
    """Outputs beyond `keep_outputs` are counted, and the last ones listed."""

    @agent(subscribe="start", publish="out", publish_each=True)
    async def count(payload: int) -> list[int]:
        return list(range(payload))

    async with make_executor([count], config={"keep_outputs": 3}) as executor:
        report = await executor.run("start", 10)
    assert report.outputs == {"out": [7, 8, 9]}
    assert report.outputs_total == {"out": 10}


async def test_a_run_keeps_its_last_nodes(make_executor: MakeExecutor) -> None:
    """Nodes of the tree far beyond `keep_nodes` are only counted."""

    @agent(subscribe="start", publish="start", hears_itself=True)
    async def chain(payload: int) -> int | None:
        return payload - 1 if payload else None

    async with make_executor([chain], config={"keep_nodes": 5}) as executor:
        report = await executor.run("start", 99)
    assert report.handled == 100
    tree = report.to_dict()["tree"]
    assert tree["nodes"] + tree["forgotten"] == 100
    assert 5 <= tree["nodes"] <= 10


# -- what is wrong -------------------------------------------------------------------


async def test_what_is_wrong_with_a_run_is_raised_before_it_opens(
    make_executor: MakeExecutor,
) -> None:
    """A wrong channel, payload or executor raises where the run is asked for; none is opened."""

    @agent(subscribe="checked")
    async def checked(payload: Any) -> None: ...

    async with make_executor([echo, checked]) as executor:
        executor.channel("checked", schema={"type": "integer"})
        with pytest.raises(ChannelNotFound, match="'start'"):
            await executor.run("nowhere", 1)
        with pytest.raises(dagger.SerializationError):
            await executor.run("start", {1, 2})
        with pytest.raises(dagger.ValidationError):
            await executor.run("checked", "text")
        assert executor.runs() == []
    async with make_executor([]) as executor:
        with pytest.raises(NoAgentsRegistered):
            await executor.run("start", 1)


async def test_a_handler_is_refused_what_would_wait_for_itself(
    make_executor: MakeExecutor,
) -> None:
    """The `executor` of a handler publishes for it; `run`, `drain` and `stop` raise there."""

    @agent(subscribe="start", publish="out", max_attempts=1)
    async def handler(payload: Any, executor: Any) -> None:
        refused = []
        for call in (executor.run, executor.drain, executor.stop):
            try:
                await call()
            except dagger.ExecutionError as error:
                refused.append("inside a handler" in str(error))
        await executor.publish("out", refused)

    async with make_executor([handler]) as executor:
        report = await executor.run("start", 1)
        assert in_hand(executor) == 0
    assert report.outputs == {"out": [[True, True, True]]}
