"""Names of things: unique where they start, derived where they follow."""

from __future__ import annotations

import os
import time

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32


def new_id() -> str:
    """A unique id of 20 characters that sorts by the time it was made.

    48 bits of milliseconds and 52 random bits in Crockford's base 32, in the
    manner of ULID (github.com/ulid/spec), cut to what one machine needs.
    """
    random = int.from_bytes(os.urandom(7), "big") >> 4
    return _base32(time.time_ns() // 1_000_000 << 52 | random)


def _base32(number: int) -> str:
    return "".join([_DIGITS[number >> shift & 31] for shift in range(95, -1, -5)])


def message_id(run_id: str, delivery: int, place: int) -> str:
    """The id of the `place`-th message that invocation `delivery` of a run publishes.

    Derived and not drawn, so that a re-execution publishes under the same id.
    Invocation 0 is the outside world.
    """
    return f"{run_id}.{delivery}.{place}"


REQUESTS = 1 << 24
"""Places from here on are requests: published at once, beside what is held back."""


def node_id(agent: str, run_id: str, delivery: int) -> str:
    """The id of an invocation: `<agent>:<run>.<delivery number>`."""
    return f"{agent}:{run_id}.{delivery}"
