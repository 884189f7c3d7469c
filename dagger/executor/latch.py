"""What a parked handler waits for: an Event for one waiter, as light as the loop has it.

Very many handlers may wait at once. An Event of anyio's on asyncio keeps a queue for its
waiters, of 750 bytes, and two functions that wait; a future of the loop's takes 150.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel


class Latch:
    """Set once, and waited for by one task; on a loop that makes futures."""

    __slots__ = ("_future",)

    def __init__(self, future: Any) -> None:
        self._future = future

    def set(self) -> None:
        """Let who waits go on; setting it twice is no matter."""
        if not self._future.done():
            self._future.set_result(None)

    def wait(self) -> Awaitable[None]:
        """Return once it is set."""
        future: Awaitable[None] = self._future
        return anyio.lowlevel.checkpoint() if self._future.done() else future


def latches() -> Callable[[], Latch | anyio.Event]:
    """What makes latches on this loop: Events where it makes no futures."""
    make_future = getattr(anyio.lowlevel.current_token().native_token, "create_future", None)
    if make_future is None:
        return anyio.Event
    return lambda: Latch(make_future())
