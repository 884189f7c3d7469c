"""Undoing what the nodes of a run have done, those of graphs within it too; the order is that of
`dagger.rules.undo`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from dagger.graphs.commands import Command, Path, Undo
from dagger.graphs.model import Definition, Node
from dagger.graphs.outcome import Outcome
from dagger.graphs.reducers import Reduce
from dagger.rules import undo
from dagger.rules.undo import Action
from dagger.words.errors import GraphEventRefused

if TYPE_CHECKING:
    from dagger.graphs.library import Library
    from dagger.graphs.machine import Machine


class _Begun:
    __slots__ = ("after", "changed", "completed", "machine", "node", "wanted")

    def __init__(self, node: Node, after: tuple[int, ...], wanted: bool) -> None:
        self.node = node
        self.after = after
        self.wanted = wanted
        self.completed: int | None = None
        self.changed: dict[str, Any] = {}
        self.machine: Machine | None = None  # of a graph within


class Undoing:
    """The undoing of one run, of the graph at a path: executions by their numbers."""

    def __init__(self, path: Path, graph: str) -> None:
        self._path = path
        self._graph = graph
        self._begun: dict[int, _Begun] = {}
        self._completed = 0
        self._finished: list[str] = []  # in the order in which they were undone, or could not be
        self._state: undo.Undoing | None = None
        self.begun = False

    # -- what is done ----------------------------------------------------------------

    def begin(self, number: int, node: Node, after: tuple[int, ...]) -> None:
        """An execution begins that can be undone, or that hands on who came after whom."""
        known = tuple(each for each in after if each in self._begun)
        self._begun[number] = _Begun(node, known, node.undo is not None)

    def latest(self, numbers: tuple[int, ...]) -> tuple[int, ...]:
        """Of executions that came before something those that none of the others came after."""
        if len(numbers) < 2:
            return numbers
        known = (self._begun.get(number) for number in numbers)
        earlier = {each for begun in known if begun is not None for each in begun.after}
        return tuple(each for each in numbers if each not in earlier)

    def complete(self, number: int, outcome: Outcome, reducers: Mapping[str, Reduce]) -> None:
        """It has completed, and come to this."""
        begun = self._begun.get(number)
        if begun is not None:
            begun.completed, begun.changed = self._completed, outcome.changed(reducers)
            self._completed += 1

    def keep(self, number: int, machine: Machine) -> None:
        """It was a graph of which something can be undone."""
        begun = self._begun[number]
        begun.machine, begun.wanted = machine, True

    def forget(self, number: int) -> None:
        """It has undone itself."""
        if number in self._begun:
            self._begun[number].wanted, self._begun[number].machine = False, None

    def anything(self) -> bool:
        """Whether anything can be undone."""
        return any(each.wanted for each in self._begun.values())

    # -- and undone ------------------------------------------------------------------

    def start(self, at: float) -> list[Command]:
        """Undo all of it."""
        return self._begin(self._start(), at)

    def resume(self) -> list[Command]:
        """What is to be done for what is being undone, for who goes on with what was saved."""
        found: list[Command] = []
        for number in self._running():
            inner = self.inside(number)
            found += [self._command(number)] if inner is None else inner.resume()
        return found

    def undone(self, path: Path, problem: str, at: float) -> list[Command]:
        """An execution was undone, of a graph within too; with a problem, it could not be.

        Raises GraphEventRefused where nothing is undone.
        """
        number = path[len(self._path)]
        if len(path) == len(self._path) + 1:
            return self._begin(self._ended(number, problem), at)
        inner = self.inside(number)
        if inner is None:
            raise GraphEventRefused(str(path), "nothing is undone there")
        commands = inner.undone(path, problem, at)
        if inner.undoing.over:
            commands += self._begin(self._ended(number, inner.undoing.problem()), at)
        return commands

    def _begin(self, numbers: Iterable[int], at: float) -> list[Command]:
        found, ahead = list[Command](), deque(numbers)
        while ahead:
            number = ahead.popleft()
            inner = self.inside(number)
            if inner is None:
                found.append(self._command(number))
                continue
            found += inner.undo_all(at)
            if inner.undoing.over:
                ahead += self._ended(number, inner.undoing.problem())
        return found

    def _command(self, number: int) -> Undo:
        begun = self._begun[number]
        return Undo((*self._path, number), self._graph, begun.node, begun.changed)

    def _start(self) -> list[int]:
        """The executions to begin with."""
        self.begun = True
        if not self.anything():
            return []
        actions = [
            Action(str(number), tuple(map(str, each.after)), each.completed, each.wanted)
            for number, each in self._begun.items()
        ]
        self._state, commands = undo.step(undo.undoing(actions), undo.Start())
        return _numbers(commands)

    def _ended(self, number: int, problem: str) -> list[int]:
        """Those that may be undone now that one was, or could not be."""
        assert self._state is not None
        id = str(number)
        self._finished.append(id)
        event = undo.UndoFailed(id, problem) if problem else undo.Undone(id)
        self._state, commands = undo.step(self._state, event)
        return _numbers(commands)

    def give_up(self) -> None:
        """There is no more time."""
        self.begun = True
        if self._state is not None and not self._state.over:
            self._state, _ = undo.step(self._state, undo.Stop())

    @property
    def over(self) -> bool:
        """Whether nothing is left to be undone."""
        return self._state is None or self._state.over

    def _running(self) -> list[int]:
        """The executions that are being undone."""
        return [int(each) for each in self._state.running] if self._state is not None else []

    def inside(self, number: int) -> Machine | None:
        """The machine of an execution that was a graph."""
        begun = self._begun.get(number)
        return None if begun is None else begun.machine

    # -- to JSON and back ------------------------------------------------------------

    def data(self, saved: Callable[[Machine], dict[str, Any]]) -> dict[str, Any]:
        """As plain data; `saved` gives that of a machine within."""
        events: list[Any] = []
        if self._state is not None:
            report = self._state.report()
            events = [[each, report.failed.get(each, "")] for each in self._finished]
        return {
            "begun": [
                [
                    *(number, each.node.name, list(each.after), each.wanted, each.completed),
                    each.changed,
                    None if each.machine is None else saved(each.machine),
                ]
                for number, each in self._begun.items()
            ],
            "completed": self._completed,
            "started": self._state is not None,
            "done": self.begun,
            "ended": events,
        }

    @classmethod
    def of(
        cls,
        data: Mapping[str, Any],
        machine: Machine,
        restored: Callable[[Mapping[str, Any], Definition, Library], Machine],
    ) -> Undoing:
        """The undoing that some data is of, of a machine."""
        made = cls(machine.path, machine.definition.name)
        for number, name, after, wanted, completed, changed, within in data["begun"]:
            node = machine.nodes[name]
            begun = made._begun[number] = _Begun(node, tuple(after), wanted)
            begun.completed, begun.changed = completed, changed
            if within is not None:
                inner = machine.definition.subgraphs[node.uses]
                begun.machine = restored(within, inner, machine.library.subgraphs[node.uses])
        made._completed = data["completed"]
        if data["started"]:
            made._start()
        for number, problem in data["ended"]:
            made._ended(int(number), problem)
        made.begun = data["done"]
        return made

    def problem(self) -> str:
        """What could not be undone, in a sentence; "" if all was."""
        if self._state is None:
            return ""
        failed = self._state.report().failed
        return "; ".join(f"{self._named(number)}: {why}" for number, why in failed.items())

    def report(self) -> tuple[tuple[str, ...], dict[str, str], tuple[str, ...]]:
        """Nodes that were undone, that could not be and why, and that are left."""
        if self._state is None:
            return (), {}, ()
        report = self._state.report()
        undone = tuple(map(self._named, report.undone))
        failed = {self._named(number): why for number, why in report.failed.items()}
        return undone, failed, tuple(map(self._named, report.left))

    def _named(self, number: str) -> str:
        return self._begun[int(number)].node.name


def _numbers(commands: Iterable[undo.Compensate]) -> list[int]:
    return [int(each.id) for each in commands]
