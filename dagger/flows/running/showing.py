"""How far a run of a flow is, or how it has ended, from what is kept of the run."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dagger.authoring.coordinating import UNFIT
from dagger.flows.happenings import FlowStatus
from dagger.flows.running.conductor import Conductor
from dagger.flows.running.coordinator import KEPT, conductor_of
from dagger.flows.running.definition import flow_of
from dagger.flows.running.program import Program
from dagger.flows.running.report import FlowReport
from dagger.flows.running.within import REPORTS, with_those_within
from dagger.state.queues import SECOND_HAND, Answer
from dagger.words.errors import FlowEventRefused
from dagger.words.payload import decode
from dagger.words.records import CANCEL, OVER
from dagger.words.replies import came_to

if TYPE_CHECKING:
    from dagger.state.queues import Delivery
    from dagger.state.run import Run

Kept = Mapping[tuple[str, str], Answer]


def flow_report(run: Run) -> FlowReport | None:
    """The report of a run of a flow; None if it is of none, or has not begun.

    Of one whose coordinator has died before it could say how it ended, it says why, and as much
    of the steps as is kept.
    """
    ended = [each for each in run.kept_outputs() if each.channel == f"{_channel(run)}{REPORTS}"]
    if ended:
        return FlowReport.of(decode(ended[-1].payload))
    delivery = run.deliveries.get(1)
    if delivery is None:
        return _dead(run)
    definition = _definition(delivery.kept or {})
    if definition is None:
        return None
    conductor = so_far(Program(flow_of(definition), _channel(run)), delivery)
    return with_those_within(conductor.report(definition), _channel(run), run.kept_outputs())


def _dead(run: Run) -> FlowReport | None:
    """That of a run whose coordinator is a dead letter. What had failed by then is not kept with
    it, and what came after that is not known.
    """
    letter = next((each for each in run.dead_letters or () if each.delivery == 1), None)
    if letter is None:
        return None
    kept = {(each.name, each.key): Answer(each.value, each.digest) for each in letter.kept}
    definition = _definition(kept)
    if definition is None:
        return None
    conductor = _begun(Program(flow_of(definition), _channel(run)), run, letter.envelope.at)
    with suppress(FlowEventRefused):
        for place, answer in kept.items():
            _tell(conductor, *place, answer, kept)
    why = f"{letter.failure.type}: {letter.failure.message}"
    known = with_those_within(conductor.report(definition), _channel(run), run.kept_outputs())
    return replace(known, status=FlowStatus.FAILED, reason=why, output=None)


def _channel(run: Run) -> str:
    return run.opening.channel


def _definition(kept: Kept) -> Mapping[str, Any] | None:
    """The definition that a run goes by: the latest."""
    found = [each for (name, _), each in kept.items() if name == f"step:{KEPT}"]
    return decode(found[-1].value) if found else None


def so_far(program: Program, delivery: Delivery) -> Conductor:
    """A conductor that was told what that of a run was told, whose coordinator has a delivery."""
    conductor = _begun(program, delivery.queue.run, delivery.envelope.at)
    kept = delivery.kept or {}
    for place, answer in kept.items():
        _tell(conductor, *place, answer, kept)
    return conductor


def _begun(program: Program, run: Run, at: float) -> Conductor:
    """Another conductor of a run, which can be told what the run's own was told."""
    conductor = conductor_of(program, decode(run.opening.payload), run.id, at)
    conductor.begin()
    return conductor


def _tell(conductor: Conductor, name: str, key: str, answer: Answer, kept: Kept) -> None:
    if name == "request":
        value, error = came_to("", key, kept, answer.value)
        conductor.heard(key, value, error, duplicate=answer.digest == SECOND_HAND)
    elif name == f"step:{UNFIT}":
        conductor.unfit(decode(answer.value))
    elif name == CANCEL and key != OVER:
        conductor.cancel(decode(answer.value))
    elif name == CANCEL:
        conductor.give_up()
