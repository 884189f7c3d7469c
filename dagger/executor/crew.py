"""A crew: the workers of one agent, and the slots that its `concurrency` gives them.

A worker holds a slot while it handles a delivery. One whose handler waits (for a
person, a timer, a reply) gives the slot back and asks for it again afterwards,
before anything new is taken.

Where turns decide who begins (see `dagger.executor.policies`) there are slots for all, for
whoever is to wait in line has to be looked at first; its `concurrency` is counted there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Protocol

import anyio

if TYPE_CHECKING:
    from dagger.authoring.agent import Agent
    from dagger.executor.accepting import Acceptance
    from dagger.executor.latch import Latch
    from dagger.executor.policies.terms import Terms
    from dagger.executor.worker import Worker
    from dagger.state.queues import Delivery, Subscriber


UNBOUNDED = 2**31
"""Slots where turns are counted instead."""


class Bell(Protocol):
    """Somebody who waits for a slot."""

    def set(self) -> None:
        """There is one, and it is held for them."""


class Slot(Enum):
    """What a worker with a delivery in hand has of its crew's slots."""

    HELD = "it runs the handler"
    PARKED = "its handler waits, and needs none"
    RETURNING = "its handler could go on, and waits for one"


class Crew:
    """Who works for one agent, how many may, and who is idle or waiting to go on."""

    terms: Terms
    """What turns of the agent need: said by whoever makes the crew."""

    def __init__(
        self,
        agent: Agent,
        subscriber: Subscriber,
        acceptance: Acceptance,
        limit: int,
        hire: Callable[[Crew], Worker],
        latch: Callable[[], Latch | anyio.Event],
    ) -> None:
        self.agent = agent
        self.title = f"dagger agent {agent.name}"  # of its workers' tasks
        self.subscriber = subscriber
        self.agreed, self.accepts = acceptance.agreed, acceptance.accepts
        self.limit = limit
        self.active = 0  # slots held
        self._coming = 0  # workers called that have not come yet
        self.parked = 0  # workers whose handler waits without a slot
        self.leaving = False  # the agent was unregistered: nothing is taken any more
        self._hire = hire
        self._latch = latch
        self._take: Callable[[], Delivery | None] = subscriber.take
        self._called: deque[Delivery] = deque()  # those whose turn it is; their slots are held
        self._idle: list[Latch | anyio.Event] = []
        self._returning: deque[Bell] = deque()
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
            self.subscriber.bell = self.ring if self._wanted else None

    @property
    def _wanted(self) -> bool:
        """Whether one more worker would be of use: one at a time where there are slots for all."""
        if self.limit == UNBOUNDED:
            return not self._coming
        return self.active + self._coming < self.limit

    @property
    def has_room(self) -> bool:
        """Whether there is a slot that nobody has asked for."""
        return self.active < self.limit and not self._returning

    def ring(self) -> None:
        """There is work: wake an idle worker, or hire one, if a slot is free."""
        if self._wanted:
            self._summon()
        self.tune()

    def _summon(self) -> None:
        self._coming += 1
        if self._idle:
            self._idle.pop().set()
        else:
            self.enlist()

    # -- those whose turn it is ------------------------------------------------------

    def hand(self, delivery: Delivery) -> None:
        """It is the turn of a delivery that was set aside, and a slot is held for it."""
        self._called.append(delivery)
        self._summon()

    def call_off(self, delivery: Delivery) -> None:
        """Nobody is to take it after all."""
        if delivery in self._called:
            self._called.remove(delivery)
            self.give_back()

    def ask(self, bell: Bell) -> None:
        """Have a slot held, as soon as somebody gives one back, for whoever has this bell."""
        self._returning.append(bell)

    def _next_called(self) -> Delivery | None:
        while self._called:
            delivery = self._called.popleft()
            if delivery.queue.hand_over(delivery):
                return delivery
            self.give_back()
        return None

    def arrive(self) -> None:
        """A worker that was called is here, and looks for itself."""
        self._coming -= 1

    def take(self) -> Delivery | None:
        """The next delivery, and a slot for it; if there is more, another worker helps.

        None if there is nothing, or no slot; those who return from waiting go first.
        """
        if self._called and self._take is not _nothing:
            delivery = self._next_called()
            if delivery is not None:
                self._pass_on()
                return delivery
        if self.active >= self.limit or self._returning or self.leaving:
            return None
        delivery = self._take()
        if delivery is not None:
            self.active += 1
            if self.active >= self.limit:
                self.subscriber.bell = None
            elif self.subscriber.has_more:
                self.ring()
            else:
                self.tune()
        return delivery

    def _pass_on(self) -> None:
        """Who was called for one may have been rung for another as well."""
        if self.subscriber.ready:
            self.ring()
        else:
            self.tune()

    def more(self) -> Delivery | None:
        """The next delivery for somebody who has a slot; None if it is to be given back."""
        return None if self._returning or self.leaving else self._take()

    async def rest(self) -> bool:
        """Wait until there may be something to take; False if there is no need to.

        Also who need not stay says that a slot is free: those at rest may not know it.
        """
        self.tune()
        if len(self._idle) >= self.agent.concurrency:
            return False
        event = self._latch()
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
        if not held:
            for _ in self._called:
                self._summon()
            if self.subscriber.ready:
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
