"""Values in their order, of which one more costs no copy of those before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar, overload

T = TypeVar("T")
Value = TypeVar("Value", covariant=True)


class Growing(Sequence[Value]):
    """As a tuple, and equal to one that has the same values: nobody changes it.

    `then` gives another one. They share what they have in common, as long as one grows out of
    the other, so that a hundred thousand values can come one by one; who lets two grow out of
    one has a copy made.
    """

    __slots__ = ("_count", "_shared")

    def __init__(self, values: Iterable[Value] = ()) -> None:
        self._shared: list[Value] = [*values]
        self._count = len(self._shared)

    def then(self: Growing[T], value: T) -> Growing[T]:
        """The same, and behind it this value."""
        shared, at = self._shared, self._count
        if len(shared) == at:
            shared.append(value)
        if shared[at] is not value:  # another one has grown here; in a thread, a moment ago
            shared = [*self, value]
        grown: Growing[T] = Growing()
        grown._shared, grown._count = shared, at + 1
        return grown

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, at: int) -> Value: ...

    @overload
    def __getitem__(self, at: slice) -> tuple[Value, ...]: ...

    def __getitem__(self, at: int | slice) -> Value | tuple[Value, ...]:
        places = range(self._count)[at]  # an IndexError, or what it means to count from the end
        if isinstance(places, range):
            return tuple(self._shared[place] for place in places)
        return self._shared[places]

    def __iter__(self) -> Iterator[Value]:
        return islice(self._shared, self._count)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, tuple | Growing) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return Growing, (tuple(self),)
