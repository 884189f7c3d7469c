"""How far a run of a flow is, or how it has ended, from what is kept of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dagger.flows.running.conductor import Conductor
from dagger.flows.running.coordinator import KEPT, UNFIT, conductor_of
from dagger.flows.running.definition import flow_of
from dagger.flows.running.program import Program
from dagger.flows.running.report import FlowReport
from dagger.flows.running.within import REPORTS, with_those_within
from dagger.state.queues import SECOND_HAND
from dagger.words.payload import decode
from dagger.words.records import CANCEL, OVER
from dagger.words.replies import came_to

if TYPE_CHECKING:
    from dagger.state.queues import Answer, Delivery
    from dagger.state.run import Run

Kept = Mapping[tuple[str, str], "Answer"]


def flow_report(run: Run) -> FlowReport | None:
    """The report of a run of a flow; None if it is of none, or has not begun.

    Of one that ended before its coordinator could say how, how far it had got is not known.
    """
    ended = [each for each in run.kept_outputs() if each.channel == f"{_channel(run)}{REPORTS}"]
    if ended:
        return FlowReport.of(decode(ended[-1].payload))
    delivery = run.deliveries.get(1)
    if delivery is None or not delivery.kept:
        return None
    definition = _definition(delivery.kept)
    return None if definition is None else _open(run, delivery, definition)


def _channel(run: Run) -> str:
    return run.opening.channel


def _definition(kept: Kept) -> Mapping[str, Any] | None:
    """The definition that a run goes by: the latest."""
    found = [each for (name, _), each in kept.items() if name == f"step:{KEPT}"]
    return decode(found[-1].value) if found else None


def _open(run: Run, delivery: Delivery, definition: Mapping[str, Any]) -> FlowReport:
    """That of a run that goes on."""
    conductor = so_far(Program(flow_of(definition), _channel(run)), delivery)
    return with_those_within(conductor.report(definition), _channel(run), run.kept_outputs())


def so_far(program: Program, delivery: Delivery) -> Conductor:
    """A conductor that was told what that of a run was told, whose coordinator has a delivery."""
    run = delivery.queue.run
    payload, at = decode(run.opening.payload), delivery.envelope.at
    conductor = conductor_of(program, payload, run.id, at)
    conductor.begin()
    for (name, key), answer in (delivery.kept or {}).items():
        _tell(conductor, name, key, answer, delivery.kept)
    return conductor


def _tell(conductor: Conductor, name: str, key: str, answer: Answer, kept: Kept | None) -> None:
    if name == "request":
        value, error = came_to("", key, kept, answer.value)
        conductor.heard(key, value, error, duplicate=answer.digest == SECOND_HAND)
    elif name == f"step:{UNFIT}":
        conductor.unfit(decode(answer.value))
    elif name == CANCEL and key != OVER:
        conductor.cancel(decode(answer.value))
    elif name == CANCEL:
        conductor.give_up()
