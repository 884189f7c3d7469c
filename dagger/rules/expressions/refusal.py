"""How one part of this room tells another that it will not.

First there is a sentence, then a place, and whoever knows the text makes an ExpressionError.
The sentence names kinds, keys and limits, and never a value: values may be secrets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from itertools import islice

SHOWN = 8
"""Names that a sentence lists."""

LOOKED_THROUGH = 1_000
"""Names among which the nearest is looked for."""

LONGEST = 100
"""Characters of a name that a sentence tells; a key of data may have any number."""


class Refused(Exception):
    """Something is not done; `problem` says what, and what to do instead.

    It may be given as a call: default() takes what is missing by the thousand, and nobody
    asks then which name is nearest.
    """

    def __init__(self, problem: str | Callable[[], str]) -> None:
        super().__init__(problem)
        self._problem = problem

    @property
    def problem(self) -> str:
        """The sentence."""
        return self._problem if isinstance(self._problem, str) else self._problem()


class Missing(Refused):
    """A path leads to nothing, which is what default() is there for."""


class Stopped(Refused):
    """Working out stopped, at a column of what Python's parser was given."""

    def __init__(self, problem: str | Callable[[], str], column: int) -> None:
        super().__init__(problem)
        self.column = column


class Gone(Stopped, Missing):
    """It stopped at a path that leads to nothing."""


def nearest(name: str, known: Iterable[object]) -> str:
    """A sentence about names there are: the one nearest to `name`, or else some of them."""
    short = (each for each in known if isinstance(each, str) and len(each) <= LONGEST)
    names = list(islice(short, LOOKED_THROUGH))
    if close := get_close_matches(name[:LONGEST], names, n=1):
        return f"did you mean {close[0]!r}?"
    if not names:
        return "there are none"
    more = ", ..." if len(names) > SHOWN else ""
    return f"there are {', '.join(map(repr, names[:SHOWN]))}{more}"
