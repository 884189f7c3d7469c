"""What is wrong with a graph, all at once, in sentences that name its nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from inspect import iscoroutinefunction
from math import inf

from dagger.graphs.model import (
    CALLING,
    END,
    START,
    Choice,
    Definition,
    Dependency,
    Loop,
    Node,
    NodeKind,
    Question,
    is_expression,
)
from dagger.rules.documents.tree import Found
from dagger.rules.expressions import compiled, condition
from dagger.rules.expressions.tokens import OPEN
from dagger.rules.nearest import meant
from dagger.rules.retry import strategy
from dagger.rules.schema import schema
from dagger.words.errors import DaggerError, ExpressionError, SchemaError, SerializationError
from dagger.words.payload import plain
from dagger.words.policies import Resources

Way = tuple[str | int, ...]
"""Where something stands in a definition as plain data (`describing`)."""


def problems_of(definition: Definition) -> Iterator[Found]:
    """All that keeps a graph from being run, and where that stands."""
    if not definition.name.strip() or {*"/.:"} & {*definition.name}:
        told = "its channels are named after it, with '/', '.' and ':' behind that"
        yield Found(("name",), f"{definition.name!r} is no name for a graph: {told}")
    if not definition.nodes:
        yield Found(("nodes",), "it has no nodes")
        return
    places = {name: number for number, name in enumerate(definition.nodes)}
    yield from _sources(definition)
    yield from _targets(definition, places)
    yield from _unreachable(definition, places)
    yield from _endless(definition, places)
    for name, node in definition.nodes.items():
        at = ("nodes", places[name])
        yield from _needs(node, at, definition)
        yield from _kind(node, at, definition)
        yield from (
            Found((*at, option), f"node {name!r}: {problem}") for option, problem in _policies(node)
        )
    for name, choice in definition.choices.items():
        if problem := _expression(choice):
            way = ("choices", name, "router")
            yield Found(way, f"the router of {name!r}: {problem}")


def awaited(
    definition: Definition, functions: Mapping[str, Callable[..., object]]
) -> Iterator[Found]:
    """Functions that are async, and are called where nothing is awaited."""
    for key, name in definition.reducers.items():
        if iscoroutinefunction(functions.get(name)):
            problem = f"the reducer of {key!r} is async; it has to be a plain function"
            yield Found(("reducers", key), problem, key=True)
    for number, (name, node) in enumerate(definition.nodes.items()):
        for need, each in node.needs.items():
            if iscoroutinefunction(functions.get(str(each.condition))):
                problem = f"node {name!r} needs {need!r} under a condition that is async"
                way = ("nodes", number, "needs", need, "condition")
                yield Found(way, f"{problem}; it has to be a plain function")


def _sources(definition: Definition) -> Iterator[Found]:
    for part, sources in (("edges", definition.edges), ("choices", definition.choices)):
        for name in sources:
            if name not in definition.nodes and name != START:
                hint = meant(name, [*definition.nodes, START])
                problem = f"an edge comes from {name!r}, which is no node{hint}"
                yield Found((part, name), problem, key=True)
    for name, choice in definition.choices.items():
        if not choice.targets:
            yield Found(("choices", name, "targets"), f"the router of {name!r} leads nowhere")


def _targets(definition: Definition, places: Mapping[str, int]) -> Iterator[Found]:
    known = {*definition.nodes, END}
    for source in (START, *definition.nodes):
        told = set(known)
        for way, target in _ways(source, definition, places):
            if target not in told:
                told.add(target)
                hint = meant(target, known)
                yield Found(way, f"{source!r} leads to {target!r}, which is no node{hint}")


def _ways(
    source: str, definition: Definition, places: Mapping[str, int]
) -> Iterator[tuple[Way, str]]:
    """Where a branch may go from a node, and where that stands."""
    for number, target in enumerate(definition.edges.get(source, ())):
        yield ("edges", source, number), target
    choice = definition.choices.get(source)
    for label, target in choice.targets.items() if choice is not None else ():
        yield ("choices", source, "targets", label), target
    node = definition.nodes.get(source)
    for number, target in enumerate(node.to) if node is not None else ():
        yield ("nodes", places[source], "to", number), target


def _unreachable(definition: Definition, places: Mapping[str, int]) -> Iterator[Found]:
    reached = _followed([START], definition.targets)
    for name in definition.nodes:
        if name not in reached:
            yield Found(
                ("nodes", places[name]),
                f"node {name!r} cannot be reached from {START!r}; add an edge to it, or say "
                f"to={name!r} of the node that goes there",
            )


def _endless(definition: Definition, places: Mapping[str, int]) -> Iterator[Found]:
    """Nodes from which no way leads to an end: to `end`, or to a node that leads nowhere."""
    before: dict[str, list[str]] = {}
    ends = [END]
    for name, node in definition.nodes.items():
        targets = definition.targets(name)
        # A node that may go by what it returns may also end its branch.
        if node.kind is NodeKind.END or node.to or not targets:
            ends.append(name)
        for target in targets:
            before.setdefault(target, []).append(name)
    good = _followed(ends, lambda name: before.get(name, ()))
    for name in definition.nodes:
        if name not in good:
            yield Found(("nodes", places[name]), f"from node {name!r} no way leads to an end")


def _followed(begin: Iterable[str], follow: Callable[[str], Iterable[str]]) -> set[str]:
    """What is come to, step by step."""
    found, ahead = set(begin), list(begin)
    while ahead:
        for each in follow(ahead.pop()):
            if each not in found:
                found.add(each)
                ahead.append(each)
    return found


def _needs(node: Node, at: Way, definition: Definition) -> Iterator[Found]:
    name = node.name
    for need, dependency in node.needs.items():
        way = (*at, "needs", need)
        if need == name:
            yield Found(way, f"node {name!r} needs itself", key=True)
        elif need not in definition.nodes:
            hint = meant(need, definition.nodes)
            problem = f"node {name!r} needs {need!r}, which there is none of{hint}"
            yield Found(way, problem, key=True)
        if problem := _expression(dependency):
            told = f"node {name!r} needs {need!r} under a condition: {problem}"
            yield Found((*way, "condition"), told)


def _kind(node: Node, at: Way, definition: Definition) -> Iterator[Found]:
    """What a node of its kind lacks, and what is said of it in vain."""
    name, loop = node.name, node.loop
    yield from _uses(node, at)
    if node.kind not in CALLING:
        for option in ("retry", "timeout", "undo", "resources", "loop"):
            if getattr(node, option) is not None:
                problem = f"node {name!r} calls no function that {option} could be for"
                inner = "; say it of the nodes in its graph"
                hint = inner if node.kind is NodeKind.SUBGRAPH and option != "loop" else ""
                yield Found((*at, option), problem + hint)
    if node.kind is NodeKind.END and definition.targets(name):
        yield Found(at, f"node {name!r} is an end, and leads to {definition.targets(name)[0]!r}")
    if node.kind is NodeKind.LOOP and loop is None:
        how = f"loop({name!r}, while_=...)"
        yield Found(at, f"node {name!r} is a loop, and nothing says how long: {how}")
    if loop is not None and (problem := _expression(loop)):
        yield Found((*at, "loop", "condition"), f"the loop of {name!r}: {problem}")
    if loop is not None and loop.max_iterations < 1:
        problem = f"the loop of {name!r} goes round at least once: max_iterations= is 1 or more"
        yield Found((*at, "loop", "max_iterations"), problem)
    if node.kind is NodeKind.ASK:
        yield from _question(node, at)
    if node.kind is NodeKind.SUBGRAPH and node.uses not in definition.subgraphs:
        problem = f"node {name!r} is a graph {node.uses!r}, which there is none of"
        yield Found((*at, "uses"), problem)


def _uses(node: Node, at: Way) -> Iterator[Found]:
    """What is said of a node, or not, that is for others."""
    name, kind = node.name, node.kind
    if kind in CALLING and not node.uses:
        yield Found(at, f"node {name!r} calls a function, and nothing says which: uses={name!r}")
    if kind in (NodeKind.START, NodeKind.END, NodeKind.ASK) and node.uses:
        yield Found((*at, "uses"), f"node {name!r} is of kind {str(kind)!r}, which calls nothing")
    if kind is not NodeKind.ASK and node.question is not None:
        problem = f"node {name!r} asks nobody; only one of kind 'ask' has a question"
        yield Found((*at, "question"), problem)
    if kind is not NodeKind.SUBGRAPH:
        for part in ("inputs", "outputs"):
            if getattr(node, part):
                problem = f"node {name!r} is no graph; only one of kind 'subgraph' has {part}"
                yield Found((*at, part), problem)


def _question(node: Node, at: Way) -> Iterator[Found]:
    name, asked = node.name, node.question
    if asked is None:
        yield Found(at, f"node {name!r} asks people, and nothing says what")
        return
    try:
        compiled(asked.prompt)
    except ExpressionError as error:
        yield Found((*at, "question", "prompt"), f"the prompt of {name!r}: {error}")
    if asked.timeout is not None and not _is_number(asked.timeout, above=0):
        problem = f"node {name!r}: timeout= is seconds above 0, not {asked.timeout!r}"
        yield Found((*at, "question", "timeout"), problem)
    if asked.choices is not None and asked.schema is not None:
        problem = f"node {name!r} takes choices= or schema=, and not both"
        yield Found((*at, "question", "choices"), problem)
    elif asked.choices is not None and not asked.choices:
        yield Found((*at, "question", "choices"), f"node {name!r} has no choices")
    else:
        yield from _answers(asked, name, at)


def _answers(asked: Question, name: str, at: Way) -> Iterator[Found]:
    """A schema of answers that is none, and a default that is no answer."""
    part, source = "schema", asked.schema
    if asked.choices is not None:
        part, source = "choices", {"enum": list(asked.choices)}
    try:
        found = schema(True if source is None else source, f"node {name!r}")
        part = "default"
        violation = found.violation(plain(asked.default)) if asked.has_default else None
    except (SchemaError, SerializationError) as error:
        yield Found((*at, "question", part), f"node {name!r}: {part}= {error.problem}")
        return
    if violation is not None:
        problem = f"node {name!r}: its default will not do: {violation.problem}"
        yield Found((*at, "question", part), problem)


def _policies(node: Node) -> Iterator[tuple[str, str]]:
    """The options that cannot be, and why."""
    if node.timeout is not None and not _is_number(node.timeout, above=0):
        yield "timeout", f"timeout= is seconds above 0, not {node.timeout!r}"
    if node.priority is not None and type(node.priority) is not int:
        yield "priority", f"priority= is a whole number, not {node.priority!r}"
    unknown = [name for name in node.resources or () if name not in _RESOURCES]
    if unknown:
        hint = meant(unknown[0], _RESOURCES) or f"; known: {', '.join(_RESOURCES)}"
        yield "resources", f"resources= has no {unknown[0]!r}{hint}"
    elif node.resources is not None:
        try:
            Resources(**node.resources)
        except (DaggerError, TypeError) as error:
            yield "resources", f"resources= {error}"
    if node.retry is not None:
        try:
            strategy(node.retry)
        except DaggerError as error:
            yield "retry", str(error)


_RESOURCES = tuple(each.name for each in fields(Resources))


def _is_number(value: object, above: float) -> bool:
    return isinstance(value, int | float) and type(value) is not bool and above < value < inf


def _expression(said: Loop | Choice | Dependency) -> str:
    text = said.router if isinstance(said, Choice) else said.condition
    if not isinstance(text, str) or not is_expression(said):
        return ""
    if isinstance(said, Choice) and OPEN not in text:
        return f"{text!r} has no expression in it, such as ${{{{ state.kind }}}}"
    try:
        condition(text)
    except ExpressionError as error:
        return str(error)
    return ""
