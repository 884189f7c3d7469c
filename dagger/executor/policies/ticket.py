"""A ticket: the turn of a delivery, and who has that in hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagger.rules.turns import Flow, Turn

if TYPE_CHECKING:
    import anyio

    from dagger.executor.crew import Crew
    from dagger.executor.timers import Timer
    from dagger.executor.worker import Worker
    from dagger.state.queues import Delivery


class Ticket(Turn):
    """A turn of a delivery. What most of them never need is written down when they do."""

    bell: anyio.Event | None = None
    """Of a handler that wants to go on."""
    late = False
    """It has waited longer than it may."""
    seated = True
    """Its worker has a slot of the crew."""
    timer: Timer | None = None
    """Goes off when it has waited too long."""
    told = ""
    """What was written down that it waits for."""

    def __init__(
        self,
        flow: Flow,
        priority: int,
        delivery: Delivery,
        crew: Crew,
        worker: Worker,
        since: float,
    ) -> None:
        super().__init__(flow, priority)
        self.delivery = delivery
        self.crew = crew
        self.worker: Worker | None = worker  # None while it is set aside
        self.since = since  # when it began, or to wait, epoch seconds
