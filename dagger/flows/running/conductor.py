"""The conductor: from what has come back to what is to be sent, for one run of a flow.

It joins the machine that plans steps (`dagger.flows.plan`) and the one that undoes them
(`undoing`) with what expressions make of results. It is as pure as they are: told the same, it
orders the same, and so goes on after a restart from replies that were kept. Whoever carries its
orders out is `coordinator`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from dagger.authoring.publishing import idempotency_key
from dagger.flows.happenings import (
    Begun,
    Cancelled,
    Command,
    Ended,
    Event,
    Expanded,
    Failed,
    Finish,
    FlowStatus,
    Running,
    Skipped,
    Start,
    StepStatus,
    Stop,
    Stopped,
    Succeeded,
)
from dagger.flows.model import OnError, Step
from dagger.flows.plan import advance
from dagger.flows.running.arguments import Scope
from dagger.flows.running.caching import opened
from dagger.flows.running.facts import Error, Facts, error_of, kind_of
from dagger.flows.running.orders import Halt, Order, Send, Tell, key_of, named
from dagger.flows.running.program import Program, Work
from dagger.flows.running.report import FlowReport, StepReport, UndoneReport
from dagger.flows.running.undoing import Undoing
from dagger.flows.state import State
from dagger.words.errors import (
    ExecutionError,
    ExpressionError,
    FlowEventRefused,
    RequestRefused,
    RequestTimeout,
)

_UNHEARD = frozenset({StepStatus.SKIPPED, StepStatus.BLOCKED})
"""Ends of steps that nobody else tells of."""

_ENDING: Mapping[FlowStatus | None, FlowStatus] = {
    FlowStatus.FAILED: FlowStatus.FAILING,
    FlowStatus.CANCELLED: FlowStatus.CANCELLING,
}
"""How a run stands while what it did is undone, by how it will have ended."""


class Conductor:
    """One run of a flow; `run` is what expressions know of it, `run["id"]` its id."""

    def __init__(
        self,
        program: Program,
        inputs: Mapping[str, Any],
        run: Mapping[str, Any],
        outer: Mapping[str, Any] | None = None,
    ) -> None:
        self.program = program
        self.plan = State(program.graph)
        self.finished: FlowStatus | None = None
        """How it has ended, once nothing is left to be waited for."""
        self.reason = ""
        self.output: Any = None
        self._run = run
        self._seen: dict[str, dict[str, Any]] = {}  # steps as expressions see them
        self._scope: dict[str, Any] = {"inputs": inputs, "steps": self._seen, "run": run}
        if outer is not None:
            self._scope["outer"] = outer  # where secret inputs come from, of a flow within another
        self._facts: dict[str, Facts] = {}
        self._items: dict[str, list[Any]] = {}
        self._out: dict[str, tuple[Work, int | None]] = {}  # by key
        self._halted: set[str] = set()
        self._events: deque[Event] = deque()
        self._orders: list[Order] = []
        self._ends: FlowStatus | None = None  # how it will have ended when all is undone
        self._broken = False  # whether the plan is not gone on with: it has ended as a failure
        self._undoing = Undoing(program, self._seen)

    # -- what it is told -------------------------------------------------------------

    def begin(self) -> list[Order]:
        """The run begins."""
        try:
            return self._advance(Begun())
        except Exception as problem:
            return self._break(problem)

    def heard(
        self, key: str, value: Any, error: Exception | None, *, duplicate: bool = False
    ) -> list[Order]:
        """What was sent under a key has ended: with a value, or else an error.

        Of a `duplicate`, what it gives was done before, under the same idempotency key. Raises
        FlowEventRefused for a key of which nothing is out.
        """
        if key not in self._out and not self._undoing.awaits(key):
            raise FlowEventRefused(repr(key), "nothing is out under that key")
        try:
            return self._heard(key, value, error, duplicate)
        except Exception as problem:
            return self._break(problem)

    def _heard(self, key: str, value: Any, error: Exception | None, duplicate: bool) -> list[Order]:
        flight = self._out.pop(key, None)
        if flight is None:
            self._orders += self._undoing.heard(key, error)
            return self._ordered()
        if isinstance(error, RequestRefused):
            self._undoing.never(key)
        work, item = flight
        if self._broken:
            if error is None:
                self._succeeded(work, item, value, duplicate)
            return self._wait()
        if error is None:
            return self._advance(self._succeeded(work, item, value, duplicate))
        if isinstance(error, RequestTimeout):
            self._orders.append(Halt((key,)))  # nobody waits for it any more
        if key in self._halted:
            return self._advance(Stopped(work.id, item))
        return self._advance(self._failed(work, item, error_of(error, work.awaited)))

    def cancel(self, reason: str) -> list[Order]:
        """The run is to end: also one that has succeeded, of which nobody was told yet."""
        if self._ends is FlowStatus.SUCCEEDED:
            return self._turn(FlowStatus.CANCELLED, reason)
        if not self.plan.left or self._broken:
            return []
        if self.plan.status is FlowStatus.RUNNING:
            self.reason = reason
        try:
            return self._advance(Cancelled(reason))
        except Exception as problem:
            return self._break(problem)

    def unfit(self, problem: str) -> list[Order]:
        """Its output is none that can be given: it has failed, though all steps have succeeded."""
        return self._turn(FlowStatus.FAILED, f"the output of the flow cannot be given: {problem}")

    def _turn(self, status: FlowStatus, reason: str) -> list[Order]:
        """It would have succeeded, and ends otherwise."""
        self.finished, self.output, self.reason = None, None, reason
        self._end(status)
        return self._ordered()

    def give_up(self) -> None:
        """There is no more time, for undoing neither."""
        self._undoing.give_up()
        broken = FlowStatus.FAILED if self._broken else FlowStatus.CANCELLED
        self.finished = self._ends or broken

    # -- the plan --------------------------------------------------------------------

    def _advance(self, event: Event) -> list[Order]:
        """Take the plan on by an event, and by what follows from it at once."""
        self._events.append(event)
        while self._events:
            for command in advance(self.plan, self._events.popleft()):
                self._carry_out(command)
        return self._ordered()

    def _ordered(self) -> list[Order]:
        if self._ends is not None and self._undoing.over:
            self.finished = self._ends
        orders, self._orders = self._orders, []
        return orders

    def _carry_out(self, command: Command) -> None:
        match command:
            case Start(step, None):
                self._events.append(self._started(self.program.works[step]))
            case Start(step, item):
                self._start_item(self.program.works[step], item)
            case Stop(step, item):
                self._halt(key_of(step, item))
            case Ended(step, status, reason):
                self._ended(self.program.works[step], status, reason)
            case Finish(status):
                self._finish(status)

    def _started(self, work: Work) -> Event:
        """Look whether a step runs; if it does, it is sent, or its items will be."""
        try:
            if work.when is not None and not work.when.render(self._scope):
                return Skipped(work.id)
            if work.foreach is None:
                self._send(work, None, self._scope)
                return Running(work.id)
            items = work.foreach.render(self._scope)
        except ExpressionError as error:
            return self._failed(work, None, error_of(error))
        if not isinstance(items, list):
            problem = f"foreach needs a list, and its expression gave {kind_of(items)}"
            return self._failed(work, None, Error("ExpressionError", problem))
        self._items[work.id] = items
        self._fact(work).items = [None] * len(items)
        return Expanded(work.id, len(items))

    def _start_item(self, work: Work, item: int | None) -> None:
        assert item is not None
        scope = {**self._scope, "item": self._items[work.id][item], "index": item}
        try:
            self._send(work, item, scope)
        except ExpressionError as error:
            self._events.append(self._failed(work, item, error_of(error)))

    def _send(self, work: Work, item: int | None, scope: Scope) -> None:
        payload = work.arguments.sent(scope)
        name = None if work.key is None else named(work.channel, _key(work, work.key.render(scope)))
        time, wanted = work.patience_for(payload), work.key_for(payload)
        key, stops = key_of(work.id, item), work.is_flow
        self._undoing.begin_step(work, item, scope, name)
        self._out[key] = work, item
        self._orders.append(Send(key, work.channel, payload, name, wanted, time, stops=stops))

    def _halt(self, key: str) -> None:
        """Of what was not sent it is known already how it ends."""
        if key in self._out:
            self._halted.add(key)
            self._orders.append(Halt((key,)))

    # -- results ---------------------------------------------------------------------

    def _fact(self, work: Work) -> Facts:
        found = self._facts.get(work.id)
        if found is None:
            found = self._facts[work.id] = Facts()
        return found

    def _succeeded(self, work: Work, item: int | None, value: Any, duplicate: bool) -> Event:
        facts = self._fact(work)
        output, known = opened(value) if work.said.cache is not None else (value, False)
        reused = known or duplicate
        facts.reused += reused
        if item is None:
            facts.output = output
        elif facts.items is not None:
            facts.items[item] = output
        self._undoing.complete(work.id, item, output, reused=reused)
        return Succeeded(work.id, item)

    def _failed(self, work: Work, item: int | None, error: Error) -> Event:
        facts = self._fact(work)
        if item is not None:
            error = Error(error.type, f"item {item}: {error.message}")
        facts.error = facts.error or error
        if work.owner is None:
            self._see(work, StepStatus.FAILED, None)  # its rescue steps know it by that
        return Failed(work.id, item)

    # -- ends ------------------------------------------------------------------------

    def _ended(self, work: Work, status: StepStatus, reason: str) -> None:
        facts = self._fact(work)
        facts.reason = reason
        self._undoing.end(work)
        self._see(work, status, self._output(work, status))
        if status in _UNHEARD:
            self._orders.append(Tell(f"step {work.id!r} was {status}: {reason}"))
        if status is StepStatus.FAILED and not self.reason and self.plan.fatal(work.id):
            error = facts.error
            self.reason = f"step {work.id!r} failed: {error.type}: {error.message}" if error else ""

    def _output(self, work: Work, status: StepStatus) -> Any:
        """What a step has given by how it has ended."""
        facts, said = self._fact(work), work.said
        if isinstance(said, Step) and said.rescue and status is StepStatus.SUCCEEDED:
            ran = [x.id for x in said.rescue if self.plan.of(x.id) is StepStatus.SUCCEEDED]
            if ran:
                return self._facts[ran[-1]].output
        if facts.items is None:
            return facts.output if status is StepStatus.SUCCEEDED else None
        on_error = self.program.flow.said(said, "on_error")
        if status is StepStatus.SUCCEEDED:
            failed = {*self.plan.items_failed(work.id)}
            return [each for item, each in enumerate(facts.items) if item not in failed]
        goes_on = status is StepStatus.FAILED and on_error is OnError.CONTINUE
        return list(facts.items) if goes_on else None

    def _see(self, work: Work, status: StepStatus, output: Any) -> None:
        error = self._fact(work).error
        told = None if error is None else error.data()
        self._seen[work.id] = {"output": output, "status": str(status), "error": told}

    def _finish(self, status: FlowStatus) -> None:
        if status is FlowStatus.SUCCEEDED:
            try:
                self.output = self.program.output.render(self._scope)
            except ExpressionError as error:
                self.reason = f"the output of the flow cannot be worked out: {error}"
                status = FlowStatus.FAILED
        self._end(status)

    def _end(self, status: FlowStatus) -> None:
        self._ends = status
        if status is not FlowStatus.SUCCEEDED:
            self._orders += self._undoing.begin()

    # -- what nobody has foreseen ----------------------------------------------------

    def _break(self, problem: Exception) -> list[Order]:
        """A defect, here or in what this calls: no more is begun, what runs is stopped and waited
        for, then all is undone, and the flow has failed. Raises what happens beyond that.
        """
        if self._broken or self._ends is not None:
            raise problem
        self._broken = True
        self.reason = f"the flow could not be gone on with: {type(problem).__name__}: {problem}"
        self._events.clear()
        for each in self._orders:
            if isinstance(each, Send):  # and is not sent now
                del self._out[each.key]
                self._undoing.never(each.key)
        self._orders = [each for each in self._orders if not isinstance(each, Send)]
        if self._out:
            self._orders.append(Halt(tuple(self._out)))
        return self._wait()

    def _wait(self) -> list[Order]:
        """Undo, as soon as nothing runs any more."""
        if not self._out:
            self._end(FlowStatus.FAILED)
        return self._ordered()

    # -- what has become of it -------------------------------------------------------

    def undone(self) -> UndoneReport | None:
        """What was undone so far; None if nothing had to be."""
        return self._undoing.report()

    def report(self, definition: Mapping[str, Any]) -> FlowReport:
        """How far it is, or how it has ended."""
        reason = "" if self.finished is FlowStatus.SUCCEEDED else self.reason
        return FlowReport(
            flow=self.program.flow.name,
            run=self._run["id"],
            status=self._status(),
            reason=reason,
            output=self.output,
            steps=tuple(map(self._step_report, self.program.works.values())),
            undo=self.undone(),
            definition=definition,
        )

    def _status(self) -> FlowStatus:
        if self._broken and self._ends is None:
            return FlowStatus.FAILING
        return self.finished or _ENDING.get(self._ends, self.plan.status)

    def _step_report(self, work: Work) -> StepReport:
        facts, status = self._facts.get(work.id) or Facts(), self.plan.of(work.id)
        if self._broken and self._ends is not None and not status.ended:
            status = StepStatus.CANCELLED
        return StepReport(
            id=work.id,
            status=str(status),
            reason=facts.reason,
            error=None if facts.error is None else facts.error.data(),
            reused=facts.reused,
            items=None if facts.items is None else len(facts.items),
            items_failed=self.plan.items_failed(work.id),
        )


def _key(work: Work, value: Any) -> str:
    """An idempotency key. Raises ExpressionError for what is none."""
    try:
        return idempotency_key(value)
    except ExecutionError as error:
        raise ExpressionError(str(work.said.idempotency_key), 0, str(error)) from None
