"""What a document of a graph may say: a JSON Schema, and what that cannot say."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache
from itertools import islice
from typing import Any

from dagger.graphs.model import END, START, Dependency, Lifecycle, Need, NodeKind, OnError
from dagger.graphs.reducers import BUILT_IN
from dagger.rules.documents.rule import Grammar, Rule
from dagger.rules.documents.tree import Found, Path
from dagger.rules.expressions.tokens import OPEN
from dagger.rules.nearest import meant
from dagger.words.errors import DefinitionError
from dagger.words.policies import Resources

CALLED: Mapping[str, str] = {"nodes": "a node"}
"""What an item of a list is called, by the key of the list."""

FUNCTIONS_NAMED = 8
"""Functions that are named where one is missing."""

Source = Mapping[str, Any]


def _either(*titled: str) -> str:
    *first, last = titled
    return f"{', '.join(first)} or {last}"


def _one_of(kind: Any) -> Source:
    names = [str(each) for each in kind]
    return {"enum": names, "title": _either(*map(repr, names))}


def _by_name(of: Source, title: str) -> Source:
    return {"type": "object", "additionalProperties": of, "title": title}


def _part(required: list[str], **properties: Source) -> Source:
    """A mapping with these keys and no others."""
    must = " and ".join(map(repr, required))
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
        "title": f"a mapping with {must}" if must else "a mapping",
    }


_ANYTHING: Source = {}
_TEXT: Source = {"type": "string", "title": "a text"}
_YES: Source = {"type": "boolean", "title": "true or false"}
_WHOLE: Source = {"type": "integer", "title": "a whole number"}
_NAME: Source = {"type": "string", "minLength": 1, "title": "a text of at least one character"}
_NAMES: Source = {"type": "array", "items": _TEXT, "title": "a list of names"}
_SECONDS: Source = {"type": "number", "exclusiveMinimum": 0, "title": "a number of seconds above 0"}
_AMOUNT: Source = {"type": "number", "minimum": 0, "title": "a number of at least 0"}
_CONDITION: Source = {
    "type": ["string", "null"],
    "title": "an expression, or the name of a function",
}
_RETRY: Source = {
    "type": ["string", "object", "null"],
    "title": "a strategy such as 'exponential', 'linear:2' or {kind: linear, delay: 2}",
}

NEED = _part(
    [],
    type=_one_of(Need),
    lifecycle=_one_of(Lifecycle),
    condition=_CONDITION,
    expiry=_SECONDS,
    interval=_SECONDS,
    timeout=_SECONDS,
)
LOOP = _part(["condition"], condition=_TEXT, is_expression=_YES, max_iterations=_WHOLE)
CHOICE = _part(
    ["router", "targets"],
    router=_TEXT,
    targets=_by_name(_TEXT, "a mapping of labels to nodes"),
    is_expression=_YES,
)
QUESTION = _part(
    ["prompt", "key"],
    prompt=_ANYTHING,
    key=_TEXT,
    choices={"type": ["array", "null"], "title": "a list of answers"},
    schema={"type": ["object", "null"], "title": "a JSON Schema"},
    timeout=_SECONDS,
    default=_ANYTHING,
    to=_TEXT,
)
RESOURCES = {
    **_part(
        [],
        **dict.fromkeys(("cpu", "memory_mb", "gpu", "io", "network"), _AMOUNT),
        custom=_by_name(_AMOUNT, "a mapping of amounts"),
        timeout={**_SECONDS, "type": ["number", "null"]},
    ),
    "type": ["object", "null"],
    "title": "a mapping of resources",
}
NODE = _part(
    ["name"],
    name=_NAME,
    kind=_one_of(NodeKind),
    uses=_TEXT,
    description=_TEXT,
    needs=_by_name(NEED, "a mapping of nodes to what is needed of them"),
    to=_NAMES,
    retry=_RETRY,
    timeout=_SECONDS,
    on_error=_one_of(OnError),
    undo=_TEXT,
    resources=RESOURCES,
    priority=_WHOLE,
    loop=LOOP,
    question=QUESTION,
    inputs=_by_name(_TEXT, "a mapping of keys"),
    outputs=_by_name(_TEXT, "a mapping of keys"),
)
GRAPH = _part(
    ["name", "nodes"],
    name=_NAME,
    description=_TEXT,
    nodes={
        "type": "array",
        "items": NODE,
        "minItems": 1,
        "title": "a list of at least one node",
    },
    edges=_by_name(_NAMES, "a mapping of nodes to those that follow"),
    choices=_by_name(CHOICE, "a mapping of nodes to their routers"),
    reducers=_by_name(_TEXT, "a mapping of keys to the names of reducers"),
    subgraphs=_by_name({"$ref": "#/$defs/graph"}, "a mapping of graphs"),
)
SCHEMA: Source = {"$ref": "#/$defs/graph", "$defs": {"graph": GRAPH}}


@cache
def grammar() -> Rule:
    """The rule for a whole document."""
    return Grammar(SCHEMA).whole


def contradictions(data: Source, path: Path = ()) -> Iterator[Found]:
    """Parts that fit the schema, and of which no graph can be made: in it and in those within.

    `data` may lack what does not fit.
    """
    names: set[Any] = set()
    for at, node in _nodes(data):
        here = (*path, "nodes", at)
        name = node.get("name")
        if name in (START, END):
            problem = f"no node can be called {name!r}, which is where branches begin or end"
            yield Found((*here, "name"), problem)
        elif name is not None and name in names:
            yield Found((*here, "name"), f"there is a node {name!r} already")
        names.add(name)
        for need, said in node.get("needs", {}).items():
            yield from _refused(Dependency, said, (*here, "needs", need))
        if node.get("resources") is not None:
            yield from _refused(Resources, node["resources"], (*here, "resources"))
        if node.get("loop"):
            yield from _misnamed(node["loop"], "condition", (*here, "loop"))
    for source, choice in data.get("choices", {}).items():
        yield from _misnamed(choice, "router", (*path, "choices", source))
    for inner, each in _within(data, path):
        yield from contradictions(each, inner)


def _misnamed(said: Source, key: str, path: Path) -> Iterator[Found]:
    """What is called an expression, and is the name of a function, or the other way round."""
    text = said.get(key)
    if text is None or said.get("is_expression") in (None, OPEN in text):
        return
    is_one = "is an expression" if OPEN in text else "has no ${{ ... }} in it, and names a function"
    yield Found((*path, "is_expression"), f"{text!r} {is_one}; leave is_expression out")


def missing(data: Source, functions: Mapping[str, Any], path: Path = ()) -> Iterator[Found]:
    """Functions that a graph or one within it names, and that are not there."""
    for where, name in _named(data):
        if name in functions:
            continue
        if where[0] == "reducers":
            hint = _hint(name, [*BUILT_IN, *functions])
            yield Found((*path, *where), f"there is no reducer {name!r}{hint}")
        elif where[-1] == "uses" and name in data.get("subgraphs", {}):
            problem = f"{name!r} is a graph, which only a node of kind 'subgraph' can be"
            yield Found((*path, *where), problem)
        else:
            hint = _hint(name, functions)
            yield Found((*path, *where), f"there is no function {name!r}{hint}")
    for inner, each in _within(data, path):
        yield from missing(each, functions, inner)


def _hint(name: str, known: Collection[str]) -> str:
    """What was probably meant, or what there is."""
    first = ", ".join(islice(known, FUNCTIONS_NAMED))
    more = ", ..." if len(known) > FUNCTIONS_NAMED else ""
    return meant(name, known) or f"; known: {first or 'none'}{more}"


def _named(data: Source) -> Iterator[tuple[Path, str]]:
    """The functions that a graph names, and where."""
    for at, node in _nodes(data):
        uses = node.get("uses")
        if uses and node.get("kind") != NodeKind.SUBGRAPH:
            yield ("nodes", at, "uses"), uses
        if node.get("undo"):
            yield ("nodes", at, "undo"), node["undo"]
        yield from _rule(node.get("loop"), "condition", ("nodes", at, "loop"))
        for need, said in node.get("needs", {}).items():
            yield from _rule(said, "condition", ("nodes", at, "needs", need))
    for name, choice in data.get("choices", {}).items():
        yield from _rule(choice, "router", ("choices", name))
    for key, name in data.get("reducers", {}).items():
        if name not in BUILT_IN:
            yield ("reducers", key), name


def _rule(said: Source | None, key: str, path: Path) -> Iterator[tuple[Path, str]]:
    """What decides something, if it is no expression."""
    name = (said or {}).get(key)
    if name is not None and OPEN not in name:
        yield (*path, key), name


def _nodes(data: Source) -> Iterator[tuple[int, Source]]:
    """The nodes, but for those of which nothing fits, and their places."""
    for at, node in enumerate(data.get("nodes", ())):
        if node is not None:
            yield at, node


def _within(data: Source, path: Path) -> Iterator[tuple[Path, Source]]:
    for name, each in data.get("subgraphs", {}).items():
        yield (*path, "subgraphs", name), each


def _refused(made: Callable[..., Any], said: Source, path: Path) -> Iterator[Found]:
    """Why something cannot be made of what is said."""
    try:
        made(**said)
    except DefinitionError as error:
        yield Found(path, error.problem)
