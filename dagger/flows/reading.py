"""From plain data of the grammar's shape to the model, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from enum import StrEnum
from typing import Any

from dagger.flows.flow import Flow
from dagger.flows.model import (
    Compensation,
    Defaults,
    OnError,
    Rescue,
    Schedule,
    Step,
)
from dagger.rules.growing import Growing

Data = Mapping[str, Any]


def flow_from(data: Data) -> Flow:
    """The flow that a document says. What is missing in it is empty in the flow."""
    schedule = data.get("schedule")
    if isinstance(schedule, str):
        schedule = {"when": schedule}
    return Flow(
        **_given(data, "description", "fail_fast", "output"),
        name=data.get("name", ""),
        inputs=_without_none(data.get("inputs", {})),
        defaults=Defaults(**_policies(data.get("defaults", {}))),
        steps=tuple(map(_step, data.get("steps", ()))),
        schedule=None if schedule is None else Schedule(**{"when": "", **schedule}),
    )


def _step(data: Data | None) -> Step:
    """A step; one of which nothing fits is an empty one, so that the others keep their places."""
    data = {} if data is None else data
    needs = data.get("needs", ())
    return Step(
        **_work(data),
        **_given(data, "foreach"),
        needs=(needs,) if isinstance(needs, str) else tuple(each or "" for each in needs),
        max_parallel=_whole(data.get("max_parallel")),
        on_error=_on_error(data.get("on_error")),
        rescue=tuple(map(_rescue, data.get("rescue", ()))),
    )


def _rescue(data: Data | None) -> Rescue:
    return Rescue(**_work({} if data is None else data))


def _work(data: Data) -> dict[str, Any]:
    """What steps and rescue steps have in common."""
    names = ("description", "when", "retry", "timeout", "idempotency_key", "cache", "resources")
    compensate = data.get("compensate")
    return {
        **_given(data, *names),
        "id": data.get("id", ""),
        "uses": data.get("uses", ""),
        "with_": data.get("with", {}),
        "priority": _whole(data.get("priority")),
        "compensate": None if compensate is None else _compensation(compensate),
    }


def _compensation(data: Data) -> Compensation:
    return Compensation(
        uses=data.get("uses", ""),
        with_=data.get("with", {}),
        **_given(data, "retry", "timeout"),
    )


def _policies(data: Data) -> dict[str, Any]:
    return {
        **_given(data, "retry", "timeout", "resources"),
        "on_error": _on_error(data.get("on_error")),
        "max_parallel": _whole(data.get("max_parallel")),
        "priority": _whole(data.get("priority")),
    }


def _given(data: Data, *names: str) -> dict[str, Any]:
    return {name: data[name] for name in names if name in data}


def _on_error(value: str | None) -> OnError | None:
    return None if value is None else OnError(value)


def _whole(value: float | None) -> int | None:
    """A whole number, which JSON lets be written as 2.0."""
    return None if value is None else int(value)


def _without_none(data: Data) -> dict[str, Any]:
    return {name: each for name, each in data.items() if each is not None}


def data_of(part: Any) -> Any:
    """A part of the model as the document that says it; what is as usual is left out."""
    if isinstance(part, StrEnum):
        return str(part)
    if isinstance(part, tuple | Growing):
        return [data_of(each) for each in part]
    if not isinstance(part, (Flow, Defaults, Step, Rescue, Compensation, Schedule)):
        return part
    said = {}
    for each in fields(part):
        value = getattr(part, each.name)
        if each.name not in _NOT_WRITTEN and not _usual(part, each.name, value):
            said[each.name.rstrip("_")] = data_of(value)
    return said["when"] if isinstance(part, Schedule) and [*said] == ["when"] else said


_NOT_WRITTEN = {"subflows"}

_REQUIRED = {
    Flow: {"name", "steps"},
    Step: {"id", "uses"},
    Rescue: {"id", "uses"},
    Compensation: {"uses"},
    Schedule: {"when"},
    Defaults: set[str](),
}


def _usual(part: Any, name: str, value: Any) -> bool:
    """Whether a value is what a reader takes where nothing is said."""
    if name in _REQUIRED[type(part)]:
        return False
    if isinstance(value, Defaults):
        return value == Defaults()
    if name == "fail_fast":
        return bool(value)
    if name in ("timezone", "misfire", "overlap", "jitter"):
        return bool(value == getattr(_PLAIN_SCHEDULE, name))
    # An empty list of items is something else than none.
    empty = isinstance(value, (str, tuple, Mapping)) and not value
    return value is None or (empty and name != "foreach" and name != "output")


_PLAIN_SCHEDULE = Schedule("")
