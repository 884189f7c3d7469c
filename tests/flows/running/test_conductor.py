"""The conductor of a flow: what it orders by what it hears, and what it makes of results."""

from __future__ import annotations

from typing import Any

import pytest

from dagger import Config, ExecutionError, Executor, Flow, FlowReport, Flows, step
from dagger.flows.running.arguments import Arguments, Scope
from dagger.flows.running.conductor import Conductor
from dagger.flows.running.coordinator import conductor_of
from dagger.flows.running.orders import Halt, Order, Send, Tell
from dagger.flows.running.program import Program
from dagger.words.errors import FlowEventRefused, RequestTimeout, ResponderFailed
from dagger.words.records import Failure
from tests.flows.running.stage import ONCE, Stage, acting, line


def conductor(flow: Flow, inputs: Any = None) -> Conductor:
    """That of a run that has not begun."""
    return conductor_of(Program(flow, flow.name), inputs or {}, "r", 0.0)


def sent(orders: list[Order]) -> list[str]:
    """The keys of what is sent."""
    return [each.key for each in orders if isinstance(each, Send)]


def failure(text: str = "no") -> ResponderFailed:
    """What a step that has raised a LookupError is heard to have failed with."""
    return ResponderFailed("f.a", "work", Failure("LookupError", text))


def test_told_the_same_it_orders_the_same() -> None:
    """Another conductor that hears the same in the same order orders the same, and is as far."""
    flow = line("a", "b", "c")
    heard = [("a", "x", None), ("b", "y", None), ("c", None, failure()), ("undo:c", None, None)]
    one, other = conductor(flow), conductor(flow)
    assert one.begin() == other.begin()
    for key, value, error in heard:
        assert one.heard(key, value, error) == other.heard(key, value, error)
    assert one.report({}) == other.report({})
    assert one.finished is None
    assert one.report({}).status == "failing"


def test_a_step_is_sent_with_what_it_is_given() -> None:
    """Its arguments are worked out of inputs and of the outputs of others; so is its key."""
    flow = Flow("f", inputs={"x": {}}).step("a", "act", with_={"x": "${{ inputs.x }}"})
    flow = flow.step(
        "b",
        "act",
        with_={"all": ["${{ steps.a.output.n + 1 }}", "${{ run.flow }} of ${{ run.id }}"]},
        idempotency_key="${{ steps.a.output.n }}",
    )
    found = conductor(flow, {"x": [1]})
    assert found.begin() == [Send("a", "f.a", {"x": [1]})]
    (order,) = found.heard("a", {"n": 7}, None)
    assert order == Send("b", "f.b", {"all": [8, "f of r"]}, idempotency_key="f.b/7")


def test_who_is_waited_for_no_more_is_halted() -> None:
    """A step whose time is over has failed, and is stopped where it runs."""
    flow = Flow("f").step("a", "sleep", with_={"seconds": 9}, timeout=1, on_error="continue")
    found = conductor(flow)
    (order,) = found.begin()
    assert isinstance(order, Send)
    assert order.timeout == 1
    assert found.heard("a", None, RequestTimeout("f.a", 1)) == [Halt(("a",))]
    assert found.report({}).step("a").status == "failed"
    assert found.finished == "succeeded"


def test_of_what_nobody_carries_out_it_tells() -> None:
    """A step that is skipped or blocked is told of, with the reason."""
    flow = Flow("f", fail_fast=False).step("a", "act").step("b", "act", when=False)
    flow = flow.step("c", "act", needs="a")
    found = conductor(flow)
    assert [type(each) for each in found.begin()] == [Send, Tell]
    (order,) = found.heard("a", None, failure())
    assert order == Tell("step 'c' was blocked: it needs 'a', which failed")


@pytest.mark.parametrize("ends", ["continue", "skip"])
def test_who_cancels_is_why_though_a_failure_was_borne_before(ends: str) -> None:
    """What did not end the flow is no reason for its end."""
    flow = Flow("f").step("a", "act", on_error=ends).step("b", "act")
    found = conductor(flow)
    found.begin()
    found.heard("a", None, failure())
    assert found.cancel("enough") == [Halt(("b",))]
    found.heard("b", None, failure("stopped"))
    assert (found.finished, found.reason) == ("cancelled", "enough")


def test_who_cancels_is_why_though_what_can_be_is_finished() -> None:
    """A flow that would have failed once all else is done was cancelled before."""
    flow = Flow("f", fail_fast=False).step("a", "act").step("b", "act")
    found = conductor(flow)
    found.begin()
    found.heard("a", None, failure())
    found.cancel("enough")
    found.heard("b", None, failure("stopped"))
    assert (found.finished, found.reason) == ("cancelled", "enough")


def test_a_failure_is_why_though_it_is_cancelled_then() -> None:
    """What ends already does not end for another reason."""
    flow = Flow("f").step("a", "act").step("b", "act")
    found = conductor(flow)
    found.begin()
    assert found.heard("a", None, failure()) == [Halt(("b",))]
    assert found.cancel("enough") == []
    found.heard("b", None, failure("stopped"))
    assert (found.finished, found.reason) == ("failed", "step 'a' failed: LookupError: no")


def test_over_means_over() -> None:
    """When there is no more time it has ended at once, and what is left is told as left."""
    found = conductor(line("a", "b"))
    found.begin()
    found.heard("a", 1, None)
    assert found.heard("b", None, failure())[-1] == Send(
        "undo:b", "line.b:undo", {"name": "b"}, cleanup=True
    )
    found.give_up()
    undo = found.report({}).undo
    assert found.finished == "failed"
    assert undo is not None
    assert (undo.undone, undo.left) == ((), ("a", "b"))


def test_who_is_cancelled_at_the_end_is_undone() -> None:
    """All its steps have succeeded, and nobody was told yet: it has not, and is undone."""
    found = conductor(line("a", flow=Flow("f", output="done")))
    found.begin()
    assert found.heard("a", 1, None) == []
    assert (found.finished, found.output) == ("succeeded", "done")
    assert sent(found.cancel("enough")) == ["undo:a"]
    assert (found.finished, found.output) == (None, None)
    assert found.report({}).status == "cancelling"
    found.heard("undo:a", None, None)
    assert (found.finished, found.reason) == ("cancelled", "enough")


def test_whose_output_cannot_be_given_is_undone() -> None:
    """It has failed, for that reason."""
    found = conductor(line("a", flow=Flow("f", output="done")))
    found.begin()
    found.heard("a", 1, None)
    assert sent(found.unfit("too much")) == ["undo:a"]
    found.heard("undo:a", None, None)
    assert (found.finished, found.output) == ("failed", None)
    assert found.reason == "the output of the flow cannot be given: too much"


class Defective(Arguments):
    """Arguments that break whoever works them out."""

    def __init__(self) -> None:
        super().__init__({}, ())

    def sent(self, scope: Scope) -> Any:
        raise ZeroDivisionError("no sense")


DEFECT = "the flow could not be gone on with: ZeroDivisionError: no sense"


@pytest.mark.parametrize("ends", ["well", "badly"])
def test_a_defect_leaves_nothing_undone(ends: str) -> None:
    """What nobody has foreseen stops what runs, which is waited for; then all is undone, and the
    flow has failed for that reason.
    """
    flow = acting(acting(acting(Flow("f"), "a"), "b"), "c", needs="a")
    found = conductor(acting(flow, "d", needs="a"))
    assert sent(found.begin()) == ["a", "b"]

    found.program.works["d"].arguments = Defective()
    assert found.heard("a", "made a", None) == [Halt(("b",))]  # and c is not sent
    assert (found.report({}).status, found.reason) == ("failing", DEFECT)
    assert found.cancel("enough") == []
    orders = found.heard("b", *(("made b", None) if ends == "well" else (None, failure())))
    assert sorted(sent(orders)) == ["undo:a", "undo:b"]
    given = {each.key: each.payload for each in orders if isinstance(each, Send)}
    assert given["undo:a"] == {"name": "a"}
    found.heard("undo:a", None, None)
    assert found.finished is None
    found.heard("undo:b", None, None)
    report = found.report({})
    assert (report.status, report.reason) == ("failed", DEFECT)
    assert [each.status for each in report.steps] == ["succeeded", "cancelled"][:1] + [
        "cancelled"
    ] * 3
    assert report.undo is not None
    assert (report.undo.undone, report.undo.left) == (("a", "b"), ())


def test_a_defect_at_once_is_the_end() -> None:
    """Where nothing was sent there is nothing to undo."""
    found = conductor(line("a"))
    found.program.works["a"].arguments = Defective()
    assert found.begin() == []
    assert found.finished == "failed"
    assert found.undone() is None


async def ran(flow: Flow, inputs: Any = None, config: Config = ONCE) -> FlowReport:
    """The report of a flow whose steps act."""
    flows = Stage().flows(flow, config=config)
    async with Executor(flows.agents, config=config) as executor:
        return await flows.run(executor, flow, inputs)


@pytest.mark.parametrize(
    ("value", "kind"),
    [(None, "null"), ({}, "a mapping"), ("ab", "a text"), (True, "a boolean"), (2.5, "a number")],
)
async def test_foreach_needs_a_list(value: Any, kind: str) -> None:
    """What its expression gives at run time is told by its kind, and the step has failed."""
    flow = Flow("f", inputs={"x": {}})
    flow = flow.step("a", "act", foreach="${{ inputs.x }}", with_={"name": "a"})
    report = await ran(flow, {"x": value})
    problem = f"foreach needs a list, and its expression gave {kind}"
    assert report.reason == f"step 'a' failed: ExpressionError: {problem}"


@pytest.mark.parametrize(
    "field",
    ["with_", "when", "foreach", "idempotency_key", "item", "compensate", "output", "large"],
)
async def test_an_expression_may_fail_at_run_time(field: str) -> None:
    """The step has failed, for that reason, and what was done is undone; so it is for the output
    of the flow, where all steps have succeeded.
    """
    broken = "${{ inputs.x.missing.field }}"
    options: dict[str, Any] = {"with_": {"name": "b"}, "needs": "a"}
    match field:
        case "with_":
            options["with_"] = {"name": broken}
        case "when":
            options["when"] = "inputs.x / 0 > 1"
        case "item":
            options |= {"foreach": [1, 0], "with_": {"name": "${{ inputs.x / item }}"}}
        case "compensate":
            options["undo_with"] = {"x": broken}
        case "output" | "large":
            pass
        case _:
            options[field] = broken
    output = {"output": broken, "large": "x" * 5_000}.get(field)
    flow = acting(Flow("f", inputs={"x": {}}, output=output), "a")
    flow = acting(flow, "b", **options)
    if field == "compensate":
        stage = Stage(fails=["c"])
        flow = acting(Flow("f", inputs={"x": {}}), "a")
        flow = acting(acting(flow, "b", **options), "c", needs="b")
    else:
        stage = Stage()
    config = Config(retry_strategy="immediate", max_attempts=1, max_payload_bytes=5_000)
    flows = stage.flows(flow, config=config)
    async with Executor(flows.agents, config=config) as executor:
        report = await flows.run(executor, flow, {"x": 1})
    assert report.status == "failed"
    assert report.undo is not None
    assert "a" in report.undo.undone
    if field == "compensate":
        assert report.undo.failed["b"].startswith("ExpressionError: ")
        assert stage.noted[-2:] == ["undo c", "undo a"]
    elif field == "output":
        assert report.reason.startswith("the output of the flow cannot be worked out: ")
        assert report.undo.undone == ("a", "b")
    elif field == "large":
        assert report.reason.startswith("the output of the flow cannot be given: ")
        assert report.undo.undone == ("a", "b")
    else:
        assert report.reason.startswith("step 'b' failed: ExpressionError: ")


async def test_what_is_too_big_to_be_sent_fails_its_step() -> None:
    """Arguments that are more than a payload may be are told as that, and all else goes on."""
    config = Config(max_payload_bytes=5_000, max_attempts=1)

    @step
    async def large() -> str:
        return "x" * 3_000

    double = "${{ steps.a.output }}${{ steps.a.output }}"
    flow = Flow("f").step("a", large)
    flow = flow.step("b", "act", with_={"name": "b", "x": double}, on_error="continue")
    flow = flow.step("c", "act", with_={"name": "c"}, needs="b")
    stage = Stage()
    flows = Flows(flow, uses=[large, *stage.functions()], config=config)
    async with Executor(flows.agents, config=config) as executor:
        report = await flows.run(executor, flow)
    error = report.step("b").error
    assert (report.status, stage.noted) == ("succeeded", ["c"])
    assert error is not None
    assert error["type"] == "SerializationError"
    assert "too big" in error["message"] or "bytes" in error["message"]


def test_what_is_not_out_cannot_end() -> None:
    """Neither a step that was not sent, nor a compensation that does not run."""
    found = conductor(line("a", "b"))
    found.begin()
    for key in ("b", "c", "undo:a", "undo:b"):
        with pytest.raises(FlowEventRefused, match="nothing is out"):
            found.heard(key, 1, None)
    found.heard("a", 1, None)
    found.heard("b", None, failure())
    found.heard("undo:b", None, None)
    for key in ("a", "undo:b", "b"):
        with pytest.raises(FlowEventRefused, match="nothing is out"):
            found.heard(key, None, None)
    found.heard("undo:a", None, None)
    assert found.finished == "failed"


async def test_a_thousand_steps_may_be_too_big_to_be_sent() -> None:
    """One after the other: the flow goes on as it says, and so do the steps behind them."""
    config = Config(max_payload_bytes=60_000, max_attempts=1)

    @step
    async def huge() -> str:
        return "x" * 40_000

    flow, last = Flow("f").step("huge", huge), "huge"
    double = "${{ steps.huge.output }}${{ steps.huge.output }}"
    for number in range(1_000):
        given = {"name": "no", "x": double}
        options: Any = {"needs": last, "on_error": "continue", "with_": given}
        last = f"s{number}"
        flow = flow.step(last, "act", **options)
    flow = flow.step("good", "act", needs=last, with_={"name": "${{ str(1 + 1) }}"})
    stage = Stage()
    flows = Flows(flow, uses=[huge, *stage.functions()], config=config)
    async with Executor(flows.agents, config=config) as executor:
        report = await flows.run(executor, flow)
    assert (report.status, stage.noted) == ("succeeded", ["2"])
    assert report.left_out == {"succeeded": 2, "failed": 1_000}


def test_a_thousand_compensations_may_fail_before_one_that_does_not() -> None:
    """What cannot be worked out has failed, each alone, and those before them are undone."""
    flow, count = Flow("f"), 1_000
    for number in range(count):
        missing = {"undo_with": {"x": f"${{{{ steps.s{number}.output.missing }}}}"}}
        before = {"needs": f"s{number - 1}"} if number else {}
        flow = acting(flow, f"s{number}", **before, **(missing if number >= 2 else {}))
    found = conductor(flow.step("last", "act", needs=f"s{count - 1}"))
    found.begin()
    for number in range(count):
        found.heard(f"s{number}", {}, None)
    orders = found.heard("last", None, failure())
    assert sent(orders) == ["undo:s1"]
    assert sent(found.heard("undo:s1", None, None)) == ["undo:s0"]
    found.heard("undo:s0", None, None)
    undo = found.undone()
    assert undo is not None
    assert (found.finished, undo.undone, undo.left) == ("failed", ("s0", "s1"), ())
    assert len(undo.failed) == count - 2


@pytest.mark.parametrize(
    ("limit", "told", "left_out"),
    [
        (60_000, 420, {}),
        (20_000, 420, {}),
        (5_000, 20, {"succeeded": 400}),
        (500, 0, {"succeeded": 400, "skipped": 20}),
        (60, 0, {}),
    ],
)
async def test_a_report_that_is_too_large_is_shortened(
    limit: int, told: int, left_out: dict[str, int]
) -> None:
    """As much as has to be; in the end there is none. The flow has ended as it has all the same."""
    config = Config(max_payload_bytes=limit, max_attempts=1)

    @step
    async def one() -> int:
        return 1

    flow = Flow("f", output="${{ steps.s30.output }}")
    for number in range(420):
        flow = flow.step(f"s{number}", one, when=number >= 20)
    flows = Flows(flow, uses=[one], config=config)
    async with Executor(flows.agents, config=config) as executor:
        live = await flows.start(executor, flow)
        run = await live.result()
        assert run.status == "completed"
        assert run.outputs["f:output"] == [1]
        if limit == 60:
            with pytest.raises(ExecutionError, match="tells of no steps"):
                flows.report(live)
            return
        report = flows.report(live)
    assert (report.status, len(report.steps), report.left_out) == ("succeeded", told, left_out)
    assert bool(report.definition) is (limit == 60_000)
    if told == 20:
        assert report.step("s1").status == "skipped"
        with pytest.raises(KeyError):
            report.step("s30")


@pytest.mark.parametrize("found", ["abc", [1], True, 0, -1, 2e9])
async def test_a_timeout_that_is_none_fails_its_step(found: Any) -> None:
    """What an expression gives as the patience of wait_for has to be seconds."""
    flow = acting(Flow("f", inputs={"x": {}}), "a")
    waiting = {"channel": "c", "timeout": "${{ inputs.x }}"}
    report = await ran(flow.step("b", "wait_for", needs="a", with_=waiting), {"x": found})
    assert report.reason.startswith("step 'b' failed: ExpressionError: ")
    assert "the timeout of wait_for is a number of seconds above 0" in report.reason
    assert report.undo is not None
    assert report.undo.undone == ("a",)


@pytest.mark.parametrize("found", [None, "", True, [7], 7.5])
async def test_a_key_that_is_none_fails_its_step(found: Any) -> None:
    """What an expression gives as the key of wait_for has to be one: no message has another."""
    flow = Flow("f", inputs={"x": {}})
    flow = flow.step("b", "wait_for", with_={"channel": "c", "key": "${{ inputs.x }}"})
    report = await ran(flow, {"x": found})
    assert report.reason.startswith("step 'b' failed: ExpressionError: ")
    assert "the key of wait_for is a text or a whole number" in report.reason


async def test_a_message_is_waited_for_by_a_number() -> None:
    """A whole number is the key that its digits are."""
    flow = Flow("f", inputs={"x": {}}, output="${{ steps.b.output }}")
    flow = flow.step("a", "publish", with_={"channel": "c", "payload": 1, "key": "7"})
    flow = flow.step("b", "wait_for", with_={"channel": "c", "key": "${{ inputs.x }}"})
    assert (await ran(flow, {"x": 7})).output == 1
