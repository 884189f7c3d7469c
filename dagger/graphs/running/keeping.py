"""When a coordinator keeps its machine, and no longer the replies that it has heard."""

from __future__ import annotations

from dagger.graphs.machine import Machine

REPLIES = 500
"""Replies after which it does so at the earliest, if no time is set."""

BYTES = 2_000
"""Bytes of state that one more reply is waited for: so much is written for a reply on average."""


class Keeping:
    """Counts the replies of one run, and the time; `every` is in seconds, None for never."""

    def __init__(self, every: float | None) -> None:
        self._every = every
        self._replies = 0
        self._enough = REPLIES
        self._since: float | None = None

    def is_due(self, machine: Machine) -> bool:
        """One more reply has come: whether the machine is to be kept now.

        One that has ended is not: nobody could go on from it.
        """
        if machine.status.ended:
            return False
        if self._since is None:
            self._since = machine.now
        self._replies += 1
        if self._every is not None and machine.now - self._since >= self._every:
            return self._kept(machine)
        if self._replies < self._enough:
            return False
        self._enough = max(REPLIES, _size(machine) // BYTES)
        return self._replies >= self._enough and self._kept(machine)

    def _kept(self, machine: Machine) -> bool:
        self._replies, self._since = 0, machine.now
        return True


def _size(machine: Machine) -> int:
    """Bytes of the state."""
    return sum(len(blob) for blob in machine.view.own.values() if blob is not None)
