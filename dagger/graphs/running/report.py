"""What has become of a run of a graph, node by node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dagger.graphs.machine import Machine
from dagger.graphs.status import GraphStatus, NodeStatus
from dagger.words.budget import Budget


@dataclass(frozen=True, slots=True)
class GraphMetrics:
    """How many nodes stand where, and what the run has used."""

    completed: int
    """Nodes that have completed."""
    running: int
    """Nodes that run."""
    pending: int
    """Nodes that have not begun, or wait."""
    failed: int
    """Nodes that have failed, or took too long."""
    visits: int
    """Times that nodes have run, of all together."""
    spent: Budget
    """What the run has spent: tokens, their cost, messages, and seconds."""
    resources: Mapping[str, float]
    """What its nodes have of resources now."""


@dataclass(frozen=True, slots=True)
class GraphReport:
    """One run of a graph."""

    graph: str
    """The name of the graph."""
    run: str
    """The id of the run."""
    status: GraphStatus
    """How it has ended, or where it stands."""
    reason: str = ""
    """Why it has not completed, or is paused."""
    state: Mapping[str, Any] = field(default_factory=dict)
    """The state as it is, but for what branches have changed that have not joined."""
    nodes: Mapping[str, NodeStatus] = field(default_factory=dict)
    """Where each node stands; of a graph within, as "node/inner"."""
    visits: Mapping[str, int] = field(default_factory=dict)
    """How often each node has run."""
    undone: tuple[str, ...] = ()
    """Nodes that were undone."""
    stuck: Mapping[str, str] = field(default_factory=dict)
    """Nodes that could not be undone, and why."""
    left: tuple[str, ...] = ()
    """Nodes that were not undone in time."""
    spent: Budget = field(default_factory=Budget)
    """What it has spent, as far as the executor has been asked."""
    resources: Mapping[str, float] = field(default_factory=dict)
    """What its nodes had of resources when the report was made."""

    @property
    def metrics(self) -> GraphMetrics:
        """How many nodes stand where, and what the run has used."""
        found = list(self.nodes.values())
        failed = (NodeStatus.FAILED, NodeStatus.TIMEOUT)
        waiting = (NodeStatus.PENDING, NodeStatus.BLOCKED, NodeStatus.READY)
        return GraphMetrics(
            completed=found.count(NodeStatus.COMPLETED),
            running=found.count(NodeStatus.RUNNING),
            pending=sum(map(found.count, waiting)),
            failed=sum(map(found.count, failed)),
            visits=sum(self.visits.values()),
            spent=self.spent,
            resources=self.resources,
        )

    def data(self) -> dict[str, Any]:
        """As plain JSON data; of a run that has completed without the state, its output."""
        completed = self.status is GraphStatus.COMPLETED
        return {
            "graph": self.graph,
            "run": self.run,
            "status": str(self.status),
            "reason": self.reason,
            "state": {} if completed else dict(self.state),
            "nodes": {name: str(each) for name, each in self.nodes.items()},
            "visits": dict(self.visits),
            "undone": list(self.undone),
            "stuck": dict(self.stuck),
            "left": list(self.left),
        }

    @classmethod
    def of(cls, data: Mapping[str, Any], state: Mapping[str, Any] | None = None) -> GraphReport:
        """The report that some data is of; `state` is the output of the run, if it has one."""
        return cls(
            data["graph"],
            data["run"],
            GraphStatus(data["status"]),
            data["reason"],
            data["state"] if state is None else state,
            {name: NodeStatus(each) for name, each in data["nodes"].items()},
            dict(data["visits"]),
            tuple(data["undone"]),
            dict(data["stuck"]),
            tuple(data["left"]),
        )


def report_of(machine: Machine, run_id: str) -> GraphReport:
    """The report of a machine as it stands."""
    undone, stuck, left = machine.undoing.report()
    return GraphReport(
        graph=machine.definition.name,
        run=run_id,
        status=machine.status,
        reason=machine.reason,
        state=machine.view.plain(),
        nodes=dict(_nodes(machine, "")),
        visits=dict(_visits(machine, "")),
        undone=undone,
        stuck=stuck,
        left=left,
    )


def _nodes(machine: Machine, above: str) -> list[tuple[str, NodeStatus]]:
    found = [
        (f"{above}{name}", machine.statuses.get(name, NodeStatus.PENDING)) for name in machine.nodes
    ]
    for execution in machine.executions.values():
        if execution.within is not None:
            found += _nodes(execution.within, f"{above}{execution.node}/")
    return found


def _visits(machine: Machine, above: str) -> list[tuple[str, int]]:
    found = [(f"{above}{name}", count) for name, count in machine.visits.items()]
    for execution in machine.executions.values():
        if execution.within is not None:
            found += _visits(execution.within, f"{above}{execution.node}/")
    return found
