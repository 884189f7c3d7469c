"""What an execution has come to: where its branch goes, and what it changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from dagger.graphs.model import Node, NodeKind
from dagger.graphs.reducers import Reduce


class Outcome(NamedTuple):
    """The result of one execution."""

    changes: tuple[tuple[str, Any], ...] = ()
    """Keys and what they are set to, or updated with, in order."""
    removed: tuple[str, ...] = ()
    to: tuple[str, ...] | None = None
    """Where the node itself goes; None to follow its edges."""
    chosen: tuple[str, ...] = ()
    """Where its router goes, besides its edges."""
    again: bool = False
    """Whether a loop goes round once more."""
    nodes: tuple[tuple[Node, tuple[str, ...]], ...] = ()
    """Nodes that are added to the run, and where each leads."""
    decision: str = ""
    """What a person has decided about a node that has failed."""

    def changed(self, reducers: Mapping[str, Reduce]) -> dict[str, Any]:
        """What it has changed, by key: what is removed is None, and several updates of a key with
        a reducer are put together by it.
        """
        found: dict[str, Any] = dict.fromkeys(self.removed)
        updates: dict[str, list[Any]] = {}
        for key, value in self.changes:
            updates.setdefault(key, []).append(value)
        for key, values in updates.items():
            together = len(values) > 1 and key in reducers
            found[key] = _together(values, reducers[key]) if together else values[-1]
        return found

    def data(self) -> dict[str, Any]:
        """As plain data; what is empty is left out."""
        found: dict[str, Any] = {}
        if self.changes:
            found["set"] = [list(each) for each in self.changes]
        if self.removed:
            found["removed"] = list(self.removed)
        if self.to is not None:
            found["to"] = list(self.to)
        if self.chosen:
            found["chosen"] = list(self.chosen)
        if self.again:
            found["again"] = True
        if self.nodes:
            found["nodes"] = [[added(node), list(targets)] for node, targets in self.nodes]
        if self.decision:
            found["decision"] = self.decision
        return found

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Outcome:
        """The outcome that some data is of."""
        said = data.get
        to, nodes = said("to"), said("nodes")
        return cls(
            changes=tuple(map(tuple, said("set", ()))),
            removed=tuple(said("removed", ())),
            to=None if to is None else tuple(to),
            chosen=tuple(said("chosen", ())),
            again=said("again", False),
            nodes=tuple((made(x), tuple(targets)) for x, targets in nodes) if nodes else (),
            decision=said("decision", ""),
        )


def _together(updates: list[Any], reduce: Reduce) -> Any:
    try:
        value = reduce(None, updates[0])
    except Exception:  # it counts on a value that is there: its updates are such values
        value = updates[0]
    for each in updates[1:]:
        value = reduce(value, each)
    return value


def added(node: Node) -> dict[str, Any]:
    """A node that is added to a run, as plain data."""
    return {"name": node.name, "uses": node.uses, "description": node.description}


def made(data: Mapping[str, Any]) -> Node:
    """The node that such data is of."""
    return Node(data["name"], NodeKind.STANDARD, data["uses"], data["description"])
