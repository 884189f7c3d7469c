"""The name that was probably meant by one that nobody knows."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

MOST_KNOWN, MOST_ALIKE = 5_000, 200
"""Names that a wrong one is compared with: those of about its length among the first ones."""


def meant(name: str, known: Iterable[str]) -> str:
    """A question to put behind a sentence about a wrong name, where one is nearly the same."""
    near = nearest(name, known)
    return f"; did you mean {near!r}?" if near else ""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is nearly the same as another one; None if none is."""
    length = len(name)
    first = islice(known, MOST_KNOWN)
    alike = (each for each in first if abs(len(each) - length) <= 3 and each != name)
    near = get_close_matches(name, sorted(islice(alike, MOST_ALIKE)), n=1, cutoff=0.6)
    return near[0] if near else None
