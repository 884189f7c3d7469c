"""The hub: the machines of the runs that are carried out in this process.

A node sees the state of its branch where it is, in the machine of the coordinator, and not in a
message: it costs nothing for what it does not look at. After a restart nodes may be called
before the coordinator has put its machine together again; they wait for that.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from dagger.authoring.origin import RunPlace
from dagger.graphs.branches import Branch
from dagger.graphs.commands import Path
from dagger.graphs.executions import Execution
from dagger.graphs.machine import Machine
from dagger.words.errors import ExecutionError

Run = tuple[RunPlace, int]
"""A run by `Context.run_here`, and the delivery of the coordinator."""

ENDED = 10_000
"""Runs that have ended of which that is known: nobody waits for them who is called too late."""


class _Waiting:
    """Those who wait for the machine of one run."""

    __slots__ = ("count", "event", "machine", "told")

    def __init__(self) -> None:
        self.count = 0
        self.event: anyio.Event | None = None
        self.machine: Machine | None = None
        self.told = False


class Hub:
    """The machines of one graph's runs."""

    def __init__(self) -> None:
        self._machines: dict[Run, Machine] = {}
        self._ended: dict[Run, None] = {}
        self._waiting: dict[Run, _Waiting] = {}
        self._changed = threading.Condition()

    @contextmanager
    def carried_out(self, run: Run) -> Iterator[None]:
        """Meanwhile a coordinator carries it out; whoever still waits for it then waits in vain."""
        try:
            yield
        except Exception:
            self._end(run, for_good=True)
            raise
        except BaseException:  # it is stopped, and may go on later
            self._end(run, for_good=False)
            raise
        else:
            self._end(run, for_good=True)

    def put(self, run: Run, machine: Machine) -> None:
        """The machine that it is carried out by."""
        with self._changed:
            self._machines[run] = machine
            self._ended.pop(run, None)
            self._tell(run, machine)

    def _end(self, run: Run, *, for_good: bool) -> None:
        with self._changed:
            self._machines.pop(run, None)
            if for_good:
                self._ended[run] = None
            if len(self._ended) > ENDED:
                del self._ended[next(iter(self._ended))]
            self._tell(run, None)

    def _tell(self, run: Run, machine: Machine | None) -> None:
        waiting = self._waiting.pop(run, None)
        if waiting is not None:
            waiting.machine, waiting.told = machine, True
            self._changed.notify_all()
            if waiting.event is not None:
                waiting.event.set()

    def find(self, run: Run) -> Machine | None:
        """The machine of a run; None if nobody carries it out here."""
        return self._machines.get(run)

    async def get(self, run: Run) -> Machine:
        """The machine of a run, as soon as it is there. Raises ExecutionError if it never is."""
        machine = self._machines.get(run)
        if machine is not None:
            return machine
        with self._changed:
            waiting = self._wait(run)
            event = waiting.event = waiting.event or anyio.Event()
        await event.wait()
        return _given(waiting)

    def get_in_thread(self, run: Run) -> Machine:
        """The same in a thread."""
        with self._changed:
            machine = self._machines.get(run)
            if machine is not None:
                return machine
            waiting = self._wait(run)
            self._changed.wait_for(lambda: waiting.told)
        return _given(waiting)

    def _wait(self, run: Run) -> _Waiting:
        if run in self._ended:
            raise _nobody()
        waiting = self._waiting.setdefault(run, _Waiting())
        waiting.count += 1
        return waiting

    def awaited(self, run: Run) -> int:
        """How many wait for the machine of a run."""
        waiting = self._waiting.get(run)
        return 0 if waiting is None else waiting.count


def _given(waiting: _Waiting) -> Machine:
    if waiting.machine is None:
        raise _nobody()
    return waiting.machine


def _nobody() -> ExecutionError:
    return ExecutionError("the run of this node cannot be carried out")


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
