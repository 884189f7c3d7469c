"""The picture of a flow."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from dagger.flows import Flow, to_dot
from dagger.flows.happenings import FlowStatus
from dagger.flows.running.report import FlowReport, StepReport
from tests.flows import flows
from tests.views import drawn

FLOW = (
    Flow("invoices")
    .step("login", "http.request", with_={"url": "x"}, retry="linear:2")
    .step("fetch", "fetch", foreach="${{ steps.login.output.pages }}", description="Pages.")
    .step("parse", "parse", needs="fetch", when="steps.fetch.output", compensate="forget")
    .step("month", "./month.yml", on_error="skip", rescue=[{"id": "ask", "uses": "ask"}])
    .step("list", "work", foreach=[1, 2])
)


@drawn.needs_graphviz
def test_a_step_shows_what_is_unusual_about_it() -> None:
    """What it uses, when and how often it runs, what its failure means, and what undoes it."""
    assert sorted(drawn.shown(to_dot(FLOW))) == [
        "ask",
        "fetch\nPages.\nfor each of ${{ steps.login.output.pages }}",
        "list\nwork\nfor each of 2 items",
        "login\nhttp.request",
        "month\n./month.yml\non error: skip",
        "parse\nwhen steps.fetch.output\nundone by forget",
    ]


@drawn.needs_graphviz
def test_a_run_is_drawn_over_its_flow() -> None:
    """With a report a step says how it has ended, and what else there is to say of it."""
    steps = (StepReport("login", "succeeded"), StepReport("list", "failed"))
    report = FlowReport("invoices", "mine", FlowStatus.FAILED, steps=steps)
    source = to_dot(FLOW, report, {"list": "2 attempts"})
    shown = drawn.shown(source)
    assert "login\nsucceeded\nhttp.request" in shown
    assert "list\nfailed · 2 attempts\nwork\nfor each of 2 items" in shown
    assert "invoices · run mine · failed" in source
    assert [each in source for each in ("succeeded", "blocked")] == [True, False]


def test_edges_lead_to_what_needs_a_step() -> None:
    """Also where only an expression says so; dashed ones lead to rescue steps."""
    lines = to_dot(FLOW).splitlines()
    edges = [line.strip().rstrip(";").partition(" [") for line in lines if " -> " in line]
    assert [(edge, "dashed" in look) for edge, _, look in edges] == [
        ('"login" -> "fetch"', False),
        ('"fetch" -> "parse"', False),
        ('"month" -> "ask"', True),
    ]


@drawn.needs_graphviz
@given(st.lists(flows.flows(), min_size=1, max_size=4))
@settings(max_examples=8)
def test_any_flow_can_be_drawn(made: list[Flow]) -> None:
    """Graphviz takes what is written, and every step is there once."""
    for flow in made:
        assert len(drawn.shown(to_dot(flow))) == len([*flow.all_steps()])


def test_a_flow_with_errors_is_drawn_as_well() -> None:
    """What a step needs that there is not is left out."""
    assert "->" not in to_dot(Flow("f").step("a", "work", needs=["b", "a"]))
