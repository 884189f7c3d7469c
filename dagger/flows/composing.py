"""Flows made of functions, whose parameters name other ones."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Unpack

from dagger.authoring.options import check_options
from dagger.flows.flow import Flow, FlowFields
from dagger.flows.functions import StepFunction
from dagger.flows.model import Step
from dagger.rules.expressions.paths import written
from dagger.words.errors import DefinitionError


def flow_of(
    name: str,
    *functions: StepFunction,
    inputs: Mapping[str, Any] | None = None,
    output: Any = None,
    **options: Unpack[FlowFields],
) -> Flow:
    """A flow of step functions: a parameter that has the name of another one gets its output.

    One that has the name of an input gets that; `ctx` is the context, and one with a default
    may be left to it. Without `inputs` these are what the functions need and no function is.
    `output` is a value, or one of the functions. Other options are fields of the Flow. Raises
    DefinitionError.
    """
    where = f"flow {name!r}"
    check_options(options, FlowFields.__annotations__, "flow_of", where)
    for each in functions:
        if not isinstance(each, StepFunction):
            problem = f"flow_of takes functions decorated with @step, not {each!r}"
            raise DefinitionError(problem, where)
    steps = {each.name: each for each in functions}
    if len(steps) < len(functions):
        raise DefinitionError("two of its functions have one name", where)
    schemas = _inputs(steps, inputs, name)
    made = tuple(_step_of(each, steps, schemas) for each in functions)
    if isinstance(output, StepFunction):
        output = _reference("steps", output.name, "output")
    return Flow(name, inputs=schemas, steps=made, output=output, **options)


def _inputs(
    steps: Mapping[str, StepFunction], given: Mapping[str, Any] | None, name: str
) -> dict[str, Any]:
    wanted = {part: each for each in steps.values() for part in each.required if part not in steps}
    if given is None:
        return {part: {} for part in wanted}
    for part, function in wanted.items():
        if part not in given:
            known = [*steps, *given]
            near = difflib.get_close_matches(part, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"
            problem = f"the parameter {part!r} is neither a step nor an input of flow {name!r}"
            raise DefinitionError(problem + hint, function.where)
    return dict(given)


def _step_of(
    function: StepFunction, steps: Mapping[str, StepFunction], inputs: Mapping[str, Any]
) -> Step:
    arguments = {}
    for name in (*function.required, *function.optional):
        if name in steps and name != function.name:
            arguments[name] = _reference("steps", name, "output")
        elif name in inputs:
            arguments[name] = _reference("inputs", name)
    return Step(function.name, function.name, with_=arguments)


def _reference(*parts: str) -> str:
    return f"${{{{ {written(parts)} }}}}"
