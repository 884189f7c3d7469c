"""Moments as they are written down."""

from __future__ import annotations

from datetime import datetime

A_MOMENT = "a moment with its timezone, such as '2027-01-01T04:00:00Z'"
"""What a text has to be, in words."""


def moment(text: str) -> datetime | None:
    """The moment that a text in ISO 8601 says; None if it says none, or no timezone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if found.utcoffset() is None else found
