"""The channels of a graph: on which of them who is asked."""

from __future__ import annotations

from dagger.graphs.model import Node


class Channels:
    """Those of one graph, whose runs begin on the channel of its name."""

    __slots__ = ("_graph", "ask", "decide", "output", "report", "route", "timer")

    def __init__(self, graph: str) -> None:
        self._graph = graph
        self.output = f"{graph}:output"
        """Where the state of a run is put out that has completed."""
        self.report = f"{graph}:report"
        self.ask = f"{graph}:ask"
        self.decide = f"{graph}:decide"
        self.timer = f"{graph}:timer"
        self.route = f"{graph}:route"
        """Where routers are asked alone, without their nodes."""

    def of(self, graph: str) -> Channels:
        """Those of a graph, which may be one within."""
        return self if graph == self._graph else Channels(f"{self._graph}/{graph}")

    def node(self, node: Node) -> str:
        """Where a node is asked to run. Nodes that are added have no channel of their own."""
        return self.function(node.uses)

    def function(self, name: str) -> str:
        """Where nodes that use a function are asked to run."""
        return f"{self._graph}.{name}"

    def undo(self, node: Node) -> str:
        """Where what undoes a node is asked to."""
        return f"{self._graph}.{node.uses}:undo"
