"""Graphs as documents: YAML or JSON, with functions by their names and expressions for conditions.

name: support
nodes:
- {name: classify, uses: classify}
- {name: answer, uses: answer, retry: exponential}
- {name: escalate, kind: ask, question: {prompt: "Who takes it?", key: owner}}
edges: {start: [classify]}
choices:
  classify: {router: "${{ state.urgent }}", targets: {"true": escalate, "false": answer}}
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from dagger.graphs.describing import definition_data, definition_from
from dagger.graphs.grammar import CALLED, contradictions, grammar, missing
from dagger.graphs.graph import Graph
from dagger.rules.documents.findings import in_order, placed
from dagger.rules.documents.limits import content_of, text_of
from dagger.rules.documents.parsing import parse_tree
from dagger.rules.documents.structure import fitted
from dagger.rules.documents.tree import Found, Node, Problem
from dagger.rules.documents.tree import Path as TreePath
from dagger.rules.documents.writing import written
from dagger.rules.expressions.tokens import OPEN
from dagger.rules.nearest import meant
from dagger.rules.violation import json_path
from dagger.words.errors import DefinitionError, GraphError, GraphProblem
from dagger.words.payload import plain

Functions = Mapping[str, Callable[..., Any]]

States = Mapping[str, Any]

Data = Mapping[str, Any]


def dump(graph: Graph, *, as_json: bool = False) -> str:
    """The YAML of a graph, or its JSON: parsing it with the same functions and states gives the
    same graph.

    Raises GraphError for one that is wrong, DefinitionError where it and graphs within it call
    different functions by one name, and SerializationError for a value in it that is not JSON.
    """
    _check_names(graph)
    data = plain(definition_data(graph.build()), f"graph {graph.name!r}")
    return json.dumps(data, ensure_ascii=False, indent=2) if as_json else written(data)


def _check_names(graph: Graph) -> None:
    """Raise DefinitionError where a name means two functions, which it cannot in a document."""
    known: dict[str, Graph] = {}
    for each in graph.graphs():
        for name, function in each.functions.items():
            first = known.setdefault(name, each)
            if first.functions[name] != function:
                problem = (
                    f"{name!r} is one function in graph {first.name!r} and another one in graph "
                    f"{each.name!r}, and one name means one function in a document; name a node "
                    "otherwise"
                )
                raise DefinitionError(problem, f"graph {graph.name!r}")


def load(
    path: str | Path,
    functions: Functions | None = None,
    state: Any = dict,
    *,
    states: States | None = None,
) -> Graph:
    """The graph that a file says. Raises what `parse` does, and OSError."""
    return _graph(content_of(Path(path)), str(path), functions or {}, state, states or {})


def parse(
    text: str,
    functions: Functions | None = None,
    state: Any = dict,
    *,
    states: States | None = None,
    path: str = "graph.yml",
) -> Graph:
    """The graph that a text says, in YAML or JSON; `functions` are what it names, `state` is of
    what type its state is, and `states` say it of graphs within, by their names.

    A document never names a module to import. Raises GraphError with all that is wrong, by line,
    column and JSON path; `path` is what it calls the text. Raises DefinitionError for a name in
    `states` that no graph has, and for a type that cannot be a state.
    """
    content = text.encode("utf-8", "surrogatepass")
    return _graph(content, path, functions or {}, state, states or {})


class _Draft(NamedTuple):
    """A document that is read, and not yet asked what it means."""

    path: str
    tree: Node
    source: str
    data: Data
    """What fits the grammar."""
    problems: list[Problem]


def _graph(content: bytes, path: str, functions: Functions, state: Any, states: States) -> Graph:
    read = _draft(content, path)
    wrong = [*read.problems, *_placed(read, contradictions(read.data))]
    unknown = _placed(read, missing(read.data, functions))
    if wrong:  # without what is wrong in it, a graph may make no sense for that alone
        raise _error(path, [*wrong, *unknown], read.data)
    graph = Graph.of(definition_from(_as_defined(read.data)), functions, state, states)
    _check_states(graph, states)
    problems = [*unknown, *_placed(read, _senseless(graph))]
    if problems:
        raise _error(path, problems, read.data)
    return graph


def _draft(content: bytes, path: str) -> _Draft:
    """What a document says. Raises GraphError where it says nothing."""
    text = text_of(content)
    if isinstance(text, Problem):
        raise _error(path, [text], {})
    tree, problems = parse_tree(text, "graph")
    if tree is None:
        raise _error(path, problems, {})
    data, misfits = fitted(tree, grammar(), "", CALLED)
    problems += misfits
    if data is None:
        raise _error(path, problems, {})
    return _Draft(path, tree, text, data, problems)


def _error(path: str, problems: Iterable[Problem], data: Data) -> GraphError:
    """All that is wrong, in the order of the lines."""
    told = [
        GraphProblem(path, *each.place[:2], each.text, json_path(each.path))
        for each in in_order(problems)
    ]
    return GraphError(data.get("name", path), told)


def _placed(read: _Draft, findings: Iterable[Found]) -> list[Problem]:
    return list(placed(read.tree, findings, read.source))


def _as_defined(data: Data) -> dict[str, Any]:
    """The data with what is an expression marked as such."""
    found = dict(data)
    found["choices"] = {
        name: {**each, "is_expression": OPEN in each["router"]}
        for name, each in data.get("choices", {}).items()
    }
    found["nodes"] = [_node_as_defined(each) for each in data["nodes"]]
    within = data.get("subgraphs", {}).items()
    found["subgraphs"] = {name: _as_defined(each) for name, each in within}
    return found


def _node_as_defined(node: Data) -> dict[str, Any]:
    """A node; whole numbers, which JSON lets be written as 2.0, are such."""
    found = dict(node)
    if "priority" in node:
        found["priority"] = int(node["priority"])
    if (loop := node.get("loop")) is not None:
        found["loop"] = {**loop, "is_expression": OPEN in loop["condition"]}
        if "max_iterations" in loop:
            found["loop"]["max_iterations"] = int(loop["max_iterations"])
    return found


def _check_states(graph: Graph, states: States) -> None:
    """Raise DefinitionError for the type of a graph that there is none of."""
    known = [each.name for each in _inside(graph)]
    for name in states:
        if name not in known:
            problem = f"states= names {name!r}, which no graph within is called{meant(name, known)}"
            raise DefinitionError(problem, f"graph {graph.name!r}")


def _inside(graph: Graph) -> Iterator[Graph]:
    """The graphs within it."""
    for each in graph.subgraphs.values():
        yield each
        yield from _inside(each)


def _senseless(
    graph: Graph, path: TreePath = (), known: dict[str, Graph] | None = None
) -> Iterator[Found]:
    """All that keeps a graph and those within it from being run, and where that is."""
    known = {} if known is None else known
    first = known.setdefault(graph.name, graph)
    if first is not graph and not first.is_like(graph):
        yield Found((*path, "name"), f"there is another graph {graph.name!r} already")
    for each in graph.problems():
        yield each._replace(path=(*path, *each.path))
    for name, within in graph.subgraphs.items():
        yield from _senseless(within, (*path, "subgraphs", name), known)
