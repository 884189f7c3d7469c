"""What a run of a graph does next: a pure machine, from events to commands.

It has no await, no clock and no I/O: the moments that it counts with are those of the events.
Told the same, it says the same again, in a fresh process too. It is moved on in place.

- A node that has run says where its branch goes on: itself, or by its edges. One target is the
  next node, several are a split, none is the end of the branch.
- A branch that comes to a node waits there as long as another branch may still come to it as
  well (`reach`); those that have come then go on as one (`merging`). Where branches wait for each
  other, those that were named first go on.
- Then the node waits for what it needs (`patience`), and runs. A graph within it is a machine
  within this one.
- A node that fails for good makes the run fail, unless it says otherwise; then, and where the
  run is cancelled, what is in work is stopped, and what was done is undone (`undoing`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dagger.graphs.branches import Branch, Branches
from dagger.graphs.commands import (
    Ask,
    AskAbout,
    Command,
    Finish,
    Path,
    Route,
    Run,
    Stop,
    Wake,
)
from dagger.graphs.executions import Execution, Kind
from dagger.graphs.library import ERROR, Library
from dagger.graphs.merging import remove, update
from dagger.graphs.model import END, START, Definition, Node, NodeKind, OnError
from dagger.graphs.outcome import Outcome
from dagger.graphs.patience import Begins, Fails, Patience, Waits
from dagger.graphs.plan import Plan
from dagger.graphs.status import GraphStatus, NodeStatus
from dagger.graphs.undoing import Undoing
from dagger.graphs.values import View
from dagger.graphs.within import check_given, given_to, outcome_of
from dagger.words.errors import DaggerError, GraphEventRefused, StateRefused
from dagger.words.payload import encode

_TIMEOUTS = frozenset({"TimeoutExceeded", "ResourceTimeout", "RequestTimeout"})


class Machine:
    """One run of a graph, or of a graph within it."""

    def __init__(
        self, definition: Definition, library: Library, path: Path = (), given: View | None = None
    ) -> None:
        self.definition = definition
        self.library = library
        self.path = path
        self.status = GraphStatus.IDLE
        self.reason = ""
        self.view = View(given)
        """The state, but for what is in branches; of a graph within, on what it was given."""
        self.statuses: dict[str, NodeStatus] = {}
        self.visits: dict[str, int] = {}
        self.executions: dict[int, Execution] = {}
        self.branches = Branches(self.view, library.reducers)
        self.plan = Plan(definition, library, self.branches, self.executions)
        self.patience = Patience(self.plan)
        self.nodes = self.plan.nodes
        self.last_execution = 0
        self.undoing = Undoing(path, definition.name)
        self.ends: GraphStatus | None = None
        """How it will have ended, once it winds down."""
        self._undoes = {name for name, each in definition.subgraphs.items() if each.undoes}
        self._commands: list[Command] = []

    # -- events ----------------------------------------------------------------------

    def resume(self) -> list[Command]:
        """What is to be done for what is in work: for who goes on with a machine that was saved."""
        found: list[Command] = []
        for execution in self.executions.values():
            if execution.within is not None:
                found += execution.within.resume()
            else:
                found.append(self._command(execution))
                if not self.goes_on:
                    found.append(Stop(self._to(execution)))
        return [*found, *self.undoing.resume(), *self._said()]

    def begin(self, state: Mapping[str, Any], at: float) -> list[Command]:
        """The run begins with a state."""
        if self.status is not GraphStatus.IDLE:
            raise GraphEventRefused("begin", f"it is {self.status}")
        self.plan.now, self.status = at, GraphStatus.RUNNING
        update(self.view, state.items(), START, {})
        branch = next(iter(self.branches.live.values()))
        self.branches.wait(branch, START)
        self.branches.run(branch)
        self._go_by_rule(_BEGIN, branch)
        return self._said()

    def done(self, path: Path, outcome: Outcome, at: float) -> list[Command]:
        """An execution has come to an outcome."""
        inner = self._inner(path)
        if inner is not None:
            return self._from_within(inner, inner.machine.done(path, outcome, at), at)
        execution = self._ended(path, at)
        if execution.kind is Kind.ASK_ABOUT:
            self._decided(execution, outcome)
        elif execution.kind is Kind.ROUTE:
            if self.goes_on:
                self._go(execution.branch, self._ways(self._node(execution), outcome))
        elif self.goes_on:
            self._complete(execution, outcome)
        else:
            self._takes_effect(execution, outcome)
        return self._said()

    def failed(self, path: Path, error: Mapping[str, str], at: float) -> list[Command]:
        """An execution has failed for good: `type` and `message` of the error."""
        inner = self._inner(path)
        if inner is not None:
            return self._from_within(inner, inner.machine.failed(path, error, at), at)
        self._fail(self._ended(path, at), dict(error))
        return self._said()

    def stopped(self, path: Path, at: float) -> list[Command]:
        """An execution was stopped before it came to anything."""
        if self._is_over(path):
            return []
        inner = self._inner(path)
        if inner is not None:
            return self._from_within(inner, inner.machine.stopped(path, at), at)
        execution = self._ended(path, at)
        self._note(execution, NodeStatus.CANCELLED)
        if self.goes_on:
            self.branches.end(execution.branch)
        return self._said()

    def woken(self, path: Path, at: float) -> list[Command]:
        """A moment has come that was asked for."""
        if self._is_over(path):
            return []
        inner = self._inner(path)
        if inner is not None:
            return self._from_within(inner, inner.machine.woken(path, at), at)
        del self.executions[path[-1]]
        self.plan.now = at
        return self._said()

    def undone(self, path: Path, problem: str, at: float) -> list[Command]:
        """An execution was undone; with a problem, it could not be."""
        running = self.executions.get(path[len(self.path)])
        if running is not None and running.within is not None:
            return self._from_within(running, running.machine.undone(path, problem, at), at)
        self.plan.now = at
        self._commands += self.undoing.undone(path, problem, at)
        return self._said()

    def undo_all(self, at: float) -> list[Command]:
        """Undo a run that has completed: what it was a part of is undone."""
        self.plan.now = at
        self._commands += self.undoing.start(at)
        return self._said()

    def cancel(self, reason: str, at: float) -> list[Command]:
        """The run is to end: also one that has completed, of which nobody was told yet."""
        return self._turn(GraphStatus.CANCELLED, reason, at)

    def unfit(self, problem: str, at: float) -> list[Command]:
        """Its state is none that can be given: it has failed, though it has completed."""
        reason = f"the state of the graph cannot be given: {problem}"
        return self._turn(GraphStatus.FAILED, reason, at)

    def _turn(self, status: GraphStatus, reason: str, at: float) -> list[Command]:
        self.plan.now = at
        if self.status is GraphStatus.COMPLETED:
            self.status, self.ends = GraphStatus.RUNNING, None
        if self.goes_on:
            self._wind_down(status, reason)
        return self._said()

    def edit(self, state: Mapping[str, Any]) -> None:
        """Have keys of the state be otherwise, for all branches."""
        self.branches.edit({key: encode(value) for key, value in state.items()})

    def give_up(self) -> None:
        """There is no more time, for undoing neither."""
        self.undoing.give_up()
        if not self.status.ended:
            self.status = self.ends or GraphStatus.CANCELLED

    @property
    def now(self) -> float:
        """The moment of the latest event, epoch seconds."""
        return self.plan.now

    @property
    def goes_on(self) -> bool:
        """Whether anything new may begin."""
        return self.status is GraphStatus.RUNNING and self.ends is None

    # -- going on --------------------------------------------------------------------

    def _complete(self, execution: Execution, outcome: Outcome) -> None:
        """A node has run: its branch changes the state, and goes on."""
        branch, node = execution.branch, self.nodes[execution.node]
        if not self._takes_effect(execution, outcome):
            return
        self.plan.complete(node.name)
        if outcome.nodes:
            self.plan.add(outcome.nodes)
        if outcome.again:
            branch.turns += 1
            self._go(branch, (node.name,))
            return
        branch.turns = 0
        if node.kind in _UNASKED:  # nothing has run that could have asked its router
            self._go_by_rule(node, branch)
        else:
            self._go(branch, outcome.to if outcome.to is not None else self._ways(node, outcome))

    def _takes_effect(self, execution: Execution, outcome: Outcome) -> bool:
        """A node has run, though it may have been told to stop: it changes the state, and can be
        undone. Whether it could; else it fails.
        """
        taken = self.plan.taken(outcome.nodes) if outcome.nodes else None
        if taken is not None:
            problem = f"graph {self.definition.name!r} has another node {taken!r} already"
            self._fail(execution, {"type": "DefinitionError", "message": problem})
            return False
        try:
            self._apply(execution, outcome)
        except Exception as error:  # of a reducer, which is the user's
            self._fail(execution, _error_of(error))
            return False
        self._note(execution, NodeStatus.COMPLETED)
        self.undoing.complete(execution.number, outcome, self.library.reducers)
        return True

    def _ways(self, node: Node, outcome: Outcome) -> Sequence[str]:
        """Where a node leads that does not say it itself: its edges, and what its router chose."""
        return (*self.plan.edges.get(node.name, ()), *outcome.chosen)

    def _apply(self, execution: Execution, outcome: Outcome) -> None:
        view, reducers = execution.branch.view, self.library.reducers
        if outcome.removed:
            remove(view, outcome.removed, execution.node, reducers)
        if outcome.changes:
            update(view, outcome.changes, execution.node, reducers)

    def _go(self, branch: Branch, targets: Iterable[str]) -> None:
        names = tuple(dict.fromkeys(targets))
        unknown = [name for name in names if name not in self.nodes and name != END]
        if unknown:
            problem = f"node {branch.node!r} goes to {unknown[0]!r}, which there is none of"
            self._wind_down(GraphStatus.FAILED, problem)
        elif len(names) == 1:
            self._arrive(branch, names[0])
        elif names:
            for made, name in zip(self.branches.split(branch, len(names)), names, strict=True):
                self._arrive(made, name)
        else:
            self.branches.end(branch)

    def _arrive(self, branch: Branch, name: str) -> None:
        if name != END and self.nodes[name].kind is not NodeKind.END:
            self.branches.wait(branch, name)
            if not self.branches.running(name):
                self.statuses[name] = NodeStatus.BLOCKED
            return
        if name in self.nodes:
            self.visits[name] = self.visits.get(name, 0) + 1
            self.statuses[name] = NodeStatus.COMPLETED
        self.branches.end(branch)

    # -- nodes that begin ------------------------------------------------------------

    def _said(self) -> list[Command]:
        """Have all begin that may, and give the commands."""
        while self.goes_on and self._begin_some():
            pass
        if self.goes_on and not self.branches.live:
            self._complete_run()
        self._look_for_the_end()
        commands, self._commands = self._commands, []
        return commands

    def _begin_some(self) -> bool:
        """Begin the nodes that may; whether there were any."""
        if not self.branches.waiting:
            return False
        begun = False
        for name in self.plan.ready():
            if not self.goes_on:
                return False
            begun = self._try(self.nodes[name]) or begun
        return begun or (not self.executions and self._begin_one())

    def _begin_one(self) -> bool:
        """All that is left waits for each other: one node goes first, or fails; False if one has
        patience left.
        """
        names = self.plan.in_order(self.branches.waiting)
        for patient in (True, False):
            for name in names:
                if self._try(self.nodes[name], patient=patient) or not self.goes_on:
                    return True
            if self.executions:
                return False
        return self._stuck()

    def _try(self, node: Node, *, patient: bool = True) -> bool:
        """Begin a node if it has what it needs; whether anything has come of it."""
        match self.patience.verdict(node, patient=patient):
            case Begins():
                branch = self._joined(node)
                if branch is not None:
                    self._begin(node, branch)
                return branch is not None
            case Waits(until):
                self._wait(node, until)
                return False
            case Fails(type, message):
                self._reject(node, {"type": type, "message": message})
                return True

    def _joined(self, node: Node) -> Branch | None:
        """One branch of those that wait at a node; None if they contradict each other."""
        try:
            branch = self.branches.join(node.name)
        except Exception as error:  # MergeConflict, or what a reducer raises, which is the user's
            problem = str(error) if isinstance(error, DaggerError) else repr(error)
            self._wind_down(GraphStatus.FAILED, problem)
            return None
        branch.tail = self.undoing.latest(branch.tail)
        return branch

    def _wait(self, node: Node, until: float | None) -> None:
        """Have it woken when its patience is over, if that has an end."""
        wakes = [each for each in self.executions.values() if each.wakes(node.name)]
        if [each.moment for each in wakes] == [until]:
            return
        self._wake_no_more(wakes)
        if until is not None:
            execution = self._execution(node.name, self.branches.foremost(node.name), Kind.WAKE)
            execution.moment = until
            self._commands.append(self._command(execution))

    def _wait_no_more(self, node: Node) -> None:
        """Nobody need wake it."""
        if self.patience.forget(node):
            self._wake_no_more([x for x in self.executions.values() if x.wakes(node.name)])

    def _wake_no_more(self, wakes: Iterable[Execution]) -> None:
        for each in wakes:
            del self.executions[each.number]
            self._commands.append(Stop(self._to(each)))

    def _reject(self, node: Node, error: dict[str, str]) -> None:
        """A node fails before it has begun."""
        self._wait_no_more(node)
        branch = self._joined(node)
        if branch is not None:
            self.branches.run(branch)
            self._fail(Execution(0, node.name, branch, Kind.RUN), error)

    def _stuck(self) -> bool:
        """All that is left needs what will not come."""
        name = self.plan.first(self.branches.waiting)
        problem = f"node {name!r} needs what waits for it: {', '.join(self.nodes[name].needs)}"
        self._reject(self.nodes[name], {"type": "DependencyUnmet", "message": problem})
        return True

    def _begin(self, node: Node, branch: Branch) -> None:
        self._wait_no_more(node)
        self.plan.begin(node.name)
        self.visits[node.name] = self.visits.get(node.name, 0) + 1
        self.statuses[node.name] = NodeStatus.READY
        self.statuses[node.name] = NodeStatus.RUNNING
        self.branches.run(branch)
        kind = _KINDS.get(node.kind, Kind.RUN)
        execution = self._execution(node.name, branch, kind)
        execution.visit = branch.turns + 1 if node.loop else self.visits[node.name]
        if node.undo is not None or node.uses in self._undoes:
            self.undoing.begin(execution.number, node, branch.tail)
            branch.tail = (execution.number,)
        if node.kind is NodeKind.START:
            del self.executions[execution.number]
            self._complete(execution, Outcome())
        elif kind is Kind.SUBGRAPH:
            self._begin_within(node, execution)
        else:
            self._commands.append(self._command(execution))

    def _command(self, execution: Execution) -> Command:
        """What is to be done for an execution."""
        path, node = self._to(execution), self._node(execution)
        match execution.kind:
            case Kind.ASK:
                return Ask(path, node)
            case Kind.ROUTE:
                return Route(path, self.definition.name, node)
            case Kind.ASK_ABOUT:
                return AskAbout(path, node, execution.error)
            case Kind.WAKE:
                return Wake(path, execution.moment)
            case _:
                return Run(path, self.definition.name, node, execution.visit)

    def _execution(self, node: str, branch: Branch, kind: Kind) -> Execution:
        self.last_execution += 1
        execution = Execution(self.last_execution, node, branch, kind)
        self.executions[execution.number] = execution
        return execution

    def _node(self, execution: Execution) -> Node:
        """The node that it is of, if only of what a run begins with."""
        return self.nodes.get(execution.node, _BEGIN)

    def _to(self, execution: Execution) -> Path:
        return (*self.path, execution.number)

    # -- failures --------------------------------------------------------------------

    def _fail(self, execution: Execution, error: dict[str, str]) -> None:
        node, branch = self._node(execution), execution.branch
        late = error.get("type") in _TIMEOUTS
        self._note(execution, NodeStatus.TIMEOUT if late else NodeStatus.FAILED)
        if not self.goes_on:
            return
        if execution.kind is Kind.ROUTE:
            reason = f"the router of node {node.name!r} failed: {error['type']}: {error['message']}"
            self._wind_down(GraphStatus.FAILED, reason)
            return
        told = {"node": node.name, **error}
        match node.on_error:
            case OnError.FAIL:
                reason = f"node {node.name!r} failed: {error['type']}: {error['message']}"
                self._wind_down(GraphStatus.FAILED, reason)
            case OnError.HANDLE:
                self._handle(node, branch, told)
            case OnError.ASK:
                self._ask_about(node, branch, error)

    def _handle(self, node: Node, branch: Branch, error: dict[str, str]) -> None:
        """The branch goes on with an error in its state."""
        try:
            update(branch.view, [(ERROR, error)], node.name, self.library.reducers)
        except Exception as raised:  # of a reducer, which is the user's
            told = _error_of(raised)
            reason = f"the reducer of {ERROR!r} failed: {told['type']}: {told['message']}"
            self._wind_down(GraphStatus.FAILED, f"node {node.name!r} failed, and {reason}")
            return
        self._go_by_rule(node, branch)

    def _ask_about(self, node: Node, branch: Branch, error: dict[str, str]) -> None:
        execution = self._execution(node.name, branch, Kind.ASK_ABOUT)
        execution.error = error
        self._commands.append(self._command(execution))

    def _go_by_rule(self, node: Node, branch: Branch) -> None:
        """The branch goes on by the edges of a node, and by its router, which is asked first."""
        if node.name in self.definition.choices:
            execution = self._execution(node.name, branch, Kind.ROUTE)
            self._commands.append(self._command(execution))
        else:
            self._go(branch, self.plan.edges.get(node.name, ()))

    def _decided(self, execution: Execution, outcome: Outcome) -> None:
        """A person has said what is to be done about a node that has failed."""
        node, branch = self.nodes[execution.node], execution.branch
        if not self.goes_on:
            return
        try:
            self._apply(execution, outcome)
        except Exception as error:  # of a reducer, which is the user's
            self._ask_about(node, branch, _error_of(error))
            return
        match outcome.decision:
            case "retry":
                self._arrive(branch, node.name)
            case "skip":
                if self.statuses[node.name] in (NodeStatus.FAILED, NodeStatus.TIMEOUT):
                    self.statuses[node.name] = NodeStatus.SKIPPED
                self._go_by_rule(node, branch)
            case _:
                self._wind_down(GraphStatus.FAILED, f"node {node.name!r} failed, and was given up")

    # -- within ----------------------------------------------------------------------

    def _begin_within(self, node: Node, execution: Execution) -> None:
        """A graph within this one begins, with the keys of the state that it is given."""
        definition = self.definition.subgraphs[node.uses]
        library = self.library.subgraphs[node.uses]
        given = given_to(node, execution.branch.view, library.shape)
        try:
            check_given(node, definition.name, given, library.shape)
        except StateRefused as error:
            self._refuse(execution, error)
            return
        machine = Machine(definition, library, self._to(execution), given)
        execution.within = machine
        self._follow(execution, machine, machine.begin({}, self.now))

    def _refuse(self, execution: Execution, error: StateRefused) -> None:
        """A graph within cannot begin, or has come to what our state cannot have."""
        self.executions.pop(execution.number, None)
        self._fail(execution, _error_of(error))

    def _inner(self, path: Path) -> Execution | None:
        """The execution of the subgraph that a path leads into; None if it is our own."""
        if len(path) == len(self.path) + 1:
            return None
        execution = self.executions.get(path[len(self.path)])
        if execution is None or execution.within is None:
            raise GraphEventRefused(str(path), "no graph runs there")
        return execution

    def _from_within(
        self, execution: Execution, commands: list[Command], at: float
    ) -> list[Command]:
        self.plan.now = at
        self._follow(execution, execution.machine, commands)
        return self._said()

    def _follow(self, execution: Execution, machine: Machine, commands: list[Command]) -> None:
        """Hand on what a machine within wants, and go on when it has ended."""
        for each in commands:
            if not isinstance(each, Finish):
                self._commands.append(each)
                continue
            self.executions.pop(execution.number, None)
            if each.status is not GraphStatus.COMPLETED:
                self.undoing.forget(execution.number)  # it has undone itself
            elif machine.undoing.anything():
                self.undoing.keep(execution.number, machine)
            if each.status is GraphStatus.COMPLETED:
                self._returned(execution, machine)
            elif each.status is GraphStatus.CANCELLED:
                self._note(execution, NodeStatus.CANCELLED)
                if self.goes_on:
                    self.branches.end(execution.branch)
            else:
                self._fail(execution, {"type": "GraphFailed", "message": machine.reason})

    def _returned(self, execution: Execution, machine: Machine) -> None:
        """A graph within has completed: its results are those of its node."""
        node, outside = self.nodes[execution.node], execution.branch.view
        try:
            outcome = outcome_of(node, machine.view, outside, self.library)
        except StateRefused as error:
            self._refuse(execution, error)
            return
        if self.goes_on:
            self._complete(execution, outcome)
        else:
            self._note(execution, NodeStatus.COMPLETED)

    # -- the end ---------------------------------------------------------------------

    def _ended(self, path: Path, at: float) -> Execution:
        execution = self.executions.pop(path[-1], None)
        if execution is None:
            raise GraphEventRefused(str(path), "nothing of that number runs")
        self.plan.now = at
        return execution

    def _is_over(self, path: Path) -> bool:
        """Whether nothing of it is in work: a moment that nobody waits for any more may come."""
        return path[len(self.path)] not in self.executions

    def _note(self, execution: Execution, status: NodeStatus) -> None:
        """Where a node stands after a visit, of which there may be others."""
        name = execution.node
        if not execution.runs or (self.branches.running(name) > 1 and self.plan.is_running(name)):
            return
        self.statuses[name] = status
        if self.goes_on and name in self.branches.waiting:
            self.statuses[name] = NodeStatus.BLOCKED

    def _wind_down(self, status: GraphStatus, reason: str) -> None:
        """Nothing begins any more, and what is in work is stopped."""
        if self.ends is not None:
            return
        self.reason, self.ends = reason, status
        for execution in list(self.executions.values()):
            if execution.kind is Kind.WAKE:
                del self.executions[execution.number]
                self._commands.append(Stop(self._to(execution)))
            elif execution.within is not None:
                inner = execution.machine.cancel(reason, self.now)
                self._follow(execution, execution.machine, inner)
            else:
                self._commands.append(Stop(self._to(execution)))
        for name in self.branches.waiting:
            if self.statuses[name] is NodeStatus.BLOCKED:
                self.statuses[name] = NodeStatus.CANCELLED

    def _complete_run(self) -> None:
        """All branches have ended: what they have changed is the state then."""
        try:
            self.branches.flatten()
        except Exception as error:
            problem = str(error) if isinstance(error, DaggerError) else repr(error)
            self._wind_down(GraphStatus.FAILED, problem)
            return
        self.ends = GraphStatus.COMPLETED

    def _look_for_the_end(self) -> None:
        """Finish, once nothing is in work and all is undone that has to be."""
        if self.ends is None or self.executions or self.status.ended:
            return
        if self.ends is not GraphStatus.COMPLETED and not self.undoing.begun:
            self._commands += self.undoing.start(self.now)
        if self.undoing.over:
            self.status = self.ends
            for name in self.nodes:
                if name not in self.statuses:
                    self.statuses[name] = NodeStatus.SKIPPED
            self._commands.append(Finish(self.status))


def _error_of(error: Exception) -> dict[str, str]:
    return {"type": type(error).__name__, "message": str(error)}


_KINDS = {NodeKind.SUBGRAPH: Kind.SUBGRAPH, NodeKind.ASK: Kind.ASK}

_UNASKED = frozenset({NodeKind.START, *_KINDS})
"""The kinds of nodes that call no function, and so no router either."""

_BEGIN = Node(START, NodeKind.START)
"""Where a branch is before it has come to any node."""
