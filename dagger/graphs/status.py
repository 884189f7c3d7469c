"""Where a run of a graph stands, and each of its nodes: tables."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class GraphStatus(StrEnum):
    """Where a run stands."""

    IDLE = "idle"
    """It has not begun."""
    RUNNING = "running"
    """Something is in work, or waits, for people too."""
    PAUSED = "paused"
    """Nothing new begins until it is resumed."""
    COMPLETED = "completed"
    """All its branches have ended."""
    FAILED = "failed"
    """A node has failed for good whose failure means that, or a join was a conflict."""
    CANCELLED = "cancelled"
    """From outside, with the executor, or since its time was over."""

    @property
    def ended(self) -> bool:
        """Whether it is an end."""
        return not GRAPH_MOVES[self]


class NodeStatus(StrEnum):
    """Where a node stands in a run: of several visits, the latest."""

    PENDING = "pending"
    """No branch has come to it so far."""
    BLOCKED = "blocked"
    """A branch is there, and waits for others or for what the node needs."""
    READY = "ready"
    """It may run, and waits for whoever runs it."""
    RUNNING = "running"
    """It runs; an ask node, while nobody has answered."""
    COMPLETED = "completed"
    """It has run, and its branch has gone on."""
    FAILED = "failed"
    """It has failed for good."""
    TIMEOUT = "timeout"
    """It has failed since it took too long, or what it needs did."""
    CANCELLED = "cancelled"
    """While it ran or waited, with the run or alone."""
    SKIPPED = "skipped"
    """The run has ended, and no branch had come to it; or a person has skipped it."""

    @property
    def ended(self) -> bool:
        """Whether it is an end, of one visit."""
        return self in _ENDS


_ENDS = frozenset(
    {
        *(NodeStatus.COMPLETED, NodeStatus.FAILED, NodeStatus.TIMEOUT),
        *(NodeStatus.CANCELLED, NodeStatus.SKIPPED),
    }
)

GRAPH_MOVES: Mapping[GraphStatus, frozenset[GraphStatus]] = {
    GraphStatus.IDLE: frozenset({GraphStatus.RUNNING, GraphStatus.CANCELLED}),
    GraphStatus.RUNNING: frozenset(
        {
            *(GraphStatus.PAUSED, GraphStatus.COMPLETED, GraphStatus.FAILED),
            GraphStatus.CANCELLED,
        }
    ),
    GraphStatus.PAUSED: frozenset({GraphStatus.RUNNING, GraphStatus.CANCELLED}),
    GraphStatus.COMPLETED: frozenset(),
    GraphStatus.FAILED: frozenset(),
    GraphStatus.CANCELLED: frozenset(),
}
"""What may follow what, of a run."""

_AGAIN = frozenset({NodeStatus.BLOCKED, NodeStatus.READY})
"""What a visit begins with: a node may be visited again and again."""

NODE_MOVES: Mapping[NodeStatus, frozenset[NodeStatus]] = {
    # An end of a branch has nothing to do.
    NodeStatus.PENDING: _AGAIN | {NodeStatus.SKIPPED, NodeStatus.COMPLETED},
    NodeStatus.BLOCKED: frozenset(
        {NodeStatus.READY, NodeStatus.FAILED, NodeStatus.TIMEOUT, NodeStatus.CANCELLED}
    ),
    NodeStatus.READY: frozenset({NodeStatus.RUNNING, NodeStatus.CANCELLED}),
    NodeStatus.RUNNING: frozenset(
        {
            *(NodeStatus.COMPLETED, NodeStatus.FAILED, NodeStatus.TIMEOUT),
            *(NodeStatus.CANCELLED, NodeStatus.READY, NodeStatus.SKIPPED),
        }
    ),
    NodeStatus.COMPLETED: _AGAIN,
    NodeStatus.FAILED: _AGAIN | {NodeStatus.SKIPPED},
    NodeStatus.TIMEOUT: _AGAIN | {NodeStatus.SKIPPED},
    NodeStatus.CANCELLED: _AGAIN,
    NodeStatus.SKIPPED: _AGAIN,
}
"""What may follow what, of a node."""
