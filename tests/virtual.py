"""Programs on virtual time: hours pass in a moment, and tests wait for none of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import trio.testing

START = 1_700_000_000.0
"""Epoch seconds at which the clocks of tests begin."""


def on_virtual_time(main: Callable[[], Awaitable[Any]]) -> Any:
    """What `main` returns, on trio's clock that jumps to where something happens."""
    clock = trio.testing.MockClock(autojump_threshold=0)
    return anyio.run(main, backend="trio", backend_options={"clock": clock})
