"""What the steps of flows use: what was given, what is registered, and what is neither."""

from __future__ import annotations

import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dagger import (
    Agent,
    Config,
    Debounce,
    DefinitionError,
    ExecutionError,
    Executor,
    Flow,
    FlowError,
    Flows,
    agent,
    all_of,
)
from dagger.authoring.registry import Registry
from dagger.flows import Compensation, Names, Rescue, check, loading
from dagger.flows.filling import filled
from dagger.flows.functions import StepFunction, StepFunctions, make
from dagger.flows.model import Defaults
from dagger.flows.running.uses import Uses
from dagger.rules.documents.limits import content_of

ONCE = Config()


async def work(x: int = 0) -> int:
    """A step of this file."""
    return x


def function(name: str, where: Any = work, **options: Any) -> StepFunction:
    """A step function that nobody has registered."""
    return make(where, {"name": name, **options}, {})


def named_alike() -> StepFunctions:
    """Step functions of two files with one name, and another one."""
    known = StepFunctions()
    for file in ("one.py", "other.py"):
        space: dict[str, Any] = {}
        exec(compile("async def work(x: int = 0): return x", file, "exec"), space)
        known.add(KEPT.setdefault(file, function("work", space["work"])))
    known.add(KEPT.setdefault("", function("alone")))
    return known


KEPT: dict[str, StepFunction] = {}
"""Step functions are registered weakly."""


def test_what_is_given_goes_before_what_is_registered() -> None:
    """A function that was given is used, also where functions of several files have its name."""
    given = function("work")
    uses = Uses([given], functions=named_alike(), agents=Registry())
    flow = Flow("f").step("a", "work")
    assert uses.find("work") is given
    assert uses.find("alone") is KEPT[""]
    assert uses.find("nothing") is None
    uses.names(flow)


def test_functions_of_one_name_are_in_nobodys_way() -> None:
    """Only who uses that name without giving the function is refused."""
    uses = Uses(functions=named_alike(), agents=Registry())
    uses.names(Flow("f").step("a", "alone"))
    with pytest.raises(DefinitionError, match="step functions of several files are named 'work'"):
        uses.names(Flow("f").step("a", "work"))


def test_a_module_gives_all_that_is_in_it() -> None:
    """Step functions and agents of a module may be used, whatever they are called there."""

    @agent(subscribe="x", name="scribe")
    async def writes(payload: Any) -> None: ...

    module = types.ModuleType("steps")
    vars(module).update(one=function("first"), two=writes, three=3)
    uses = Uses([module], functions=StepFunctions(), agents=Registry())
    assert isinstance(uses.find("first"), StepFunction)
    assert isinstance(uses.find("scribe"), Agent)


def test_modules_are_listed_in_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are imported, go behind what is given, and one that is not there is an error."""
    monkeypatch.syspath_prepend(tmp_path)
    text = "from dagger import step\n@step\ndef listed_step(n: int) -> int: return n"
    (tmp_path / "listed_steps.py").write_text(text, "utf-8")
    flow = Flow("f").step("a", "listed_step", with_={"n": 1})
    with pytest.raises(FlowError, match="unknown agent or step function 'listed_step'"):
        Flows(flow, config=ONCE)
    listed = Config(flow_modules=("listed_steps",))
    assert Flows(flow, config=listed).agents
    with pytest.raises(FlowError, match="'listed_step' must be given the argument 'm'"):
        Flows(flow, uses=[function("listed_step", lambda m: m)], config=listed)
    with pytest.raises(DefinitionError, match="'nowhere', which flow_modules names, cannot be"):
        Flows(flow, config=Config(flow_modules=("nowhere",)))


def test_what_can_be_no_step_is_refused() -> None:
    """A plain function is none; it is named, and how it would be one."""
    with pytest.raises(DefinitionError, match="steps use functions decorated with @step, agents"):
        Uses([named_alike])  # type: ignore[list-item]


@pytest.mark.parametrize("option", ["join", "debounce"])
def test_agents_that_do_not_answer_each_message_are_no_steps(option: str) -> None:
    """A join, and what is debounced, has no reply for each step that it would carry out."""
    options: dict[str, Any] = {} if option == "join" else {"debounce": Debounce(1)}
    subscribe = all_of("x", "y") if option == "join" else "x"

    @agent(subscribe=subscribe, name=f"no_step_{option}", **options)
    async def gathers(payload: Any) -> None: ...

    with pytest.raises(DefinitionError, match="is no step of a flow"):
        Flows(Flow("f").step("a", gathers), uses=[gathers], config=ONCE)


def test_a_request_has_its_time() -> None:
    """Where neither a step nor its flow says how long a request may take, it has 300 seconds."""
    request = {"url": "https://example.org/"}
    flow = Flow("f").step("a", "http.request", with_=request)
    own = flow.step("b", "http.request", with_=request, timeout=7)
    usual = replace(flow, defaults=Defaults(timeout=9.0))
    for each, wanted in ((flow, {300.0}), (own, {300.0, 7.0}), (usual, {9.0})):
        agents = Flows(each, config=ONCE).agents
        assert {x.timeout for x in agents if "http.request" in x.name} == wanted


def test_what_is_no_flow_is_refused() -> None:
    """Flows are given as what they are; another one of the same name is not run in its place."""
    with pytest.raises(DefinitionError, match="flows are files, and what Flow"):
        Flows(5, config=ONCE)  # type: ignore[arg-type]


async def test_another_flow_of_the_name_is_not_run_instead() -> None:
    """Who runs a flow that was not given is told so, and nothing begins."""
    flow = Flow("f").step("a", "sleep", with_={"seconds": 1})
    flows = Flows(flow, config=ONCE)
    async with Executor(flows.agents) as executor:
        with pytest.raises(ExecutionError, match="another flow is named 'f' here"):
            await flows.run(executor, flow.step("b", "sleep", with_={"seconds": 1}))
        assert executor.runs() == []


def test_a_shell_is_there_only_where_the_settings_say_so() -> None:
    """Whoever writes a flow cannot run programs by that; the error names flow and setting."""
    flow = Flow("f").step("a", "shell", with_={"command": ["ls"]})
    with pytest.raises(DefinitionError, match=r"^flow 'f': 'shell' runs .* flow_shell does not"):
        Flows(flow, config=Config(flow_shell=False))
    assert Flows(flow, config=Config(flow_shell=True)).agents


def test_what_nobody_knows_is_an_error_of_the_flow() -> None:
    """A name that is neither given nor registered is told with what was meant."""
    with pytest.raises(FlowError, match="did you mean 'known'"):
        Flows(Flow("f").step("a", "knwon"), uses=[function("known")], config=ONCE)


def test_what_a_function_says_holds_where_its_step_says_nothing() -> None:
    """The step goes before the function, and the function before the defaults of the flow."""
    said = function("work", retry="immediate", timeout=5, on_error="skip", cache=60)
    flow = Flow("f").step("a", said).step("b", said, timeout=7, on_error="continue")
    a, b = filled(flow, Uses([said]).names(flow)).steps
    assert (a.retry, a.timeout, a.on_error, a.cache) == ("immediate", 5, "skip", 60)
    assert (b.retry, b.timeout, b.on_error, b.cache) == ("immediate", 7, "continue", 60)


@pytest.mark.parametrize(
    ("options", "step", "problem"),
    [
        (
            {"cache": 60},
            {"with_": {"x": "${{ secrets.TOKEN }}"}},
            "what is cached is known by what it was given, and that has a secret in it "
            "(cache= in @step of 'work')",
        ),
        (
            {"cache": 60},
            {"compensate": "undo"},
            "what is undone cannot be used again by others; leave out cache or compensate "
            "(cache= in @step of 'work')",
        ),
        (
            {"idempotency_key": "${{ secrets.TOKEN }}"},
            {},
            "a secret may not stand here: keys are kept and shown "
            "(idempotency_key= in @step of 'work')",
        ),
        (
            {"idempotency_key": "${{ steps.wrok.output }}"},
            {},
            "unknown step 'wrok' (idempotency_key= in @step of 'work')",
        ),
    ],
)
def test_what_a_function_says_is_checked_with_the_flow(
    options: dict[str, Any], step: dict[str, Any], problem: str
) -> None:
    """What would be refused in the document is refused where `@step` says it, at the step that
    uses the function; also in a flow within, and for rescue steps.
    """
    uses = [function("work", **options), function("undo", lambda: None)]
    flow = Flow("f").step("a", "work", **step)
    with pytest.raises(FlowError) as raised:
        Flows(flow, uses=uses, config=ONCE)
    assert str(raised.value) == f"flow 'f', steps[0].uses: {problem}"
    check(flow, Names.of(functions=[function("work"), uses[1]]))
    if "with_" not in step:
        rescue = Rescue("r", "work", compensate=Compensation("undo") if step else None)
        outer = Flow("outer").step("b", Flow("g").step("a", "undo", rescue=[rescue]))
        with pytest.raises(FlowError) as raised:
            Flows(outer, uses=uses, config=ONCE)
        assert str(raised.value) == f"flow 'g', steps[0].rescue[0].uses: {problem}"


def test_a_circle_that_a_function_closes_is_found(tmp_path: Path) -> None:
    """Steps that would wait for each other for ever, by what `@step` says, are an error of the
    file, which names the function.
    """
    path = tmp_path / "f.yml"
    steps = "[{id: a, uses: work}, {id: b, uses: sleep, needs: a, with: {seconds: 1}}]"
    path.write_text(f"name: f\nsteps: {steps}\n", "utf-8")
    keyed = function("work", idempotency_key="${{ steps.b.output }}")
    with pytest.raises(FlowError) as raised:
        Flows(path, uses=[keyed], config=ONCE)
    assert str(raised.value) == (
        f"{path}:2:9: steps wait for each other: "
        "'a' needs 'b' (idempotency_key= in @step of 'work'), 'b' needs 'a'"
    )
    flow = Flow("f").step("a", "ask", with_={"question": "?"}, rescue=[Rescue("r", "work")])
    with pytest.raises(FlowError, match=r"'a' needs 'b' \(idempotency_key= in @step of 'work'\)"):
        check(flow.step("b", "ask", needs="a"), Names.of(functions=[keyed]))


def test_a_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is checked is what is run, though the file changes meanwhile."""
    path = tmp_path / "f.yml"
    path.write_text("name: f\nsteps: [{id: a, uses: sleep, with: {seconds: 1}}]\n", "utf-8")
    times = []

    def read(path: Path) -> bytes:
        times.append(path)
        return content_of(path)

    monkeypatch.setattr(loading, "content_of", read)
    Flows(path, config=ONCE)
    assert times == [path]


def test_two_flows_of_one_name_are_refused() -> None:
    """Each flow is a channel of its own."""
    flow = Flow("f").step("a", "sleep", with_={"seconds": 1})
    with pytest.raises(DefinitionError, match="two flows are named 'f'"):
        Flows(flow, flow, config=ONCE)
