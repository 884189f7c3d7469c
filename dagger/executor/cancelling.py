"""Cancelling invocations: they end `cancelled`, and the rest of their run goes on."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

import anyio

from dagger.state.joins import parts_of
from dagger.state.queues import RUNNING
from dagger.words.effects import is_request
from dagger.words.errors import InvocationNotFound, RunClosed
from dagger.words.ids import node_id
from dagger.words.outcomes import DISPOSITIONS, Disposition, RunStatus
from dagger.words.payload import decode
from dagger.words.records import Swept

if TYPE_CHECKING:
    from dagger.authoring.invocation import Invocation
    from dagger.executor.engine import Engine
    from dagger.state.queues import Delivery
    from dagger.state.run import Run

_CANCELLED = int(Disposition.CANCELLED)


async def cancel_invocation(engine: Engine, run: Run, node: str) -> None:
    """Return once the invocation has ended, after `cancel_grace` at the latest; one that cleans
    up goes on with that by itself.

    Raises RunClosed, and InvocationNotFound for one that is not there or has ended.
    """
    if run.status is not RunStatus.RUNNING:
        raise RunClosed(run.id, run.status)
    for over in cancel_deliveries(engine, run, [_meant(run, node)]):
        await over.wait()


def cancel_requests(engine: Engine, invocation: Invocation, keys: Collection[str]) -> None:
    """Have those end who handle the requests of an invocation that have these keys."""
    run, delivery = invocation.run, invocation.delivery
    kept = delivery.kept or {}
    found = (kept.get(("requested", key)) for key in keys)
    places = {decode(place.value) for place in found if place is not None}
    meant = [
        _carried_by(run, each)
        for each in run.deliveries.values()
        if each.envelope.parent == delivery.number and each.envelope.place in places
    ]
    cancel_deliveries(engine, run, meant)


def cancel_deliveries(
    engine: Engine, run: Run, deliveries: Iterable[Delivery]
) -> list[anyio.Event]:
    """Have deliveries end `cancelled`: at once, or as soon as whoever has them in hand is done
    with them, which the events tell. Who cleans up is told to, and ends by itself.
    """
    idle: list[int] = []
    ends: list[anyio.Event] = []
    for each in deliveries:
        if engine.cleanup.told_alone(each):
            engine.cleanup.tell(run, each, "cancelled by who wanted it")
        elif each.stage == RUNNING:
            ends.append(engine.settling.revoke(each))
            engine.cancel(each)
        else:
            idle.append(each.number)
    if idle:
        engine.commit(Swept(run.number, tuple(idle), _CANCELLED, engine.now()))
        engine.admissions.room()
        engine.runs.quiet(run)
    return ends


def _meant(run: Run, node: str) -> Delivery:
    """The delivery of that node, or the one that it is handled with."""
    digits = node.rpartition(".")[2]
    number = int(digits) if digits.isdecimal() else 0
    delivery = run.deliveries.get(number)
    if delivery is None or delivery.node_id != node:
        known = tuple(each.node_id for each in run.deliveries.values())
        raise InvocationNotFound(node, known, _why(run, node, number))
    return _handled_with(run, delivery)


def _carried_by(run: Run, delivery: Delivery) -> Delivery:
    """What a request is handled with, unless that is somebody else's request too, who would lose
    his reply by it.
    """
    lead = _handled_with(run, delivery)
    others = (each.envelope.publication for each in parts_of(lead) if each is not delivery)
    return delivery if any(map(is_request, others)) else lead


def _handled_with(run: Run, delivery: Delivery) -> Delivery:
    """A delivery; of a part of something whole, the one that is handled with all of it."""
    bond = delivery.bond
    return run.deliveries[bond.lead] if bond is not None and bond.lead else delivery


def _why(run: Run, node: str, number: int) -> str:
    """What has become of it, if that is still known."""
    found = run.tree.node(number)
    if found is None or node_id(found.agent, run.id, number) != node:
        return ""
    return f"it has ended: it is {DISPOSITIONS[found.disposition]}"
