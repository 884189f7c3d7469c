"""The channels of a graph: on which of them who is asked."""

from __future__ import annotations

from dagger.graphs.model import CALLING, Definition, Node


class Channels:
    """Those of one graph, whose runs begin on the channel of its name; or of one within it, below
    the other's name.
    """

    __slots__ = ("_own", "_owners", "ask", "decide", "name", "output", "report", "route", "timer")

    def __init__(self, definition: Definition, above: str = "") -> None:
        name = self.name = f"{above}/{definition.name}" if above else definition.name
        self.output = f"{name}:output"
        """Where the state of a run is put out that has completed."""
        self.report = f"{name}:report"
        self.ask = f"{name}:ask"
        self.decide = f"{name}:decide"
        self.timer = f"{name}:timer"
        self.route = f"{name}:route"
        """Where routers are asked alone, without their nodes."""
        self._own = definition.nodes
        calling = [each for each in definition.nodes.values() if each.kind in CALLING]
        self._owners = {each.uses: each.name for each in reversed(calling)}

    def node(self, node: Node) -> str:
        """Where a node is asked to run. One that is added has no channel of its own: it is that of
        the first node that calls the same function, or else of the function.
        """
        own = self._own.get(node.name)
        if own is not None and own.uses == node.uses:
            return f"{self.name}.{node.name}"
        owner = self._owners.get(node.uses)
        return self.function(node.uses) if owner is None else f"{self.name}.{owner}"

    def function(self, name: str) -> str:
        """Where nodes are asked to run that call a function which only added nodes call."""
        return f"{self.name}:function.{name}"

    def undo(self, node: Node) -> str:
        """Where what undoes a node is asked to."""
        return f"{self.name}:undo.{node.name}"


def channels_of(definition: Definition) -> dict[str, Channels]:
    """Those of a graph, and of the graphs within it, by the names of the graphs."""
    found = {definition.name: Channels(definition)}
    ahead = [*definition.subgraphs.values()]
    while ahead:
        inner = ahead.pop()
        if inner.name not in found:
            found[inner.name] = Channels(inner, definition.name)
            ahead += inner.subgraphs.values()
    return found
