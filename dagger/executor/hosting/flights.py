"""Requests of one invocation that are out, and those whose replies have come."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import anyio.lowlevel

from dagger.executor.hosting.keeping import Keeping

if TYPE_CHECKING:
    from dagger.authoring.invocation import Invocation
    from dagger.executor.latch import Latch
    from dagger.executor.timers import Timer
    from dagger.state.queues import Answer

TURN = 50
"""Answers that are heard of before the others have the loop."""

Place = tuple[str, str]
"""The name and the key that an answer is kept under."""


class Flight:
    """One answer that is waited for."""

    __slots__ = ("_stop", "timer")

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self.timer: Timer | None = None

    def end(self) -> None:
        """It is waited for no more."""
        self._stop()
        if self.timer is not None:
            self.timer.cancel()


class Flights:
    """What an invocation waits for, and hears of in the order in which it came.

    That order is kept with the answers: who goes on after a restart hears again what was there
    already in the order of then, and of the rest as it comes.
    """

    def __init__(
        self, invocation: Invocation, keeping: Keeping, latch: Callable[[], Latch | anyio.Event]
    ) -> None:
        self.out: dict[str, Flight] = {}  # requests, by key
        self.landed: deque[Place] = deque()
        self._invocation = invocation
        self._keeping = keeping
        self._new_latch = latch
        self._latch = latch()
        self._heard = 0
        kept = invocation.delivery.kept or {}
        self._ranks = {place: rank for rank, place in enumerate(kept)}  # of what was there
        self._known: list[tuple[int, Place]] = []  # of that what has been asked for: a heap

    def begin(self, key: str) -> Flight:
        """A request goes out now, or went out before."""
        flight = self.out[key] = self.listen("request", key)
        return flight

    def listen(self, name: str, key: str) -> Flight:
        """Hear of an answer of that name and key."""
        place = name, key
        rank = self._ranks.get(place)
        if rank is not None:
            heapq.heappush(self._known, (rank, place))
            return Flight(_nothing)
        return Flight(self._keeping.listen(self._invocation, name, key, partial(self._land, place)))

    async def next(self) -> tuple[Place, Answer]:
        """The next answer that has come; a request that it is for is out no more."""
        self._heard += 1
        if self._heard % TURN == 0:
            await anyio.lowlevel.checkpoint()
        while not self._known and not self.landed:
            self._latch = self._new_latch()
            self._keeping.awaits(self._invocation)
            async with self._invocation.worker.parked():
                await self._latch.wait()
        place = heapq.heappop(self._known)[1] if self._known else self.landed.popleft()
        if place[0] == "request":
            self.out.pop(place[1]).end()
        kept = self._keeping.get(self._invocation, *place)
        assert kept is not None
        return place, kept

    def take(self, place: Place) -> Answer | None:
        """The answer of a place, before its turn, if it has come and was not heard of."""
        if place in self.landed:
            self.landed.remove(place)
        elif (known := (self._ranks.get(place, -1), place)) in self._known:
            self._known.remove(known)
            heapq.heapify(self._known)
        else:
            return None
        return self._keeping.get(self._invocation, *place)

    def end(self) -> None:
        """What is still out is waited for no more."""
        self._invocation.delivery.awaits = False
        for flight in self.out.values():
            flight.end()

    def _land(self, place: Place) -> None:
        self.landed.append(place)
        self._invocation.delivery.awaits = False
        self._latch.set()


def _nothing() -> None:
    """There is nobody to stop."""
