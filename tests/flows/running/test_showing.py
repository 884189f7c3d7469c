"""How far a flow is, told from what is kept of its run."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger import Config, ExecutionError, Executor, Flow, FlowReport, Flows, MemoryStore, agent
from dagger.flows.running import coordinator
from dagger.flows.running.conductor import Conductor
from dagger.flows.running.definition import definition_of
from dagger.flows.running.showing import flow_report
from dagger.testing import simulate, simulated
from tests.flows.model import Case, cases
from tests.flows.running.stage import ONCE, Stage, line
from tests.flows.running.test_run_model import CONFIG, World, work_of


class Listening:
    """Has the conductors of all runs, as they are made."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.conductors: dict[str, Conductor] = {}
        made = coordinator.conductor_of

        def conductor_of(program: Any, *given: Any) -> Conductor:
            found = made(program, *given)
            self.conductors[program.channel] = found
            return found

        patch.setattr(coordinator, "conductor_of", conductor_of)


moments = st.lists(st.floats(0.001, 0.5), min_size=1, max_size=12)


@given(cases(), st.integers(0, 99), moments, st.booleans())
def test_what_is_told_of_an_open_run_is_what_its_conductor_knows(
    case: Case, seed: int, waits: list[float], cancel: bool
) -> None:
    """At any moment the report that is made of the journal is the one that the flow itself would
    make then.
    """
    flow, world = work_of(case, frozenset(["s1"])), World(case, seed)

    async def main() -> None:
        flows = Flows(flow, uses=[world.function()], config=CONFIG)
        definition = definition_of(flows.flows["f"])
        async with simulated(*flows.agents, config=CONFIG, store=MemoryStore()) as executor:
            live = await flows.start(executor, flow)
            for each in waits:
                await anyio.sleep(each)
                if live.report().ended is None:
                    own = listening.conductors["f"].report(definition)
                    assert flow_report(live.state) == own
            async with anyio.create_task_group() as tasks:
                if cancel and live.report().ended is None:
                    tasks.start_soon(live.cancel, "enough")
                report = await live.result()
            assert report.ended is not None
            assert flow_report(live.state) == listening.conductors["f"].report(definition)

    with pytest.MonkeyPatch.context() as patch:
        listening = Listening(patch)
        simulate(main, seed=seed)


async def test_how_far_undoing_is_can_be_seen() -> None:
    """While it goes on, the run is ending, and what has been undone so far is told."""
    stage = Stage(waits=["undo a"], fails=["c"])
    flow = line("a", "b", "c")
    flows = stage.flows(flow)
    async with Executor(flows.agents, config=ONCE) as executor:
        live = await flows.start(executor, flow)
        await stage.reached("undo a")
        told = flows.report(live)
        assert (told.status, told.reason) == ("failing", "step 'c' failed: LookupError: no c")
        assert told.undo is not None
        assert (told.undo.undone, told.undo.left) == (("b", "c"), ("a",))
        stage.gates["undo a"].set()
        await live.result()
        assert flows.report(live).status == "failed"


async def test_what_could_not_be_sent_is_told_and_stays_so() -> None:
    """While the run goes on, also where there would be room for it after a restart."""
    double = "${{ steps.a.output }}${{ steps.a.output }}"
    flow = Flow("f").step("a", "act", with_={"name": "a"})
    flow = flow.step("b", "act", with_={"name": "b", "x": double * 200}, on_error="continue")
    flow = flow.step("c", "act", with_={"name": "c"}, needs="b")
    flow = flow.step("d", "act", with_={"name": "d"}, needs="c")
    store, small = MemoryStore(), Config(max_payload_bytes=1_000, max_attempts=1)
    stage = Stage(waits=["d"])
    flows = stage.flows(flow, config=small)
    async with Executor(flows.agents, config=small, store=store) as executor:
        live = await flows.start(executor, flow, run_id="r")
        await stage.reached("d")
        told = flows.report(live)
    error = told.step("b").error
    assert error is not None
    assert error["type"] == "SerializationError"
    assert [each.status for each in told.steps] == ["succeeded", "failed", "succeeded", "running"]
    stage = Stage()
    flows = stage.flows(flow)
    async with Executor(flows.agents, config=ONCE, store=store) as executor:
        report = await flows.run(executor, flow, run_id="r")
    assert (report.status, report.step("b").error) == ("succeeded", error)
    assert stage.noted == ["d"]


async def test_who_has_died_before_it_could_say_how_it_ended_is_told_about(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Why, and what had been done by then, as far as that is kept."""
    heard, stage = Conductor.heard, Stage(fails=["b"])

    def dies(self: Conductor, key: str, *told: Any, **more: Any) -> Any:
        if key == "d":
            raise MemoryError("there is no more")
        return heard(self, key, *told, **more)

    flow = line("a", "b", "c", "d", on_error="continue")
    flows = stage.flows(flow)
    async with Executor(flows.agents, config=ONCE) as executor:
        with monkeypatch.context() as patch:
            patch.setattr(Conductor, "heard", dies)
            live = await flows.start(executor, flow)
            assert (await live.result()).status == "failed"
        told = flows.report(live)
    assert (told.status, told.reason) == ("failed", "MemoryError: there is no more")
    assert told.step("a").status == "succeeded"
    assert told.definition == definition_of(flows.flows["line"])


async def test_a_report_is_the_same_after_it_was_kept() -> None:
    """As plain data it stands for the same report, and so it does in another process."""
    stage = Stage(fails=["c"])
    flow = line("a", "b", "c")
    flows = stage.flows(flow)
    store = MemoryStore()
    async with Executor(flows.agents, config=ONCE, store=store) as executor:
        first = await flows.run(executor, flow, run_id="r")
    async with Executor(flows.agents, config=ONCE, store=store) as executor:
        again = await flows.run(executor, flow, run_id="r")
    assert first == again == FlowReport.of(first.data())
    assert first.step("c").error == {"type": "LookupError", "message": "no c"}
    with pytest.raises(KeyError):
        first.step("d")


async def test_what_is_no_run_of_a_flow_tells_of_no_steps() -> None:
    """That is said as such, and not taken for a flow that has not begun."""

    @agent(subscribe="x")
    async def plain(payload: Any) -> None: ...

    flows = Stage().flows(Flow("f").step("a", "act", with_={"name": "a"}))
    async with Executor([plain, *flows.agents], config=ONCE) as executor:
        live = await executor.start("x", 1)
        await live.result()
        assert flow_report(live.state) is None
        with pytest.raises(ExecutionError, match="tells of no steps of a flow"):
            flows.report(live)
        with pytest.raises(ExecutionError, match="no flow 'g' here; known: f"):
            await flows.start(executor, "g")
