"""Admission: whether what is about to be published fits into the queues it goes to.

`admit` is a pure question over the state: what would be dropped, what has to make
room first; or an error. Who has to wait stands in `Admissions`, first come first
served, and enters in the very call in which room appears, so that nobody slips in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import anyio

from dagger.executor import deadlock
from dagger.state.queues import Queue, Subscriber
from dagger.words.effects import Publication
from dagger.words.errors import ChannelClosed, ChannelFull
from dagger.words.outcomes import Overflow

if TYPE_CHECKING:
    from dagger.authoring.invocation import Invocation
    from dagger.executor.crew import Crew
    from dagger.state.queues import Delivery
    from dagger.state.run import Run
    from dagger.state.state import State


class Limit(NamedTuple):
    """How a queue is bounded for messages of one channel."""

    capacity: int
    overflow: Overflow
    declared: bool
    """Whether somebody wrote the policy down; an undeclared one may not lose silently."""


class Plan(NamedTuple):
    """What entering costs."""

    dropped: tuple[int, ...] = ()
    """Deliveries that make way, oldest first."""
    blame: bool = False
    """Whether dropping them makes the run fail."""
    pressed: bool = False
    """Whether a queue is half full: whoever empties it should have a turn."""
    full: tuple[tuple[str, Queue], ...] = ()
    """(channel, queue) of those that must give room first; nothing enters until then."""


FREE = Plan()
"""Nothing is in the way."""

_PRESSED = Plan(pressed=True)

Limits = Callable[[Subscriber, str], Limit]


def admit(
    state: State,
    run: Run,
    publications: Sequence[Publication],
    source: Subscriber | None,
    limits: Limits,
    floor: int,
) -> Plan:
    """What it takes for these messages to enter together.

    `floor` is the least capacity there is: queues that stay under it need no closer
    look. Raises ChannelClosed, and ChannelFull where a queue under "reject" lacks room.
    """
    room = floor - len(publications)
    deepest = -1
    for publication in publications:
        lane = run.lanes.get(publication.channel)
        if lane is None or lane.wiring != state.wiring:
            lane = state.lane(run, publication.channel)
        if lane.closed:
            raise ChannelClosed(publication.channel)
        for _, queue, _ in lane.routes:
            if queue.depth > deepest:
                deepest = queue.depth
    if deepest > room:
        return _closer(state, run, publications, source, limits)
    return FREE if 2 * deepest < floor else _PRESSED


def _closer(
    state: State,
    run: Run,
    publications: Sequence[Publication],
    source: Subscriber | None,
    limits: Limits,
) -> Plan:
    """The same, counting what arrives at each queue against the limits of its channels."""
    arriving: Counter[Queue] = Counter()
    doors: dict[tuple[Queue, str], None] = {}
    for publication in publications:
        if publication.timing is not None and publication.timing[0]:
            continue  # it comes later, and then goes first, as a retry does
        for subscriber, queue, _ in state.lane(run, publication.channel).routes:
            if subscriber.join is not None:
                continue  # parts are held beside the queue
            if subscriber is not source or subscriber.hears_itself:
                arriving[queue] += 1
                doors[queue, publication.channel] = None
    dropped: set[int] = set()
    full: list[tuple[str, Queue]] = []
    blame = False
    for queue, channel in doors:
        limit, count = limits(queue.subscriber, channel), arriving[queue]
        excess = queue.depth + count - limit.capacity
        if excess <= 0:
            continue
        match limit.overflow:
            case Overflow.DROP_OLDEST:  # only those before: messages of one settle stay
                oldest = queue.oldest(min(excess, queue.depth))
                dropped.update(each.number for each in oldest)
                blame = blame or (bool(oldest) and not limit.declared)
            case Overflow.REJECT:
                raise ChannelFull(channel, queue.subscriber.name, limit.capacity, count)
            case Overflow.BLOCK:
                if queue.depth >= limit.capacity:
                    full.append((channel, queue))
    return Plan(tuple(sorted(dropped)), blame, True, tuple(full))


class Waiter:
    """Somebody whose messages do not fit yet: an invocation, or the outside."""

    __slots__ = ("agent", "crew", "delivery", "enter", "error", "event", "full", "look")

    def __init__(
        self,
        look: Callable[[], Plan],
        enter: Callable[[Plan], None],
        invocation: Invocation | None,
    ) -> None:
        self.full = look().full
        self.look = look
        self.enter = enter
        self.agent = invocation.agent.name if invocation is not None else ""
        self.crew: Crew | None = invocation.worker.crew if invocation is not None else None
        self.delivery = invocation.delivery if invocation is not None else None
        self.event = anyio.Event()
        self.error: Exception | None = None

    def attempt(self) -> bool:
        """Enter if there is room now; True when there is nothing left to wait for."""
        try:
            plan = self.look()
            self.full = plan.full
            if plan.full:
                return False
            self.enter(plan)
        except Exception as error:  # its own failure, and not that of whoever made room
            self.error = error
        return True


class Admissions:
    """Who waits for room, in the order they came."""

    def __init__(self, crews: Mapping[str, Crew]) -> None:
        self._crews = crews
        self._waiters: dict[Waiter, None] = {}
        self.any = False

    async def enter(
        self,
        look: Callable[[], Plan],
        enter: Callable[[Plan], None],
        invocation: Invocation,
    ) -> None:
        """Let in what an invocation publishes at once: now, or as soon as there is room."""
        plan = look()
        if not plan.full:
            enter(plan)
            return
        worker = invocation.worker
        with worker.blameless():
            await worker.wait_for_room(self.wait(look, enter, invocation))

    async def wait(
        self,
        look: Callable[[], Plan],
        enter: Callable[[Plan], None],
        invocation: Invocation | None,
    ) -> None:
        """Return once `enter` has been called with a plan that fits.

        `look` asks anew. Raises ChannelDeadlock if there can never be room, and what
        `look` and `enter` raise.
        """
        waiter = Waiter(look, enter, invocation)
        self._waiters[waiter] = None
        self.any = True
        self.break_circle()
        try:
            await waiter.event.wait()
        finally:
            if waiter in self._waiters:
                self._leave(waiter)
        if waiter.error is not None:
            raise waiter.error

    def holds(self, delivery: Delivery) -> bool:
        """Whether the handling of this one goes no further until there is room."""
        return any(each.delivery is delivery for each in self._waiters)

    def room(self) -> None:
        """Some queue has become shorter: whoever fits enters now, first come first served."""
        for waiter in list(self._waiters):
            if waiter.attempt():
                self._leave(waiter)
        self.break_circle()  # who still waits may now wait for somebody else

    def _leave(self, waiter: Waiter) -> None:
        del self._waiters[waiter]
        self.any = bool(self._waiters)
        waiter.event.set()

    def break_circle(self) -> None:
        """Fail the youngest of those who wait for each other, until nobody does."""
        while found := deadlock.find(self._waiters, self._crews):
            waiter, error = found
            waiter.error = error
            self._leave(waiter)
