"""Reducers: how an update of a key becomes its value, and how branches are merged.

A key without one is set. Where several branches have set it to different values, their join is
an error; with one, each update of each branch is applied to what was there at the split, in the
order in which the branches were named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dagger.words.errors import DefinitionError

Reduce = Callable[[Any, Any], Any]
"""The value that was there (None where there was none) and an update to the value then."""

BUILT_IN = ("last", "append", "add")


def last(value: Any, update: Any) -> Any:
    """The update: of several branches, that of the one named last."""
    return update


def append(value: Any, update: Any) -> list[Any]:
    """A list with the items of the update behind it, or the update itself where it is no list."""
    items = update if isinstance(update, list) else [update]
    if value is not None and not isinstance(value, list):
        raise TypeError(f"'append' is for lists, and what was there is {value!r}")
    return [*(value or ()), *items]


def add(value: Any, update: Any) -> Any:
    """The sum; of texts and lists one behind the other."""
    return update if value is None else value + update


_KNOWN: Mapping[str, Reduce] = {"last": last, "append": append, "add": add}


def reducer(name: str, functions: Mapping[str, Callable[..., Any]]) -> Reduce:
    """The reducer of a name: one of ours, or a function. Raises DefinitionError."""
    found = _KNOWN.get(name) or functions.get(name)
    if found is None:
        known = ", ".join([*BUILT_IN, *functions])
        raise DefinitionError(f"no reducer {name!r}; known: {known}")
    return found


def name_of(made: Reduce) -> str | None:
    """The name of one of ours; None for others."""
    return next((name for name, each in _KNOWN.items() if each is made), None)
