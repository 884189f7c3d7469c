"""Names of things: unique where they start, derived where they follow."""

from __future__ import annotations

import os
import random
import time

_random = random.Random()
os.register_at_fork(after_in_child=_random.seed)  # a forked child draws other ids


def new_id() -> str:
    """A unique id of 24 hexadecimal digits that sorts by the time it was made.

    48 bits of milliseconds, then 48 random bits, in the manner of UUID version 7
    (RFC 9562), cut to what one store needs.
    """
    number = time.time_ns() // 1_000_000 << 48 | _random.getrandbits(48)
    return number.to_bytes(12, "big").hex()


def message_id(run_id: str, delivery: int, place: int) -> str:
    """The id of the `place`-th message that invocation `delivery` of a run publishes.

    Derived and not drawn, so that a re-execution publishes under the same id.
    Invocation 0 is the outside world.
    """
    return f"{run_id}.{delivery}.{place}"


REQUESTS = 1 << 24
"""Places from here on are requests: published at once, beside what is held back."""

STREAMED = 1 << 28
"""Places from here on are items of a stream."""


def node_id(agent: str, run_id: str, delivery: int) -> str:
    """The id of an invocation: `<agent>:<run>.<delivery number>`."""
    return f"{agent}:{run_id}.{delivery}"
