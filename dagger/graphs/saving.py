"""A machine as plain data, and back: what a checkpoint is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dagger.graphs import merging
from dagger.graphs.branches import Branch, Branches, Frame, Stage
from dagger.graphs.executions import Execution, Kind
from dagger.graphs.library import Library
from dagger.graphs.machine import Machine
from dagger.graphs.model import Definition
from dagger.graphs.needs import Completed
from dagger.graphs.outcome import added, made
from dagger.graphs.status import GraphStatus, NodeStatus
from dagger.graphs.undoing import Undoing
from dagger.graphs.values import View
from dagger.graphs.within import given_to

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
        "nodes": [[added(node), list(machine.plan.edges.get(node.name, ()))] for node in new],
        "statuses": {name: str(each) for name, each in machine.statuses.items()},
        "visits": dict(machine.visits),
        "completed": {name: list(each) for name, each in machine.plan.completed.items()},
        "began": dict(machine.plan.began),
        "deadlines": {name: dict(ends) for name, ends in machine.patience.deadlines.items()},
        "order": machine.plan.order,
        "last_execution": machine.last_execution,
        "state": machine.view.data(),
        "branches": _branches(machine.branches, machine.view),
        "executions": [_execution(each) for each in machine.executions.values()],
        "undoing": machine.undoing.data(machine_data),
    }


def _branches(branches: Branches, base: View) -> dict[str, Any]:
    """What branches have changed by numbers, and who has which; None is the state."""
    standing = [*branches.live.values(), *branches.ended]
    own = [each.view for each in standing if each.view is not base]
    views = dict.fromkeys(view for each in own for view in (*each.layers, each))
    numbers: dict[View, int | None] = {each: number for number, each in enumerate(views)}
    numbers[base] = None
    return {
        "last": branches.last,
        "changes": [each.data() for each in views],
        "frames": [_frame(each) for each in branches.frames.values()],
        "standing": [_branch(each, numbers) for each in standing],
    }


def _frame(frame: Frame) -> dict[str, Any]:
    return {
        "number": frame.number,
        "frame": None if frame.parent is None else frame.parent.number,
        "path": list(frame.path),
        "node": frame.node,
        "whole": frame.whole,
    }


def _branch(branch: Branch, numbers: Mapping[View, int | None]) -> dict[str, Any]:
    return {
        "number": branch.number,
        "frame": None if branch.frame is None else branch.frame.number,
        "path": list(branch.path),
        "layers": [numbers[each] for each in branch.view.layers],
        "own": numbers[branch.view],
        "node": branch.node,
        "stage": str(branch.stage),
        "turns": branch.turns,
        "tail": list(branch.tail),
    }


def _execution(execution: Execution) -> dict[str, Any]:
    within = execution.within
    return {
        "number": execution.number,
        "node": execution.node,
        "branch": execution.branch.number,
        "kind": str(execution.kind),
        "visit": execution.visit,
        "error": execution.error,
        "moment": execution.moment,
        "within": None if within is None else machine_data(within),
    }


def machine_from(
    data: Data, definition: Definition, library: Library, given: View | None = None
) -> Machine:
    """The machine that some data is of; of a graph within, on what it was given."""
    machine = Machine(definition, library, tuple(data["path"]), given)
    machine.status = GraphStatus(data["status"])
    machine.ends = None if data["ends"] is None else GraphStatus(data["ends"])
    machine.reason, plan = data["reason"], machine.plan
    plan.now, plan.order = data["now"], data["order"]
    machine.last_execution = data["last_execution"]
    plan.add((made(node), tuple(targets)) for node, targets in data["nodes"])
    machine.statuses = {name: NodeStatus(each) for name, each in data["statuses"].items()}
    machine.visits, plan.began = dict(data["visits"]), dict(data["began"])
    machine.patience.deadlines = {name: dict(ends) for name, ends in data["deadlines"].items()}
    plan.completed = {name: Completed(*each) for name, each in data["completed"].items()}
    machine.view.take(data["state"])
    branches = _branches_from(data["branches"], machine)
    for each in data["executions"]:
        machine.executions[each["number"]] = _execution_from(each, machine, branches)
    machine.undoing = Undoing.of(data["undoing"], machine, machine_from)
    return machine


def _execution_from(data: Data, machine: Machine, branches: Mapping[int, Branch]) -> Execution:
    branch = branches[data["branch"]]
    execution = Execution(data["number"], data["node"], branch, Kind(data["kind"]))
    execution.visit, execution.error = data["visit"], dict(data["error"])
    execution.moment = data["moment"]
    if data["within"] is not None:
        uses = machine.nodes[data["node"]].uses
        definition = machine.definition.subgraphs[uses]
        library = machine.library.subgraphs[uses]
        given = given_to(machine.nodes[data["node"]], branch.view, library.shape)
        execution.within = machine_from(data["within"], definition, library, given)
    return execution


def _branches_from(data: Data, machine: Machine) -> dict[int, Branch]:
    """The branches of a machine, put together again; all of them by their numbers."""
    branches, found = machine.branches, dict[int, Branch]()
    branches.clear(data["last"])
    for each in data["frames"]:
        frame = Frame(each["number"], branches.frame(each["frame"]), tuple(each["path"]))
        frame.node, frame.whole = each["node"], each["whole"]
        branches.put_frame(frame)
    views = _Views(data["changes"], machine)
    for each in data["standing"]:
        view = views.of(each["own"], each["layers"])
        place = branches.frame(each["frame"]), tuple(each["path"])
        branch = found[each["number"]] = Branch(each["number"], view, *place)
        branch.turns, branch.tail = each["turns"], tuple(each["tail"])
        _stand(branches, branch, Stage(each["stage"]), each["node"])
    return found


def _stand(branches: Branches, branch: Branch, stage: Stage, node: str) -> None:
    if stage is Stage.ENDED:
        branches.ended.append(branch)
        return
    branches.put(branch)
    branches.wait(branch, node)
    if stage is Stage.RUNNING:
        branches.run(branch)


class _Views:
    """What branches have changed, and their views of it."""

    def __init__(self, data: Sequence[Data], machine: Machine) -> None:
        self._base = machine.view
        self._reducers = machine.library.reducers
        self._changes = [View(machine.view) for _ in data]
        self._seen: dict[tuple[int, ...], View] = {}  # what some layers come to, by their numbers
        for view, each in zip(self._changes, data, strict=True):
            view.take(each)
            view.holders = 0

    def of(self, own: int | None, place: Iterable[int]) -> View:
        """The view of a branch: its own changes, after some layers."""
        if own is None:
            return self._base
        numbers = tuple(place)
        layers = tuple(self._changes[number] for number in numbers)
        for each in layers:
            each.holders += 1
        if numbers not in self._seen:
            self._seen[numbers] = merging.seen_of(layers, self._base, self._reducers)
        view = self._changes[own]
        view.layers, view.shadow, view.holders = layers, self._seen[numbers].shadow, 1
        return view
