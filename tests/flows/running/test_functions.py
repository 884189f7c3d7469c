"""Step functions as agents: what they are given, what they give, and what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, cast

import pydantic
import pytest
from typing_extensions import TypedDict

from dagger import Config, Context, DefinitionError, Executor, Flow, FlowReport, Flows, step
from dagger.flows.functions import StepFunction

CONFIG = Config(retry_strategy="immediate", max_attempts=3)


@dataclass
class Page:
    number: int
    lines: list[str]


class Row(TypedDict):
    name: str
    price: float


class Bill(pydantic.BaseModel):
    rows: list[Row]
    paid: bool = False


async def ran(flow: Flow, *functions: StepFunction, inputs: Any = None) -> FlowReport:
    """The report of a flow."""
    flows = Flows(flow, uses=functions, config=CONFIG)
    async with Executor(flows.agents, config=CONFIG) as executor:
        return await flows.run(executor, flow, inputs)


async def test_arguments_and_results_are_built_by_their_annotations() -> None:
    """Dataclasses, pydantic models and TypedDicts get in and out as the plain data they stand
    for.
    """
    seen: list[Any] = []

    @step
    async def read(number: int) -> Page:
        return Page(number, ["tea 3", "salt 1"])

    @step
    def parse(page: Page) -> list[Row]:
        seen.append(page)
        cells = (each.split() for each in page.lines)
        return [Row(name=name, price=float(price)) for name, price in cells]

    @step
    async def bill(rows: list[Row], ctx: Context, paid: bool = False) -> Bill:
        seen.append(ctx.run_id)
        return Bill(rows=rows, paid=paid)

    @step
    async def total(bill: Bill) -> float:
        seen.append(bill)
        return sum((each["price"] for each in bill.rows), start=0.0)

    flow = (
        Flow("f", output=["${{ steps.bill.output }}", "${{ steps.total.output }}"])
        .step("read", read, with_={"number": 1})
        .step("parse", parse, with_={"page": "${{ steps.read.output }}"})
        .step("bill", bill, with_={"rows": "${{ steps.parse.output }}", "paid": True})
        .step("total", total, with_={"bill": "${{ steps.bill.output }}"})
    )
    report = await ran(flow, read, parse, bill, total)
    rows = [Row(name="tea", price=3.0), Row(name="salt", price=1.0)]
    assert report.output == [{"rows": rows, "paid": True}, 4.0]
    assert seen == [Page(1, ["tea 3", "salt 1"]), report.run, Bill(rows=rows, paid=True)]


CALLS: list[Any] = []


@step
async def wants(page: Page, rows: list[Row] | None = None) -> int:
    """Want what a page is."""
    CALLS.append(page)
    return page.number


@step
async def says() -> int:
    """Say what it does not give."""
    CALLS.append("says")
    return cast("int", "many")


@pytest.mark.parametrize(
    ("given", "path", "problem"),
    [
        ({"page": {"number": 1}}, "$.page", "lines"),
        ({"page": {"number": "one", "lines": []}}, "$.page.number", "integer"),
        ({"page": {"number": 1, "lines": [None]}}, "$.page.lines[0]", "string"),
        ({"page": {"number": 1, "lines": []}, "rows": [{"name": "tea"}]}, "$.rows", "price"),
    ],
)
async def test_arguments_that_do_not_fit_are_refused_and_not_tried_again(
    given: Any, path: str, problem: str
) -> None:
    """The function is not called, and the step has failed, with the place of what was wrong."""
    CALLS.clear()
    inputs = {"page": {}, "rows": {"default": None}}
    arguments = {name: f"${{{{ inputs.{name} }}}}" for name in given}
    flow = Flow("f", inputs=inputs).step("a", wants, with_=arguments)
    report = await ran(flow, wants, inputs=given)
    assert CALLS == []
    error = report.step("a").error
    assert error is not None
    assert error["type"] == "ArgumentsRefused"
    assert path in error["message"]
    assert problem in error["message"]


async def test_a_result_that_is_not_what_was_said_is_refused_and_not_tried_again() -> None:
    """The function has been called, once."""
    CALLS.clear()
    report = await ran(Flow("f").step("a", says), says)
    assert CALLS == ["says"]
    error = report.step("a").error
    assert error is not None
    assert error["type"] == "ArgumentsRefused"
    assert "output" in error["message"]


async def test_a_result_that_is_no_data_fails_the_step() -> None:
    """What cannot be kept is told with its place."""

    @step
    async def odd() -> Any:
        return {"when": [object()]}

    report = await ran(Flow("f").step("a", odd), odd)
    error = report.step("a").error
    assert error is not None
    assert error["type"] == "SerializationError"
    assert "$.when[0]" in error["message"]


def test_annotations_that_nobody_knows_are_refused_when_agents_are_made() -> None:
    """The parameter is named, and where the function is."""

    @step
    async def unknown(x: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(DefinitionError, match="'x', 'Nowhere', cannot be resolved"):
        Flows(Flow("f").step("a", unknown, with_={"x": 1}), uses=[unknown], config=CONFIG)


async def test_a_moment_that_is_none_is_refused_and_not_tried_again() -> None:
    """Where an expression gives what `sleep` waits for, it is looked at as it runs."""
    flow = Flow("f", inputs={"until": {}}).step(
        "a", "sleep", with_={"until": "${{ inputs.until }}"}
    )
    flows = Flows(flow, config=Config(max_attempts=3))
    async with Executor(flows.agents) as executor:
        report = await flows.run(executor, "f", {"until": "2027-01-01"})
        assert executor.runs()[0].retries == 0
    assert report.reason == (
        "step 'a' failed: ArgumentsRefused: input of agent 'sleep' at $.until breaks 'format': "
        "it must be a moment with its timezone, such as '2027-01-01T04:00:00Z' (value: 2027-01-01)"
    )


async def test_nobody_sleeps_less_than_not_at_all() -> None:
    """A time that an expression gives may be 0, and not below."""
    flow = Flow("f", inputs={"s": {}}).step("a", "sleep", with_={"seconds": "${{ inputs.s }}"})
    flows = Flows(flow, config=Config(max_attempts=3))
    async with Executor(flows.agents) as executor:
        assert (await flows.run(executor, "f", {"s": 0})).status == "succeeded"
        report = await flows.run(executor, "f", {"s": -3})
    assert "at $.seconds breaks 'minimum': it must be 0 or more (value: -3)" in report.reason


def test_a_function_that_yields_is_no_step() -> None:
    """A step has one output, so that generators are refused where they are decorated."""
    with pytest.raises(DefinitionError, match="it yields, and a step has one output"):

        @step
        async def numbers() -> AsyncIterator[int]:
            yield 1


async def test_a_function_may_take_any_arguments() -> None:
    """Those that it does not name are given to it as well."""

    @step
    def anything(a: int, **others: Any) -> Any:
        return [a, others]

    flow = Flow("f", output="${{ steps.a.output }}")
    report = await ran(flow.step("a", anything, with_={"a": 1, "b": 2}), anything)
    assert report.output == [1, {"b": 2}]
