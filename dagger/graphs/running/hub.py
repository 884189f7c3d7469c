"""The hub: the machines of the runs that are carried out in this process.

A node sees the state of its branch where it is, in the machine of the coordinator, and not in a
message: it costs nothing for what it does not look at. After a restart nodes may be called
before the coordinator has put its machine together again; they wait for that.
"""

from __future__ import annotations

import threading

import anyio

from dagger.graphs.branches import Branch
from dagger.graphs.commands import Path
from dagger.graphs.executions import Execution
from dagger.graphs.machine import Machine
from dagger.words.errors import ExecutionError

Run = tuple[int, int]
"""A run by `Context.run_here`, for ids are those of one executor, and the delivery of the
coordinator.
"""


class Hub:
    """The machines of one graph's runs."""

    def __init__(self) -> None:
        self._machines: dict[Run, Machine] = {}
        self._failed: set[Run] = set()
        self._events: dict[Run, anyio.Event] = {}
        self._changed = threading.Condition()

    def put(self, run: Run, machine: Machine) -> None:
        """A coordinator carries it out from now on."""
        with self._changed:
            self._machines[run] = machine
            self._failed.discard(run)
        self._tell(run)

    def fail(self, run: Run) -> None:
        """It cannot: nobody waits for it."""
        with self._changed:
            self._failed.add(run)
        self._tell(run)

    def drop(self, run: Run) -> None:
        """It does no more."""
        self._machines.pop(run, None)

    def _tell(self, run: Run) -> None:
        with self._changed:
            self._changed.notify_all()
        event = self._events.pop(run, None)
        if event is not None:
            event.set()

    def find(self, run: Run) -> Machine | None:
        """The machine of a run; None if nobody carries it out here."""
        return self._machines.get(run)

    async def get(self, run: Run) -> Machine:
        """The machine of a run, as soon as it is there. Raises ExecutionError if it never is."""
        while run not in self._machines:
            self._check(run)
            await self._events.setdefault(run, anyio.Event()).wait()
        return self._machines[run]

    def get_in_thread(self, run: Run) -> Machine:
        """The same in a thread."""
        with self._changed:
            self._changed.wait_for(lambda: run in self._machines or run in self._failed)
            self._check(run)
            return self._machines[run]

    def _check(self, run: Run) -> None:
        if run in self._failed:
            raise ExecutionError("the run of this node cannot be carried out")


def execution_at(machine: Machine, path: Path) -> tuple[Machine, Execution]:
    """The execution that a path leads to, and the machine that it is in."""
    for number in path[len(machine.path) : -1]:
        machine = machine.executions[number].machine
    return machine, machine.executions[path[-1]]


def machine_at(machine: Machine, path: Path) -> Machine:
    """The machine in which something is undone; that of a graph within may have ended."""
    for number in path[len(machine.path) : -1]:
        running = machine.executions.get(number)
        inner = machine.undoing.inside(number) if running is None else running.within
        assert inner is not None
        machine = inner
    return machine


def branch_at(machine: Machine, path: Path) -> tuple[Machine, Branch]:
    """The branch for which an execution is, and the machine that it is in."""
    inner, execution = execution_at(machine, path)
    return inner, execution.branch
