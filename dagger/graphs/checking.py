"""What is wrong with a graph, all at once, in sentences that name its nodes."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from math import inf

from dagger.graphs.model import (
    END,
    START,
    Choice,
    Definition,
    Dependency,
    Loop,
    Node,
    NodeKind,
    is_expression,
)
from dagger.rules.expressions import condition
from dagger.rules.retry import strategy
from dagger.words.errors import ConfigError, ExpressionError
from dagger.words.policies import Resources


def problems_of(definition: Definition) -> Iterator[str]:
    """All that keeps a graph from being run."""
    if not definition.nodes:
        yield "it has no nodes"
        return
    yield from _targets(definition)
    yield from _unreachable(definition)
    yield from _endless(definition)
    for node in definition.nodes.values():
        for need in node.needs:
            if need == node.name:
                yield f"node {node.name!r} needs itself"
            elif need not in definition.nodes:
                hint = _meant(need, definition)
                yield f"node {node.name!r} needs {need!r}, which there is none of{hint}"
            if problem := _expression(node.needs[need]):
                yield f"node {node.name!r} needs {need!r} under a condition: {problem}"
    yield from _values(definition)


def _targets(definition: Definition) -> Iterator[str]:
    sources = [*definition.edges, *definition.choices]
    for source in dict.fromkeys(sources):
        if source not in definition.nodes and source != START:
            yield f"an edge comes from {source!r}, which is no node{_meant(source, definition)}"
    for source in (START, *definition.nodes):
        for target in definition.targets(source):
            if target not in definition.nodes and target != END:
                hint = _meant(target, definition)
                yield f"{source!r} leads to {target!r}, which is no node{hint}"
    for name in definition.choices:
        if not definition.choices[name].targets:
            yield f"the router of {name!r} leads nowhere"


def _unreachable(definition: Definition) -> Iterator[str]:
    reached: set[str] = set()
    ahead = [START]
    while ahead:
        for target in definition.targets(ahead.pop()):
            if target not in reached:
                reached.add(target)
                ahead.append(target)
    for name in definition.nodes:
        if name not in reached:
            yield (
                f"node {name!r} cannot be reached from {START!r}; add an edge to it, or say "
                f"to={name!r} of the node that goes there"
            )


def _endless(definition: Definition) -> Iterator[str]:
    """Nodes from which no way leads to an end: to `end`, or to a node that leads nowhere."""
    ends = {END} | {
        name
        for name, node in definition.nodes.items()
        if node.kind is NodeKind.END or not definition.targets(name)
    }
    # A node that may go by what it returns may also end its branch.
    good = ends | {name for name, node in definition.nodes.items() if node.to}
    changed = True
    while changed:
        changed = False
        for name in definition.nodes:
            if name not in good and any(each in good for each in definition.targets(name)):
                good.add(name)
                changed = True
    for name in definition.nodes:
        if name not in good:
            yield f"from node {name!r} no way leads to an end"


def _values(definition: Definition) -> Iterator[str]:
    for node in definition.nodes.values():
        yield from _kind(node, definition)
        yield from (f"node {node.name!r}: {problem}" for problem in _policies(node))
    for name, choice in definition.choices.items():
        if problem := _expression(choice):
            yield f"the router of {name!r}: {problem}"


def _kind(node: Node, definition: Definition) -> Iterator[str]:
    """What a node of its kind lacks."""
    name, loop = node.name, node.loop
    if node.kind is NodeKind.LOOP and loop is None:
        yield f"node {name!r} is a loop, and nothing says how long: loop({name!r}, while_=...)"
    if loop is not None and (problem := _expression(loop)):
        yield f"the loop of {name!r}: {problem}"
    if loop is not None and loop.max_iterations < 1:
        yield f"the loop of {name!r} goes round at least once: max_iterations= is 1 or more"
    if node.kind is NodeKind.ASK and node.question is None:
        yield f"node {name!r} asks people, and nothing says what"
    if node.kind is NodeKind.SUBGRAPH and node.uses not in definition.subgraphs:
        yield f"node {name!r} is a graph {node.uses!r}, which there is none of"


def _policies(node: Node) -> Iterator[str]:
    if node.timeout is not None and not _is_number(node.timeout, above=0):
        yield f"timeout= is seconds above 0, not {node.timeout!r}"
    if node.priority is not None and type(node.priority) is not int:
        yield f"priority= is a whole number, not {node.priority!r}"
    if node.resources is not None:
        try:
            Resources(**node.resources)
        except (ConfigError, TypeError) as error:
            yield f"resources= {error}"
    if node.retry is not None:
        try:
            strategy(node.retry)
        except ConfigError as error:
            yield str(error)


def _is_number(value: object, above: float) -> bool:
    return isinstance(value, int | float) and type(value) is not bool and above < value < inf


def _expression(said: Loop | Choice | Dependency) -> str:
    text = said.router if isinstance(said, Choice) else said.condition
    if not isinstance(text, str) or not is_expression(said):
        return ""
    try:
        condition(text)
    except ExpressionError as error:
        return str(error)
    return ""


def _meant(name: str, definition: Definition) -> str:
    near = difflib.get_close_matches(name, [*definition.nodes, END], 1)
    return f"; did you mean {near[0]!r}?" if near else ""
