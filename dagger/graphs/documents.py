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

import re
from ast import literal_eval
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from dagger.graphs.describing import definition_data, definition_from
from dagger.graphs.grammar import CALLED, contradictions, grammar, missing
from dagger.graphs.graph import Graph
from dagger.rules.documents.limits import MAX_PROBLEMS, content_of, text_of
from dagger.rules.documents.parsing import parse_tree
from dagger.rules.documents.structure import fitted
from dagger.rules.documents.tree import Found, Node, Problem, place_of
from dagger.rules.documents.tree import Path as TreePath
from dagger.rules.documents.writing import written
from dagger.rules.expressions.tokens import OPEN
from dagger.rules.violation import json_path
from dagger.words.errors import GraphError, GraphProblem
from dagger.words.payload import plain

Functions = Mapping[str, Callable[..., Any]]

Data = Mapping[str, Any]


def dump(graph: Graph) -> str:
    """The YAML of a graph: parsing it with the same functions gives the same graph.

    Raises GraphError for one that is wrong, and SerializationError for a value in it that is not
    JSON.
    """
    return written(plain(definition_data(graph.build()), f"graph {graph.name!r}"))


def load(path: str | Path, functions: Functions | None = None, state: Any = dict) -> Graph:
    """The graph that a file says. Raises what `parse` does, and OSError."""
    return _graph(content_of(Path(path)), str(path), functions or {}, state)


def parse(
    text: str,
    functions: Functions | None = None,
    state: Any = dict,
    *,
    path: str = "graph.yml",
) -> Graph:
    """The graph that a text says, in YAML or JSON; `functions` are what it names.

    A document never names a module to import. Raises GraphError with all that is wrong, by line,
    column and JSON path; `path` is what it calls the text.
    """
    return _graph(text.encode("utf-8", "surrogatepass"), path, functions or {}, state)


class _Draft(NamedTuple):
    """A document that is read, and not yet asked what it means."""

    path: str
    tree: Node
    source: str
    data: Data
    """What fits the grammar."""
    problems: list[Problem]


def _graph(content: bytes, path: str, functions: Functions, state: Any) -> Graph:
    read = _draft(content, path)
    wrong = [*read.problems, *_placed(read, contradictions(read.data))]
    unknown = _placed(read, missing(read.data, functions))
    if wrong:  # without what is wrong in it, a graph may make no sense for that alone
        raise _error(path, [*wrong, *unknown], read.data)
    graph = Graph.of(definition_from(_as_defined(read.data)), functions, state)
    problems = [*unknown, *_placed(read, _senseless(graph, read.data))]
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
    ordered = sorted(problems, key=lambda each: each.place[:2])[:MAX_PROBLEMS]
    told = [
        GraphProblem(path, *each.place[:2], each.text, json_path(each.path)) for each in ordered
    ]
    return GraphError(data.get("name", path), told)


def _placed(read: _Draft, findings: Iterable[Found]) -> list[Problem]:
    return [
        Problem(place_of(read.tree, each, read.source), each.text, each.path)
        for each in islice(findings, MAX_PROBLEMS)
    ]


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


# -- where it is that makes no sense ---------------------------------------------------


def _senseless(graph: Graph, data: Data, path: TreePath = ()) -> Iterator[Found]:
    """All that keeps a graph and those within it from being run, and where that is."""
    try:
        graph.build()
    except GraphError as error:
        for each in error.problems:
            where, is_key = _part_of(data, each)
            yield Found((*path, *where), each, key=is_key)
    for name, within in graph.subgraphs.items():
        yield from _senseless(within, data["subgraphs"][name], (*path, "subgraphs", name))


_NAME = r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
"""A name in a sentence, as `repr` writes it."""

_OF, _IT, _SAYS_IT = range(3)
"""Stand in a way for what has the first name in a sentence, for what has the second one, and for
what is nothing but that.
"""

_Way = tuple[str | int, ...]

_ABOUT: tuple[tuple[str, tuple[_Way, ...]], ...] = (
    (
        "NAME leads to NAME",
        (
            ("edges", _OF, _SAYS_IT),
            ("choices", _OF, "targets", _SAYS_IT),
            ("nodes", _OF, "to", _SAYS_IT),
        ),
    ),
    ("an edge comes from NAME", (("edges", _OF), ("choices", _OF))),
    ("the router of NAME leads", (("choices", _OF, "targets"),)),
    ("the router of NAME", (("choices", _OF, "router"),)),
    ("the loop of NAME goes", (("nodes", _OF, "loop", "max_iterations"),)),
    ("the loop of NAME", (("nodes", _OF, "loop", "condition"),)),
    ("there is a reducer for NAME", (("reducers", _OF),)),
    ("node NAME needs NAME under", (("nodes", _OF, "needs", _IT, "condition"),)),
    ("node NAME needs NAME", (("nodes", _OF, "needs", _IT),)),
    ("node NAME needs itself", (("nodes", _OF, "needs", _OF),)),
    ("node NAME is a graph", (("nodes", _OF, "uses"),)),
    ("node NAME: config 'retry", (("nodes", _OF, "retry"),)),
    ("(?:from )?node NAME", (("nodes", _OF),)),
)
"""What a sentence of `checking` is about, by how it begins: the ways there may be to it."""


def _part_of(data: Data, sentence: str) -> tuple[TreePath, bool]:
    """The part of a graph that a sentence is about, and whether that is its key; else all nodes."""
    for begins, ways in _ABOUT:
        if said := re.match(begins.replace("NAME", _NAME), sentence):
            names = [str(literal_eval(each)) for each in said.groups()]
            for way in ways:
                if (path := _along(data, way, names)) is not None:
                    return path, way[-1] in (_OF, _IT) and isinstance(path[-1], str)
    return ("nodes",), False


def _along(data: Data, way: _Way, names: list[str]) -> TreePath | None:
    """Where a way leads, if there is one."""
    path: list[str | int] = []
    value: Any = data
    for part in way:
        key = _step(value, part, names)
        if key is None:
            return None
        path.append(key)
        value = value[key]
    return tuple(path)


def _step(value: Any, part: str | int, names: list[str]) -> str | int | None:
    """The key or index at which a way goes on, if there is one."""
    if part == _SAYS_IT:
        pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
        return next((key for key, each in pairs if each == names[1]), None)
    name = names[part] if isinstance(part, int) else part
    if isinstance(value, Mapping):
        return name if name in value else None
    return next((at for at, each in enumerate(value) if each["name"] == name), None)
