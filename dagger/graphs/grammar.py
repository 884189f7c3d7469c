"""What a document of a graph may say: a JSON Schema, and what it does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from dagger.graphs.model import END, START, Lifecycle, Need, NodeKind, OnError
from dagger.rules.schema import schema

_TEXT: Mapping[str, Any] = {"type": "string"}
_NAMES: Mapping[str, Any] = {"type": "array", "items": _TEXT}
_SECONDS: Mapping[str, Any] = {"type": "number", "exclusiveMinimum": 0}


def _one_of(kind: Any) -> Mapping[str, Any]:
    return {"enum": [str(each) for each in kind]}


def _by_name(of: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"type": "object", "additionalProperties": of}


def _part(required: list[str], **properties: Any) -> Mapping[str, Any]:
    """A mapping with these keys and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


NEED = _part(
    [],
    type=_one_of(Need),
    lifecycle=_one_of(Lifecycle),
    condition={"type": ["string", "null"]},
    expiry=_SECONDS,
    interval=_SECONDS,
    timeout=_SECONDS,
)
LOOP = _part(
    ["condition"],
    condition=_TEXT,
    is_expression={"type": "boolean"},
    max_iterations={"type": "integer"},
)
CHOICE = _part(
    ["router", "targets"],
    router=_TEXT,
    targets=_by_name(_TEXT),
    is_expression={"type": "boolean"},
)
QUESTION = _part(
    ["prompt", "key"],
    prompt={},
    key=_TEXT,
    choices={"type": ["array", "null"]},
    schema={"type": ["object", "null"]},
    timeout=_SECONDS,
    default={},
    has_default={"type": "boolean"},
    to=_TEXT,
)
NODE = _part(
    ["name"],
    name=_TEXT,
    kind=_one_of(NodeKind),
    uses=_TEXT,
    description=_TEXT,
    needs=_by_name(NEED),
    to=_NAMES,
    retry={"type": ["string", "object", "null"]},
    timeout=_SECONDS,
    on_error=_one_of(OnError),
    undo=_TEXT,
    resources={"type": ["object", "null"]},
    priority={"type": "integer"},
    loop=LOOP,
    question=QUESTION,
    inputs=_by_name(_TEXT),
    outputs=_by_name(_TEXT),
)
GRAPH = _part(
    ["name", "nodes"],
    name=_TEXT,
    description=_TEXT,
    nodes={"type": "array", "items": NODE},
    edges=_by_name(_NAMES),
    choices=_by_name(CHOICE),
    reducers=_by_name(_TEXT),
    subgraphs=_by_name({"type": "object"}),
)


def problems_of(data: Mapping[str, Any]) -> Iterator[str]:
    """Why some data is no graph, each with its JSON path; of each graph in it the first."""
    found = schema(GRAPH, "the grammar of graphs").violation(data)
    if found is not None:
        yield f"{found.path}: {found.problem}"
        return
    names = Counter(each["name"] for each in data["nodes"])
    for name, count in names.items():
        if count > 1 or name in (START, END):
            yield f"$.nodes: there is a node {name!r} already"
    for name, each in data.get("subgraphs", {}).items():
        yield from (f"graph {name!r}: {problem}" for problem in problems_of(each))
