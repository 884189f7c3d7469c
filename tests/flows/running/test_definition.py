"""A flow's definition: all that says what it does, as plain data."""

from __future__ import annotations

from dataclasses import replace

from dagger import Config, Executor, Flow, Flows
from dagger.flows.expanding import MAX_FLOWS
from dagger.flows.happenings import FlowStatus
from dagger.flows.running.definition import definition_of, digest_of, flow_of
from dagger.words.payload import encode

WAIT = Flow("wait").step("a", "sleep", with_={"seconds": 0.001})


def test_a_definition_gives_the_flow_again() -> None:
    """With the flows within it, each of which it has once, however often and by whichever name it
    is used.
    """
    one, two = Flow("one").step("a", WAIT), Flow("two").step("a", WAIT).step("b", "ask")
    flow = Flow("f").step("a", one).step("b", two).step("c", WAIT)
    definition = definition_of(flow)
    assert [each["flow"]["name"] for each in definition["files"]] == ["wait", "one", "two"]
    assert flow_of(definition) == flow
    again = replace(WAIT, description="")
    alike = Flow("f").step("a", one).step("b", two).step("c", again)
    assert digest_of(definition_of(alike)) == digest_of(definition)
    other = Flow("f").step("a", one).step("b", two).step("c", replace(WAIT, description="other"))
    assert digest_of(definition_of(other)) != digest_of(definition)


async def test_flows_may_be_within_each_other_as_deep_as_there_may_be_flows() -> None:
    """Their definition is a payload all the same, and their runs go to the innermost and back."""
    flow = WAIT
    for number in range(1, MAX_FLOWS):
        flow = Flow(f"f{number}", output="${{ steps.a.status }}").step("a", flow)
    encode(definition_of(flow))
    flows = Flows(flow, config=Config())
    async with Executor(flows.agents) as executor:
        report = await flows.run(executor, flow)
    assert (report.status, report.output) == (FlowStatus.SUCCEEDED, "succeeded")
    assert flow_of(report.definition) == flow
