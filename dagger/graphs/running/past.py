"""What a run of a graph went through: its machine, made again from what was kept of the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from dagger.authoring.coordinating import UNFIT
from dagger.graphs.library import Library
from dagger.graphs.machine import Machine
from dagger.graphs.model import Definition
from dagger.graphs.running.coordinator import BEGUN, is_checkpoint
from dagger.graphs.running.telling import UNDO, path_of, tell
from dagger.graphs.saving import machine_from
from dagger.state.run import Keep
from dagger.state.state import State
from dagger.words.payload import decode
from dagger.words.records import BASE, CANCEL, OVER, Condensed
from dagger.words.replies import landed

if TYPE_CHECKING:
    from dagger.state.queues import Answer
    from dagger.state.run import Run
    from dagger.store.contract import Source

Kept = dict[tuple[str, str], "Answer"]

_ALL = Keep(2**31, 2**31, 2**31)


@dataclass(frozen=True, slots=True)
class StateInfo:
    """One state that a run went through."""

    position: int
    """Its number, from 0: what `fork` takes."""
    node: str
    """The node that has come to an end then, as "node/inner" in a graph within; "" for none."""
    status: str
    """How it has ended, or "running" where it has begun again."""
    at: float
    """When, epoch seconds."""
    state: Mapping[str, Any]
    """The state then, but for what branches have changed that have not joined."""


class Replay:
    """The machine of a run, told again what it was told."""

    def __init__(self, definition: Definition, library: Library, run: Run) -> None:
        self._definition = definition
        self._library = library
        self._payload = decode(run.opening.payload)
        self._at = run.opened_at

    def machines(self, kept: Iterator[tuple[str, str, Answer]]) -> Iterator[tuple[str, Machine]]:
        """The machine at its beginning, and after each event, with the node that it was of."""
        machine: Machine | None = None
        for name, key, answer in kept:
            if name == f"step:{BEGUN}":
                self._payload = decode(answer.value)
            if name.startswith("step:") and name != f"step:{UNFIT}":
                continue
            if machine is None:
                machine = self._first()
                yield "", machine
            if name == BASE:
                machine = machine_from(decode(answer.value), self._definition, self._library)
                continue
            node = self._tell(machine, name, key, answer)
            if node is not None:
                yield node, machine
        if machine is None:
            yield "", self._first()

    def _first(self) -> Machine:
        if is_checkpoint(self._payload):
            return machine_from(self._payload[0], self._definition, self._library)
        machine = Machine(self._definition, self._library)
        machine.begin(self._payload or {}, self._at)
        return machine

    def _tell(self, machine: Machine, name: str, key: str, answer: Answer) -> str | None:
        """Tell one thing; the node that it was about, "" if about none; None if it is no event."""
        if name == CANCEL:
            if key == OVER:
                machine.give_up()
            else:
                machine.cancel(decode(answer.value), machine.now)
            return ""
        if name == f"step:{UNFIT}":
            machine.unfit(decode(answer.value), machine.now)
            return ""
        if name != "request":
            return None
        node = "" if key.startswith(UNDO) else node_at(machine, path_of(key))
        tell(machine, key, *landed("", answer.value))
        return node


def node_at(machine: Machine, path: tuple[int, ...]) -> str:
    """The node of an execution, as "node/inner" in a graph within."""
    names = []
    for number in path[len(machine.path) :]:
        execution = machine.executions[number]
        names.append(execution.node)
        if execution.within is not None:
            machine = execution.within
    return "/".join(names)


def kept_now(run: Run) -> Iterator[tuple[str, str, Answer]]:
    """What is kept of an open run's coordinator, in its order."""
    delivery = run.deliveries.get(1)
    kept = delivery.kept if delivery is not None else None
    for (name, key), answer in list((kept or {}).items()):
        yield name, key, answer


def base_of(run: Run, source: Source | None) -> bytes | None:
    """The machine that was kept last of a run, as data; None if none was."""
    if source is not None:
        history = (record for _, record in source.history(run.number))
        kept = [x.value for x in history if isinstance(x, Condensed) and x.delivery == 1]
        return kept[-1] if kept else None
    return next((answer.value for name, _, answer in kept_now(run) if name == BASE), None)


def kept_ever(source: Source, number: int) -> Iterator[tuple[str, str, Answer]]:
    """The same of all that ever was, from the history of a run in a store."""
    state, seen = State(_ALL), set[tuple[str, str]]()
    for _, record in source.history(number):
        state.apply(record)
        run = state.runs.get(number)
        delivery = None if run is None else run.deliveries.get(1)
        if delivery is not None and delivery.kept:
            yield from _new(delivery.kept, seen)


def _new(kept: Kept, seen: set[tuple[str, str]]) -> Iterator[tuple[str, str, Answer]]:
    """What was not there before: it is last."""
    found = list(takewhile(lambda place: place not in seen and place[0] != BASE, reversed(kept)))
    seen.update(found)
    for place in reversed(found):
        yield *place, kept[place]
