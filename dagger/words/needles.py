"""Needles: texts, or bytes, that are looked for together, however many they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T", str, bytes)

WIDTH = 4
"""Characters, or bytes, that a needle has at least."""

FEW = 16
"""Needles that are quicker looked for one by one."""

_PLACES = 32
"""Of a needle, where the piece may be that it is found by."""

Gram = tuple[str | int, ...]


class Needles(Generic[T]):
    """Each is known by a piece of it that few others have: so the time to look through something
    grows with that, and not with the number of needles. Many begin alike: keys of one service do.
    """

    __slots__ = ("_all", "_grams")

    def __init__(self) -> None:
        self._all: dict[T, Gram] = {}
        self._grams: dict[Gram, set[T]] = {}

    def __bool__(self) -> bool:
        return bool(self._all)

    def add(self, needle: T) -> None:
        """Look for it, too: of at least WIDTH characters, or bytes, that is not there yet."""
        gram = min(_grams(needle[: _PLACES + WIDTH]), key=self._sharing)
        self._all[needle] = gram
        self._grams.setdefault(gram, set()).add(needle)

    def _sharing(self, gram: Gram) -> int:
        return len(self._grams.get(gram, ()))

    def remove(self, needle: T) -> None:
        """Look for it no more."""
        gram = self._all.pop(needle)
        self._grams[gram].discard(needle)
        if not self._grams[gram]:
            del self._grams[gram]

    def within(self, hay: T) -> list[T]:
        """Those that are somewhere in it."""
        if len(self._all) <= FEW:
            return [each for each in self._all if each in hay]
        near = self._grams.keys() & _grams(hay)
        return [each for gram in near for each in self._grams[gram] if each in hay]


def _grams(of: T) -> Iterable[Gram]:
    """All of its pieces."""
    return zip(*(of[place:] for place in range(WIDTH)), strict=False)
