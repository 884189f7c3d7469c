"""Admission: whether what is about to be published fits into the queues it goes to.

`admit` is a pure question over the state: what would be dropped, what has to make
room first; or an error. Who has to wait stands in `Admissions`, first come first
served, and enters in the very call in which room appears, so that nobody slips in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import anyio

from dagger.state.queues import Queue, Subscriber
from dagger.words.effects import Publication
from dagger.words.errors import ChannelClosed, ChannelDeadlock, ChannelFull
from dagger.words.outcomes import Overflow

if TYPE_CHECKING:
    from dagger.authoring.host import Parking
    from dagger.executor.crew import Crew
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
        for subscriber, queue, _ in state.lane(run, publication.channel).routes:
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
    """Somebody whose messages do not fit yet: a worker's invocation, or the outside."""

    __slots__ = ("crew", "enter", "error", "event", "full", "look", "worker")

    def __init__(
        self, look: Callable[[], Plan], enter: Callable[[Plan], None], worker: Parking | None
    ) -> None:
        self.full = look().full
        self.look = look
        self.enter = enter
        self.worker = worker
        self.crew: Crew | None = worker.crew if worker is not None else None
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

    def __init__(self) -> None:
        self._waiters: dict[Waiter, None] = {}
        self.any = False

    async def wait(
        self, look: Callable[[], Plan], enter: Callable[[Plan], None], worker: Parking | None
    ) -> None:
        """Return once `enter` has been called with a plan that fits.

        `look` asks anew. Raises ChannelDeadlock if there can never be room, and what
        `look` and `enter` raise.
        """
        waiter = Waiter(look, enter, worker)
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

    def room(self) -> None:
        """Some queue has become shorter: whoever fits enters now, first come first served."""
        before = len(self._waiters)
        for waiter in list(self._waiters):
            if waiter.attempt():
                self._leave(waiter)
        if len(self._waiters) < before:  # a worker may have more than one wait
            self.break_circle()

    def _leave(self, waiter: Waiter) -> None:
        del self._waiters[waiter]
        self.any = bool(self._waiters)
        waiter.event.set()

    def break_circle(self) -> None:
        """Fail the youngest of those who wait for each other, if there are any."""
        stuck = self._stuck()
        if not stuck:
            return
        youngest = [each for each in self._waiters if each.crew in stuck][-1]
        youngest.error = ChannelDeadlock(youngest.full[0][0], _cycle(youngest, self._by_crew()))
        self._leave(youngest)

    def _by_crew(self) -> dict[Crew, list[Waiter]]:
        found: dict[Crew, list[Waiter]] = {}
        for waiter in self._waiters:
            if waiter.crew is not None:
                found.setdefault(waiter.crew, []).append(waiter)
        return found

    def _stuck(self) -> set[Crew]:
        """Crews none of whose workers can ever go on: the greatest set that waits on itself.

        A crew is a candidate while all its slots wait to settle; one is struck out when
        some waiter of it waits for no candidate, until nothing changes. One that is
        leaving takes nothing anyway: room is made by its successor.
        """
        waiting = self._by_crew()
        stuck = {
            crew
            for crew, waiters in waiting.items()
            if not crew.leaving and crew.occupied(len({each.worker for each in waiters}))
        }
        names = {crew.agent.name for crew in stuck}
        changed = True
        while changed:
            changed = False
            for crew in list(stuck):
                if any(not _waits_for(waiter, names) for waiter in waiting[crew]):
                    stuck.discard(crew)
                    names.discard(crew.agent.name)
                    changed = True
        return stuck


def _waits_for(waiter: Waiter, names: set[str]) -> bool:
    return any(queue.subscriber.name in names for _, queue in waiter.full)


def _cycle(start: Waiter, waiting: dict[Crew, list[Waiter]]) -> tuple[str, ...]:
    """The agents on the way from `start` back to itself, each waiting for the next."""
    crews = {crew.agent.name: waiters for crew, waiters in waiting.items()}
    path: list[str] = []
    waiter = start
    while waiter.crew is not None and waiter.crew.agent.name not in path:
        path.append(waiter.crew.agent.name)
        ahead = [q.subscriber.name for _, q in waiter.full if q.subscriber.name in crews]
        if not ahead:
            break
        again = [name for name in ahead if name in path]
        waiter = crews[(again or ahead)[0]][0]
    first = waiter.crew.agent.name if waiter.crew is not None else path[0]
    return tuple(path[path.index(first) :]) if first in path else tuple(path)
