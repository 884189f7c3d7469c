"""Calling a node: its function, then its router or its loop, and what all that comes to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from dagger.graphs.library import Library
from dagger.graphs.machine import Machine
from dagger.graphs.merging import Reducers, update
from dagger.graphs.model import END, Choice, Definition, Goto, Loop, Node
from dagger.graphs.outcome import Outcome
from dagger.graphs.plan import Added, Plan
from dagger.graphs.running.context import NodeContext
from dagger.graphs.running.functions import NodeFunction
from dagger.graphs.shape import Shape, plain_of
from dagger.graphs.values import Seen, View
from dagger.rules.expressions import Template, compiled, condition
from dagger.rules.nearest import meant
from dagger.words.errors import DefinitionError, RouteUnknown, TargetUnknown
from dagger.words.payload import decode, encode


class Calling:
    """The functions of one graph, ready to be called."""

    def __init__(
        self, definition: Definition, functions: Mapping[str, NodeFunction], shape: Shape
    ) -> None:
        self.definition = definition
        self._functions = functions
        self._shape = shape
        self._routers = {name: _rule(each, functions) for name, each in definition.choices.items()}
        self._loops = {
            name: _rule(node.loop, functions)
            for name, node in definition.nodes.items()
            if node.loop is not None
        }

    def begin(self, node: Node, view: View, ctx: NodeContext, reducers: Reducers) -> Any:
        """What the function of a node returns, or the coroutine of it."""
        ctx.bind(node.name, view, self._shape, reducers)
        return self._functions[node.uses].call(Seen(view), ctx)

    def undo(self, node: Node, view: View, ctx: NodeContext, changed: Any) -> Any:
        """What undoes a node; what it returns is of no matter."""
        ctx.bind(node.name, view, self._shape, {})
        return self._functions[str(node.undo)].call(Seen(view), ctx, changed)

    def came_to(self, node: Node, returned: Any, ctx: NodeContext, machine: Machine) -> Came:
        """What a node has come to, before anybody is asked where it goes on."""
        to, given = _returned(returned)
        changes, removed, added = ctx.said()
        for new, _ in added:
            self._check_known(new)
        if to or added:
            self._check_targets(node, to or (), added, machine.plan)
        for key, value in given.items():
            plain = decode(encode(value, node.name))
            self._shape.check(key, plain, node.name)
            changes.append((key, plain))
        outcome = Outcome(tuple(changes), tuple(dict.fromkeys(removed)), to, nodes=tuple(added))
        return Came(outcome, ctx, machine.library)

    def _check_known(self, new: Node) -> None:
        """Raise DefinitionError for a node that was added with a function that nobody knows."""
        if new.uses not in self._functions:
            hint = meant(new.uses, self._functions)
            problem = f"node {new.name!r} has no function {new.uses!r}{hint}"
            raise DefinitionError(problem, f"graph {self.definition.name!r}")

    def _check_targets(
        self, node: Node, to: Iterable[str], new: Sequence[Added], plan: Plan
    ) -> None:
        """Raise TargetUnknown where it goes, or has an added node go, where it does not say that
        it may: joins wait for who may come, and for nobody else.
        """
        may = {*plan.targets(node.name), END, *(each.name for each, _ in new)}
        for name in (*to, *(each for _, ahead in new for each in ahead)):
            if name in may or (name in plan.nodes and name not in self.definition.nodes):
                continue
            if name in self.definition.nodes:
                problem = f"which it does not say; add to={name!r} to it, or an edge"
                raise TargetUnknown(node.name, name, problem)
            hint = meant(name, [*may, *plan.nodes])
            raise TargetUnknown(node.name, name, f"which there is none of{hint}")

    def turns(self, node: Node, turn: int, seen: Seen) -> Any:
        """Whether a loop goes round again, or a coroutine of that."""
        loop = node.loop
        if loop is None or turn >= loop.max_iterations:
            return False
        return self._loops[node.name](seen)

    def routed(self, node: str, seen: Seen) -> Any:
        """What the router of a node says, or a coroutine of that; None without one."""
        router = self._routers.get(node)
        return None if router is None else router(seen)

    def chosen(self, node: str, said: Any) -> tuple[str, ...]:
        """The nodes that a router has named, by their labels. Raises RouteUnknown."""
        if said is None:
            return ()
        targets = self.definition.choices[node].targets
        found = []
        for each in said if isinstance(said, list | tuple) else [said]:
            label = str(each).lower() if isinstance(each, bool) else str(each)
            if label not in targets:
                raise RouteUnknown(node, label, tuple(targets))
            found.append(targets[label])
        return tuple(found)


class Came:
    """What a node has come to, and the state as it is then, for who decides where it goes on."""

    __slots__ = ("_ctx", "_library", "outcome")

    def __init__(self, outcome: Outcome, ctx: NodeContext, library: Library) -> None:
        self.outcome = outcome
        self._ctx = ctx
        self._library = library

    def seen(self, view: View) -> Seen:
        """The state with what the node has changed."""
        now = View(view)
        for key in self.outcome.removed:
            now.put(key, None)
        update(now, self.outcome.changes, self._ctx.node, self._library.reducers)
        return Seen(now)


def _returned(value: Any) -> tuple[tuple[str, ...] | None, dict[str, Any]]:
    """Where a node goes by what it returns, and what it changes."""
    if value is None:
        return None, {}
    if isinstance(value, str):
        return (value,), {}
    if isinstance(value, Goto):
        return value.names, {} if value.update is None else plain_of(value.update)
    if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
        return tuple(value), {}
    return None, plain_of(value)


def _rule(said: Choice | Loop, functions: Mapping[str, NodeFunction]) -> Callable[[Seen], Any]:
    """A router or a condition, as a function of the state."""
    text = said.router if isinstance(said, Choice) else said.condition
    if not said.is_expression:
        function = functions[text]
        return lambda seen: function.call(seen, None)
    made: Template = compiled(text) if isinstance(said, Choice) else condition(text)
    return lambda seen: made.render({"state": seen})
