"""Undoing what the steps of a run have done: what comes before what, and what is left out."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from dagger import Config, Executor, Flow, FlowReport, Flows, MemoryStore, step
from dagger.flows.running.report import UndoneReport
from dagger.testing import simulate, simulated
from tests.flows.running.stage import ONCE, Stage, acting, line
from tests.waiting import turns, until

RESCUE = {
    "id": "r",
    "uses": "act",
    "with": {"name": "r"},
    "compensate": {"uses": "undo", "with": {"name": "r"}},
}


async def undone(flow: Flow, stage: Stage, inputs: Any = None) -> tuple[list[str], FlowReport]:
    """What was undone of a flow that fails, in order."""
    flows = stage.flows(flow)
    async with Executor(flows.agents, config=ONCE) as executor:
        report = await flows.run(executor, flow, inputs)
    return [each for each in stage.noted if each.startswith("undo")], report


async def held(flow: Flow, stage: Stage, first: str) -> list[str]:
    """What has begun to be undone while the undoing of one step takes its time."""
    flows = stage.flows(flow)
    async with Executor(flows.agents, config=ONCE) as executor:
        live = await flows.start(executor, flow)
        await stage.reached(f"undo {first}")
        await turns()
        begun = [each for each in stage.noted if each.startswith("undo")]
        stage.gates[f"undo {first}"].set()
        await live.result()
    return begun


async def test_a_rescue_step_is_undone_before_what_it_has_rescued() -> None:
    """It came after, and whatever needs the step came after it."""
    flow = acting(Flow("f"), "a", rescue=[RESCUE])
    flow = acting(flow, "b", needs="a")
    stage = Stage(waits=["undo r"], fails=["a", "b"])
    assert await held(flow, stage, "r") == ["undo b", "undo r"]
    assert stage.noted[-1] == "undo a"


async def test_a_rescue_step_comes_after_what_was_needed_by_what_was_never_sent() -> None:
    """A step that fails before it is sent hands on what it needed to those that rescue it."""
    flow = acting(Flow("f"), "a")
    lost = "${{ steps.a.output.missing.field }}"
    flow = acting(flow, "b", with_={"x": lost}, rescue=[RESCUE])
    flow = flow.step("d", "act", with_={"name": "d"}, needs="b")
    stage = Stage(waits=["undo r"], fails=["d"])
    assert await held(flow, stage, "r") == ["undo r"]
    assert stage.noted[-1] == "undo a"


async def test_a_rescue_step_comes_after_all_items_of_what_it_rescues() -> None:
    """What needs the step comes after the rescue, and that after the items, failed or not."""
    undo = {"uses": "undo", "with": {"name": "${{ item }}"}}
    flow = Flow("f").step(
        "a",
        "act",
        foreach=["x", "y"],
        with_={"name": "${{ item }}"},
        compensate=undo,
        rescue=[RESCUE],
    )
    flow = acting(flow, "b", needs="a")
    stage = Stage(waits=["undo r"], fails=["y", "b"])
    assert await held(flow, stage, "r") == ["undo b", "undo r"]
    assert sorted(stage.noted[-2:]) == ["undo x", "undo y"]


async def test_who_came_after_whom_goes_through_what_was_not_done() -> None:
    """A step that needs a skipped one came after what that one needed."""
    flow = acting(acting(Flow("f"), "a"), "b", needs="a", when=False)
    flow = acting(flow, "c", needs="b", when=True)
    flow = flow.step("d", "act", with_={"name": "d"}, needs="c")
    stage = Stage(waits=["undo c"], fails=["d"])
    assert await held(flow, stage, "c") == ["undo c"]
    assert stage.noted[-1] == "undo a"


async def test_who_came_after_whom_goes_through_what_cannot_be_undone() -> None:
    """So it does through a step without a compensation, and through all items of one."""
    flow = acting(Flow("f"), "a")
    flow = flow.step("b", "act", foreach=[1, 2], with_={"name": "b"}, needs="a")
    flow = flow.step("e", "act", foreach=[], with_={"name": "e"}, needs="b")
    flow = acting(flow, "c", needs="e")
    flow = flow.step("d", "act", with_={"name": "d"}, needs="c")
    stage = Stage(waits=["undo c"], fails=["d"])
    assert await held(flow, stage, "c") == ["undo c"]
    assert stage.noted[-1] == "undo a"


async def test_what_ran_side_by_side_is_undone_side_by_side() -> None:
    """Neither waits for the other; both do for what came after them."""
    flow = acting(acting(acting(Flow("f"), "a"), "b"), "c", needs=["a", "b"])
    flow = flow.step("d", "act", with_={"name": "d"}, needs="c")
    stage = Stage(waits=["undo a"], fails=["d"])
    begun = await held(flow, stage, "a")
    assert begun[0] == "undo c"
    assert sorted(begun[1:]) == ["undo a", "undo b"]


async def test_items_are_undone_each_by_itself() -> None:
    """Each compensation knows its item, and what that item has given; one that was not done, and
    one that was never begun, are told apart.
    """
    flow = Flow("f").step(
        "a",
        "act",
        foreach=["x", "y", "z"],
        max_parallel=2,
        with_={"name": "${{ item }}"},
        compensate={
            "uses": "undo",
            "with": {
                "name": "${{ item }}",
                "index": "${{ index }}",
                "gave": "${{ steps.a.output }}",
                "status": "${{ steps.a.status }}",
            },
        },
    )
    stage = Stage(fails=["y"])
    _, report = await undone(flow, stage)
    assert report.undo is not None
    assert {*report.undo.undone} >= {"a[0]", "a[1]"}
    assert stage.given["undo x"]["gave"] == "made x"
    assert stage.given["undo y"]["gave"] is None
    assert stage.given["undo y"]["index"] == 1


async def test_a_compensation_that_fails_keeps_no_other_from_being_run() -> None:
    """It is told with its reason, and what came before is undone all the same."""
    stage = Stage(fails=["c", "undo b"])
    order, report = await undone(line("a", "b", "c"), stage)
    assert order == ["undo c", "undo b", "undo a"]
    assert report.undo is not None
    assert (report.undo.undone, report.undo.left) == (("a", "c"), ())
    assert report.undo.failed == {"b": "LookupError: no undo b"}
    assert report.reason == "step 'c' failed: LookupError: no c"


async def test_the_failure_of_a_flow_tells_what_was_undone() -> None:
    """The error of its run names it, so that a flow around it, or a person, knows what is left."""
    stage = Stage(fails=["c", "undo b"])
    flows = stage.flows(line("a", "b", "c"))
    async with Executor(flows.agents, config=ONCE) as executor:
        report = await executor.run("line", {})
        letters = {each.agent: each.failure for each in executor.dead_letters.list()}
    assert report.status == "failed"
    assert letters["line"].type == "FlowFailed"
    told = "undone: a, c; b could not be undone: LookupError: no undo b"
    assert letters["line"].message.endswith(told)


async def test_what_was_borne_is_undone_when_the_flow_fails_later() -> None:
    """A failure that does not end the flow may have had effects."""
    flow = acting(Flow("f"), "a", on_error="continue")
    flow = acting(flow, "b", needs="a")
    order, _ = await undone(flow, Stage(fails=["a", "b"]))
    assert order == ["undo b", "undo a"]


@pytest.mark.parametrize("end", ["succeeded", "failed"])
async def test_nothing_to_undo_is_told_as_nothing(end: str) -> None:
    """A flow that has succeeded, and one that can undo nothing, has no report of it."""
    flow = Flow("f").step("a", "act", with_={"name": "a"})
    order, report = await undone(flow, Stage(fails=["a"] if end == "failed" else []))
    assert (report.status, report.undo, order) == (end, None, [])


async def test_what_another_run_has_done_is_not_undone() -> None:
    """A step that was done under its key before is the other run's, and is told as used again,
    also while the run goes on.
    """
    store = MemoryStore()
    flow = acting(Flow("f"), "a", idempotency_key="k")
    flow = flow.step("b", "act", with_={"name": "b"}, needs="a")
    flows = Stage().flows(flow)
    async with Executor(flows.agents, config=ONCE, store=store) as executor:
        await flows.run(executor, flow)
    stage = Stage(waits=["b"], fails=["b"])
    flows = stage.flows(flow)
    async with Executor(flows.agents, config=ONCE, store=store) as executor:
        live = await flows.start(executor, flow)
        await until(lambda: "b" in stage.noted)
        assert flows.report(live).step("a").reused == 1
        stage.gates["b"].set()
        await live.result()
        assert flows.report(live).undo is None
    assert stage.noted == ["b"]


SLOW = Flow("slow").step("s", "sleep", with_={"seconds": 3_600})


@pytest.mark.parametrize(
    ("undo", "problem"),
    [
        ({"uses": "sleep", "with": {"seconds": 3_600}, "timeout": 1}, "no result"),
        ({"uses": "ask", "with": {"question": "May I?"}, "timeout": 1}, "no result"),
        ({"uses": "wait_for", "with": {"channel": "c"}, "timeout": 1}, "no message on channel 'c'"),
        ({"uses": "wait_for", "with": {"channel": "c", "timeout": 1}}, "no message on channel 'c'"),
        ({"uses": SLOW, "timeout": 1}, "no result"),
    ],
)
def test_what_undoes_by_waiting_has_its_patience(undo: dict[str, Any], problem: str) -> None:
    """A compensation that does nothing but wait has failed once its timeout is over, and the
    others go on.
    """
    stage = Stage(fails=["c"])
    flow = acting(Flow("f"), "a").step("b", "act", with_={"name": "b"}, needs="a", compensate=undo)
    flow = acting(flow, "c", needs="b")
    flows = stage.flows(flow)

    async def main() -> FlowReport:
        async with simulated(*flows.agents, config=ONCE) as executor:
            live = await flows.start(executor, flow)
            await live.result()  # perhaps that it waits for a person
            await anyio.sleep(2)
            return flows.report(live)

    report = simulate(main)
    assert report.undo is not None
    assert report.undo.failed == {"b": f"RequestTimeout: {problem} within 1 s"}
    assert report.undo.undone == ("a", "c")


async def test_what_undoes_may_wait_for_a_message_with_a_key() -> None:
    """As a step may."""
    undo = {"uses": "wait_for", "with": {"channel": "c", "key": "${{ run.id }}"}}
    flow = Flow("f").step("a", "act", with_={"name": "a"}, compensate=undo)
    said = {"channel": "c", "key": "${{ run.id }}"}
    flow = flow.step("b", "publish", with_=said, needs="a")
    flow = flow.step("c", "act", with_={"name": "c"}, needs="b")
    _, report = await undone(flow, Stage(fails=["c"]))
    assert report.undo is not None
    assert report.undo.undone == ("a",)


INNER = line("x", "y", flow=Flow("inner"))
MIDDLE = Flow("middle").step("j", INNER)


async def told_of(flow: Flow, stage: Stage) -> FlowReport:
    """The report of a flow, which is the same to whoever asks, and who hears it."""
    flows = stage.flows(flow)
    async with Executor(flows.agents, config=ONCE) as executor:
        live = await flows.start(executor, flow)
        report = await live.result()
        told = flows.report(live)
        assert FlowReport.of(report.outputs[f"{flow.name}:report"][-1]) == told
    return told


@pytest.mark.parametrize("end", ["fails", "is stopped", "is late"])
async def test_what_could_not_be_undone_within_is_told(end: str) -> None:
    """A flow within another one, however deep, has its part in the report of the whole, whatever
    it ends by, also where the flow around it succeeds.
    """
    stage = Stage(waits=["y"], fails=["undo x", "z"])
    options: dict[str, Any] = {"timeout": 0.05, "on_error": "continue"} if end == "is late" else {}
    flow = acting(Flow("f"), "a").step("s", MIDDLE, needs="a", **options)
    if end == "fails":
        stage.gates["y"].set()
        stage.fails.add("y")
    elif end == "is stopped":
        flow = flow.step("z", "act", with_={"name": "z"}, needs="a")
    report = await told_of(flow, stage)
    assert report.status == ("succeeded" if end == "is late" else "failed")
    assert report.undo is not None
    assert report.undo.failed == {"s.j.x": "LookupError: no undo x"}
    assert report.undo.undone == (() if end == "is late" else ("a",))


async def test_what_could_not_be_undone_of_an_item_within_is_told_as_that() -> None:
    """By the item of the step, and that of the step within."""
    undo = {"uses": "undo", "with": {"name": "${{ item }}"}}
    inner = Flow("inner", inputs={"of": {}})
    inner = inner.step(
        "x", "act", foreach=["p", "q"], with_={"name": "${{ inputs.of }}"}, compensate=undo
    )
    inner = inner.step("y", "act", needs="x", with_={"name": "y"})
    given: dict[str, Any] = {"foreach": ["a", "b"], "with_": {"of": "${{ item }}"}}
    flow = Flow("f").step("s", inner, on_error="continue", **given)
    stage = Stage(fails=["y", "undo q"])
    report = await told_of(flow, stage)
    assert report.undo is not None
    assert {*report.undo.failed} == {"s[0].x[1]", "s[1].x[1]"}


async def test_what_an_attempt_could_not_undo_stays_told() -> None:
    """Though the next one succeeds."""
    tried: list[int] = []

    @step
    async def late() -> None:
        tried.append(1)
        if len(tried) == 1:
            raise LookupError("not yet")

    inner = acting(Flow("inner"), "x").step("y", late, needs="x")
    flow = Flow("f").step("s", inner, retry={"kind": "immediate", "max_attempts": 2})
    stage = Stage(fails=["undo x"])
    flows = Flows(flow, uses=[late, *stage.functions()], config=ONCE)
    async with Executor(flows.agents, config=ONCE) as executor:
        report = await flows.run(executor, flow)
    assert report.status == "succeeded"
    assert report.undo == UndoneReport(failed={"s.x": "LookupError: no undo x"})


async def test_what_is_undone_for_its_output_stays_undone() -> None:
    """A flow whose output was too large has failed, also if it may be larger after a restart; who
    looks meanwhile is told so.
    """
    store, wide = MemoryStore(), Config(retry_strategy="immediate", max_attempts=1)
    narrow = wide.model_copy(update={"max_payload_bytes": 5_000})
    flow = line("a", "b", flow=Flow("f", output="x" * 6_000))
    stage = Stage(waits=["undo a"])
    flows = stage.flows(flow, config=narrow)
    async with Executor(flows.agents, config=narrow, store=store) as executor:
        live = await flows.start(executor, flow, run_id="r")
        await stage.reached("undo a")
        assert flows.report(live).status == "failing"
    stage = Stage()
    flows = stage.flows(flow, config=wide)
    async with Executor(flows.agents, config=wide, store=store) as executor:
        report = await flows.run(executor, flow, run_id="r")
    assert (report.status, report.output, stage.noted) == ("failed", None, ["undo a"])
    assert report.reason.startswith("the output of the flow cannot be given: ")
    assert report.undo == UndoneReport(undone=("a", "b"))
