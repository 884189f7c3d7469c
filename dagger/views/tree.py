"""The execution tree as people see it: who caused what in a run."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dagger.state.tree import Node
from dagger.views import merge, outline, picture
from dagger.views.nodes import OpenNode, OutputEdge, TreeNode, settled, unsettled
from dagger.views.render import render
from dagger.words.errors import ExecutionError

if TYPE_CHECKING:
    import networkx

COLLAPSE_ABOVE = 500
"""Nodes beyond which a picture is collapsed unless it is told otherwise."""

Collapse = Literal["agent", "auto"] | None


class ExecutionTree:
    """One node an invocation, one edge a message: `report.tree` and `run.tree`.

    A picture of one moment. Nodes whose parent is no longer kept are roots, like those
    that the outside world's messages caused; `forgotten` counts the nodes that are gone.
    """

    def __init__(
        self,
        run_id: str,
        nodes: Iterable[Node],
        *,
        open: Iterable[OpenNode] = (),
        outputs: Iterable[OutputEdge] = (),
        forgotten: int = 0,
    ) -> None:
        self.run_id = run_id
        self.forgotten = forgotten
        self.outputs = tuple(outputs)
        self._settled = nodes
        self._open = tuple(open)

    def __repr__(self) -> str:
        return f"<ExecutionTree of run {self.run_id!r}: {len(self)} nodes>"

    def __len__(self) -> int:
        return len(self._nodes)

    def nodes(self) -> tuple[TreeNode, ...]:
        """The nodes in the order in which they ended, then those that have not."""
        return self._nodes

    @property
    def roots(self) -> tuple[TreeNode, ...]:
        """Nodes without a parent among the kept ones."""
        known = {node.delivery for node in self._nodes}
        return tuple(node for node in self._nodes if node.parent not in known)

    def children(self, node: TreeNode) -> tuple[TreeNode, ...]:
        """What the messages that `node` published caused."""
        return tuple(self._by_parent.get(node.delivery, ()))

    def to_networkx(self) -> networkx.DiGraph:
        """A networkx.DiGraph of the nodes, by node id.

        Nodes have `agent, status, channel, message, attempts, started, ended, seconds,
        error, tokens, cost, notes`; edges have `channel` and `message`, the id.
        """
        import networkx

        graph = networkx.DiGraph(run_id=self.run_id, forgotten=self.forgotten)
        ids = {node.delivery: node.id for node in self._nodes}
        for node in self._nodes:
            graph.add_node(node.id, **_attributes(node))
        for node in self._nodes:
            if node.parent in ids:
                message = node.message_id
                graph.add_edge(ids[node.parent], node.id, channel=node.channel, message=message)
        return graph

    def to_dot(self, collapse: Collapse = "auto") -> str:
        """The picture in Graphviz's language.

        `collapse="agent"` merges what has the same agent, channel and status, and the same
        path from the root, into one node with its count; None draws every node; "auto"
        collapses above 500 nodes.
        """
        if collapse not in ("agent", "auto", None):
            raise ExecutionError(f'collapse is "agent", "auto" or None, not {collapse!r}')
        if collapse == "auto":
            collapse = "agent" if len(self) > COLLAPSE_ABOVE else None
        gather = merge.merge if collapse else merge.apart
        groups = gather(self._nodes, self.outputs)
        return picture.draw(groups, self.run_id, forgotten=self.forgotten)

    def render(
        self, path: str | Path, format: str | None = None, *, collapse: Collapse = "auto"
    ) -> Path:
        """Draw the picture to a file; its suffix (.svg, .png, .pdf, .dot) or `format` says how.

        Raises ExecutionError where Graphviz is not installed.
        """
        return render(self.to_dot(collapse), path, format)

    def text(self, limit: int = 200) -> str:
        """The collapsed tree as indented text of at most `limit` lines below the first."""
        groups = merge.merge(self._nodes, self.outputs)
        return outline.outline(groups, self.run_id, forgotten=self.forgotten, limit=limit)

    @cached_property
    def _nodes(self) -> tuple[TreeNode, ...]:
        """Made when they are first looked at: most trees never are."""
        ended = [settled(self.run_id, node) for node in self._settled]
        return (*ended, *(unsettled(self.run_id, node) for node in self._open))

    @cached_property
    def _by_parent(self) -> dict[int, list[TreeNode]]:
        found: dict[int, list[TreeNode]] = {}
        for node in self._nodes:
            found.setdefault(node.parent, []).append(node)
        return found


def _attributes(node: TreeNode) -> dict[str, object]:
    return {
        "agent": node.agent,
        "status": node.status,
        "channel": node.channel,
        "message": node.message_id,
        "attempts": node.attempts,
        "started": node.started,
        "ended": node.ended,
        "seconds": node.seconds,
        "error": node.error,
        "tokens": node.tokens,
        "cost": node.cost,
        "notes": node.notes,
    }
