"""What nodes need of each other before they run.

A node that has completed counts for as long as the dependency says. `Known` is what a run
knows of its nodes for that; moments are those of the events that told of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Protocol

from dagger.graphs.model import Dependency, Lifecycle, Need, Node


class Completed(NamedTuple):
    """When a node has completed last."""

    at: float
    """Epoch seconds."""
    order: int
    """Its place among all beginnings and completions of nodes."""


class Known(Protocol):
    """What there is to know of a run."""

    now: float
    completed: dict[str, Completed]
    began: dict[str, int]
    """The place of the last beginning of each node, among all beginnings and completions."""

    def is_running(self, node: str) -> bool:
        """Whether it runs now."""

    def may_come(self, node: str, besides: str) -> bool:
        """Whether a branch is at it, or may come to it, other than those that wait at `besides`."""

    def goes_first(self, node: str, other: str) -> bool:
        """Whether it could begin as well as the other one, and was added before it."""

    def holds(self, dependency: Dependency, node: str) -> bool:
        """Whether its condition is true for whoever waits at a node."""


class Unmet(NamedTuple):
    """What a node needs and has not."""

    need: str
    """The other node."""
    dependency: Dependency
    never: bool
    """Whether it will never have it."""


Each = tuple[str, Dependency]
"""Another node, and what is needed of it."""


def apart(nodes: Iterable[Node]) -> dict[str, list[Each]]:
    """By node those that say that they never overlap with it: it does not with them, either."""
    found: dict[str, list[Each]] = {}
    for node in nodes:
        for name, dependency in node.needs.items():
            if dependency.type is Need.SEQUENTIAL:
                said = Dependency(Need.SEQUENTIAL, condition=dependency.condition)
                found.setdefault(name, []).append((node.name, said))
    return found


def unmet(
    node: Node, others: Iterable[Each], known: Known, *, gives_way: bool = True
) -> list[Unmet]:
    """What a node needs and has not, as things are now; nothing if it may run.

    `others` are those that say that they never overlap with it (see `apart`). Without `gives_way`
    it is asked as if it went first of all with which it never overlaps.
    """
    found = []
    for name, dependency in (*node.needs.items(), *others):
        ask = _ASKS[dependency.type] if gives_way else _FIRST[dependency.type]
        if known.holds(dependency, node.name) and (left := ask(node, name, dependency, known)):
            found.append(left)
    return found


def counts(node: Node, name: str, dependency: Dependency, known: Known) -> bool:
    """Whether it counts, for a node, that another one has completed."""
    completed = known.completed.get(name)
    if completed is None or known.now - completed.at >= dependency.lasts:
        return False
    if dependency.lifecycle is Lifecycle.ALWAYS:
        return completed.order > known.began.get(node.name, -1)
    return True


def _required(node: Node, name: str, dependency: Dependency, known: Known) -> Unmet | None:
    if counts(node, name, dependency, known):
        return None
    return Unmet(name, dependency, never=not known.may_come(name, node.name))


def _optional(node: Node, name: str, dependency: Dependency, known: Known) -> Unmet | None:
    if counts(node, name, dependency, known) or not known.may_come(name, node.name):
        return None
    return Unmet(name, dependency, never=False)


def _parallel(node: Node, name: str, dependency: Dependency, known: Known) -> Unmet | None:
    return None


def _sequential(node: Node, name: str, dependency: Dependency, known: Known) -> Unmet | None:
    if known.goes_first(name, node.name):
        return Unmet(name, dependency, never=False)
    return _apart(node, name, dependency, known)


def _apart(node: Node, name: str, dependency: Dependency, known: Known) -> Unmet | None:
    return Unmet(name, dependency, never=False) if known.is_running(name) else None


Ask = Callable[[Node, str, Dependency, Known], Unmet | None]

_ASKS: Mapping[Need, Ask] = {
    Need.REQUIRED: _required,
    Need.OPTIONAL: _optional,
    Need.PARALLEL: _parallel,
    Need.SEQUENTIAL: _sequential,
}

_FIRST: Mapping[Need, Ask] = {**_ASKS, Need.SEQUENTIAL: _apart}
