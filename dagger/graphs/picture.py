"""A graph as a picture, and an execution laid over it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dagger.graphs.model import END, START, Definition, Node, NodeKind, OnError
from dagger.graphs.status import NodeStatus
from dagger.views import dot
from dagger.views.wording import one_line, plural

if TYPE_CHECKING:
    from dagger.graphs.running.report import GraphReport

_SHAPES = {
    NodeKind.ROUTER: "diamond",
    NodeKind.ASK: "hexagon",
    NodeKind.SUBGRAPH: "box3d",
}

_PLAIN: dict[str, str | float] = {"fillcolor": "#dcedf7", "color": "#0072b2"}

COLOURS: dict[NodeStatus, dict[str, str | float]] = {
    NodeStatus.PENDING: {"fillcolor": "#ffffff", "color": "#59636e"},
    NodeStatus.BLOCKED: {"fillcolor": "#fdf3d8", "color": "#b58900"},
    NodeStatus.READY: {"fillcolor": "#fdf3d8", "color": "#b58900"},
    NodeStatus.RUNNING: {"fillcolor": "#dcedf7", "color": "#0072b2"},
    NodeStatus.COMPLETED: {"fillcolor": "#e6f4ea", "color": "#009e73"},
    NodeStatus.FAILED: {"fillcolor": "#fbe3da", "color": "#d55e00"},
    NodeStatus.TIMEOUT: {"fillcolor": "#fbe3da", "color": "#d55e00"},
    NodeStatus.CANCELLED: {"fillcolor": "#eef1f4", "color": "#59636e"},
    NodeStatus.SKIPPED: {"fillcolor": "#ffffff", "color": "#9aa3ad"},
}
"""How a node looks, by where it stands."""


def to_dot(definition: Definition, report: GraphReport | None = None) -> str:
    """The picture in Graphviz's language; with a report, how far a run of it is.

    A dashed arrow is taken by a router or a loop, a dotted one by what a node returns; a grey one
    leads from a node to one that needs it.
    """
    return dot.digraph(definition.name, _statements(definition, report))


def _statements(definition: Definition, report: GraphReport | None) -> Iterator[str]:
    yield from dot.preamble(ranksep=0.45)
    yield dot.node(START, label="", shape="circle", width=0.18, fillcolor="#333333", style="filled")
    for node in definition.nodes.values():
        yield _node(node, report)
    if any(END in definition.targets(name) for name in definition.nodes):
        yield dot.node(END, label="", shape="doublecircle", width=0.12, style="filled")
    for source in (START, *definition.nodes):
        yield from _edges(definition, source)


def _node(node: Node, report: GraphReport | None) -> str:
    pieces = [dot.text(node.name, bold=True)]
    if node.description:
        first = node.description.partition("\n")[0]
        pieces.append(dot.text(one_line(first, 50), size=9, colour=dot.QUIET))
    pieces += [dot.text(each, size=9, colour=dot.QUIET) for each in _said(node)]
    looks = _PLAIN
    if report is not None:
        status = report.nodes.get(node.name, NodeStatus.PENDING)
        looks = COLOURS[status]
        visits = report.visits.get(node.name, 0)
        times = f", {plural(visits, 'time')}" if visits > 1 else ""
        pieces.append(dot.text(f"{status}{times}", size=9))
    shape = _SHAPES.get(node.kind, "box")
    return dot.node(node.name, label=dot.lines(*pieces), shape=shape, style="filled", **looks)


def _said(node: Node) -> Iterator[str]:
    """What is not the usual about a node."""
    if node.loop is not None:
        said = node.loop.condition if node.loop.is_expression else ""
        yield f"again while {one_line(said, 30)}" if said else "loops"
    if node.on_error is not OnError.FAIL:
        yield f"on error: {node.on_error}"
    if node.undo is not None:
        yield "can be undone"


def _edges(definition: Definition, source: str) -> Iterator[str]:
    for target in definition.edges.get(source, ()):
        yield dot.edge(source, target)
    choice = definition.choices.get(source)
    for label, target in choice.targets.items() if choice is not None else ():
        yield dot.edge(source, target, style="dashed", label=label)
    node = definition.nodes.get(source)
    if node is None:
        return
    shown = {*definition.edges.get(source, ()), *(choice.targets.values() if choice else ())}
    for target in node.to:
        if target not in shown:
            yield dot.edge(source, target, style="dotted")
    if node.loop is not None:
        yield dot.edge(source, source, style="dashed")
    for need, dependency in node.needs.items():
        yield dot.edge(
            need, source, style="dotted", color="#9aa3ad", constraint="false", label=dependency.type
        )
