"""A flow that has changed since a run of it began: what is refused, and what goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dagger import Executor, Flow, LmdbStore, MemoryStore, Report, Store
from tests.flows.running.stage import ONCE, Stage, acting, line
from tests.waiting import turns

FLOW = line("a", "b", "c")


async def begun(store: Store) -> None:
    """A run that has done `a` and is at `b` when its process ends."""
    stage = Stage(waits=["b"])
    flows = stage.flows(FLOW)
    async with Executor(flows.agents, config=ONCE, store=store) as executor:
        await flows.start(executor, FLOW, run_id="r")
        await stage.reached("b")


async def gone_on(store: Store, flow: Flow, *, accept: bool = False) -> tuple[Stage, Report]:
    """What is done of it under another definition, and how it is then."""
    stage = Stage()
    flows = stage.flows(flow, accept_changes=accept)
    async with Executor(flows.agents, config=ONCE, store=store) as executor:
        (report,) = executor.runs()
        if report.status == "paused":
            await turns()
            (report,) = executor.runs()
        else:
            live = await flows.start(executor, flow, run_id="r")
            report = await live.result()
    return stage, report


def changed(flow: Flow, id: str, **fields: object) -> Flow:
    """The flow with one step changed."""
    steps = (replace(each, **fields) if each.id == id else each for each in flow.steps)  # type: ignore[arg-type]
    return replace(flow, steps=tuple(steps))


LATER = changed(FLOW, "c", with_={"name": "c2"})
EARLIER = changed(FLOW, "a", timeout=5)


async def test_a_changed_flow_is_refused_with_what_has_changed(memory_path: Path) -> None:
    """The run is paused, the difference told line by line, and nothing is done or lost: with
    the flow put back it goes on where it was.
    """
    path = memory_path / "store"
    await begun(LmdbStore(path))
    stage, report = await gone_on(LmdbStore(path), LATER)
    assert (stage.noted, report.status) == ([], "paused")
    first, *told = report.reason.splitlines()
    assert first.startswith("flow 'line' has changed since the run began; put it back")
    assert "-  with: {name: c}" in told
    assert "+  with: {name: c2}" in told
    stage, report = await gone_on(LmdbStore(path), FLOW)
    assert (stage.noted, report.status) == (["b", "c"], "completed")


async def test_later_steps_may_be_changed_where_that_is_accepted() -> None:
    """What has not begun is carried out as it is said now, steps that are new included."""
    store = MemoryStore()
    await begun(store)
    flow = acting(LATER, "d", needs="c")
    stage, report = await gone_on(store, flow, accept=True)
    assert (stage.noted, report.status) == (["b", "c2", "d"], "completed")


@pytest.mark.parametrize(
    "change",
    [
        lambda flow: EARLIER,
        lambda flow: changed(flow, "b", with_={"name": "b2"}),
        lambda flow: replace(flow, steps=flow.steps[1:]),
        lambda flow: replace(flow, inputs={"x": {"default": 1}}),
        lambda flow: replace(flow, fail_fast=False),
    ],
    ids=["step", "running", "gone", "inputs", "end"],
)
async def test_what_has_run_may_not_be_changed(change: Callable[[Flow], Flow]) -> None:
    """That is refused though changes are accepted, and is told as that."""
    store = MemoryStore()
    await begun(store)
    flow = change(FLOW)
    if len(flow.steps) < len(FLOW.steps):
        flow = changed(flow, "b", needs=())
    stage, report = await gone_on(store, flow, accept=True)
    assert (stage.noted, report.status) == ([], "paused")
    told = "flow 'line' changes what has run since the run began; put that back, or cancel the run "
    assert report.reason.startswith(f"{told}and begin another one\n")


SKIPPED: dict[str, dict[str, object]] = {
    "when": {"when": False},
    "items": {"foreach": []},
    "error": {"with_": {"name": "s", "x": "${{ 1 / inputs.none }}"}, "on_error": "continue"},
}


@pytest.mark.parametrize("unsent", [*SKIPPED])
async def test_what_ended_without_being_sent_may_not_be_changed(unsent: str) -> None:
    """It is not done after all, where others went by that it was not."""
    store, options = MemoryStore(), SKIPPED[unsent]
    flow = acting(Flow("f", inputs={"none": {"default": 0}}), "s", **options)
    given = {"name": "b", "x": "${{ steps.s.output }}"}
    flow = flow.step("b", "act", with_=given, needs="s", when=True).step(
        "c", "sleep", needs="b", with_={"seconds": 9}
    )
    stage = Stage(waits=["b"])
    flows = stage.flows(flow)
    async with Executor(flows.agents, config=ONCE, store=store) as executor:
        await flows.start(executor, flow, run_id="r")
        await stage.reached("b")
    done: dict[str, object] = {"when": True} if unsent == "when" else {"with_": {"name": "s"}}
    done = {"foreach": [1]} if unsent == "items" else done
    stage, report = await gone_on(store, changed(flow, "s", **done), accept=True)
    assert (stage.noted, report.status) == ([], "paused")
    assert "changes what has run" in report.reason


async def test_what_was_accepted_is_what_the_run_goes_by_from_then_on() -> None:
    """Opened again with the definition that it went on with, it is not refused."""
    store = MemoryStore()
    await begun(store)
    stage = Stage(waits=["c2"])
    flows = stage.flows(LATER, accept_changes=True)
    async with Executor(flows.agents, config=ONCE, store=store) as executor:
        live = await flows.start(executor, LATER, run_id="r")
        await stage.reached("c2")
        assert flows.report(live).definition["flow"]["steps"][2]["with"] == {"name": "c2"}
    last, report = await gone_on(store, LATER)
    assert (last.noted, report.status) == (["c2"], "completed")


INNER = line("x", "y", flow=Flow("inner"))


async def begun_within(store: Store) -> None:
    """A run that is at `x`, in a flow within another one."""
    stage = Stage(waits=["x"])
    flow = Flow("f").step("a", INNER)
    flows = stage.flows(flow)
    async with Executor(flows.agents, config=ONCE, store=store) as executor:
        await flows.start(executor, flow, run_id="r")
        await stage.reached("x")


async def test_a_flow_within_another_is_part_of_its_definition() -> None:
    """What the steps of a flow use is told as changed, by its file."""
    store = MemoryStore()
    await begun_within(store)
    now = Flow("f").step("a", changed(INNER, "y", with_={"name": "z"}))
    stage, report = await gone_on(store, now)
    assert (stage.noted, report.status) == ([], "paused")
    assert "--- ./inner.yml, as it was begun" in report.reason


@pytest.mark.parametrize("id", ["x", "y"])
async def test_a_flow_that_a_step_has_begun_may_not_be_changed(id: str) -> None:
    """How far it is in there is not looked into: all of it counts as what has run."""
    store = MemoryStore()
    await begun_within(store)
    now = Flow("f").step("a", changed(INNER, id, with_={"name": "z"}))
    stage, report = await gone_on(store, now, accept=True)
    assert (stage.noted, report.status) == ([], "paused")
    assert "changes what has run" in report.reason


async def test_a_flow_that_only_later_steps_use_may_be_changed() -> None:
    """It is carried out as it is said by the time it begins."""
    store, flow = MemoryStore(), line("a", "b")
    stage = Stage(waits=["b"])
    first = flow.step("c", INNER, needs="b")
    flows = stage.flows(first)
    async with Executor(flows.agents, config=ONCE, store=store) as executor:
        await flows.start(executor, first, run_id="r")
        await stage.reached("b")
    now = flow.step("c", changed(INNER, "y", with_={"name": "z"}), needs="b")
    stage, report = await gone_on(store, now, accept=True)
    assert (stage.noted, report.status) == (["b", "x", "z"], "completed")


async def test_a_run_that_has_not_begun_goes_by_what_is_there() -> None:
    """Before anything is carried out there is nothing to be changed."""
    store = MemoryStore()
    stage = Stage()
    flows = stage.flows(FLOW)
    async with Executor(flows.agents, config=ONCE, store=store) as executor:
        await executor.wind_down()
        await executor.publish("line", {}, run_id="r")
    stage, report = await gone_on(store, LATER)
    assert (stage.noted, report.status) == (["a", "b", "c2"], "completed")


async def test_changes_of_no_effect_are_none() -> None:
    """The same flow from a file, with other comments and order of keys, is the same."""
    from dagger.flows import dump, parse

    store = MemoryStore()
    await begun(store)
    stage, report = await gone_on(store, parse("# a comment\n" + dump(FLOW)))
    assert (stage.noted, report.status) == (["b", "c"], "completed")
