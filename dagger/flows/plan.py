"""What may run now: a pure machine, from events to commands.

`begin` gives the state of a flow of which nothing has happened; `advance` takes it on by one
event and says what is to be done. It has no await, no clock and no I/O. A state is moved on in
place, as those of `dagger.state` are, so that an event costs what it causes and not what the flow
is large: the same events, from the same flow, give the same commands and the same state again.

What it decides is told in docs/flow-rules.md:

- A step starts when all that it needs has ended. If something of that has failed for good, it is
  blocked; if something was skipped, it is skipped too, unless it has a `when` of its own.
- A step that fails for good is rescued by its rescue steps, one after the other; then counts what
  its `on_error` says. A failure that makes the flow fail stops it, or (`fail_fast: false`) lets
  all be finished that does not depend on it.
- Items of a step start in their order, so many at once as `max_parallel` says.
- Every step and rescue step ends once, on every path; the flow finishes when all have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dagger.flows.flow import Flow
from dagger.flows.graph import graph
from dagger.flows.happenings import (
    ENDS,
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
from dagger.flows.items import Items
from dagger.flows.model import OnError
from dagger.flows.state import State
from dagger.words.errors import FlowEventRefused

_PENDING, _READY, _RUNNING, _RESCUING = (
    StepStatus.PENDING,
    StepStatus.READY,
    StepStatus.RUNNING,
    StepStatus.RESCUING,
)

TAKES: Mapping[type[Any], frozenset[StepStatus]] = {
    Running: frozenset({_READY}),
    Expanded: frozenset({_READY}),
    Skipped: frozenset({_READY}),
    Succeeded: frozenset({_RUNNING}),
    Failed: frozenset({_READY, _RUNNING}),
    Stopped: frozenset({_READY, _RUNNING}),
}
"""Which events a step takes, by where it stands."""


def begin(flow: Flow) -> State:
    """The state of a flow, which has no errors, before anything has happened."""
    return State(graph(flow))


def advance(state: State, event: Event) -> tuple[Command, ...]:
    """Take a state on by one event, and say what is to be done then.

    Raises FlowEventRefused, and changes nothing, for an event that cannot follow.
    """
    turn = _Turn(state)
    handle = _HANDLERS.get(type(event))
    if handle is None or state.status in _OVER:
        raise FlowEventRefused(repr(event), f"the flow is {state.status}")
    handle(turn, event)
    return turn.commands()


def replay(flow: Flow, events: Iterable[Event]) -> State:
    """The state of a flow after these events. Raises FlowEventRefused."""
    state = begin(flow)
    for event in events:
        advance(state, event)
    return state


_OVER = frozenset({FlowStatus.SUCCEEDED, FlowStatus.FAILED, FlowStatus.CANCELLED})


class _Turn:
    """One event, worked out: what it changes, and the commands that follow."""

    __slots__ = ("_ready", "_said", "graph", "state")

    def __init__(self, state: State) -> None:
        self.state = state
        self.graph = state.graph
        self._said: list[Command] = []
        self._ready: list[int] = []

    def commands(self) -> tuple[Command, ...]:
        """What is to be done, with the steps that may start now, and the end if this is it."""
        if len(self._ready) > 1:
            self._ready.sort(key=self._precedence if self.graph.by_priority else None)
        ids = self.graph.ids
        self._said += [Start(ids[number]) for number in self._ready]
        if not self.state.left:
            self._finish()
        return tuple(self._said)

    def _precedence(self, number: int) -> tuple[int, int]:
        return -self.graph.traits[number].priority, number

    def _finish(self) -> None:
        state = self.state
        if state.status is FlowStatus.RUNNING:
            state.status = FlowStatus.FAILED if state.failed else FlowStatus.SUCCEEDED
        else:
            failing = state.status is FlowStatus.FAILING
            state.status = FlowStatus.FAILED if failing else FlowStatus.CANCELLED
        self._said.append(Finish(state.status))

    # -- events -----------------------------------------------------------------------

    def begun(self, event: Begun) -> None:
        if self.state.work or self.state.left < len(self.graph.ids):
            raise FlowEventRefused(repr(event), "the flow has begun already")
        for number in range(self.graph.steps):
            if not self.graph.needs[number]:
                self._make_ready(number)

    def running(self, event: Running) -> None:
        number = self._found(event)
        if self.graph.traits[number].expands:
            raise FlowEventRefused(repr(event), "the step runs item by item")
        self.state.stands[number] = _RUNNING

    def expanded(self, event: Expanded) -> None:
        number = self._found(event)
        traits = self.graph.traits[number]
        if not traits.expands or event.items < 0:
            raise FlowEventRefused(repr(event), "the step has no such items")
        self.state.stands[number] = _RUNNING
        items = self.state.items[number] = Items(event.items, traits.max_parallel)
        if self._is_ending:
            items.close()
        self._go_on(number, items)

    def skipped(self, event: Skipped) -> None:
        self._end(self._found(event), StepStatus.SKIPPED, event.reason)

    def succeeded(self, event: Succeeded) -> None:
        number = self._found(event)
        if event.item is None:
            self._end(number, StepStatus.SUCCEEDED)
        else:
            items = self._item(number, event, event.item)
            items.succeeded += 1
            self._go_on(number, items)

    def failed(self, event: Failed) -> None:
        number = self._found(event)
        if event.item is None:
            self._fail(number)
            return
        items = self._item(number, event, event.item)
        items.failed.append(event.item)
        if self.graph.traits[number].on_error is OnError.FAIL:
            items.close()
            if self.graph.fail_fast:
                self._stop_items(number, items)
        self._go_on(number, items)

    def stopped(self, event: Stopped) -> None:
        number = self._found(event)
        if event.item is None:
            self._end(number, StepStatus.CANCELLED, "it was stopped")
        else:
            items = self._item(number, event, event.item)
            items.close()
            self._go_on(number, items)

    def cancelled(self, event: Cancelled) -> None:
        if not self._is_ending:
            self._wind_down(FlowStatus.CANCELLING, event.reason)

    # -- what events are about --------------------------------------------------------

    def _found(self, event: Any) -> int:
        """The number of the step that an event is about, if it takes that event now."""
        number = self.graph.numbers.get(event.step)
        if number is None:
            raise FlowEventRefused(repr(event), "the flow has no such step")
        status = self.state.stands[number]
        if status not in TAKES[type(event)]:
            raise FlowEventRefused(repr(event), f"the step is {status}")
        if self.graph.traits[number].expands:
            item = getattr(event, "item", None)
            if (item is None) is (status is _RUNNING):
                problem = "the step runs item by item" if item is None else "it has no items yet"
                raise FlowEventRefused(repr(event), problem)
        elif getattr(event, "item", None) is not None:
            raise FlowEventRefused(repr(event), "the step has no items")
        return number

    def _item(self, number: int, event: Any, item: int) -> Items:
        """The items of a step, of which this one no longer runs."""
        items = self.state.items[number]
        if item not in items.running:
            raise FlowEventRefused(repr(event), "the item does not run")
        del items.running[item]
        return items

    @property
    def _is_ending(self) -> bool:
        return self.state.status is not FlowStatus.RUNNING

    # -- steps that start -------------------------------------------------------------

    def _make_ready(self, number: int) -> None:
        self.state.stands[number] = _READY
        self.state.work[number] = None
        self._ready.append(number)

    def _go_on(self, number: int, items: Items) -> None:
        """Start the items that may start now; if none is left, the step has ended."""
        id = self.graph.ids[number]
        self._said += [Start(id, item) for item in items.next()]
        if items.running:
            return
        if items.failed and self.graph.traits[number].on_error is not OnError.SKIP:
            self._fail(number)
        elif items.succeeded + len(items.failed) == items.total:
            self._end(number, StepStatus.SUCCEEDED)
        else:
            self._end(number, StepStatus.CANCELLED, "it was stopped")

    # -- steps that end ---------------------------------------------------------------

    def _fail(self, number: int) -> None:
        """A step has failed: it is rescued if it can be."""
        rescue = self.graph.traits[number].rescue
        if rescue and not self._is_ending:
            self.state.stands[number] = _RESCUING
            del self.state.work[number]
            self._make_ready(rescue[0])
        else:
            self._fail_for_good(number)

    def _fail_for_good(self, number: int) -> None:
        traits = self.graph.traits[number]
        if traits.on_error is OnError.SKIP:
            self._end(number, StepStatus.SKIPPED, "it failed, and on_error is skip")
            return
        fatal = self.state.fatal(self.graph.ids[number])
        self.state.failed |= fatal
        self._end(number, StepStatus.FAILED)
        if fatal and self.graph.fail_fast and not self._is_ending:
            self._wind_down(FlowStatus.FAILING, f"step {self.graph.ids[number]!r} failed")

    def _end(self, number: int, status: StepStatus, reason: str = "") -> None:
        """A step has ended, and so have those that now cannot run."""
        self._note(number, status, reason)
        traits = self.graph.traits[number]
        if traits.owner >= 0:
            self._rescued(traits.owner, number, status)
            return
        self._leave_rescue(traits.rescue, "there is nothing to rescue")
        ended = [number]
        for each in ended:
            ended += [other for other in self.graph.wanted_by(each) if self._may_end(other, each)]

    def _note(self, number: int, status: StepStatus, reason: str) -> None:
        self.state.stands[number] = status
        self.state.work.pop(number, None)
        self.state.left -= 1
        self._said.append(Ended(self.graph.ids[number], status, reason))

    def _may_end(self, number: int, need: int) -> bool:
        """One of the steps that a step needs has ended; whether the step has ended by that."""
        state = self.state
        if state.stands[number] is not _PENDING:
            return False
        hindrance = self._hindrance(number, need)
        if hindrance is not None:
            known = state.hindered.setdefault(number, hindrance)
            if known[0] is StepStatus.SKIPPED and hindrance[0] is StepStatus.BLOCKED:
                state.hindered[number] = hindrance
        state.missing[number] -= 1
        if state.missing[number]:
            return False
        if number not in state.hindered:
            self._make_ready(number)
            return False
        self._note(number, *state.hindered.pop(number))
        self._leave_rescue(self.graph.traits[number].rescue, "there is nothing to rescue")
        return True

    def _hindrance(self, number: int, need: int) -> tuple[StepStatus, str] | None:
        """How a step will end since one that it needs has ended so; None if it may run."""
        status = self.state.stands[need]
        if status is StepStatus.SUCCEEDED:
            return None
        said = f"it needs {self.graph.ids[need]!r}, which"
        if status is StepStatus.SKIPPED:
            decides = self.graph.traits[number].decides
            return None if decides else (StepStatus.SKIPPED, f"{said} was skipped")
        if status is StepStatus.FAILED:
            goes_on = self.graph.traits[need].on_error is OnError.CONTINUE
            return None if goes_on else (StepStatus.BLOCKED, f"{said} failed")
        return StepStatus.BLOCKED, f"{said} was {status}"

    # -- rescue -----------------------------------------------------------------------

    def _rescued(self, owner: int, number: int, status: StepStatus) -> None:
        """A rescue step has ended: the next one follows, or the step that it rescues ends."""
        rescue = self.graph.traits[owner].rescue
        following = rescue[rescue.index(number) + 1 :]
        if following and status in _RESCUED and not self._is_ending:
            self._make_ready(following[0])
            return
        self._leave_rescue(rescue, "the rescue has failed")
        statuses = [self.state.stands[each] for each in rescue]
        if StepStatus.SUCCEEDED in statuses and status in _RESCUED and not following:
            self._end(owner, StepStatus.SUCCEEDED)
        else:
            self._fail_for_good(owner)

    def _leave_rescue(self, rescue: tuple[int, ...], reason: str) -> None:
        """Rescue steps that are not needed, or of no use any more, have ended as well."""
        for each in rescue:
            if self.state.stands[each] is _PENDING:
                self._note(each, StepStatus.SKIPPED, reason)

    # -- the end ----------------------------------------------------------------------

    def _wind_down(self, status: FlowStatus, reason: str) -> None:
        """Nothing starts any more, and what is in work is stopped."""
        self.state.status = status
        for number in self._ready:  # nobody was told of these
            self.state.stands[number] = _PENDING
            del self.state.work[number]
        self._ready.clear()
        for number in self.state.work:
            items = self.state.items.get(number)
            if items is None:
                self._said.append(Stop(self.graph.ids[number]))
            else:
                self._stop_items(number, items)
        for number, each in enumerate(self.state.stands):
            if each is _PENDING:
                self._note(number, StepStatus.CANCELLED, reason)
        self._give_up_rescues()

    def _give_up_rescues(self) -> None:
        """Steps that would have been rescued, but whose rescue steps do not run, have failed."""
        for number in range(self.graph.steps):
            if self.state.stands[number] is _RESCUING:
                rescue = self.graph.traits[number].rescue
                if all(self.state.stands[each] in ENDS for each in rescue):
                    self._fail_for_good(number)

    def _stop_items(self, number: int, items: Items) -> None:
        id = self.graph.ids[number]
        self._said += [Stop(id, item) for item in items.stop()]


_RESCUED = frozenset({StepStatus.SUCCEEDED, StepStatus.SKIPPED})

_HANDLERS: Mapping[type[Any], Callable[[_Turn, Any], None]] = {
    Begun: _Turn.begun,
    Running: _Turn.running,
    Expanded: _Turn.expanded,
    Skipped: _Turn.skipped,
    Succeeded: _Turn.succeeded,
    Failed: _Turn.failed,
    Stopped: _Turn.stopped,
    Cancelled: _Turn.cancelled,
}
