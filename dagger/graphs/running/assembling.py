"""From a graph to the agents that carry it out.

- One coordinates; the graph's name is its channel, on which runs begin.
- Nodes with the same policies are called by one agent; each has a channel of its own.
- Others ask people, wait for moments, and undo.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from dagger.authoring.agent import Agent
from dagger.authoring.making import make
from dagger.authoring.options import AgentOptions
from dagger.graphs.describing import definition_data
from dagger.graphs.graph import Graph
from dagger.graphs.library import Library
from dagger.graphs.model import CALLING, Definition, Dependency, Node, is_expression
from dagger.graphs.reducers import reducer
from dagger.graphs.running.asking import Asker
from dagger.graphs.running.calling import Caller
from dagger.graphs.running.channels import Channels, channels_of
from dagger.graphs.running.coordinator import Coordinator
from dagger.graphs.running.functions import NODE, RULE, UNDO, NodeFunction
from dagger.graphs.running.hub import Hub
from dagger.graphs.running.nodes import Calling
from dagger.graphs.running.origins import GraphOrigin, NodeOrigin
from dagger.graphs.values import Seen, View
from dagger.rules.expressions import condition
from dagger.rules.retry import strategy
from dagger.words.errors import DefinitionError
from dagger.words.payload import canonical, encode
from dagger.words.policies import Resources

AT_ONCE = 1_000
"""Nodes of one agent that run at once, of all runs together."""


class Assembled:
    """A graph with its functions, ready to be carried out."""

    def __init__(
        self,
        graph: Graph,
        *,
        accept_changes: bool = False,
        checkpoint_every: float | None = None,
    ) -> None:
        self.graph = graph
        self.definition = graph.build()
        self.data = definition_data(self.definition)
        said = canonical(encode(self.data, limit=2**31))
        self.digest = hashlib.sha256(said.encode()).hexdigest()[:16]
        self.hub = Hub()
        self.library = _library(graph, self.definition)
        self._accept_changes = accept_changes
        self._checkpoint_every = checkpoint_every
        self._channels = channels_of(self.definition)
        self._callings: dict[str, Calling] = {}
        self._names: set[str] = set()

    def agents(self) -> Iterator[Agent]:
        """Its agents. Raises DefinitionError."""
        yield self._coordinator()
        for graph in self.graph.graphs():
            yield from self._nodes(graph)
        yield from self._others()

    # -- nodes -----------------------------------------------------------------------

    def _nodes(self, graph: Graph) -> Iterator[Agent]:
        definition = graph.definition()
        asked = _asked(definition)
        functions = {
            name: NodeFunction(
                each,
                graph.shape,
                f"function {name!r} of graph {graph.name!r}",
                asked.get(name, NODE),
            )
            for name, each in graph.functions.items()
            if name not in definition.reducers.values()
        }
        calling = Calling(definition, functions, graph.shape)
        groups: dict[str, list[Node]] = {}
        for node in _called(definition, functions):
            function = functions[node.uses]
            _check_alike(node, function, definition, functions)
            groups.setdefault(f"{function.is_async} {_told(node)}", []).append(node)
            if node.undo is not None:
                yield self._undoing(graph, node, calling, functions[node.undo])
        for nodes in groups.values():
            yield self._caller(graph, nodes, calling, functions)
        if definition.choices:
            yield self._helper(self._of(graph).route, Caller(self.hub, calling).route)

    def _caller(
        self,
        graph: Graph,
        nodes: list[Node],
        calling: Calling,
        functions: Mapping[str, NodeFunction],
    ) -> Agent:
        first = nodes[0]
        caller = Caller(self.hub, calling)
        is_async = functions[first.uses].is_async
        options: AgentOptions = {
            "name": self._name(f"{self.definition.name}.{first.name}"),
            "subscribe": [self._of(graph).node(each) for each in nodes],
            **_policies(first),
        }
        handler = caller.awaited if is_async else caller.plain
        return self._made(handler, options, careful=first.undo is not None)

    def _undoing(self, graph: Graph, node: Node, calling: Calling, function: NodeFunction) -> Agent:
        caller = Caller(self.hub, calling)
        options: AgentOptions = {
            "name": self._name(f"{self.definition.name}.{node.name}:undo"),
            "subscribe": self._of(graph).undo(node),
            **_policies(replace(node, timeout=None)),
        }
        return self._made(caller.undo if function.is_async else caller.undo_plain, options)

    def _of(self, graph: Graph) -> Channels:
        return self._channels[graph.name]

    # -- others ----------------------------------------------------------------------

    def _others(self) -> Iterator[Agent]:
        own = self._of(self.graph)
        asker = Asker(self.hub, {each.name: each.shape for each in self.graph.graphs()})
        handlers: dict[str, Callable[..., Any]] = {
            own.ask: asker.ask,
            own.decide: asker.decide,
            own.timer: asker.wait,
        }
        for channel, handler in handlers.items():
            yield self._helper(channel, handler)

    def _helper(self, channel: str, handler: Callable[..., Any]) -> Agent:
        options: AgentOptions = {
            "name": self._name(channel),
            "subscribe": channel,
            "concurrency": AT_ONCE,
            "max_attempts": 1,
            "on_failure": "continue",
        }
        return self._made(handler, options)

    def _coordinator(self) -> Agent:
        known = self.graph, self.definition, self.data, self.digest, self.library
        origin = GraphOrigin(*known, self._accept_changes)
        coordinator = Coordinator(
            self.definition,
            self.data,
            self.digest,
            self.library,
            self.hub,
            self._checkpoint_every,
            origin,
        )
        options: AgentOptions = {
            "name": self._name(self.definition.name),
            "description": self.definition.description,
            "subscribe": self.definition.name,
            "publish": [*dict.fromkeys(self._published())],
            "concurrency": AT_ONCE,
            "overflow": "block",
            "cleans_up": True,
            "max_attempts": 1,
        }
        return replace(make(coordinator.coordinate, {}, options), origin=origin)

    def _published(self) -> Iterator[str]:
        known = self._of(self.graph)
        yield from (known.output, known.report, known.ask, known.decide, known.timer)
        for graph in self.graph.graphs():
            definition, channels = graph.definition(), self._of(graph)
            if definition.choices:
                yield channels.route
            for name in graph.functions:
                yield channels.function(name)
            for node in definition.nodes.values():
                if node.kind in CALLING:
                    yield channels.node(node)
                if node.undo is not None:
                    yield channels.undo(node)

    def _made(
        self, handler: Callable[..., Any], options: AgentOptions, *, careful: bool = False
    ) -> Agent:
        """An agent; what can be undone begins only once it is on disk that it does."""
        return replace(make(handler, {}, options), origin=NodeOrigin(self.digest, careful=careful))

    def _name(self, wanted: str) -> str:
        name, count = wanted, 1
        while name in self._names:
            count += 1
            name = f"{wanted}~{count}"
        self._names.add(name)
        return name


def _called(definition: Definition, functions: Mapping[str, NodeFunction]) -> Iterator[Node]:
    """The nodes that call a function, and one for each function that only added nodes use."""
    rules = {each.router for each in definition.choices.values()}
    own = set()
    for node in definition.nodes.values():
        if node.kind not in CALLING:
            continue
        if node.uses not in functions:
            problem = f"node {node.name!r} has no function {node.uses!r}"
            raise DefinitionError(problem, f"graph {definition.name!r}")
        own.add(node.uses)
        yield node
    for name in functions:
        if name not in own and name not in rules and ":" not in name:
            yield Node(name, uses=name)


def _asked(definition: Definition) -> dict[str, tuple[str, ...]]:
    """By function what it may ask for, where it is not what nodes may."""
    found: dict[str, tuple[str, ...]] = {}
    for node in definition.nodes.values():
        rules = [node.loop, *node.needs.values()]
        found.update((str(x.condition), RULE) for x in rules if x is not None)
        if node.undo is not None:
            found[node.undo] = UNDO
    found.update((each.router, RULE) for each in definition.choices.values())
    return found


def _check_alike(
    node: Node,
    function: NodeFunction,
    definition: Definition,
    functions: Mapping[str, NodeFunction],
) -> None:
    """Raise DefinitionError for a plain function whose router or loop is async: it runs in a
    thread, where nothing is awaited.
    """
    choice, loop = definition.choices.get(node.name), node.loop
    names = [choice.router if choice else "", loop.condition if loop else ""]
    if not function.is_async and any(x in functions and functions[x].is_async for x in names):
        problem = f"node {node.name!r} is a plain function, and its router or loop is async"
        raise DefinitionError(f"{problem}; make both the one or the other", function.where)


def _told(node: Node) -> str:
    """The policies of a node, as a text."""
    said = [node.retry, node.timeout, node.resources, node.priority, node.undo is not None]
    return json.dumps(said, sort_keys=True)


def _policies(node: Node) -> AgentOptions:
    found: AgentOptions = {
        "concurrency": AT_ONCE,
        "overflow": "block",
        "on_failure": "continue",
    }
    if node.retry is None:
        found["max_attempts"] = 1
    else:
        found["retry"] = strategy(node.retry)
    if node.timeout is not None:
        found["timeout"] = float(node.timeout)
    if node.resources is not None:
        found["resources"] = Resources(**node.resources)
    if node.priority is not None:
        found["priority"] = node.priority
    return found


def _library(graph: Graph, definition: Definition) -> Library:
    reducers = {key: reducer(name, graph.functions) for key, name in definition.reducers.items()}
    within = {
        name: _library(each, definition.subgraphs[name]) for name, each in graph.subgraphs.items()
    }
    return Library(reducers, partial(_holds, graph.functions), within, graph.shape)


def _holds(functions: Mapping[str, Callable[..., Any]], dependency: Dependency, view: View) -> bool:
    """Whether the condition of a dependency is true."""
    said = dependency.condition
    if said is None:
        return True
    if is_expression(dependency):
        return bool(condition(str(said)).render({"state": Seen(view)}))
    return bool(functions[str(said)](Seen(view)))
