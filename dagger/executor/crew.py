"""A crew: the workers of one agent, and the slots that its `concurrency` gives them.

A worker holds a slot while it handles a delivery. One whose handler waits (for a
person, a timer, a reply) gives the slot back and asks for it again afterwards,
before anything new is taken.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from dagger.authoring.agent import Agent
    from dagger.executor.accepting import Acceptance
    from dagger.executor.worker import Worker
    from dagger.state.queues import Delivery, Subscriber


class Slot(Enum):
    """What a worker with a delivery in hand has of its crew's slots."""

    HELD = "it runs the handler"
    PARKED = "its handler waits, and needs none"
    RETURNING = "its handler could go on, and waits for one"


class Crew:
    """Who works for one agent, how many may, and who is idle or waiting to go on."""

    def __init__(
        self,
        agent: Agent,
        subscriber: Subscriber,
        acceptance: Acceptance,
        hire: Callable[[Crew], Worker],
    ) -> None:
        self.agent = agent
        self.title = f"dagger agent {agent.name}"  # of its workers' tasks
        self.subscriber = subscriber
        self.agreed, self.accepts = acceptance.agreed, acceptance.accepts
        self.limit = agent.concurrency
        self.active = 0  # slots held
        self._coming = 0  # workers called that have not come yet
        self.parked = 0  # workers whose handler waits without a slot
        self.leaving = False  # the agent was unregistered: nothing is taken any more
        self._hire = hire
        self._take: Callable[[], Delivery | None] = subscriber.take
        self._idle: list[anyio.Event] = []
        self._returning: deque[anyio.Event] = deque()
        self.tune()

    def park(self) -> None:
        """A handler waits from now on: its slot is somebody else's."""
        self.parked += 1
        self.give_back()
        self.tune()
        if self.subscriber.ready:
            self.ring()

    async def unpark(self) -> None:
        """The handler wants to go on; returns, or is cancelled, with a slot in hand."""
        try:
            await self._come_back()
        finally:
            self.parked -= 1

    def enlist(self) -> Worker:
        """One more worker."""
        return self._hire(self)

    def tune(self) -> None:
        """Set the bell only while somebody could answer it: ringing is on the hot path."""
        if not self.leaving:
            free = self.active + self._coming < self.limit
            self.subscriber.bell = self.ring if free else None

    def ring(self) -> None:
        """There is work: wake an idle worker, or hire one, if a slot is free."""
        if self.active + self._coming < self.limit:
            self._coming += 1
            if self._idle:
                self._idle.pop().set()
            else:
                self.enlist()
        self.tune()

    def arrive(self) -> None:
        """A worker that was called is here, and looks for itself."""
        self._coming -= 1

    def take(self) -> Delivery | None:
        """The next delivery, and a slot for it; if there is more, another worker helps.

        None if there is nothing, or no slot; those who return from waiting go first.
        """
        if self.active >= self.limit or self._returning or self.leaving:
            return None
        delivery = self._take()
        if delivery is not None:
            self.active += 1
            if self.active >= self.limit:
                self.subscriber.bell = None
            elif self.subscriber.ready:
                self.ring()
        return delivery

    def more(self) -> Delivery | None:
        """The next delivery for somebody who has a slot; None if it is to be given back."""
        return None if self._returning or self.leaving else self._take()

    async def rest(self) -> bool:
        """Wait until there may be something to take; False if there is no need to.

        Also who need not stay says that a slot is free: those at rest may not know it.
        """
        self.tune()
        if len(self._idle) >= self.limit:
            return False
        event = anyio.Event()
        self._idle.append(event)
        try:
            await event.wait()
        finally:
            if event in self._idle:
                self._idle.remove(event)
            elif not self.leaving:
                self.arrive()
        return True

    def hold(self, held: bool) -> None:
        """While held, nothing is taken: what would be done could not be written down."""
        self._take = _nothing if held else self.subscriber.take
        if not held and self.subscriber.ready:
            self.ring()

    def give_back(self) -> None:
        """A slot is free: whoever returns gets it first, then whoever works."""
        self.active -= 1
        if self._returning:
            self.active += 1
            self._returning.popleft().set()

    async def _come_back(self) -> None:
        """Get a slot again after waiting. If cancelled, the slot is taken all the same."""
        if self.active < self.limit:
            self.active += 1
            return
        event = anyio.Event()
        self._returning.append(event)
        try:
            await event.wait()
        except BaseException:
            if event in self._returning:  # not given one: take it, the caller gives it back
                self._returning.remove(event)
                self.active += 1
            raise

    def leave(self) -> None:
        """Nothing more is taken; who is idle goes home."""
        self.leaving = True
        self.subscriber.bell = None
        for event in self._idle:
            event.set()
        self._idle.clear()

    def replace(self, slot: Slot) -> None:
        """A worker is stuck in a handler that was given up: others have its slot."""
        match slot:
            case Slot.HELD:
                self.give_back()
            case Slot.PARKED:
                self.parked -= 1
            case Slot.RETURNING:  # it gives the slot back when it gets it
                pass
        self.tune()
        if self.subscriber.ready:
            self.ring()


def _nothing() -> Delivery | None:
    """What there is to take while nothing may be taken."""
    return None
