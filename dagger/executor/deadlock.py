"""Deadlock: those who wait for room that only others of them could make.

A queue is shut while its agent cannot take anything from it: all its slots wait for
room themselves, or all that is pending stands behind keys of deliveries that do. Who
waits for a shut queue is stuck, and among the stuck there is always a circle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from dagger.words.errors import ChannelDeadlock

if TYPE_CHECKING:
    from dagger.executor.admission import Waiter
    from dagger.executor.crew import Crew
    from dagger.state.queues import Delivery, Queue

Blocked = Mapping["Delivery", "Waiter"]
"""Deliveries whose handling goes no further until there is room, with whoever waits."""


def find(
    waiters: Iterable[Waiter], crews: Mapping[str, Crew]
) -> tuple[Waiter, ChannelDeadlock] | None:
    """The youngest of a circle of waiters, and the error it fails with; None without one.

    `waiters` are in the order in which they came; `crews` are those that take, by agent.
    """
    blocked = _stuck(waiters, crews)
    if not blocked:
        return None
    names = _circle(blocked, crews)
    ahead = dict(zip(names, names[1:] + names[:1], strict=True))
    youngest, channel = [
        (waiter, channel)
        for waiter in blocked.values()
        for channel, queue in waiter.full
        if ahead.get(waiter.agent) == queue.subscriber.name
    ][-1]
    at = names.index(youngest.agent)
    return youngest, ChannelDeadlock(channel, (*names[at:], *names[:at]))


def _stuck(waiters: Iterable[Waiter], crews: Mapping[str, Crew]) -> Blocked:
    """Who can never go on: the greatest set that waits only for itself.

    All are taken to be stuck at first; whoever waits for no shut queue is let go, with
    the delivery it is about, until nobody is.
    """
    stuck = [each for each in waiters if each.delivery is not None]
    while True:
        blocked = {each.delivery: each for each in stuck if each.delivery is not None}
        free = {
            each.delivery
            for each in stuck
            if not any(_blockers(queue, blocked, crews) for _, queue in each.full)
        }
        if not free:
            return blocked
        stuck = [each for each in stuck if each.delivery not in free]


def _blockers(queue: Queue, blocked: Blocked, crews: Mapping[str, Crew]) -> list[Waiter]:
    """Those because of whom a queue is shut; none if it is not."""
    crew = crews.get(queue.subscriber.name)
    if crew is None:  # nobody: what was in it has been discarded
        return []
    workers = [each for each in blocked.values() if each.crew is crew]
    if len(workers) >= crew.agent.concurrency:
        return workers
    if queue.keys is None or queue.pending or queue.retries:
        return []
    holders = [each for delivery, each in blocked.items() if delivery.queue is queue]
    held = {each.delivery.number for each in holders if each.delivery is not None}
    return holders if queue.keys.locks.keys() <= held else []


def _circle(blocked: Blocked, crews: Mapping[str, Crew]) -> list[str]:
    """Names of agents of which each waits for the next, and the last for the first."""
    path: list[str] = []
    waiter = list(blocked.values())[-1]
    while waiter.agent not in path:
        path.append(waiter.agent)
        waiter = next(
            found[0] for _, queue in waiter.full if (found := _blockers(queue, blocked, crews))
        )
    return path[path.index(waiter.agent) :]
