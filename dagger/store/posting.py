"""From a thread to the loop, without waiting for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio.lowlevel


def poster(call: Callable[[], None]) -> Callable[[], None]:
    """A function for any thread: it has `call` called on this loop soon, and does not wait.

    anyio's own way from a thread waits until the call has returned, so that a busy loop
    would keep a writer from its disk.
    """
    loop: Any = anyio.lowlevel.current_token().native_token
    post = getattr(loop, "call_soon_threadsafe", None) or loop.run_sync_soon

    def posted() -> None:
        with suppress(RuntimeError):  # the loop has ended: nobody waits for this any more
            post(call)

    return posted
