"""The machine of a flow: what it starts, what it stops, and how steps and flow end."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from dagger.flows import Flow, OnError
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
from dagger.flows.plan import advance, begin, replay
from dagger.flows.state import State
from dagger.words.errors import FlowEventRefused

SUCCEEDED, FAILED, SKIPPED = StepStatus.SUCCEEDED, StepStatus.FAILED, StepStatus.SKIPPED
BLOCKED, CANCELLED = StepStatus.BLOCKED, StepStatus.CANCELLED
OUTPUT_OF_R = "${{ steps.r.output }}"


def told(state: State, *events: Event) -> list[Command]:
    """All commands that some events lead to."""
    return [command for event in events for command in advance(state, event)]


def ran(step: str) -> tuple[Event, Event]:
    """A step runs and succeeds."""
    return Running(step), Succeeded(step)


def ends(state: State) -> dict[str, str]:
    """How each step has ended or stands."""
    return {step: str(status) for step, status in state.steps().items()}


def line(*ids: str, fail_fast: bool = True) -> Flow:
    """A flow of steps each of which needs the one before it."""
    flow = Flow("line", fail_fast=fail_fast)
    for number, id in enumerate(ids):
        flow = flow.step(id, "work", needs=ids[max(0, number - 1) : number])
    return flow


def test_a_step_starts_when_all_that_it_needs_has_ended() -> None:
    """The second of two ends lets the join start; the last end finishes the flow."""
    flow = Flow("f").step("a", "w").step("b", "w").step("c", "w", needs=["a", "b"])
    state = begin(flow)
    assert told(state, Begun()) == [Start("a"), Start("b")]
    assert told(state, *ran("b")) == [Ended("b", SUCCEEDED)]
    assert told(state, *ran("a")) == [Ended("a", SUCCEEDED), Start("c")]
    assert told(state, *ran("c")) == [Ended("c", SUCCEEDED), Finish(FlowStatus.SUCCEEDED)]


def test_references_are_needs() -> None:
    """What an expression refers to is waited for, without being named in needs."""
    flow = Flow("f").step("a", "w", with_={"x": "${{ steps.b.output }}"}).step("b", "w")
    assert told(begin(flow), Begun()) == [Start("b")]


def test_higher_priorities_go_first() -> None:
    """Of what may start at the same time the higher number goes first, then the document."""
    flow = Flow("f").step("a", "w").step("b", "w", priority=5).step("c", "w", priority=5)
    assert told(begin(flow), Begun()) == [Start("b"), Start("c"), Start("a")]


def test_what_needs_a_skipped_step_is_skipped() -> None:
    """A skip goes on through all that needs it, with its reason."""
    state = begin(line("a", "b", "c"))
    assert told(state, Begun(), Skipped("a")) == [
        Start("a"),
        Ended("a", SKIPPED, "when is false"),
        Ended("b", SKIPPED, "it needs 'a', which was skipped"),
        Ended("c", SKIPPED, "it needs 'b', which was skipped"),
        Finish(FlowStatus.SUCCEEDED),
    ]


def test_a_step_with_a_condition_decides_for_itself() -> None:
    """Behind two branches, of which one was skipped, a step with `when` runs."""
    flow = Flow("f").step("a", "w").step("b", "w").step("c", "w", needs=["a", "b"], when=True)
    state = begin(flow)
    commands = told(state, Begun(), Skipped("a"), *ran("b"))
    assert commands[-1] == Start("c")


def test_a_failure_stops_what_runs() -> None:
    """With fail_fast the rest is told to stop, and the flow finishes when it has."""
    flow = line("a", "b").step("c", "w").step("d", "w", needs="c")
    state = begin(flow)
    told(state, Begun(), Running("a"), Running("c"))
    assert told(state, Failed("a")) == [
        Ended("a", FAILED),
        Ended("b", BLOCKED, "it needs 'a', which failed"),
        Stop("c"),
        Ended("d", CANCELLED, "step 'a' failed"),
    ]
    assert state.status is FlowStatus.FAILING
    assert told(state, Stopped("c")) == [
        Ended("c", CANCELLED, "it was stopped"),
        Finish(FlowStatus.FAILED),
    ]


def test_what_was_done_before_it_could_be_stopped_has_succeeded() -> None:
    """A step that ends in spite of its stop counts as what it is, and starts nothing."""
    flow = Flow("f").step("a", "w").step("b", "w").step("c", "w", needs="b")
    state = begin(flow)
    told(state, Begun(), Running("b"), Failed("a"))
    assert told(state, Succeeded("b")) == [Ended("b", SUCCEEDED), Finish(FlowStatus.FAILED)]
    assert ends(state)["c"] == "cancelled"


def test_what_can_be_finished_is_finished() -> None:
    """Without fail_fast all that does not depend on the failure runs, and the flow fails."""
    flow = line("a", "b", fail_fast=False).step("c", "w").step("d", "w", needs="c")
    state = begin(flow)
    told(state, Begun(), Failed("a"))
    commands = told(state, *ran("c"), *ran("d"))
    assert commands[-1] == Finish(FlowStatus.FAILED)
    assert ends(state) == {"a": "failed", "b": "blocked", "c": "succeeded", "d": "succeeded"}


@pytest.mark.parametrize(
    ("on_error", "first", "second"),
    [(OnError.CONTINUE, "failed", "succeeded"), (OnError.SKIP, "skipped", "skipped")],
)
def test_a_failure_may_be_borne(on_error: OnError, first: str, second: str) -> None:
    """Under continue what needs the step runs; under skip it is skipped; the flow succeeds."""
    flow = Flow("f").step("a", "w", on_error=on_error).step("b", "w", needs="a")
    state = begin(flow)
    told(state, Begun(), Running("a"), Failed("a"))
    if on_error is OnError.CONTINUE:
        told(state, *ran("b"))
    assert ends(state) == {"a": first, "b": second}
    assert state.status is FlowStatus.SUCCEEDED


def rescued() -> State:
    """A flow whose first step has failed, and is about to be rescued."""
    rescue = [{"id": "r1", "uses": "w"}, {"id": "r2", "uses": "w", "when": "run.id"}]
    flow = Flow("f").step("a", "w", rescue=rescue).step("b", "w", needs="a")
    state = begin(flow)
    assert told(state, Begun(), Running("a"), Failed("a")) == [Start("a"), Start("r1")]
    return state


def test_a_step_is_rescued_by_all_its_rescue_steps() -> None:
    """They run one after the other; when they have succeeded, so has the step."""
    state = rescued()
    assert told(state, *ran("r1")) == [Ended("r1", SUCCEEDED), Start("r2")]
    assert told(state, *ran("r2")) == [
        Ended("r2", SUCCEEDED),
        Ended("a", SUCCEEDED),
        Start("b"),
    ]


def test_what_rescue_steps_say_of_each_other_keeps_nobody_waiting() -> None:
    """A rescue step may refer to one before it, and its compensation to itself: the step that
    they rescue starts all the same.
    """
    first = {"id": "r", "uses": "w", "compensate": {"uses": "w", "with": {"x": OUTPUT_OF_R}}}
    then = {"id": "q", "uses": "w", "with": {"x": OUTPUT_OF_R}}
    state = begin(Flow("f").step("a", "w", rescue=[first, then]))
    assert told(state, Begun()) == [Start("a")]


def test_a_rescue_step_that_is_skipped_spoils_nothing() -> None:
    """One that succeeded is enough; where all are skipped, nothing was rescued."""
    state = rescued()
    assert Ended("a", SUCCEEDED) in told(state, *ran("r1"), Skipped("r2"))
    state = rescued()
    assert Ended("a", FAILED) in told(state, Skipped("r1"), Skipped("r2"))


def test_a_rescue_may_fail() -> None:
    """Then its other steps do not run, and the step has failed as its on_error says."""
    state = rescued()
    assert told(state, Running("r1"), Failed("r1")) == [
        Ended("r1", FAILED),
        Ended("r2", SKIPPED, "the rescue has failed"),
        Ended("a", FAILED),
        Ended("b", BLOCKED, "it needs 'a', which failed"),
        Finish(FlowStatus.FAILED),
    ]


def test_without_a_failure_nothing_is_rescued() -> None:
    """Rescue steps end as well where their step succeeds or never runs."""
    flow = Flow("f").step("a", "w", rescue=[{"id": "r", "uses": "w"}])
    for events, end in (((Begun(), *ran("a")), "succeeded"), ((Begun(), Skipped("a")), "skipped")):
        assert ends(replay(flow, events)) == {"a": end, "r": "skipped"}


def each_of(items: int, **options: Any) -> State:
    """A flow of one step with items, which has just been told how many."""
    flow = Flow("f", fail_fast=bool(options.pop("fail_fast", True)))
    flow = flow.step("a", "w", foreach="${{ inputs.all }}", **options)
    state = begin(flow)
    told(state, Begun())
    return state


def test_items_start_in_order_and_so_many_at_once() -> None:
    """As one ends, the next one starts; the step ends with the last."""
    state = each_of(3, max_parallel=2)
    assert told(state, Expanded("a", 3)) == [Start("a", 0), Start("a", 1)]
    assert told(state, Succeeded("a", 1)) == [Start("a", 2)]
    assert told(state, Succeeded("a", 2), Succeeded("a", 0))[0] == Ended("a", SUCCEEDED)


def test_no_items_are_a_success() -> None:
    """A step for each of nothing has succeeded at once."""
    assert told(each_of(0), Expanded("a", 0))[0] == Ended("a", SUCCEEDED)


def test_the_first_failed_item_fails_its_step() -> None:
    """Under fail no further item starts, and what runs is stopped where the flow fails fast."""
    state = each_of(5, max_parallel=2)
    told(state, Expanded("a", 5))
    assert told(state, Failed("a", 0)) == [Stop("a", 1)]
    assert told(state, Stopped("a", 1)) == [Ended("a", FAILED), Finish(FlowStatus.FAILED)]
    assert state.items_failed("a") == (0,)
    state = each_of(5, max_parallel=2, fail_fast=False)
    told(state, Expanded("a", 5))
    assert told(state, Failed("a", 0)) == []
    assert told(state, Succeeded("a", 1))[0] == Ended("a", FAILED)


@pytest.mark.parametrize(
    ("on_error", "end"), [(OnError.CONTINUE, FAILED), (OnError.SKIP, SUCCEEDED)]
)
def test_failed_items_may_be_borne(on_error: OnError, end: StepStatus) -> None:
    """Under continue and skip all items are tried, and the flow succeeds."""
    state = each_of(3, on_error=on_error, max_parallel=1)
    commands = told(state, Expanded("a", 3), Failed("a", 0), Succeeded("a", 1), Failed("a", 2))
    assert commands == [
        *(Start("a", item) for item in range(3)),
        Ended("a", end),
        Finish(FlowStatus.SUCCEEDED),
    ]
    assert state.items_failed("a") == (0, 2)


def test_a_cancelled_flow_waits_for_what_runs() -> None:
    """All that runs is told to stop, items too; nothing else starts; then it is cancelled."""
    flow = line("a", "b").step("c", "w", foreach=[1, 2, 3], max_parallel=2)
    state = begin(flow)
    told(state, Begun(), Running("a"), Expanded("c", 3))
    assert told(state, Cancelled("too late")) == [
        Stop("a"),
        Stop("c", 0),
        Stop("c", 1),
        Ended("b", CANCELLED, "too late"),
    ]
    assert told(state, Cancelled(), Stopped("c", 0), Stopped("c", 1), Stopped("a")) == [
        Ended("c", CANCELLED, "it was stopped"),
        Ended("a", CANCELLED, "it was stopped"),
        Finish(FlowStatus.CANCELLED),
    ]


def test_a_flow_may_be_cancelled_before_it_begins() -> None:
    """Then nothing starts."""
    commands = told(begin(line("a", "b")), Cancelled())
    assert Counter(map(type, commands)) == {Ended: 2, Finish: 1}


@pytest.mark.parametrize(
    ("events", "event", "problem"),
    [
        ([], Begun(), "has begun already"),
        ([], Succeeded("a"), "the step is ready"),
        ([], Running("z"), "no such step"),
        ([], Running("b"), "the step is pending"),
        ([], Expanded("a", 2), "no such items"),
        ([], Running("c"), "runs item by item"),
        ([], Failed("c", 0), "no items yet"),
        ([Running("a")], Succeeded("a", 0), "has no items"),
        ([Expanded("c", 2)], Succeeded("c"), "item by item"),
        ([Expanded("c", 2)], Succeeded("c", 7), "does not run"),
        ([*ran("a")], Failed("a"), "the step is succeeded"),
        ([Cancelled(), Stopped("a"), Stopped("c")], Cancelled(), "the flow is cancelled"),
    ],
)
def test_what_cannot_have_happened_is_refused(
    events: list[Event], event: Event, problem: str
) -> None:
    """An event that cannot follow raises, and changes nothing."""
    state = replay(line("a", "b").step("c", "w", foreach=[1]), [Begun(), *events])
    before = ends(state), dict(state.work), state.left
    with pytest.raises(FlowEventRefused, match=problem):
        advance(state, event)
    assert (ends(state), dict(state.work), state.left) == before
