"""A definition as plain data, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from enum import StrEnum
from typing import Any

from dagger.graphs.model import (
    Choice,
    Definition,
    Dependency,
    Loop,
    Node,
    NodeKind,
    OnError,
    Question,
)

Data = Mapping[str, Any]


def definition_data(definition: Definition) -> dict[str, Any]:
    """All that says what a graph does, by names of functions; what is as usual is left out."""
    found: dict[str, Any] = {
        "name": definition.name,
        "description": definition.description,
        "nodes": [node_data(each) for each in definition.nodes.values()],
        "edges": {name: list(each) for name, each in definition.edges.items()},
        "choices": {name: _said(each) for name, each in definition.choices.items()},
        "reducers": dict(definition.reducers),
        "subgraphs": {name: definition_data(each) for name, each in definition.subgraphs.items()},
    }
    return {name: each for name, each in found.items() if each}


def node_data(node: Node) -> dict[str, Any]:
    """One node."""
    found: dict[str, Any] = _said(node)
    return found


def definition_from(data: Data) -> Definition:
    """The definition that some data is of."""
    nodes = [node_from(each) for each in data["nodes"]]
    return Definition(
        name=data["name"],
        description=data.get("description", ""),
        nodes={each.name: each for each in nodes},
        edges={name: tuple(each) for name, each in data.get("edges", {}).items()},
        choices={name: Choice(**each) for name, each in data.get("choices", {}).items()},
        reducers=dict(data.get("reducers", {})),
        subgraphs={name: definition_from(each) for name, each in data.get("subgraphs", {}).items()},
    )


def node_from(data: Data) -> Node:
    """The node that some data is of."""
    said = dict(data)
    needs = {name: Dependency(**each) for name, each in said.pop("needs", {}).items()}
    loop, question = said.pop("loop", None), said.pop("question", None)
    return Node(
        **{
            **said,
            "kind": NodeKind(said.get("kind", NodeKind.STANDARD)),
            "on_error": OnError(said.get("on_error", OnError.FAIL)),
            "to": tuple(said.get("to", ())),
        },
        needs=needs,
        loop=None if loop is None else Loop(**loop),
        question=None if question is None else _question_from(question),
    )


def _question_from(data: Data) -> Question:
    choices = data.get("choices")
    said = {**data, "choices": None if choices is None else tuple(choices)}
    return Question(**said, has_default="default" in data)


def _said(part: Any) -> Any:
    """A part as plain data: of its fields those that are not as usual."""
    if isinstance(part, StrEnum):
        return str(part)
    if isinstance(part, tuple | list):
        return [_said(each) for each in part]
    if isinstance(part, Mapping):
        return {name: _said(each) for name, each in part.items()}
    if callable(part):  # a condition, which is known by its function's name
        return getattr(part, "__name__", "")
    if not isinstance(part, Node | Choice | Loop | Question | Dependency):
        return part
    found = {each.name: getattr(part, each.name) for each in fields(part) if _is_said(part, each)}
    return {name: _said(each) for name, each in found.items()}


def _is_said(part: Any, field: Field[Any]) -> bool:
    """Whether a field of a part is written down: it says something, and not what is as usual."""
    if isinstance(part, Question) and field.name in ("default", "has_default"):
        return field.name == "default" and part.has_default
    value = getattr(part, field.name)
    if field.default is not MISSING:
        return field.name in _ALWAYS or value != field.default
    return field.default_factory is MISSING or value != field.default_factory()


_ALWAYS = frozenset({"type"})
"""What is written down though it is as usual, since it says what a thing is."""
