"""Suspects: deliveries that the process has died with in hand, and may do so only once more.

Some of them were only there at the time. So they are begun one at a time: the one that
does it again dies alone, and who was only there goes on. The one that does it may have fewer
deaths than they: its first may be untold, for it was not on disk. So as soon as anybody is a
suspect, all are that the process has died with.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

import anyio

from dagger.executor import recovery

if TYPE_CHECKING:
    from dagger.executor.worker import Worker
    from dagger.state.queues import Delivery


class Suspects:
    """Who has a suspect in hand, and who waits to begin one."""

    def __init__(self) -> None:
        self._deaths = recovery.DEATHS - 1  # from so many on one is a suspect
        self._busy: Worker | None = None
        self._line: deque[anyio.Event] = deque()

    def look(self, deliveries: Iterable[Delivery]) -> None:
        """Look whether anybody is there of whom one more death would be the end."""
        if any(each.deaths >= self._deaths for each in deliveries):
            self._deaths = 1

    def include(self, delivery: Delivery) -> bool:
        """Whether it is begun while no other suspect is in hand."""
        return delivery.deaths >= self._deaths

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
