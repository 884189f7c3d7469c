"""What `@step(...)` says of a function, where the steps that use it say nothing.

It is a part of the flow from then on, and so it is checked with it. Whatever is wrong with it is
told at the step, and names the function.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from dagger.flows.flow import Flow
from dagger.flows.functions import StepFunction
from dagger.flows.model import Compensation, OnError, Rescue, Step
from dagger.flows.names import Names
from dagger.rules.documents.tree import Found, Path

Functions = Mapping[str, StepFunction]

_OF_WORK = ("retry", "timeout", "cache", "priority", "idempotency_key", "resources")
_OF_COMPENSATIONS = ("retry", "timeout")


def filled(flow: Flow, names: Names) -> Flow:
    """A flow and those within it, with what is said of the step functions that they use."""
    return _filled(flow, names.functions, {})


def _filled(flow: Flow, functions: Functions, done: dict[int, Flow]) -> Flow:
    """`done` are those that were filled already, so that a flow stays one, wherever it is used."""
    known = done.get(id(flow))
    if known is None:
        subflows = {name: _filled(each, functions, done) for name, each in flow.subflows.items()}
        known = done[id(flow)] = replace(filled_alone(flow, functions), subflows=subflows)
    return known


def filled_alone(flow: Flow, functions: Functions) -> Flow:
    """The same of one flow, with the flows within it as they are."""
    return replace(flow, steps=tuple(_step(each, functions) for each in flow.steps))


def _step(step: Step, functions: Functions) -> Step:
    said = _said(step, functions)
    on_error = _options(step, ("on_error",), functions)
    if on_error:
        said["on_error"] = OnError(on_error["on_error"])
    rescue = tuple(replace(each, **_said(each, functions)) for each in step.rescue)
    return replace(step, **said, rescue=rescue)


def _said(step: Step | Rescue, functions: Functions) -> dict[str, Any]:
    undo = step.compensate
    if undo is not None:
        undo = replace(undo, **_options(undo, _OF_COMPENSATIONS, functions))
    return {**_options(step, _OF_WORK, functions), "compensate": undo}


def _options(
    part: Step | Rescue | Compensation, names: Iterable[str], functions: Functions
) -> dict[str, Any]:
    """What the function that a part uses says, and the part does not."""
    function = functions.get(part.uses)
    if function is None:
        return {}
    wanted = [name for name in names if getattr(part, name) is None]
    return {name: function.options[name] for name in wanted if name in function.options}


def attributed(found: Found, written: Flow) -> Found:
    """A finding in a flow that was filled, told where `written`, the flow as it is written, has it:
    what is wrong with an option of a function, at the step that uses it.
    """
    part, path, field = _held(written, found.path)
    if part is None or getattr(part, field, "") is not None:
        return found
    return Found((*path, "uses"), f"{found.text} {_by_function(field, part.uses)}")


def keyed(step: Step, written: Step, need: str) -> str:
    """Who says a key, by which a step needs another one though nothing of it is written."""
    parts: Iterable[Step | Rescue] = (step, *step.rescue)
    as_written: Iterable[Step | Rescue] = (written, *written.rescue)
    uses = [
        now.uses
        for now, was in zip(parts, as_written, strict=True)
        if was.idempotency_key is None and need in (now.idempotency_key or "")
    ]
    return _by_function("idempotency_key", uses[0] if uses else step.uses)


def _by_function(field: str, uses: str) -> str:
    """Who says a field that a step does not say."""
    return f"({field}= in @step of {uses!r})"


def _held(flow: Flow, path: Path) -> tuple[Step | Rescue | Compensation | None, Path, str]:
    """The part of a flow that a path leads into, the path to it, and its field behind that."""
    if len(path) < 3 or path[0] != "steps":
        return None, (), ""
    part: Step | Rescue | Compensation = flow.steps[int(path[1])]
    at = 2
    if isinstance(part, Step) and path[at] == "rescue" and len(path) > at + 2:
        part, at = part.rescue[int(path[at + 1])], at + 2
    if not isinstance(part, Compensation) and path[at] == "compensate" and len(path) > at + 1:
        if part.compensate is None:
            return None, (), ""
        part, at = part.compensate, at + 1
    return part, path[:at], str(path[at])
