"""What has become of a flow, step by step: plain data, as it is kept with the run and told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dagger.flows.happenings import FlowStatus


@dataclass(frozen=True, slots=True)
class StepReport:
    """One step or rescue step."""

    id: str
    """Its id."""
    status: str
    """As docs/flow-rules.md names them."""
    reason: str = ""
    """Why, where it neither succeeded nor failed by itself."""
    error: Mapping[str, str] | None = None
    """`type` and `message` of what it failed with."""
    reused: int = 0
    """Results that this run did not make: known from a cache, or by an idempotency key."""
    items: int | None = None
    """How many it ran for; None without `foreach`."""
    items_failed: tuple[int, ...] = ()
    """The numbers of those that have failed, from 0."""


@dataclass(frozen=True, slots=True)
class UndoneReport:
    """What was undone. Steps are named by their ids, their items as in "store[3]"."""

    undone: tuple[str, ...] = ()
    """What has been undone."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """What could not be undone, and why."""
    left: tuple[str, ...] = ()
    """What has not been undone so far, or in time."""


@dataclass(frozen=True, slots=True)
class FlowReport:
    """One run of a flow."""

    flow: str
    """The name of the flow."""
    run: str
    """The id of the run."""
    status: FlowStatus
    """How it has ended, or that it goes on."""
    reason: str = ""
    """Why it has not succeeded."""
    output: Any = None
    """What it gives."""
    steps: tuple[StepReport, ...] = ()
    """Each step, and behind it its rescue steps."""
    undo: UndoneReport | None = None
    """None where nothing had to be undone."""
    definition: Mapping[str, Any] = field(default_factory=dict)
    """The flow, and those it uses, as the run began with them."""

    def step(self, id: str) -> StepReport:
        """The report of a step. Raises KeyError."""
        return next(each for each in self.steps if each.id == id) if self._has(id) else _no(id)

    def _has(self, id: str) -> bool:
        return any(each.id == id for each in self.steps)

    def data(self) -> dict[str, Any]:
        """As plain JSON data; what is empty is left out."""
        undo = self.undo
        return {
            "flow": self.flow,
            "run": self.run,
            "status": str(self.status),
            "reason": self.reason,
            "output": self.output,
            "steps": [_filled(each) for each in self.steps],
            "undo": None if undo is None else _filled(undo),
            "definition": dict(self.definition),
        }

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> FlowReport:
        """The report that some data is of."""
        undo = data["undo"]
        return cls(
            data["flow"],
            data["run"],
            FlowStatus(data["status"]),
            data["reason"],
            data["output"],
            tuple(_step(each) for each in data["steps"]),
            None if undo is None else _undone(undo),
            data["definition"],
        )


def _no(id: str) -> StepReport:
    raise KeyError(id)


def _filled(part: StepReport | UndoneReport) -> dict[str, Any]:
    said = {name: getattr(part, name) for name in part.__slots__}
    plain = {name: list(each) if isinstance(each, tuple) else each for name, each in said.items()}
    return {name: each for name, each in plain.items() if each or (each == 0 and name == "items")}


def _step(data: Mapping[str, Any]) -> StepReport:
    return StepReport(**{**data, "items_failed": tuple(data.get("items_failed", ()))})


def _undone(data: Mapping[str, Any]) -> UndoneReport:
    lists = {name: tuple(data.get(name, ())) for name in ("undone", "left")}
    return UndoneReport(**lists, failed=data.get("failed", {}))
