"""What the machine of a graph wants done.

`path` leads to what it is about: the numbers of the executions of subgraphs around it, and last
its own. An execution is one visit of a node; its number is never used again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from dagger.graphs.model import Node
from dagger.graphs.status import GraphStatus

Path = tuple[int, ...]


class Run(NamedTuple):
    """Call the function of a node; say `done` or `failed`. It sees the view of its branch."""

    path: Path
    graph: str
    """The name of the graph that the node is of."""
    node: Node
    visit: int
    """Which visit of the node it is, from 1; of a loop, which turn."""


class Route(NamedTuple):
    """Only ask the router of a node where to go: one that has failed and goes on, an ask node, a
    graph.
    """

    path: Path
    graph: str
    node: Node


class Ask(NamedTuple):
    """Ask a person what an ask node asks."""

    path: Path
    node: Node


class AskAbout(NamedTuple):
    """Ask a person what is to be done about a node that has failed."""

    path: Path
    node: Node
    error: dict[str, str]


class Wake(NamedTuple):
    """Say `woken` at a moment (epoch seconds)."""

    path: Path
    moment: float


class Stop(NamedTuple):
    """Have an execution end; say how it ended."""

    path: Path


class Undo(NamedTuple):
    """Undo an execution; say `undone`."""

    path: Path
    graph: str
    node: Node
    update: dict[str, Any]
    """What it had changed in the state; empty where it is not known to have completed."""


class Finish(NamedTuple):
    """The run has ended; the last command there is."""

    status: GraphStatus


Command = Run | Route | Ask | AskAbout | Wake | Stop | Undo | Finish
