"""Runs of flows that are cancelled: what is undone, and how they end."""

from __future__ import annotations

import random
from pathlib import Path

import anyio
import pytest

from dagger import Config, Executor, Flow, FlowReport, Flows, LmdbStore, MemoryStore, Report, step
from dagger.executor.live import LiveRun
from dagger.testing import explore, simulate, simulated
from dagger.words.ids import node_id
from tests.conftest import PROVE
from tests.flows.running.stage import ONCE, Stage, acting, line
from tests.waiting import turns, until


def statuses(report: FlowReport) -> dict[str, str]:
    """How each step has ended."""
    return {each.id: each.status for each in report.steps}


async def cancelled(live: LiveRun) -> Report:
    """The report of a run that is being cancelled, or has been."""
    return await live.cancel("enough")


async def test_what_runs_is_stopped_and_what_was_begun_is_undone() -> None:
    """A running step is interrupted and undone too, then those before it; nothing else starts."""
    stage = Stage(waits=["b"])
    flow = line("a", "b", "c")
    flows = stage.flows(flow)
    async with Executor(flows.agents, config=ONCE) as executor:
        live = await flows.start(executor, flow)
        await stage.reached("b")
        report = await live.cancel("enough")
        told = flows.report(live)
    assert (report.status, told.status, told.reason) == ("cancelled", "cancelled", "enough")
    assert stage.noted == ["a", "b", "b stopped", "undo b", "undo a"]
    assert statuses(told) == {"a": "succeeded", "b": "cancelled", "c": "cancelled"}
    assert told.undo is not None
    assert told.undo.undone == ("a", "b")
    assert report.outputs.keys() == {"line:report"}


async def test_who_cancels_is_told_though_a_step_has_failed_before() -> None:
    """A failure that does not end the flow is not why it has ended."""
    stage = Stage(waits=["b"], fails=["a"])
    flow = Flow("f", fail_fast=False).step("a", "act", with_={"name": "a"})
    flow = flow.step("b", "act", with_={"name": "b"})
    flows = stage.flows(flow)
    async with Executor(flows.agents, config=ONCE) as executor:
        live = await flows.start(executor, flow)
        await stage.reached("b")
        await until(lambda: flows.report(live).step("a").status == "failed")
        await live.cancel("enough")
        told = flows.report(live)
    assert (told.status, told.reason) == ("cancelled", "enough")


async def test_cancelling_again_changes_nothing() -> None:
    """While it is being undone a second cancel is heard by nobody: each is undone once."""
    stage = Stage(waits=["c", "undo b"])
    flow = line("a", "b", "c")
    flows = stage.flows(flow)
    async with Executor(flows.agents, config=ONCE) as executor, anyio.create_task_group() as tasks:
        live = await flows.start(executor, flow)
        await stage.reached("c")
        tasks.start_soon(cancelled, live)
        await stage.reached("undo b")
        tasks.start_soon(live.cancel, "more than enough")
        await turns()
        assert flows.report(live).status == "cancelling"
        stage.gates["undo b"].set()
        report = await live.result()
        told = flows.report(live)
    assert (report.status, told.reason) == ("cancelled", "enough")
    assert stage.noted == ["a", "b", "c", "c stopped", "undo c", "undo b", "undo a"]


async def test_a_flow_that_fails_is_undone_though_it_is_cancelled_meanwhile() -> None:
    """Cancelled while it compensates a failure, it goes on with that, and has failed."""
    stage = Stage(waits=["undo a"], fails=["c"])
    flow = line("a", "b", "c")
    flows = stage.flows(flow)
    async with Executor(flows.agents, config=ONCE) as executor, anyio.create_task_group() as tasks:
        live = await flows.start(executor, flow)
        await stage.reached("undo a")
        tasks.start_soon(cancelled, live)
        await turns()
        stage.gates["undo a"].set()
        await live.result()
        told = flows.report(live)
    assert (told.status, told.reason) == ("failed", "step 'c' failed: LookupError: no c")
    assert stage.noted == ["a", "b", "c", "undo c", "undo b", "undo a"]
    assert told.undo is not None
    assert told.undo.left == ()


async def test_a_paused_run_is_cancelled_and_undone() -> None:
    """Pausing keeps nothing from being undone, and what waits meanwhile never begins."""
    stage = Stage(waits=["b"])
    flow = line("a", "b", "c")
    flows = stage.flows(flow)
    async with Executor(flows.agents, config=ONCE) as executor:
        live = await flows.start(executor, flow)
        await stage.reached("b")
        await live.pause("a moment")
        stage.gates["b"].set()
        await turns()
        report = await live.cancel("enough")
        told = flows.report(live)
    assert (report.status, told.status) == ("cancelled", "cancelled")
    assert stage.noted[-2:] == ["undo b", "undo a"]
    assert "c" not in stage.noted


async def test_what_has_not_begun_is_only_cancelled() -> None:
    """Cancelled before anything was carried out, a run ends, and nothing is done or undone."""
    stage = Stage()
    flow = line("a")
    flows = stage.flows(flow)
    async with Executor(flows.agents, config=ONCE) as executor:
        live = await flows.start(executor, flow)
        report = await live.cancel("enough")
    assert report.status == "cancelled"
    assert stage.noted == []


@pytest.mark.parametrize("on_error", ["fail", "continue"])
async def test_a_flow_within_another_may_be_cancelled_alone(on_error: str) -> None:
    """Its steps are undone, and for the flow around it its step has failed."""
    stage = Stage(waits=["y"])
    flow = acting(Flow("outer"), "a")
    inner = line("x", "y", flow=Flow("inner"))
    flow = flow.step("b", inner, needs="a", on_error=on_error)
    flow = acting(flow, "c", needs="b")
    flows = stage.flows(flow)
    async with Executor(flows.agents, config=ONCE) as executor:
        live = await flows.start(executor, flow)
        await stage.reached("y")
        (number,) = [
            each.number
            for each in live.state.deliveries.values()
            if each.queue.subscriber.name == "outer.b"
        ]
        await live.cancel_invocation(node_id("outer.b", live.id, number))
        report = await live.result()
        told = flows.report(live)
    assert told.step("b").status == "failed"
    undone = ["undo y", "undo x"]
    if on_error == "continue":
        assert stage.noted == ["a", "x", "y", "y stopped", *undone, "c"]
        assert (report.status, told.status) == ("completed", "succeeded")
    else:
        assert stage.noted == ["a", "x", "y", "y stopped", *undone, "undo a"]
        assert (report.status, told.status) == ("failed", "failed")


async def test_a_flow_within_a_cancelled_one_is_undone_first() -> None:
    """What stands around it is undone once all within it has been."""
    stage = Stage(waits=["y", "undo x"])
    flow = acting(Flow("outer"), "a")
    flow = flow.step("b", line("x", "y", flow=Flow("inner")), needs="a")
    flows = stage.flows(flow)
    async with Executor(flows.agents, config=ONCE) as executor, anyio.create_task_group() as tasks:
        live = await flows.start(executor, flow)
        await stage.reached("y")
        tasks.start_soon(cancelled, live)
        await stage.reached("undo x")
        await turns()
        assert "undo a" not in stage.noted
        stage.gates["undo x"].set()
        report = await live.result()
    assert report.status == "cancelled"
    assert stage.noted == ["a", "x", "y", "y stopped", "undo y", "undo x", "undo a"]


async def test_undoing_goes_on_after_a_restart(memory_path: Path) -> None:
    """Stopped in the midst of undoing, it goes on with that: what was undone is not again."""
    flow = line("a", "b", "c")
    first = Stage(waits=["c", "undo b"])
    flows = first.flows(flow)
    async with (
        anyio.create_task_group() as tasks,
        Executor(flows.agents, config=ONCE, store=LmdbStore(memory_path)) as executor,
    ):
        live = await flows.start(executor, flow, run_id="r")
        await first.reached("c")
        tasks.start_soon(cancelled, live)
        await first.reached("undo b")
        tasks.cancel_scope.cancel()
    assert first.noted[3:] == ["c stopped", "undo c", "undo b", "undo b stopped"]
    second = Stage()
    flows = second.flows(flow)
    async with Executor(flows.agents, config=ONCE, store=LmdbStore(memory_path)) as executor:
        live = await flows.start(executor, flow, run_id="r")
        report = await live.result()
        told = flows.report(live)
    assert second.noted == ["undo b", "undo a"]
    assert (report.status, told.status, told.reason) == ("cancelled", "cancelled", "enough")
    assert told.undo is not None
    assert told.undo.undone == ("a", "b", "c")


async def test_who_opens_the_store_without_the_flow_takes_nothing_from_it() -> None:
    """A run that is being undone goes on with that once its flow is there again."""
    flow, store, first = line("a", "b"), MemoryStore(), Stage(waits=["b", "undo b"])
    flows = first.flows(flow)
    async with (
        anyio.create_task_group() as tasks,
        Executor(flows.agents, config=ONCE, store=store) as executor,
    ):
        live = await flows.start(executor, flow, run_id="r")
        await first.reached("b")
        tasks.start_soon(cancelled, live)
        await first.reached("undo b")
        tasks.cancel_scope.cancel()
    async with Executor(Stage().flows(line("z", flow=Flow("z"))).agents, store=store) as executor:
        await turns()
        assert executor.runs()[0].ended is None
    second = Stage()
    flows = second.flows(flow)
    async with Executor(flows.agents, config=ONCE, store=store) as executor:
        live = await flows.start(executor, flow, run_id="r")
        report = await live.result()
    assert (second.noted, report.status) == (["undo b", "undo a"], "cancelled")


async def test_cancelled_where_the_flow_is_not_a_run_is_undone_where_it_is(
    memory_path: Path,
) -> None:
    """Who cancels it without its agents, as `dagger cancel` does, leaves it open to be undone."""
    flow, first = line("a", "b"), Stage(waits=["b"])
    flows = first.flows(flow)
    async with Executor(flows.agents, config=ONCE, store=LmdbStore(memory_path)) as executor:
        await flows.start(executor, flow, run_id="r")
        await first.reached("b")
    async with Executor([], store=LmdbStore(memory_path), resume=False) as executor:
        report = await executor.live("r").cancel("enough")
        told = flows.report(executor.live("r"))
    assert (report.ended, told.status, told.reason) == (None, "cancelling", "enough")
    second = Stage()
    flows = second.flows(flow)
    async with Executor(flows.agents, config=ONCE, store=LmdbStore(memory_path)) as executor:
        told = await flows.run(executor, flow, run_id="r")
    assert (second.noted, told.status) == (["undo b", "undo a"], "cancelled")
    assert told.undo is not None
    assert told.undo.undone == ("a", "b")


def test_time_for_undoing_comes_to_an_end() -> None:
    """What has not been undone by then is named, and the run ends."""
    config = Config(max_attempts=1, cleanup_timeout=60, cancel_grace=5)

    async def main() -> tuple[float, Report, FlowReport]:
        stage = Stage(waits=["c", "undo b"])
        flow = line("a", "b", "c")
        flows = stage.flows(flow, config=config)
        async with simulated(*flows.agents, config=config) as executor:
            live = await flows.start(executor, flow)
            await stage.reached("c")
            report = await live.cancel("enough")
            return anyio.current_time(), report, flows.report(live)

    ended, report, told = simulate(main)
    assert 60 <= ended <= 65
    assert (report.status, told.status) == ("cancelled", "cancelled")
    assert told.undo is not None
    assert (told.undo.undone, told.undo.failed, told.undo.left) == (("c",), {}, ("a", "b"))


def test_a_run_that_is_timed_out_is_undone() -> None:
    """Its time is over: what it did is undone, in time of its own."""

    async def main() -> tuple[list[str], Report, FlowReport]:
        stage = Stage(waits=["b"])
        flow = line("a", "b")
        flows = stage.flows(flow)
        async with simulated(*flows.agents, config=ONCE) as executor:
            live = await flows.start(executor, flow, timeout=10)
            return stage.noted, await live.result(), flows.report(live)

    noted, report, told = simulate(main)
    assert noted == ["a", "b", "b stopped", "undo b", "undo a"]
    assert (report.status, told.status) == ("timed_out", "cancelled")


def test_who_ignores_being_stopped_is_abandoned() -> None:
    """After the grace it counts as stopped; what it may have done is undone, and the run ends."""
    config = Config(max_attempts=1, cancel_grace=5)
    undone: list[str] = []

    @step
    async def stubborn() -> None:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(1000)

    @step
    async def forget() -> None:
        undone.append(f"at {anyio.current_time():.0f}")

    flow = Flow("f").step("a", stubborn, compensate={"uses": "forget"})

    async def main() -> tuple[float, Report, FlowReport]:
        flows = Flows(flow, uses=[stubborn, forget], config=config)
        async with simulated(*flows.agents, config=config) as executor:
            live = await flows.start(executor, flow)
            await anyio.sleep(1)
            report = await live.cancel("enough")
            return anyio.current_time(), report, flows.report(live)

    ended, report, told = simulate(main)
    assert ended == 6
    assert (report.status, told.status, undone) == ("cancelled", "cancelled", ["at 6"])
    assert [each.partition(":")[0] for each in report.abandoned] == ["f.stubborn"]


def test_at_whichever_moment_it_is_cancelled() -> None:
    """Also in the midst of a turn, when replies have come that nobody has heard of yet: what was
    done is undone, the last first, and nothing is done after it was cancelled.
    """
    flow = line("a", "b", "c", "d")

    async def main() -> tuple[str, ...]:
        stage = Stage()
        flows = stage.flows(flow)
        async with simulated(*flows.agents, config=ONCE) as executor:
            live = await flows.start(executor, flow)
            await turns(random.randrange(40))
            if live.report().ended is not None:
                return ("too late",)
            done = [*stage.noted]
            report = await live.cancel("enough")
            began = any(each.channel == "line:report" for each in live.state.kept_outputs())
            told = flows.report(live) if began else None
        if told is not None and told.status == "succeeded":  # by itself, before it was cancelled
            assert (report.status, stage.noted, told.undo) == ("completed", [*"abcd"], None)
            return ("succeeded",)
        undone = [f"undo {each}" for each in reversed(done)]
        after = stage.noted[len(done) :]
        assert stage.noted[: len(done)] == done
        assert all(each.startswith("undo") for each in after)
        assert after[len(after) - len(done) :] == undone
        assert report.status == "cancelled"
        assert told is None or (told.status, told.reason) == ("cancelled", "enough")
        return tuple(done)

    found = explore(main, seeds=range(1000 if PROVE else 50))
    assert len(found) >= 4  # it was cancelled at so many different points


@pytest.mark.parametrize("seconds", [3, 3.0000001])
def test_at_the_moment_when_its_time_is_over(seconds: float) -> None:
    """As its last step ends: it has succeeded by then, or it is undone."""

    @step
    async def act(name: str) -> None:
        await anyio.sleep(1)

    flow = line("a", "b", "c")

    async def main() -> tuple[str, str]:
        flows = Flows(flow, uses=[act, *Stage().functions()[1:]], config=ONCE)
        async with simulated(*flows.agents, config=ONCE) as executor:
            live = await flows.start(executor, flow, timeout=seconds)
            report = await live.result()
            told = flows.report(live)
        if told.status == "succeeded":
            assert (report.status, told.undo) == ("completed", None)
        else:
            assert (report.status, told.status) == ("timed_out", "cancelled")
            assert told.undo is not None
            assert told.undo.undone == ("a", "b", "c")
        return report.status, told.status

    explore(main, seeds=range(200 if PROVE else 30))
