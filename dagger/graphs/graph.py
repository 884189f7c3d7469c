"""`Graph`: nodes and edges, written in Python."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import (
    Any,
    Literal,
    Self,
    TypedDict,
    TypeGuard,
    TypeVar,
    Unpack,
    get_args,
    get_origin,
    get_type_hints,
    overload,
)

from dagger.graphs.checking import awaited, problems_of
from dagger.graphs.fitting import misfits
from dagger.graphs.model import (
    END,
    MAX_ITERATIONS,
    START,
    Choice,
    Definition,
    Dependency,
    Loop,
    Need,
    Node,
    NodeKind,
    OnError,
    Question,
    one_of,
)
from dagger.graphs.reducers import Reduce
from dagger.graphs.shape import Shape, reducer_names
from dagger.rules.documents.tree import Found
from dagger.words.errors import DefinitionError, GraphError

Function = Callable[..., Any]

F = TypeVar("F", bound=Function)

_NOTHING: Any = object()


class NodeOptions(TypedDict, total=False):
    """What may be said of a node."""

    description: str
    """What it is for; taken from the docstring of its function."""
    needs: Mapping[str, Dependency | Need | str]
    """What it needs of other nodes before it runs."""
    to: str | Iterable[str]
    """Where it may go by what it returns; taken from `-> Literal[...]` where it says so."""
    retry: str | Mapping[str, Any]
    """As in a flow: "exponential", "linear:2", {"kind": ..., "max_attempts": ...}."""
    timeout: float
    """Seconds that an attempt may take."""
    on_error: str
    """"fail", "handle" (the error is in the state, under `error`) or "ask" (a person decides)."""
    undo: Function
    """What undoes it if the run fails or is cancelled: called with the state and `update`."""
    resources: Mapping[str, Any]
    """What it has while it runs, as `Resources` has it: {"gpu": 1}."""
    priority: int
    """Of nodes that could begin, the highest goes first; 0 if nobody says."""


class Graph:
    """A state machine: nodes are plain functions over a shared state, edges say what follows.

    `state` is `dict`, a TypedDict, a dataclass or a pydantic model; `reducers` say by key how
    updates become values ("last", "append", "add", or a function of the value and the update),
    as does `Annotated[list, "append"]`. A run begins at what `add_edge(START, ...)` names, or
    else at nodes of kind start, or at the first node. `build()` checks it: GraphError says all
    that is wrong at once.
    """

    def __init__(
        self,
        name: str,
        state: Any = dict,
        *,
        reducers: Mapping[str, str | Reduce] | None = None,
        description: str = "",
    ) -> None:
        if type(name) is not str or not name:
            problem = f"the name of a graph is a text of at least one character, not {name!r}"
            raise DefinitionError(problem, "Graph")
        self.name = name
        self.shape = Shape(state, f"graph {name!r}")
        self.functions: dict[str, Function] = {}
        """By the names that the definition has of them."""
        self.subgraphs: dict[str, Graph] = {}
        self._description = description
        self._nodes: dict[str, Node] = {}
        self._edges: dict[str, list[str]] = {}
        self._choices: dict[str, Choice] = {}
        self.shape.reduce(reducers or {})
        names, functions = reducer_names({**self.shape.reducers(), **(reducers or {})})
        self._reducers = names
        self.functions.update(functions)

    @classmethod
    def of(
        cls,
        definition: Definition,
        functions: Mapping[str, Function],
        state: Any = dict,
        states: Mapping[str, Any] | None = None,
    ) -> Self:
        """The graph of a definition, with its functions by their names; `states` are those of the
        graphs within it, by their names.
        """
        known = states or {}
        graph = cls(definition.name, state, description=definition.description)
        graph._nodes = dict(definition.nodes)
        graph._edges = {name: list(each) for name, each in definition.edges.items()}
        graph._choices = dict(definition.choices)
        graph._reducers = {**graph._reducers, **definition.reducers}
        graph.shape.reduce(definition.reducers)
        graph.functions = {**graph.functions, **functions}
        graph.subgraphs = {
            name: cls.of(each, functions, known.get(each.name, dict), known)
            for name, each in definition.subgraphs.items()
        }
        return graph

    # -- nodes -----------------------------------------------------------------------

    def add_node(
        self,
        name: str,
        function: Function | None = None,
        *,
        kind: NodeKind | str = NodeKind.STANDARD,
        **options: Unpack[NodeOptions],
    ) -> Self:
        """A node that calls a function with `state`, `ctx` or both; the graph.

        The function returns None (follow the edges), a name or several, what it changes in the
        state, or a Goto. Without one, `functions` has it under the node's name by the time that
        Graphs takes the graph. A start and an end call none: a run begins at the nodes that are
        starts, unless an edge says where, and an end ends the branch that comes to it.
        """
        known = one_of(NodeKind, kind, "kind=")
        calls_nothing = known in (NodeKind.START, NodeKind.END)
        if calls_nothing and function is not None:
            problem = f"node {name!r} is of kind {kind!r}, which calls no function"
            raise DefinitionError(problem, f"graph {self.name!r}")
        uses = "" if calls_nothing else name
        node = self._made(name, known, uses, dict(options), function)
        if function is not None:
            self._function(name, function)
        self._nodes[name] = node
        return self

    @overload
    def node(self, function: F, /) -> F: ...

    @overload
    def node(
        self, /, *, name: str | None = None, **options: Unpack[NodeOptions]
    ) -> Callable[[F], F]: ...

    def node(
        self,
        function: F | None = None,
        /,
        *,
        name: str | None = None,
        **options: Unpack[NodeOptions],
    ) -> F | Callable[[F], F]:
        """Decorates a function that is a node, of its name."""

        def decorate(target: F) -> F:
            self.add_node(name or target.__name__, target, **options)
            return target

        return decorate if function is None else decorate(function)

    def ask(
        self,
        name: str,
        prompt: Any,
        *,
        key: str,
        choices: Iterable[Any] | None = None,
        schema: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        to: str = "",
        default: Any = _NOTHING,
    ) -> Self:
        """A node that asks a person; the answer is `key` of the state. `default` is what is taken
        for it when `timeout` seconds are over.
        """
        self._check_name(name)
        question = Question(
            prompt,
            key,
            None if choices is None else tuple(choices),
            schema,
            timeout,
            None if default is _NOTHING else default,
            default is not _NOTHING,
            to,
        )
        self._nodes[name] = Node(name, NodeKind.ASK, question=question)
        return self

    def add_subgraph(
        self,
        name: str,
        graph: Graph,
        *,
        inputs: Mapping[str, str] | None = None,
        outputs: Mapping[str, str] | None = None,
        **options: Unpack[NodeOptions],
    ) -> Self:
        """A node that is a graph: `inputs` say by its keys which of this state it is given, and
        `outputs` by its keys which of this state they are afterwards; without them, all.
        """
        node = self._made(name, NodeKind.SUBGRAPH, graph.name, dict(options), None)
        if any(each is self for each in graph.graphs()):
            problem = f"node {name!r} cannot be graph {graph.name!r}, which this one is within"
            raise DefinitionError(problem, f"graph {self.name!r}")
        if self.subgraphs.setdefault(graph.name, graph) is not graph:
            raise _of_one_name(self, graph.name)
        self._nodes[name] = replace(node, inputs=dict(inputs or {}), outputs=dict(outputs or {}))
        return self

    # -- edges -----------------------------------------------------------------------

    def add_edge(self, source: str, target: str | Iterable[str]) -> Self:
        """After `source` comes `target`; several targets run side by side."""
        targets: list[Any] = list(target) if _is_many(target) else [target]
        for name in (source, *targets):
            if type(name) is not str:
                problem = f"an edge leads from a node to others, by their names, not {name!r}"
                raise DefinitionError(problem, f"graph {self.name!r}")
        self._edges.setdefault(source, []).extend(targets)
        return self

    def add_conditional_edge(
        self,
        source: str,
        router: Function | str,
        targets: Mapping[Any, str] | Iterable[str],
    ) -> Self:
        """After `source` comes what `router` says of the state: a label of `targets`, or a name.

        `router` is a function of the state, or an expression such as `${{ state.score > 7 }}`.
        """
        labels = targets if isinstance(targets, Mapping) else {each: each for each in targets}
        said = self._labelled(source, labels)
        if source in self._choices:
            raise DefinitionError(f"node {source!r} of graph {self.name!r} has a router already")
        if isinstance(router, str):
            self._choices[source] = Choice(router, said, is_expression=True)
        else:
            self._choices[source] = Choice(self._function(f"{source}:router", router), said)
        return self

    def _labelled(self, source: str, labels: Mapping[Any, str]) -> dict[str, str]:
        """The targets of a router, by what it says as a text."""
        said: dict[str, str] = {}
        for label, target in labels.items():
            problem = ""
            if label is None:
                problem = "a router that says None chooses nothing, so that no label can be None"
            elif _label(label) in said:
                problem = f"{label!r} is there twice: labels are texts, such as 'true' for True"
            if problem:
                raise DefinitionError(problem, f"the router of {source!r} in graph {self.name!r}")
            said[_label(label)] = target
        return said

    def loop(self, node: str, while_: Function | str, max_iterations: int = MAX_ITERATIONS) -> Self:
        """Call a node again while a condition on the state holds, at most so many times in all."""
        if isinstance(while_, str):
            loop = Loop(while_, is_expression=True, max_iterations=max_iterations)
        else:
            condition = self._function(f"{node}:while", while_)
            loop = Loop(condition, max_iterations=max_iterations)
        known = self._nodes.get(node)
        if known is None:
            raise DefinitionError(f"graph {self.name!r} has no node {node!r} to loop")
        if known.kind in (NodeKind.SUBGRAPH, NodeKind.ASK):
            problem = f"node {node!r} calls no function, so it cannot loop; lead an edge back to it"
            raise DefinitionError(problem, f"graph {self.name!r}")
        self._nodes[node] = replace(known, kind=NodeKind.LOOP, loop=loop)
        return self

    # -- what it is then -------------------------------------------------------------

    def build(self) -> Definition:
        """The definition, checked, as are those of graphs within. Raises GraphError with all that
        is wrong, and DefinitionError for two graphs of one name.
        """
        _, *within = self.graphs()
        problems = [each.text for each in self.problems()]
        for graph in within:
            problems += [f"graph {graph.name!r}: {each.text}" for each in graph.problems()]
        if problems:
            raise GraphError(self.name, problems)
        return self.definition()

    def problems(self) -> Iterator[Found]:
        """All that is wrong, each with its place in the definition as plain data."""
        definition = self.definition()
        yield from problems_of(definition)
        yield from awaited(definition, self.functions)
        within = {name: each.shape for name, each in self.subgraphs.items()}
        yield from misfits(definition, self.shape, within)

    def graphs(self) -> Iterator[Graph]:
        """Itself and those within it, each once. Raises DefinitionError for two of one name."""
        known: dict[str, Graph] = {}
        ahead = [self]
        for graph in ahead:
            found = known.get(graph.name)
            if found is None:
                known[graph.name] = graph
                yield graph
                ahead += graph.subgraphs.values()
            elif found is not graph and not found.is_like(graph):
                raise _of_one_name(self, graph.name)

    def is_like(self, other: Graph) -> bool:
        """Whether both do the same, as two do that were read of one document."""
        same = self.functions == other.functions and self.shape.of is other.shape.of
        return same and self.definition() == other.definition()

    def definition(self) -> Definition:
        """The definition as it is so far, unchecked."""
        edges = {name: tuple(dict.fromkeys(each)) for name, each in self._edges.items()}
        if START not in edges and START not in self._choices and self._nodes:
            starts = [x.name for x in self._nodes.values() if x.kind is NodeKind.START]
            edges[START] = tuple(starts or [next(iter(self._nodes))])
        return Definition(
            name=self.name,
            nodes=dict(self._nodes),
            edges=edges,
            choices=dict(self._choices),
            reducers=dict(self._reducers),
            subgraphs={name: each.definition() for name, each in self.subgraphs.items()},
            description=self._description,
        )

    def _dependency(self, node: str, other: str, said: Dependency | Need | str) -> Dependency:
        made = said if isinstance(said, Dependency) else Dependency(one_of(Need, said, "needs="))
        if not callable(made.condition):
            return made
        return replace(made, condition=self._function(f"{node}:needs:{other}", made.condition))

    def _function(self, name: str, function: Function) -> str:
        if not callable(function):
            raise DefinitionError(f"{name!r} of graph {self.name!r}: {function!r} cannot be called")
        if self.functions.setdefault(name, function) is not function:
            problem = f"{name!r} is the name of two functions; call the node otherwise"
            raise DefinitionError(problem, f"graph {self.name!r}")
        return name

    def _check_name(self, name: str) -> None:
        if type(name) is not str or not name:
            problem = f"the name of a node is a text of at least one character, not {name!r}"
            raise DefinitionError(problem, f"graph {self.name!r}")
        if name in (START, END):
            problem = f"no node can be called {name!r}, which is where branches begin or end"
            raise DefinitionError(problem, f"graph {self.name!r}")
        if name in self._nodes:
            raise DefinitionError(f"graph {self.name!r} has a node {name!r} already")

    def _made(
        self,
        name: str,
        kind: NodeKind,
        uses: str,
        said: dict[str, Any],
        function: Function | None,
    ) -> Node:
        self._check_name(name)
        needed = said.pop("needs", {})
        if not isinstance(needed, Mapping):
            problem = (
                f"needs= says of each node what is needed: {{'a': 'required'}}, not {needed!r}"
            )
            raise DefinitionError(problem, f"node {name!r}")
        needs = {other: self._dependency(name, other, each) for other, each in needed.items()}
        to, undo = said.pop("to", None), said.pop("undo", None)
        if to is None:
            to = () if function is None else _declared(function)
        on_error = one_of(OnError, said.pop("on_error", OnError.FAIL), "on_error=")
        unknown = [option for option in said if option not in NodeOptions.__annotations__]
        if unknown:
            raise DefinitionError(f"a node has no option {unknown[0]!r}", f"node {name!r}")
        description = said.pop("description", None)
        if description is None:
            description = (inspect.getdoc(function) or "") if function is not None else ""
        return Node(
            name,
            kind,
            uses,
            description,
            needs=needs,
            to=(to,) if isinstance(to, str) else tuple(to),
            on_error=on_error,
            undo=None if undo is None else self._function(f"{name}:undo", undo),
            **said,
        )


def _of_one_name(graph: Graph, name: str) -> DefinitionError:
    problem = f"two graphs are called {name!r}; nodes are told apart by the name of their graph"
    return DefinitionError(problem, f"graph {graph.name!r}")


def _is_many(said: Any) -> TypeGuard[Iterable[Any]]:
    """Whether it is several names, and not one."""
    return isinstance(said, Iterable) and not isinstance(said, str)


def _label(label: Any) -> str:
    """Labels are texts; true and false are those of JSON."""
    return str(label).lower() if isinstance(label, bool) else str(label)


def _declared(function: Function) -> tuple[str, ...]:
    """The names that a function says it may return: `-> Literal["a", "b"]`."""
    try:
        returned = get_type_hints(function).get("return")
    except Exception:  # names that nobody knows here
        return ()
    return tuple(each for each in _literals(returned) if isinstance(each, str))


def _literals(annotation: Any) -> Iterable[Any]:
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return [one for each in get_args(annotation) for one in _literals(each)]
