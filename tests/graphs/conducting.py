"""Machines carried out in a random order, as a coordinating agent might, and looked on."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from dagger.graphs import Graph, GraphStatus, NodeStatus
from dagger.graphs.commands import (
    Ask,
    AskAbout,
    Command,
    Finish,
    Path,
    Route,
    Run,
    Stop,
    Undo,
    Wake,
)
from dagger.graphs.library import Library
from dagger.graphs.machine import Machine
from dagger.graphs.model import Dependency
from dagger.graphs.outcome import Outcome
from dagger.graphs.reducers import reducer
from dagger.graphs.restoring import check
from dagger.graphs.running.hub import branch_at
from dagger.graphs.saving import machine_data, machine_from
from dagger.graphs.status import GRAPH_MOVES, NODE_MOVES
from dagger.graphs.values import Seen, View

State = Mapping[str, Any]


@dataclass(frozen=True)
class Error:
    """That a node fails, and how."""

    type: str = "ValueError"
    message: str = "no"


Behaviour = Callable[[str, int, dict[str, Any]], Outcome | Error]
"""What a node comes to: of its name, its visit, and the state that it sees."""


def holds(graph: Graph, dependency: Dependency, view: View) -> bool:
    """Conditions that are functions."""
    name = dependency.condition
    return name is None or bool(graph.functions[str(name)](Seen(view)))


def library(graph: Graph) -> Library:
    """What a machine needs of Python, of a graph whose functions are never called."""
    named = graph.definition().reducers
    found = {key: reducer(name, graph.functions) for key, name in named.items()}
    within = {name: library(each) for name, each in graph.subgraphs.items()}
    return Library(found, partial(holds, graph), within, graph.shape)


def machine_of(graph: Graph) -> Machine:
    """A machine that has not begun."""
    return Machine(graph.definition(), library(graph))


class Watched(dict[str, NodeStatus]):
    """Where nodes stand: each change is one that the table has."""

    def __setitem__(self, node: str, status: NodeStatus) -> None:
        was = self.get(node, NodeStatus.PENDING)
        assert status is was or status in NODE_MOVES[was], f"{node}: {was} -> {status}"
        super().__setitem__(node, status)


def watched(machine: Machine) -> None:
    """Watch the nodes of a machine, and of those within it."""
    if not isinstance(machine.statuses, Watched):
        machine.statuses = Watched(machine.statuses)
    for execution in machine.executions.values():
        if execution.within is not None:
            watched(execution.within)


def through_json(machine: Machine) -> Machine:
    """The machine that a text is of, which another machine was saved as."""
    data = json.loads(json.dumps(machine_data(machine)))
    return machine_from(data, machine.definition, machine.library)


@dataclass
class Ran:
    """One visit of a node."""

    node: str
    visit: int
    saw: dict[str, Any]


@dataclass
class Conductor:
    """Carries out what a machine says, in an order that a seed decides.

    With `saving`, the machine is saved and restored before each event, and a twin that is not
    has to say the same.
    """

    graph: Graph
    behave: Behaviour
    seed: int = 0
    saving: bool = False
    decide: Callable[[str], Outcome] = lambda _: Outcome(decision="abort")
    undo_fails: frozenset[str] = frozenset()
    cancel_after: int | None = None
    """Events after which the run is cancelled."""
    ran: list[Ran] = field(default_factory=list)
    undone: list[str] = field(default_factory=list)
    now: float = 1_000.0
    events: int = 0
    ending: list[Command] = field(default_factory=list)
    """What comes to an end now."""
    most: int = 400

    def __post_init__(self) -> None:
        self.library = library(self.graph)
        self.machine = machine_of(self.graph)
        self.twin = machine_of(self.graph)
        self.work: dict[tuple[str, Path], Command] = {}
        self.stopped: set[Path] = set()
        self.finished: GraphStatus | None = None
        self.dice = random.Random(self.seed)

    def conduct(self, state: State | None = None) -> Machine:
        """From the beginning to the end; the machine then."""
        given = dict(state or {})
        self.tell(lambda machine: machine.begin(given, self.now))
        while self.finished is None:
            assert self.work, "it hangs: nothing is in work, and it has not ended"
            assert self.events < self.most, "it does not end"
            if self.cancel_after is not None and self.events > self.cancel_after:
                self.cancel_after = None
                self.tell(lambda machine: machine.cancel("enough", self.now))
                continue
            self.do(self.dice.choice(list(self.work)))
        assert not self.work, f"it has ended, and these are in work: {list(self.work)}"
        return self.machine

    def tell(self, event: Callable[[Machine], list[Command]]) -> None:
        """Tell the machine of an event, and note what it wants."""
        self.events += 1
        if self.saving and self.events > 1:
            check(machine_data(self.machine), self.graph, self.machine.definition, self.library)
            self.machine = through_json(self.machine)
            assert _by_path(self.machine.resume()) == _by_path([*self.work.values(), *self.ending])
            self.ending = []
        was = self.machine.status
        watched(self.machine)
        said = event(self.machine)
        watched(self.machine)
        begun = GraphStatus.RUNNING if was is GraphStatus.IDLE else was
        assert self.machine.status is begun or self.machine.status in GRAPH_MOVES[begun]
        if self.saving:
            assert event(self.twin) == said
            assert machine_data(self.twin) == machine_data(self.machine)
        for command in said:
            assert self.finished is None, "nothing follows the end"
            self._take(command)

    def _take(self, command: Command) -> None:
        match command:
            case Finish(status):
                self.finished = status
            case Stop(path):
                assert path not in self.stopped, "nothing is stopped twice"
                self.stopped.add(path)
                if ("Wake", path) in self.work:
                    del self.work["Wake", path]
            case _:
                place = type(command).__name__, command.path
                assert place not in self.work
                self.work[place] = command

    def do(self, place: tuple[str, Path]) -> None:
        """One thing that is in work comes to an end."""
        command = self.work.pop(place)
        self.ending = [command]
        path, at = command.path, self.now  # type: ignore[union-attr]
        if path in self.stopped and place[0] != "Undo" and self.dice.random() < 0.7:
            self.tell(lambda machine: machine.stopped(path, at))
            return
        match command:
            case Run(_, _, node, visit):
                _, branch = branch_at(self.machine, path)
                saw = branch.view.plain()
                came = self.behave(node.name, visit, saw)
                self.ran.append(Ran(node.name, visit, saw))
                self._came(path, came)
            case Ask(_, node):
                assert node.question is not None
                outcome = Outcome(((node.question.key, f"answer of {node.name}"),))
                self._came(path, outcome)
            case Route(_, _, node):
                self._came(path, self.behave(f"{node.name}:route", 0, {}))
            case AskAbout(_, node, _):
                self._came(path, self.decide(node.name))
            case Wake(_, moment):
                self.now = max(self.now, moment)
                self.tell(lambda machine: machine.woken(path, self.now))
            case Undo(_, _, node, _):
                self.undone.append(node.name)
                problem = "cannot" if node.name in self.undo_fails else ""
                self.tell(lambda machine: machine.undone(path, problem, at))

    def _came(self, path: Path, came: Outcome | Error) -> None:
        at = self.now
        if isinstance(came, Error):
            error = {"type": came.type, "message": came.message}
            self.tell(lambda machine: machine.failed(path, error, at))
        else:
            outcome = Outcome.of(json.loads(json.dumps(came.data())))
            self.tell(lambda machine: machine.done(path, outcome, at))

    def visits(self) -> dict[str, int]:
        """How often each node has run."""
        found: dict[str, int] = {}
        for each in self.ran:
            found[each.node] = found.get(each.node, 0) + 1
        return found


def _by_path(commands: list[Command]) -> list[Any]:
    """What is to be done, in no order; what is to be stopped aside."""
    kept = [each for each in commands if not isinstance(each, Stop | Finish)]
    return sorted(map(_plain, kept), key=repr)


def _plain(command: Command) -> Any:
    return type(command).__name__, *command
