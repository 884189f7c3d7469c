"""Cancelling one invocation: it ends `cancelled`, and the rest of its run goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagger.state.queues import RUNNING
from dagger.words.errors import InvocationNotFound, RunClosed
from dagger.words.ids import node_id
from dagger.words.outcomes import DISPOSITIONS, Disposition, RunStatus
from dagger.words.records import Swept

if TYPE_CHECKING:
    from dagger.executor.engine import Engine
    from dagger.state.queues import Delivery
    from dagger.state.run import Run

_CANCELLED = int(Disposition.CANCELLED)


async def cancel_invocation(engine: Engine, run: Run, node: str) -> None:
    """Return once the invocation has ended, after `cancel_grace` at the latest.

    Raises RunClosed, and InvocationNotFound for one that is not there or has ended.
    """
    if run.status is not RunStatus.RUNNING:
        raise RunClosed(run.id, run.status)
    delivery = _meant(run, node)
    if delivery.stage == RUNNING:
        over = engine.settling.revoke(delivery)
        engine.cancel(delivery)
        await over.wait()
        return
    engine.commit(Swept(run.number, (delivery.number,), _CANCELLED, engine.now()))
    engine.admissions.room()
    engine.runs.quiet(run)


def _meant(run: Run, node: str) -> Delivery:
    """The delivery of that node; of a part of something whole, the one it is handled with."""
    digits = node.rpartition(".")[2]
    number = int(digits) if digits.isdecimal() else 0
    delivery = run.deliveries.get(number)
    if delivery is None or delivery.node_id != node:
        known = tuple(each.node_id for each in run.deliveries.values())
        raise InvocationNotFound(node, known, _why(run, node, number))
    bond = delivery.bond
    return run.deliveries[bond.lead] if bond is not None and bond.lead else delivery


def _why(run: Run, node: str, number: int) -> str:
    """What has become of it, if that is still known."""
    found = run.tree.node(number)
    if found is None or node_id(found.agent, run.id, number) != node:
        return ""
    return f"it has ended: it is {DISPOSITIONS[found.disposition]}"
