"""The machine of a flow against a simple model: random flows, outcomes and orders of events."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from dagger.flows import OnError, Step
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
    Stop,
    Stopped,
    Succeeded,
)
from dagger.flows.plan import advance, begin
from tests.flows.model import Case, cases, expected


class Conductor:
    """Carries commands out in a random order, as a coordinating agent might, and looks on."""

    def __init__(self, case: Case, seed: int, cancel_after: int | None = None) -> None:
        self.case = case
        self.state = begin(case.flow)
        self.steps = {each.id: each for each in case.flow.all_steps()}
        self.events: list[Event] = []
        self.said: list[list[Command]] = []
        self.ends: dict[str, str] = {}
        self.started: dict[str, int] = {}
        self.items: dict[str, list[int]] = {}
        self.finished: FlowStatus | None = None
        self._dice = random.Random(seed)
        self._work: list[tuple[str, int | None]] = []
        self._stopped: set[tuple[str, int | None]] = set()
        self._cancel_after = cancel_after

    def conduct(self) -> None:
        """From the beginning to the end."""
        self.tell(Begun())
        while self.finished is None:
            if self._cancel_after is not None and len(self.events) > self._cancel_after:
                self._cancel_after = None
                self.tell(Cancelled())
                continue
            work = self._work.pop(self._dice.randrange(len(self._work)))
            self._do(*work)
        assert self._work == []

    def tell(self, event: Event) -> None:
        """Tell the machine of an event, and do as it says."""
        self.events.append(event)
        commands = list(advance(self.state, event))
        self.said.append(commands)
        for command in commands:
            assert self.finished is None, "nothing follows the end"
            self._take(command)

    def _take(self, command: Command) -> None:
        if isinstance(command, Finish):
            self.finished = command.status
        elif isinstance(command, Ended):
            assert command.step not in self.ends, "every step ends once"
            self.ends[command.step] = str(command.status)
        elif isinstance(command, Stop):
            assert command not in self._stopped, "nothing is stopped twice"
            assert (command.step, command.item) in self._work, "only what is in work is stopped"
            self._stopped.add((command.step, command.item))
        else:
            self._start(command)

    def _start(self, command: Start) -> None:
        assert self.state.status is FlowStatus.RUNNING, "nothing starts in a flow that ends"
        if command.item is None:
            assert command.step not in self.started, "every step starts once"
            self.started[command.step] = len(self.events)
            step = self.steps[command.step]
            if isinstance(step, Step):
                assert self.ends.keys() >= set(step.needs), "what it needs has ended"
        else:
            items = self.items.setdefault(command.step, [])
            assert command.item == len(items), "items start in their order"
            items.append(command.item)
            running = sum(step == command.step for step, _ in self._work)
            step = self.steps[command.step]
            assert isinstance(step, Step)
            assert running < (step.max_parallel or 10), "no more at once than may be"
        self._work.append((command.step, command.item))

    def _do(self, id: str, item: int | None) -> None:
        """What a step or an item does next."""
        fate, step = self.case.fates[id], self.steps[id]
        if (id, item) in self._stopped and self._dice.random() < 0.7:
            self.tell(Stopped(id, item))
        elif item is not None:
            self.tell(Succeeded(id, item) if fate.items[item] else Failed(id, item))
        elif fate.ends == "no":
            self.tell(Skipped(id))
        elif isinstance(step, Step) and step.foreach is not None:
            self._stopped.discard((id, None))
            self.tell(Expanded(id, len(fate.items)))
        elif id in self._running():
            self.tell(Succeeded(id) if fate.ends == "ok" else Failed(id))
        else:
            self._work.append((id, None))
            self.tell(Running(id))

    def _running(self) -> set[str]:
        return {each.step for each in self.events if isinstance(each, Running)}


@given(cases(), st.integers(0, 99))
def test_steps_end_as_the_rules_say(case: Case, seed: int) -> None:
    """Whatever the order of events, each step ends as the model says, once, and the flow does."""
    conductor = Conductor(case, seed)
    conductor.conduct()
    wanted = expected(case)
    assert {id: conductor.ends[id] for id in wanted} == wanted
    assert conductor.ends.keys() == conductor.steps.keys()
    fatal = [
        step.id
        for step in case.flow.steps
        if wanted[step.id] == "failed" and step.on_error is not OnError.CONTINUE
    ]
    assert conductor.finished == (FlowStatus.FAILED if fatal else FlowStatus.SUCCEEDED)


@given(cases(fail_fast=True), st.integers(0, 99), st.none() | st.integers(0, 20))
def test_a_flow_that_ends_early_ends_all_its_steps(
    case: Case, seed: int, cancel_after: int | None
) -> None:
    """Failing fast or cancelled at any time: each step ends once, and what runs is waited for."""
    conductor = Conductor(case, seed, cancel_after)
    conductor.conduct()
    assert conductor.ends.keys() == conductor.steps.keys()
    ran = {id for id, end in conductor.ends.items() if end in ("succeeded", "failed")}
    assert ran <= conductor.started.keys()
    failed = any(
        conductor.ends[each.id] == "failed" and each.on_error is not OnError.CONTINUE
        for each in case.flow.steps
    )
    if conductor.finished is FlowStatus.SUCCEEDED:
        assert not failed
    if cancel_after is None:
        assert conductor.finished == (FlowStatus.FAILED if failed else FlowStatus.SUCCEEDED)


@given(cases(fail_fast=True), st.integers(0, 99))
def test_the_same_events_give_the_same_commands(case: Case, seed: int) -> None:
    """Told again what happened, the machine says again what it said, and stands where it stood."""
    conductor = Conductor(case, seed)
    conductor.conduct()
    again = begin(case.flow)
    assert [list(advance(again, event)) for event in conductor.events] == conductor.said
    assert again.steps() == conductor.state.steps()
    assert again.status is conductor.state.status
