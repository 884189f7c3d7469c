"""What runs of flows are given, and what is refused at the door."""

from __future__ import annotations

from typing import Any

import pytest

from dagger import Executor, Flow, MemoryStore, ValidationError
from tests.flows.running.stage import ONCE, Stage

FLOW = Flow(
    "f",
    inputs={
        "month": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}$"},
        "count": {"type": "integer", "default": 3},
    },
    output={"month": "${{ inputs.month }}", "count": "${{ inputs.count }}"},
).step("a", "act", with_={"name": "a", "all": "${{ inputs }}"})


async def test_what_is_not_given_has_its_default() -> None:
    """Steps and the output see it as if it had been given."""
    stage = Stage()
    flows = stage.flows(FLOW)
    async with Executor(flows.agents, config=ONCE) as executor:
        first = await flows.run(executor, FLOW, {"month": "2026-01"})
        second = await executor.run("f", {"month": "2026-02", "count": 4})
    assert first.output == {"month": "2026-01", "count": 3}
    assert second.outputs["f:output"] == [{"month": "2026-02", "count": 4}]
    assert stage.given["a"] == {"all": {"month": "2026-02", "count": 4}}


@pytest.mark.parametrize(
    ("given", "path", "rule", "problem"),
    [
        ({}, "$", "required", "the input 'month' is missing"),
        (None, "$", "required", "the input 'month' is missing"),
        (0, "$", "type", "the inputs of a flow are a mapping"),
        ([1], "$", "type", "the inputs of a flow are a mapping"),
        ({"month": 1}, "$.month", "type", 'is not of type "string" (value: 1)'),
        ({"month": "May"}, "$.month", "pattern", 'does not match "^[0-9]'),
        ({"month": "2026-01", "count": "x"}, "$.count", "type", 'is not of type "integer"'),
        (
            {"month": "2026-01", "coutn": 1},
            "$.coutn",
            "additionalProperties",
            "the flow has no input 'coutn'; did you mean 'count'?",
        ),
    ],
)
async def test_inputs_that_do_not_fit_are_refused_at_the_door(
    given: Any, path: str, rule: str, problem: str
) -> None:
    """Whoever begins the run is told what is wrong and where, and no run has begun."""
    flows = Stage().flows(FLOW)
    async with Executor(flows.agents, config=ONCE) as executor:
        with pytest.raises(ValidationError) as raised:
            await executor.run("f", given)
        with pytest.raises(ValidationError):
            await executor.publish("f", given)
        assert executor.runs() == []
    error = raised.value
    assert (error.path, error.rule) == (path, rule)
    assert problem in str(error)


async def test_what_a_schedule_gives_is_checked_as_it_is_made() -> None:
    """A schedule whose runs could not begin is refused."""
    flows = Stage().flows(FLOW)
    async with Executor(flows.agents, config=ONCE, store=MemoryStore()) as executor:
        with pytest.raises(ValidationError, match="'month' is missing"):
            await executor.schedule("f", {}, "every 5m")


async def test_a_flow_within_another_is_given_its_inputs_by_the_step() -> None:
    """Its defaults hold where the step gives nothing, and what does not fit fails the step."""
    inner = Flow(
        "inner",
        inputs={"n": {"type": "integer"}, "m": {"default": "none"}},
        output=["${{ inputs.n }}", "${{ inputs.m }}"],
    ).step("x", "act", with_={"name": "x"})
    flow = Flow(
        "f",
        inputs={"n": {}},
        output={"got": "${{ steps.a.output }}", "error": "${{ steps.a.error.type }}"},
    ).step("a", inner, with_={"n": "${{ inputs.n }}"}, on_error="continue")
    flow = Flow(
        flow.name,
        inputs=flow.inputs,
        steps=flow.steps,
        subflows=flow.subflows,
        output={"got": "${{ steps.a.output }}", "why": "${{ steps.a.error }}"},
    )
    flows = Stage().flows(flow)
    async with Executor(flows.agents, config=ONCE) as executor:
        good = await flows.run(executor, flow, {"n": 1})
        bad = await flows.run(executor, flow, {"n": "one"})
    assert good.output == {"got": [1, "none"], "why": None}
    assert bad.output["got"] is None
    assert bad.output["why"]["type"] == "ValidationError"
    assert "$.n" in bad.output["why"]["message"]
