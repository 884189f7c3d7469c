"""Flows made in Python: step by step, or of functions whose parameters name other steps."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

from dagger.authoring.agent import Agent
from dagger.flows.functions import StepFunction
from dagger.flows.model import Compensation, Flow, OnError, Rescue, Step
from dagger.words.errors import DefinitionError

Used = str | StepFunction | Agent | Flow | Callable[..., Any]
"""What a step may use: something by its name, or the thing itself."""

_OPTIONS = tuple(each.name for each in fields(Step) if each.name not in ("id", "uses"))


def with_step(flow: Flow, id: str, uses: Used, options: Mapping[str, Any]) -> Flow:
    """A flow with one step more. Raises DefinitionError for an option there is none of."""
    where = f"step {id!r} of flow {flow.name!r}"
    for name in options:
        if name not in _OPTIONS:
            near = difflib.get_close_matches(name, _OPTIONS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(_OPTIONS)}"
            raise DefinitionError(f"a step has no option {name!r}; {hint}", where)
    made = Step(id, _name_of(uses, where), **_values(options, where))
    subflows = dict(flow.subflows)
    for each in (uses, *_uses_within(options)):
        if isinstance(each, Flow):
            subflows[_file_of(each)] = each
    return replace(flow, steps=(*flow.steps, made), subflows=subflows)


def flow_of(
    name: str,
    *functions: StepFunction,
    inputs: Mapping[str, Any] | None = None,
    output: Any = None,
    **options: Any,
) -> Flow:
    """A flow of step functions: a parameter that has the name of another one gets its output.

    One that has the name of an input gets that; `ctx` is the context, and one with a default
    may be left to it. Inputs that `inputs` does not name are those that the functions need and
    that no function is. `output` is a value, or one of the functions. Other options are fields
    of the Flow. Raises DefinitionError.
    """
    steps = {each.name: each for each in functions}
    if len(steps) < len(functions):
        raise DefinitionError("two of the functions have one name", f"flow {name!r}")
    schemas = _inputs(steps, inputs, name)
    made = tuple(_step_of(each, steps, schemas) for each in functions)
    if isinstance(output, StepFunction):
        output = f"${{{{ steps.{output.name}.output }}}}"
    return Flow(name, inputs=schemas, steps=made, output=output, **options)


def _inputs(
    steps: Mapping[str, StepFunction], given: Mapping[str, Any] | None, name: str
) -> dict[str, Any]:
    wanted = [part for each in steps.values() for part in each.required if part not in steps]
    if given is None:
        return {part: {} for part in wanted}
    for part in wanted:
        if part not in given:
            known = [*steps, *given]
            near = difflib.get_close_matches(part, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"
            problem = f"the parameter {part!r} is neither a step nor an input{hint}"
            where = next(each.where for each in steps.values() if part in each.required)
            raise DefinitionError(f"{problem} of flow {name!r}", where)
    return dict(given)


def _step_of(
    function: StepFunction, steps: Mapping[str, StepFunction], inputs: Mapping[str, Any]
) -> Step:
    arguments = {}
    for name in (*function.required, *function.optional):
        if name in steps and name != function.name:
            arguments[name] = f"${{{{ steps.{name}.output }}}}"
        elif name in inputs:
            arguments[name] = f"${{{{ inputs.{name} }}}}"
    return Step(function.name, function.name, with_=arguments)


def _values(options: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The options as a Step holds them."""
    found = dict(options)
    needs = found.get("needs", ())
    if "needs" in found:
        found["needs"] = (needs,) if isinstance(needs, str) else tuple(needs)
    if found.get("on_error") is not None:
        found["on_error"] = _on_error(found["on_error"], where)
    if "rescue" in found:
        found["rescue"] = tuple(_part(Rescue, each, where) for each in found["rescue"])
    if found.get("compensate") is not None:
        found["compensate"] = _compensation(found["compensate"], where)
    return found


def _compensation(given: Any, where: str) -> Compensation:
    if isinstance(given, Mapping | Compensation):
        made = _part(Compensation, given, where)
        assert isinstance(made, Compensation)
        return made
    return Compensation(_name_of(given, where))


def _part(kind: type[Rescue] | type[Compensation], given: Any, where: str) -> Any:
    """A part of a step that is given as what it is, or as a mapping of its fields."""
    if isinstance(given, kind):
        return given
    said = {"with_" if name == "with" else name: each for name, each in given.items()}
    if "uses" in said:
        said["uses"] = _name_of(said["uses"], where)
    if kind is Rescue and said.get("compensate") is not None:
        said["compensate"] = _compensation(said["compensate"], where)
    try:
        return kind(**said)
    except TypeError as error:
        problem = str(error).partition("() ")[2]
        raise DefinitionError(f"{kind.__name__.lower()}: it {problem}", where) from None


def _uses_within(options: Mapping[str, Any]) -> Iterable[Any]:
    """What rescue steps and compensations use, as far as it is given as itself."""
    parts = [*options.get("rescue", ()), options.get("compensate")]
    for each in parts:
        inner = each.get("uses") if isinstance(each, Mapping) else each
        yield inner
        if isinstance(each, Mapping):
            yield from _uses_within({"compensate": each.get("compensate")})


def _name_of(uses: Used, where: str) -> str:
    if isinstance(uses, str):
        return uses
    if isinstance(uses, StepFunction | Agent):
        return uses.name
    if isinstance(uses, Flow):
        return _file_of(uses)
    problem = "a step uses a name, a function decorated with @step, an agent or a flow"
    raise DefinitionError(f"{problem}, not {uses!r}", where)


def _file_of(flow: Flow) -> str:
    """What stands in a document for a flow that is made in Python."""
    return f"./{flow.name}.yml"


def _on_error(value: Any, where: str) -> OnError:
    try:
        return OnError(value)
    except ValueError:
        known = ", ".join(map(repr, map(str, OnError)))
        raise DefinitionError(f"on_error must be one of {known}, not {value!r}", where) from None
