"""How large a flow becomes by the flows that its steps use.

Each step that uses a flow is carried out by agents of its own, and so are the steps of that flow,
and so on: a few small files of which each uses the next one twice are thousands of agents.
"""

from __future__ import annotations

from collections.abc import Iterator

from dagger.flows.flow import Flow
from dagger.flows.model import Rescue, Step
from dagger.rules.documents.tree import Found

MAX_FLOWS = 100
"""Flows, or files of them, that one flow may consist of, with all that they use."""

MAX_STEPS_WITHIN = 10_000
"""Steps that the flows which one flow uses may come to: each is counted wherever it is used."""


def too_large(flow: Flow) -> Iterator[Found]:
    """That a flow becomes too large by those that it uses, unless one of these does so itself."""
    if not flow.subflows or any(_has_many(each) for each in flow.subflows.values()):
        return
    if _has_many(flow):
        yield Found(("steps",), f"the flow consists of more than {MAX_FLOWS} flows")
        return
    sizes = _Sizes()
    if any(sizes.within(each) > MAX_STEPS_WITHIN for each in flow.subflows.values()):
        return
    total = 0
    for number, step in enumerate(flow.steps):
        before, total = total, total + sum(sizes.used_by(each, flow) for each in _parts(step))
        if before <= MAX_STEPS_WITHIN < total:
            place = number
    if total > MAX_STEPS_WITHIN:
        problem = (
            f"the flows that steps use come to {total:,} steps in all, and at most "
            f"{MAX_STEPS_WITHIN:,} are possible; a step with foreach uses one flow many times"
        )
        yield Found(("steps", place, "uses"), problem)


def _has_many(flow: Flow) -> bool:
    return len(flow.flows()) > MAX_FLOWS


def _parts(step: Step) -> tuple[Step | Rescue, ...]:
    return step, *step.rescue


class _Sizes:
    """Counts the steps of flows, each flow once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, int]] = {}

    def within(self, flow: Flow) -> int:
        """The steps of the flows that a flow uses."""
        return self._of(flow)[1]

    def used_by(self, step: Step | Rescue, flow: Flow) -> int:
        """The steps of the flows that one of its steps uses, and what undoes that."""
        undo = step.compensate
        uses = [step.uses] if undo is None else [step.uses, undo.uses]
        return sum(sum(self._of(flow.subflows[each])) for each in uses if each in flow.subflows)

    def _of(self, flow: Flow) -> tuple[int, int]:
        """Its own steps, and those within."""
        known = self._known.get(id(flow))
        if known is None:
            steps = [*flow.all_steps()]
            within = sum(self.used_by(each, flow) for each in steps) if flow.subflows else 0
            known = self._known[id(flow)] = len(steps), within
        return known
