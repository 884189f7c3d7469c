"""Flows made in Python, of steps and of functions whose parameters name other steps."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest

from dagger import Context, agent
from dagger.flows import Flow, StepFunction, check, dump, flow_of, parse, step, step_functions
from dagger.flows.flow import FlowFields, StepFields
from dagger.flows.model import Step
from dagger.words.errors import DefinitionError


@pytest.fixture(autouse=True)
def only_these() -> Iterator[None]:
    """No test meets the step functions of another one."""
    step_functions.clear()
    yield
    step_functions.clear()


def functions() -> list[StepFunction]:
    """Three functions that make a flow."""

    @step
    def login(user: str) -> str:
        """Log in."""
        return f"token of {user}"

    @step(retry="linear:2", timeout=30)
    async def fetch(login: str, month: str, ctx: Context, pages: int = 3) -> list[str]:
        """Fetch the invoices of a month."""
        return [login, month] * pages

    @step(name="store-all")
    def store(fetch: list[str], **rest: Any) -> int:
        return len(fetch)

    return [login, fetch, store]


def test_parameters_name_other_steps_and_inputs() -> None:
    """A parameter with the name of a function gets its output, and others are inputs."""
    flow = flow_of("invoices", *functions(), output=functions()[1])
    check(flow)
    assert dump(flow) == (
        "name: invoices\n"
        "inputs:\n"
        "  user: {}\n"
        "  month: {}\n"
        "steps:\n"
        "- id: login\n"
        "  uses: login\n"
        "  with: {user: '${{ inputs.user }}'}\n"
        "- id: fetch\n"
        "  uses: fetch\n"
        "  with: {login: '${{ steps.login.output }}', month: '${{ inputs.month }}'}\n"
        "- id: store-all\n"
        "  uses: store-all\n"
        "  with: {fetch: '${{ steps.fetch.output }}'}\n"
        "output: ${{ steps.fetch.output }}\n"
    )
    assert parse(dump(flow)) == flow


def test_inputs_may_be_declared() -> None:
    """With inputs= a parameter that is neither is an error, with the nearest name."""
    inputs = {"user": {"type": "string"}, "pages": {"default": 1}}
    with pytest.raises(DefinitionError, match=r"parameter 'month' is neither a step nor an input"):
        flow_of("invoices", *functions(), inputs=inputs)
    flow = flow_of("invoices", *functions(), inputs={**inputs, "month": {}})
    assert flow.steps[1].with_["pages"] == "${{ inputs.pages }}"


def test_a_step_function_is_the_function_it_is() -> None:
    """It can be called, and says what it takes; making it starts nothing."""
    login, fetch, store = functions()
    assert login("me") == "token of me"
    assert (fetch.required, fetch.optional) == (("login", "month"), ("pages",))
    assert (fetch.takes_context, store.takes_any) == (True, True)
    assert (fetch.options, fetch.description) == (
        {"retry": "linear:2", "timeout": 30},
        "Fetch the invoices of a month.",
    )
    assert [*step_functions] == ["fetch", "login", "store-all"]
    assert step_functions.get("fetch") is fetch
    assert step_functions.get("nothing") is None


@pytest.mark.parametrize(
    ("given", "options", "problem"),
    [
        ((), {"fail_fats": False}, "flow_of has no option 'fail_fats'; did you mean 'fail_fast'?"),
        ((), {"steps": ()}, "flow_of has no option 'steps'; known: description, defaults,"),
        ((len,), {}, "flow_of takes functions decorated with @step, not <built-in function len>"),
    ],
)
def test_what_a_flow_of_functions_may_not_say(
    given: tuple[Any, ...], options: dict[str, Any], problem: str
) -> None:
    """A wrong option is refused with the nearest one, naming the flow."""
    with pytest.raises(DefinitionError, match=re.escape(f"flow 'f': {problem}")):
        flow_of("f", *given, **options)


def test_what_may_be_said_of_a_step_is_what_it_has() -> None:
    """The typed options of `Flow.step` are the fields of a step, and those of `flow_of` are fields
    of a flow.
    """
    assert {*StepFields.__annotations__} == {each.name for each in fields(Step)} - {"id", "uses"}
    assert {*FlowFields.__annotations__} < {each.name for each in fields(Flow)}


def test_one_decorator_may_make_several() -> None:
    """What `step(...)` says holds for each function that it decorates, and is of each alone."""
    named = step(name="work", description="Works.", timeout=5)
    one, other = named(lambda: 1), named(lambda: 2)
    assert [(each.name, each.description) for each in (one, other)] == [("work", "Works.")] * 2
    assert one.options == other.options == {"timeout": 5}
    assert one.options is not other.options


def test_two_functions_of_one_name_are_refused() -> None:
    """Another function of a name is; the same one, defined anew, replaces itself."""
    first, second = functions()[0], functions()[0]
    assert step_functions.get("login") is second is not first

    with pytest.raises(DefinitionError, match="a step function named 'login' exists already"):

        @step(name="login")
        def other() -> None: ...


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"retires": 3}, "@step has no option 'retires'; did you mean 'retry'"),
        ({"timeout": 0}, "timeout= it must be a number of seconds above 0, not 0"),
        ({"name": "a b"}, "name= it must be the name of an agent"),
        ({"retry": "often"}, "retry= no strategy 'often'; known: exponential, linear, immediate"),
        ({"retry": {"kind": "linear", "delay": -1}}, "retry.delay= "),
    ],
)
def test_options_are_checked(options: dict[str, Any], problem: str) -> None:
    """What a step may not say in a file its function may not say either."""
    with pytest.raises(DefinitionError, match=problem):
        step(**options)(lambda: None)


def test_arguments_are_given_by_name() -> None:
    """A function that takes some by their places only cannot be a step."""
    with pytest.raises(
        DefinitionError, match="arguments are given by name, so 'a' cannot be filled"
    ):

        @step
        def takes(a: int, /) -> None: ...


def test_steps_use_what_they_are_given() -> None:
    """A name, a step function, an agent or a flow; each call of `step` gives another flow."""

    @agent(subscribe="orders", name="shipper")
    async def ship(payload: Any) -> None: ...

    inner = Flow("inner").step("a", "work")
    empty = Flow("outer")
    flow = (
        empty.step("one", functions()[0], needs="zero")
        .step("two", ship, compensate=inner)
        .step("three", inner, rescue=[{"id": "four", "uses": ship, "with": {"x": 1}}])
    )
    assert empty.steps == ()
    assert [each.uses for each in flow.all_steps()] == [
        "login",
        "shipper",
        "./inner.yml",
        "shipper",
    ]
    assert flow.subflows == {"./inner.yml": inner}
    assert flow.steps[0].needs == ("zero",)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"need": "a"}, "a step has no option 'need'; did you mean 'needs'"),
        ({"on_error": "stop"}, "on_error must be one of 'fail', 'continue', 'skip', not 'stop'"),
        ({"needs": 3}, "needs must be the id of a step, or several, not 3"),
        ({"needs": ["a", 3]}, "needs must be the id of a step, or several, not ['a', 3]"),
        ({"rescue": "z"}, "rescue must be a list of steps, not 'z'"),
        ({"rescue": {"id": "r", "uses": "x"}}, "rescue must be a list of steps, not {'id'"),
        ({"rescue": ["z"]}, "a rescue step must be a mapping or Rescue(...), not 'z'"),
        ({"rescue": [{"uses": "x"}]}, "a rescue step lacks 'id'"),
        (
            {"rescue": [{"id": "r", "uses": "x", "whem": True}]},
            "a rescue step has no option 'whem'; did you mean 'when'?",
        ),
        ({"rescue": [{"id": "r", "uses": "x", 3: 4}]}, "a rescue step has no option '3'"),
        ({"compensate": 3}, "a step uses a name, a function decorated with @step"),
        ({"compensate": {"with": {}}}, "a compensation lacks 'uses'"),
        (
            {"compensate": {"uses": "x", "timeuot": 1}},
            "a compensation has no option 'timeuot'; did you mean 'timeout'?",
        ),
    ],
)
def test_what_a_step_may_not_say(options: dict[str, Any], problem: str) -> None:
    """A wrong option is refused where the step is made, naming step and flow."""
    with pytest.raises(DefinitionError, match=re.escape(problem)) as raised:
        Flow("f").step("a", "work", **options)
    assert "step 'a' of flow 'f'" in str(raised.value)


def test_a_hundred_thousand_steps_come_one_by_one() -> None:
    """A flow that grows by one step copies none of those before; flows that grow out of the same
    one are each what they are.
    """
    flow, started = Flow("f"), time.process_time()
    for number in range(100_000):
        flow = flow.step(f"s{number}", "work")
    assert time.process_time() - started < 10
    one, other = flow.step("a", "work"), flow.step("b", "work")
    assert [each.steps[-1].id for each in (flow, one, other)] == ["s99999", "a", "b"]
    assert {len(flow.steps), len(one.steps) - 1, len(other.steps) - 1} == {100_000}


def test_two_flows_of_one_name_are_not_used_by_one() -> None:
    """They would be one file; the same flow may be used as often as one likes."""
    one, other = (Flow("inner").step("a", "sleep", with_={"seconds": each}) for each in (1, 9))
    flow = Flow("f").step("a", one).step("b", one, compensate=Flow("inner", steps=one.steps))
    for options in ({"uses": other}, {"uses": "work", "rescue": [{"id": "r", "uses": other}]}):
        problem = "step 'c' of flow 'f': it uses another flow named 'inner'; rename one"
        with pytest.raises(DefinitionError, match=problem):
            flow.step("c", **options)
    with pytest.raises(DefinitionError, match="another flow named 'inner'"):
        Flow("f").step("a", one, compensate=other)
