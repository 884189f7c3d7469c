"""Floor 4: graphs, which are state machines: nodes over a shared state, and edges between them.

What stands in this folder is pure; `running` carries graphs out.

- what a graph is: `model`, written with `graph`, checked by `checking`, and by `fitting` against
  its state; `describing` makes plain data of it and back, `documents` YAML, by the `grammar`;
  `picture` draws it
- its state: `shape` (what it may hold) and its `fields`, `values` (what a branch sees),
  `reducers`, `merging`
- what runs when: `machine`, with the `plan` of a run (its nodes as they are now: `reach`, `needs`)
  and their `patience`, `branches` (splits and joins), `executions`, `within` (graphs in it) and
  `undoing`; its `library` of functions; what goes in and out of it, `outcome` and `commands`; where
  all stands, `status`
- `saving`: a machine as plain data, and back; `restoring`: whether data is one
"""

from dagger.graphs.documents import dump, load, parse
from dagger.graphs.graph import Graph
from dagger.graphs.model import END, START, Dependency, Goto, Lifecycle, Need, NodeKind, OnError
from dagger.graphs.picture import to_dot
from dagger.graphs.running.context import NodeContext
from dagger.graphs.running.graphs import Checkpoint, GraphRun, Graphs
from dagger.graphs.running.past import StateInfo
from dagger.graphs.running.report import GraphMetrics, GraphReport
from dagger.graphs.status import GraphStatus, NodeStatus

__all__ = [
    "END",
    "START",
    "Checkpoint",
    "Dependency",
    "Goto",
    "Graph",
    "GraphMetrics",
    "GraphReport",
    "GraphRun",
    "GraphStatus",
    "Graphs",
    "Lifecycle",
    "Need",
    "NodeContext",
    "NodeKind",
    "NodeStatus",
    "OnError",
    "StateInfo",
    "dump",
    "load",
    "parse",
    "to_dot",
]
