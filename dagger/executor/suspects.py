"""Suspects: deliveries that the process has died with in hand, and may do so only once more.

Some of them were only there at the time. So they are begun one at a time: the one that
does it again dies alone, and who was only there goes on.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import anyio

from dagger.executor import recovery

if TYPE_CHECKING:
    from dagger.executor.worker import Worker
    from dagger.state.queues import Delivery


class Suspects:
    """Who has a suspect in hand, and who waits to begin one."""

    @staticmethod
    def include(delivery: Delivery) -> bool:
        """Whether one more death under this delivery would be its end."""
        return delivery.deaths >= recovery.DEATHS - 1

    def __init__(self) -> None:
        self._busy: Worker | None = None
        self._line: deque[anyio.Event] = deque()

    async def turn(self, worker: Worker) -> None:
        """Return once no other worker has a suspect in hand; its slot is free meanwhile."""
        while self._busy is not None:
            event = anyio.Event()
            self._line.append(event)
            try:
                async with worker.parked():
                    await event.wait()
            except BaseException:
                if event in self._line:
                    self._line.remove(event)
                else:  # it was called, and is not coming
                    self._call()
                raise
        self._busy = worker

    def over(self, worker: Worker) -> None:
        """Said by a worker that is done with what it has in hand, or only waits."""
        if self._busy is worker:
            self._busy = None
            self._call()

    def _call(self) -> None:
        if self._busy is None and self._line:
            self._line.popleft().set()
