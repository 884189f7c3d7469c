"""A seat: what a worker with a delivery in hand has of its crew's slots.

While its handler waits it gives the slot up, and its timeout stands still.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import anyio

from dagger.executor.crew import Slot

if TYPE_CHECKING:
    from dagger.executor.worker import Worker


class Seat:
    """One worker's seat; its handler may wait in several tasks at once."""

    __slots__ = ("_left", "_waits", "_worker", "slot")

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.slot = Slot.HELD
        self._waits = 0  # waits within the handler that go on now
        self._left = math.inf  # of the attempt's timeout, while it stands still

    async def wait(self, event: anyio.Event) -> None:
        """Return once the event is set, with a slot again if nothing else waits."""
        self._waits += 1
        if self.slot is Slot.HELD:
            self._leave()
        try:
            await event.wait()
        finally:
            self._waits -= 1
            if self._waits == 0 and self.slot is Slot.PARKED and not self._worker.lost:
                await self._return()

    def _leave(self) -> None:
        scope = self._worker.scope
        if scope.deadline != math.inf:
            self._left = scope.deadline - anyio.current_time()
            scope.deadline = math.inf
        self.slot = Slot.PARKED
        if self._worker.ticket is not None:
            self._worker.engine.policing.pause(self._worker)
        self._worker.crew.park()

    async def _return(self) -> None:
        self.slot = Slot.RETURNING
        try:
            await self._worker.crew.unpark()
            if self._worker.ticket is not None:
                await self._worker.engine.policing.come_back(self._worker)
        finally:
            self.slot = Slot.HELD
            if self._worker.lost:  # given up meanwhile: it has no use for a slot
                self._worker.crew.give_back()
        if self._left != math.inf:
            self._worker.scope.deadline = anyio.current_time() + self._left
            self._left = math.inf
