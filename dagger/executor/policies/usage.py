"""Usage: who has what, and who waits for what, at this instant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import starmap
from typing import TYPE_CHECKING

from dagger.executor.policies.pool import UNIT
from dagger.views.resources import Allocation, ResourceUsage, Usage
from dagger.views.waiting import Waiting

if TYPE_CHECKING:
    from dagger.executor.engine import Engine
    from dagger.executor.policies.ticket import Ticket
    from dagger.rules.turns import Bound
    from dagger.state.run import Run
    from dagger.views.waiting import Reason


def resource_usage(engine: Engine) -> ResourceUsage:
    """How things stand."""
    waiting = list(engine.policing.turns.waiting())
    missing = Counter(bound for _, bound in waiting)
    pool = {
        name: Usage(bound.total / UNIT, bound.used / UNIT, missing[bound])
        for name, bound in engine.policing.pool.rows()
    }
    return ResourceUsage(pool, tuple(allocations(engine)), tuple(starmap(_told, waiting)))


def allocations(engine: Engine, run: Run | None = None) -> Iterator[Allocation]:
    """What invocations have, of one run or of all, longest running first."""
    resources = {bound: name for name, bound in engine.policing.pool.bounds.items()}
    for ticket in engine.policing.begun():
        delivery = ticket.delivery
        if run is None or delivery.queue.run is run:
            amounts = {
                resources.get(bound, bound.label): amount / UNIT if bound in resources else amount
                for bound, amount in ticket.flow.needs
                if ticket in bound.holders and bound not in engine.policing.pool.quotas.values()
            }
            yield Allocation(
                delivery.node_id, delivery.queue.subscriber.name, amounts, ticket.since
            )


def lines(engine: Engine, run: Run) -> dict[int, Reason]:
    """Who of a run stands in a line, by number of delivery, and for what."""
    found = {
        ticket.delivery.number: (bound.label, ticket.since, None)
        for ticket, bound in engine.policing.turns.waiting()
        if ticket.delivery.queue.run is run
    }
    return found | engine.succession.lines(run)


def _told(ticket: Ticket, bound: Bound) -> Waiting:
    delivery = ticket.delivery
    agent = delivery.queue.subscriber.name
    return Waiting(delivery.node_id, agent, bound.label, ticket.since)
