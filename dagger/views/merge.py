"""Merging an execution tree into groups, so that a run of any size fits on a page.

Nodes merge if they have the same agent, channel and status, and so have all nodes on
the way to them from the root: `by_path`. Where paths go round in circles, an agent
that is on the path already is folded back to there, which makes a loop. Where even
that is too many, there is one group for each agent, channel and status. All of these
are one pass over the nodes, without recursion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from dagger.views.nodes import OutputEdge, TreeNode
from dagger.views.wording import duration, one_line, plural, price, times
from dagger.words.budget import BILLION, units
from dagger.words.records import Failure

OUTSIDE = -1
"""The source of links from the outside world, in place of a group's number."""

FORGOTTEN = -2
"""The source of links from invocations that are no longer kept."""

READABLE = 200
"""Groups that a merged picture may have before it is merged further."""

DEEP = 24
"""Groups on one path; what goes deeper is taken for a loop."""

Key = tuple[str, str, str]
"""Agent, channel and status: what nodes of a group have in common."""


@dataclass(slots=True)
class Group:
    """Nodes that are shown as one, and their sums."""

    agent: str
    channel: str
    status: str
    parent: int
    """Number of the group it hangs under; OUTSIDE or FORGOTTEN at the top."""
    depth: int
    first: str
    """Node id of its first node."""
    count: int = 0
    attempts: int = 0
    seconds: float = 0.0
    tokens: int = 0
    cost: int = 0
    """In billionths."""
    notes: dict[str, int] = field(default_factory=dict)
    """What else is said of its nodes, and how often."""
    failures: int = 0
    failure: Failure | None = None
    """The first one."""

    def add(self, node: TreeNode) -> None:
        """Count one more node."""
        self.count += 1
        self.attempts += node.attempts
        self.seconds += node.seconds or 0.0
        self.tokens += node.tokens
        self.cost += units(node.cost) if node.cost else 0
        for each in node.notes:
            self.notes[each] = self.notes.get(each, 0) + 1
        if node.failure is not None:
            self.failures += 1
            self.failure = self.failure or node.failure

    def figures(self) -> list[str]:
        """What it took: time, and attempts, tokens, cost and notes where they say something."""
        parts = []
        if self.attempts and self.count > 1:
            parts.append(f"{duration(self.seconds)} in all")
        elif self.attempts:
            parts.append(duration(self.seconds))
        if self.attempts > self.count:
            parts.append(plural(self.attempts, "attempt"))
        if self.tokens:
            parts.append(plural(self.tokens, "token"))
        if self.cost:
            parts.append(f"cost {price(self.cost / BILLION)}")
        parts += [one_line(note, 60) + times(count) for note, count in self.notes.items()]
        return parts

    def reason(self, limit: int) -> str:
        """Why it failed, first of all: "" or `type: message`, on one line."""
        if self.failure is None:
            return ""
        more = f" (and {self.failures - 1:,} more)" if self.failures > 1 else ""
        return one_line(f"{self.failure.type}: {self.failure.message}", limit) + more


@dataclass(slots=True)
class Merged:
    """Groups, how many messages lead from which to which, and outputs by source and channel."""

    groups: list[Group] = field(default_factory=list)
    links: dict[tuple[int, int], int] = field(default_factory=dict)
    outputs: dict[tuple[int, str], int] = field(default_factory=dict)
    joins: dict[tuple[int, int, str], int] = field(default_factory=dict)
    """How many parts of joins lead from which group to which, by channel: they are no group
    of their own, but were handled with a node of the other one.
    """
    loops: bool = False
    """Whether a path was folded back."""


_Find = Callable[[Merged, int, TreeNode], int]
"""Gives the number of the group that a node under a group belongs to."""


def merge(nodes: Iterable[TreeNode], outputs: Iterable[OutputEdge]) -> Merged:
    """The groups in as much detail as stays readable; their counts add up to the nodes."""
    nodes, outputs = _in_order(nodes), tuple(outputs)
    paths = _gather(nodes, outputs, by_path(DEEP))
    if len(paths.groups) <= READABLE and not paths.loops:
        return paths
    loops = _gather(nodes, outputs, by_path(0))
    if len(loops.groups) <= READABLE:
        return loops
    return _gather(nodes, outputs, by_agent())


def apart(nodes: Iterable[TreeNode], outputs: Iterable[OutputEdge]) -> Merged:
    """Each node as a group of its own."""
    return _gather(
        _in_order(nodes), tuple(outputs), lambda merged, at, node: _new(merged, at, node)
    )


def by_path(deep: int) -> _Find:
    """Same path, same group; beyond `deep` groups, what is on the path already is a loop."""
    known: dict[tuple[int, Key], int] = {}

    def find(merged: Merged, at: int, node: TreeNode) -> int:
        step = (at, _key(node))
        group = known.get(step)
        if group is None:
            group = _on_path(merged, at, step[1]) if _depth(merged, at) >= deep else None
            merged.loops |= group is not None
            known[step] = group = _new(merged, at, node) if group is None else group
        return group

    return find


def by_agent() -> _Find:
    """Same agent, channel and status, same group, wherever it hangs."""
    known: dict[Key, int] = {}

    def find(merged: Merged, at: int, node: TreeNode) -> int:
        key = _key(node)
        group = known.get(key)
        if group is None:
            group = known[key] = _new(merged, at, node)
        return group

    return find


def _in_order(nodes: Iterable[TreeNode]) -> list[TreeNode]:
    """Parents first: a delivery's number is higher than that of what caused it."""
    return sorted(nodes, key=lambda node: node.delivery)


def _gather(nodes: list[TreeNode], outputs: tuple[OutputEdge, ...], find: _Find) -> Merged:
    merged = Merged()
    groups, links = merged.groups, merged.links
    where = {0: OUTSIDE}
    shown = {node.delivery for node in nodes}
    parts = [node for node in nodes if node.lead in shown]
    for node in nodes:
        if node.lead in shown:
            continue
        source = where.get(node.parent, FORGOTTEN)
        target = where[node.delivery] = find(merged, source, node)
        groups[target].add(node)
        links[source, target] = links.get((source, target), 0) + 1
    for node in parts:
        link = where.get(node.parent, FORGOTTEN), where[node.lead], node.channel
        merged.joins[link] = merged.joins.get(link, 0) + 1
    for output in outputs:
        place = (where.get(output.parent, FORGOTTEN), output.channel)
        merged.outputs[place] = merged.outputs.get(place, 0) + output.messages
    return merged


def _key(node: TreeNode) -> Key:
    return node.agent, node.channel, node.status


def _depth(merged: Merged, at: int) -> int:
    return merged.groups[at].depth if at >= 0 else 0


def _new(merged: Merged, at: int, node: TreeNode) -> int:
    merged.groups.append(Group(*_key(node), at, _depth(merged, at) + 1, node.id))
    return len(merged.groups) - 1


def _on_path(merged: Merged, at: int, key: Key) -> int | None:
    while at >= 0:
        group = merged.groups[at]
        if (group.agent, group.channel, group.status) == key:
            return at
        at = group.parent
    return None
