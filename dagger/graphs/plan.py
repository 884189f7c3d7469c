"""The plan of a run: its nodes as they are now, where they lead, and what each of them needs.

Nodes may be added while the run goes on; all else is as the definition has it. What has been of the
nodes, as far as others need it, is here too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dagger.graphs.branches import Branches
from dagger.graphs.executions import Execution
from dagger.graphs.library import Library
from dagger.graphs.model import END, START, Definition, Dependency, Need, Node
from dagger.graphs.needs import Completed, Unmet, apart, unmet
from dagger.graphs.reach import Reach

Added = tuple[Node, tuple[str, ...]]
"""A node that was made while the run goes on, and where it leads."""


class Plan:
    """That of one run of a graph, or of a graph within it."""

    def __init__(
        self,
        definition: Definition,
        library: Library,
        branches: Branches,
        executions: Mapping[int, Execution],
    ) -> None:
        self.nodes: dict[str, Node] = dict(definition.nodes)
        self.edges: dict[str, tuple[str, ...]] = dict(definition.edges)
        self.completed: dict[str, Completed] = {}
        self.began: dict[str, int] = {}
        self.order = 0
        """How many beginnings and completions of nodes there have been."""
        self.now = 0.0
        """The moment of the latest event, epoch seconds."""
        self._definition = definition
        self._holds = library.holds
        self._branches = branches
        self._executions = executions
        self._reach = Reach(self.nodes, self.targets)
        self._apart = apart(self.nodes.values())
        self._orders = {name: number for number, name in enumerate(self.nodes)}

    # -- nodes and where they lead ---------------------------------------------------

    def taken(self, nodes: Iterable[Added]) -> str | None:
        """The first name of some nodes that another one has; None if they may be added."""
        new: dict[str, Added] = {}
        for each in nodes:
            name = each[0].name
            if name in self._definition.nodes or name in (START, END):
                return name
            known = (self.nodes[name], self.edges[name]) if name in self.nodes else each
            if new.setdefault(name, known) != each:
                return name
        return None

    def add(self, nodes: Iterable[Added]) -> None:
        """Nodes that were made while the run goes on."""
        for node, targets in nodes:
            self.nodes[node.name] = node
            self.edges[node.name] = targets
            self._orders.setdefault(node.name, len(self._orders))
        self._reach = Reach(self.nodes, self.targets)

    def targets(self, name: str) -> tuple[str, ...]:
        """Where a branch may go from a node."""
        choice, node = self._definition.choices.get(name), self.nodes.get(name)
        chosen = choice.targets.values() if choice is not None else ()
        return (*self.edges.get(name, ()), *chosen, *(node.to if node is not None else ()))

    # -- who goes first --------------------------------------------------------------

    def ready(self) -> list[str]:
        """The nodes at which branches wait that no other branch comes to."""
        come = self._branches.others_may_come
        names = [name for name in self._branches.waiting if not come(name, self._reach)]
        return names if len(names) < 2 else self.in_order(names)

    def in_order(self, names: Iterable[str]) -> list[str]:
        """By priority, and then as they were added."""
        return sorted(names, key=self._precedence)

    def first(self, names: Iterable[str]) -> str:
        """The one that was added first."""
        return min(names, key=self._orders.__getitem__)

    def _precedence(self, name: str) -> tuple[int, int]:
        return -(self.nodes[name].priority or 0), self._orders[name]

    # -- what they need --------------------------------------------------------------

    def begin(self, name: str) -> None:
        """A visit of a node begins."""
        self.order += 1
        self.began[name] = self.order

    def complete(self, name: str) -> None:
        """A visit of a node has completed."""
        self.order += 1
        self.completed[name] = Completed(self.now, self.order)

    def left(self, node: Node, *, patient: bool) -> list[Unmet]:
        """What a node needs and has not; who is not patient does without what is optional."""
        others = self._apart.get(node.name, ())
        if not node.needs and not others:
            return []
        left = unmet(node, others, self)
        if patient:
            return left
        return [each for each in left if each.dependency.type is not Need.OPTIONAL]

    def is_running(self, node: str) -> bool:
        """Whether a node runs now."""
        return any(each.node == node and each.runs for each in self._executions.values())

    def may_come(self, node: str, besides: str) -> bool:
        """Whether a branch is at a node, or may come to it, other than those at `besides`."""
        return self._branches.may_come(node, self._reach.who_reaches(node), besides)

    def goes_first(self, node: str, other: str) -> bool:
        """Whether a node could begin as well as another one, and was added before it."""
        if node not in self._branches.waiting or self._orders[node] > self._orders[other]:
            return False
        if self._branches.others_may_come(node, self._reach):
            return False
        said = self.nodes[node], self._apart.get(node, ())
        try:
            return not unmet(*said, self, gives_way=False)
        except Exception:  # of a condition, which makes that node fail
            return False

    def holds(self, dependency: Dependency, node: str) -> bool:
        """Whether the condition of a dependency is true for those that wait at a node."""
        return dependency.condition is None or self._holds(dependency, self._branches.seen(node))
