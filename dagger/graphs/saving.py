"""A machine as plain data, and back: what a checkpoint is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dagger.graphs.branches import Branch, Frame, Stage
from dagger.graphs.executions import Execution, Kind
from dagger.graphs.machine import Library, Machine, given_within
from dagger.graphs.model import Definition
from dagger.graphs.needs import Completed
from dagger.graphs.outcome import added, made
from dagger.graphs.status import GraphStatus, NodeStatus
from dagger.graphs.undoing import Undoing
from dagger.graphs.values import View

Data = Mapping[str, Any]


def machine_data(machine: Machine) -> dict[str, Any]:
    """All that there is to know of a run, but for its definition."""
    new = [node for name, node in machine.nodes.items() if name not in machine.definition.nodes]
    return {
        "path": list(machine.path),
        "status": str(machine.status),
        "ends": None if machine.ends is None else str(machine.ends),
        "reason": machine.reason,
        "now": machine.now,
        "nodes": [[added(node), list(machine.edges.get(node.name, ()))] for node in new],
        "statuses": {name: str(each) for name, each in machine.statuses.items()},
        "visits": dict(machine.visits),
        "completed": {name: list(each) for name, each in machine.completed.items()},
        "began": dict(machine.began),
        "deadlines": dict(machine.deadlines),
        "order": machine.order,
        "last_execution": machine.last_execution,
        "last_branch": machine.branches.last,
        "state": machine.view.data(),
        "root": _slot(machine.branches.root, outermost=True),
        "executions": [_execution(each) for each in machine.executions.values()],
        "undoing": machine.undoing.data(machine_data),
    }


def _slot(slot: Branch | Frame, *, outermost: bool = False) -> dict[str, Any]:
    if isinstance(slot, Frame):
        found: dict[str, Any] = {
            "split": slot.node,
            "slots": [[place, _slot(slot.slots[place])] for place in sorted(slot.slots)],
        }
    else:
        found = {
            "number": slot.number,
            "node": slot.node,
            "stage": str(slot.stage),
            "turns": slot.turns,
            "tail": list(slot.tail),
        }
    return found if outermost else {**found, "view": slot.view.data()}


def _execution(execution: Execution) -> dict[str, Any]:
    within = execution.within
    return {
        "number": execution.number,
        "node": execution.node,
        "branch": execution.branch.number,
        "kind": str(execution.kind),
        "error": execution.error,
        "within": None if within is None else machine_data(within),
    }


def machine_from(
    data: Data, definition: Definition, library: Library, given: View | None = None
) -> Machine:
    """The machine that some data is of; of a graph within, on what it was given."""
    machine = Machine(definition, library, tuple(data["path"]), given)
    machine.status = GraphStatus(data["status"])
    machine.ends = None if data["ends"] is None else GraphStatus(data["ends"])
    machine.reason, machine.now, machine.order = data["reason"], data["now"], data["order"]
    machine.last_execution = data["last_execution"]
    for node, targets in data["nodes"]:
        machine.add(made(node), tuple(targets))
    machine.statuses = {name: NodeStatus(each) for name, each in data["statuses"].items()}
    machine.visits, machine.began = dict(data["visits"]), dict(data["began"])
    machine.deadlines = dict(data["deadlines"])
    machine.completed = {name: Completed(*each) for name, each in data["completed"].items()}
    known = View.of(data["state"])
    machine.view.own, machine.view.raw, machine.view.by = known.own, known.raw, known.by
    branches = _Restored(machine).branches(data["root"], data["last_branch"])
    for each in data["executions"]:
        machine.executions[each["number"]] = _execution_from(each, machine, branches)
    machine.undoing = Undoing.of(data["undoing"], machine, machine_from)
    return machine


def _execution_from(data: Data, machine: Machine, branches: Mapping[int, Branch]) -> Execution:
    branch = branches[data["branch"]]
    execution = Execution(data["number"], data["node"], branch, Kind(data["kind"]))
    execution.error = dict(data["error"])
    if data["within"] is not None:
        uses = machine.nodes[data["node"]].uses
        definition = machine.definition.subgraphs[uses]
        library = machine.library.subgraphs[uses]
        given = given_within(machine.nodes[data["node"]], branch.view)
        execution.within = machine_from(data["within"], definition, library, given)
    return execution


class _Restored:
    """The branches of a machine, put together again."""

    def __init__(self, machine: Machine) -> None:
        self._branches = machine.branches
        self._view = machine.view

    def branches(self, root: Data, last: int) -> dict[int, Branch]:
        """All that are in a tree, by their numbers."""
        self._branches.live.clear()
        self._branches.root = self._slot(root, None, 0.0, self._view)
        found = {each.number: each for each in _all(self._branches.root)}
        self._branches.last = last
        return found

    def _slot(self, data: Data, frame: Frame | None, place: float, view: View) -> Branch | Frame:
        if "slots" in data:
            made = Frame(view, frame, place, data["split"])
            self._branches.add(made)
            for inner, each in data["slots"]:
                below = View.of(each["view"], view)
                made.slots[inner] = self._slot(each, made, inner, below)
            return made
        branch = Branch(data["number"], view, frame, place)
        branch.turns, branch.tail = data["turns"], tuple(data["tail"])
        stage = Stage(data["stage"])
        if stage is not Stage.ENDED:
            self._branches.live[branch.number] = branch
            self._branches.wait(branch, data["node"])
        if stage is Stage.RUNNING:
            self._branches.run(branch)
        return branch


def _all(slot: Branch | Frame) -> Iterator[Branch]:
    if isinstance(slot, Branch):
        yield slot
        return
    for each in slot.slots.values():
        yield from _all(each)
