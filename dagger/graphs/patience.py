"""Whether a node may begin at which branches wait, and how long it waits for what it needs."""

from __future__ import annotations

from dataclasses import dataclass

from dagger.graphs.model import Node
from dagger.graphs.needs import Unmet
from dagger.graphs.plan import Plan


@dataclass(frozen=True, slots=True)
class Begins:
    """It has all that it needs."""


@dataclass(frozen=True, slots=True)
class Waits:
    """It has not, and may have it later."""

    until: float | None
    """When its patience is over, epoch seconds; None if it has no end."""


@dataclass(frozen=True, slots=True)
class Fails:
    """It will not have it, or not in time."""

    type: str
    message: str


Verdict = Begins | Waits | Fails

_BEGINS = Begins()


class Patience:
    """That of the nodes of one run."""

    def __init__(self, plan: Plan) -> None:
        self.deadlines: dict[str, dict[str, float]] = {}
        """By node that waits, and by what it needs: until when it may, if not for ever."""
        self._plan = plan

    def verdict(self, node: Node, *, patient: bool = True) -> Verdict:
        """Whether it may begin now; who is not patient does without what is optional."""
        try:
            left = self._plan.left(node, patient=patient)
        except Exception as error:  # of a condition, which is the user's
            told = f"a condition of what it needs has failed: {error}"
            return Fails(type(error).__name__, told)
        if not left:
            return _BEGINS
        never = next((each for each in left if each.never), None)
        return self._waits(node, left) if never is None else self._never(node, never.need)

    def forget(self, node: Node) -> bool:
        """It waits no more; whether its patience had an end."""
        return self.deadlines.pop(node.name, None) is not None

    def _never(self, node: Node, need: str) -> Fails:
        had = need in self._plan.completed
        why = "whose completion does not count any more" if had else "which has not completed"
        return Fails("DependencyUnmet", f"node {node.name!r} needs {need!r}, {why}")

    def _waits(self, node: Node, left: list[Unmet]) -> Waits | Fails:
        known, now = self.deadlines.pop(node.name, {}), self._plan.now
        limits = {x.need: x.dependency.timeout for x in left if x.dependency.timeout is not None}
        if not limits:
            return Waits(None)
        ends = {need: known.get(need, now + limit) for need, limit in limits.items()}
        self.deadlines[node.name] = ends
        need = min(ends, key=ends.__getitem__)
        if now < ends[need]:
            return Waits(ends[need])
        told = f"node {node.name!r} has waited {limits[need]:g} s for {need!r}"
        return Fails("TimeoutExceeded", told)
