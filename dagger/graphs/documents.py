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
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dagger.graphs import grammar
from dagger.graphs.describing import definition_data, definition_from
from dagger.graphs.graph import Graph
from dagger.graphs.model import Choice, Definition, Dependency, Loop, is_expression
from dagger.rules.expressions.tokens import OPEN
from dagger.words.errors import DefinitionError, GraphError
from dagger.words.payload import plain

MAX_BYTES = 4 * 1024 * 1024
"""Bytes of a document."""

Functions = Mapping[str, Callable[..., Any]]


def dump(graph: Graph) -> str:
    """The YAML of a graph: parsing it with the same functions gives the same graph.

    Raises GraphError for one that is wrong.
    """
    import yaml

    data = plain(definition_data(graph.build()))
    text: str = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)
    return text


def load(path: str | Path, functions: Functions | None = None, state: Any = dict) -> Graph:
    """The graph that a file says. Raises what `parse` does, and OSError."""
    file = Path(path)
    if file.stat().st_size > MAX_BYTES:
        raise GraphError(str(path), [f"the document has more than {MAX_BYTES:,} bytes"])
    return parse(file.read_text("utf-8"), functions, state)


def parse(text: str, functions: Functions | None = None, state: Any = dict) -> Graph:
    """The graph that a text says, in YAML or JSON; `functions` are what it names.

    A document never names a module to import. Raises GraphError with all that is wrong.
    """
    if len(text) > MAX_BYTES:
        raise GraphError("document", [f"it has more than {MAX_BYTES:,} characters"])
    return graph_from(_data(text), functions or {}, state)


def graph_from(data: Mapping[str, Any], functions: Functions, state: Any = dict) -> Graph:
    """The graph of a definition that is plain data. Raises GraphError."""
    name = str(data.get("name", "document"))
    problems = list(grammar.problems_of(data))
    if problems:
        raise GraphError(name, [f"it is no graph: {each}" for each in problems])
    try:
        definition = definition_from(_with_expressions(data))
    except DefinitionError as error:
        raise GraphError(name, [f"it is no graph: {error}"]) from None
    missing = [each for each in _used(definition) if each not in functions]
    if missing:
        known = ", ".join(functions) or "none"
        problems = [f"there is no function {each!r}; known: {known}" for each in missing]
        raise GraphError(name, problems)
    graph = Graph.of(definition, functions, state)
    graph.build()
    return graph


def _data(text: str) -> Mapping[str, Any]:
    try:
        data: Any = json.loads(text)
    except ValueError:
        data = _yaml(text)
    if not isinstance(data, Mapping):
        raise GraphError("document", ["a graph is a mapping with 'name' and 'nodes'"])
    return data


def _yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise GraphError("document", [f"this is not YAML: {error}"]) from None


def _with_expressions(data: Mapping[str, Any]) -> dict[str, Any]:
    """The data with what is an expression marked as such."""
    found = dict(data)
    found["choices"] = {
        name: {**each, "is_expression": OPEN in str(each["router"])}
        for name, each in data.get("choices", {}).items()
    }
    found["nodes"] = [_looped(each) for each in data["nodes"]]
    within = data.get("subgraphs", {}).items()
    found["subgraphs"] = {name: _with_expressions(each) for name, each in within}
    return found


def _looped(node: Mapping[str, Any]) -> dict[str, Any]:
    loop = node.get("loop")
    if loop is None:
        return dict(node)
    return {**node, "loop": {**loop, "is_expression": OPEN in str(loop["condition"])}}


def _used(definition: Definition) -> list[str]:
    """The functions that a definition names."""
    found: dict[str, None] = {}
    for node in definition.nodes.values():
        if node.uses and node.uses not in definition.subgraphs:
            found[node.uses] = None
        if node.undo is not None:
            found[node.undo] = None
        if node.loop is not None:
            found.update(_named(node.loop))
        for need in node.needs.values():
            found.update(_named(need))
    for choice in definition.choices.values():
        found.update(_named(choice))
    for name in definition.reducers.values():
        if name not in ("last", "append", "add"):
            found[name] = None
    return list(found)


def _named(said: Choice | Loop | Dependency) -> dict[str, None]:
    name = said.router if isinstance(said, Choice) else said.condition
    return {} if is_expression(said) or name is None else {str(name): None}
