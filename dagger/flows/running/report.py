"""What has become of a flow, step by step: plain data, as it is kept with the run and told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dagger.flows.happenings import FlowStatus, StepStatus

REASON_CUT = 500
"""Characters of the reason that are left in the shortest report."""


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

    @property
    def is_plain(self) -> bool:
        """Whether there is no more to tell of it than that it has succeeded."""
        more = self.reason or self.error or self.reused or self.items_failed
        return self.status == StepStatus.SUCCEEDED and not more


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
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Of a report that was too large for a message, how many of `steps` are left out, by their
    status, and of `undo`: "undone", "undo failed", "undo left".
    """

    def step(self, id: str) -> StepReport:
        """The report of a step. Raises KeyError, also for one that is left out."""
        for each in self.steps:
            if each.id == id:
                return each
        raise KeyError(id)

    def forms(self) -> Iterator[tuple[dict[str, Any], str]]:
        """Its data, and that of ever shorter ones, each with what is left out in words."""
        yield self.data(), ""
        short = replace(self, output=None, definition={})
        yield short.data(), "its output"
        plain = Counter(each.status for each in self.steps if each.is_plain)
        some = tuple(each for each in self.steps if not each.is_plain)
        told = "its output, and steps of which there is no more to tell than that they succeeded"
        yield replace(short, steps=some, left_out=plain).data(), told
        counts = Counter(each.status for each in self.steps)
        counts += self._undo_counts()
        undo = None if self.undo is None else UndoneReport()
        told = f"all but that it has {self.status}, and {dict(counts)}"
        reason = self.reason[:REASON_CUT]
        shortest = replace(short, reason=reason, steps=(), undo=undo, left_out=counts)
        yield shortest.data(), told

    def _undo_counts(self) -> Counter[str]:
        undo = self.undo or UndoneReport()
        parts = {"undone": undo.undone, "undo failed": undo.failed, "undo left": undo.left}
        return Counter({name: len(each) for name, each in parts.items()})

    def data(self) -> dict[str, Any]:
        """As plain JSON data; of steps and of what was undone without what is empty."""
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
            "left_out": dict(self.left_out),
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
            data.get("left_out", {}),
        )


def _filled(part: StepReport | UndoneReport) -> dict[str, Any]:
    said = {name: getattr(part, name) for name in part.__slots__}
    plain = {name: list(each) if isinstance(each, tuple) else each for name, each in said.items()}
    return {name: each for name, each in plain.items() if each or (each == 0 and name == "items")}


def _step(data: Mapping[str, Any]) -> StepReport:
    return StepReport(**{**data, "items_failed": tuple(data.get("items_failed", ()))})


def _undone(data: Mapping[str, Any]) -> UndoneReport:
    lists = {name: tuple(data.get(name, ())) for name in ("undone", "left")}
    return UndoneReport(**lists, failed=data.get("failed", {}))
