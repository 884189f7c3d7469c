"""What is found by its name: step functions, tools."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, Protocol, TypeVar
from weakref import WeakValueDictionary

from dagger.words.errors import DefinitionError


class Placed(Protocol):
    """Something with a name, and a place where it was defined."""

    @property
    def name(self) -> str: ...

    @property
    def where(self) -> str:
        """Where it was defined, as "function (file:line)"."""


T = TypeVar("T", bound=Placed)


class ByName(Generic[T]):
    """Things by name, held weakly: one that its module has let go of is not found.

    Files that do not know each other may use one name: each of their things works, only
    finding one by that name is refused. `noun` is what they are called, and `decorator` what
    makes them.
    """

    def __init__(self, noun: str, decorator: str) -> None:
        self._noun = noun
        self._decorator = decorator
        # name -> function and file -> thing
        self._known: dict[str, WeakValueDictionary[str, Any]] = {}

    def add(self, made: T) -> None:
        """Make something findable. The same definition, run again, replaces itself.

        Raises DefinitionError if another one of the same file has the name.
        """
        homes = self._known.setdefault(made.name, WeakValueDictionary())
        for home, known in homes.items():
            if _file(known) == _file(made) and home != _home(made):
                problem = f"a {self._noun} named {made.name!r} exists already, from {known.where}"
                hint = f"rename one with {self._decorator}(name=...)"
                raise DefinitionError(f"{problem}; {hint}", made.where)
        homes[_home(made)] = made

    def get(self, name: str) -> T | None:
        """What has that name; None if nothing has.

        Raises DefinitionError if things of several files have it.
        """
        found: list[T] = [*self._known[name].values()] if name in self._known else []
        if len(found) > 1:
            problem = f"{self._noun}s of several files are named {name!r}"
            raise DefinitionError(f"{problem}, another one in {found[0].where}", found[1].where)
        return found[0] if found else None

    def clear(self) -> None:
        """Forget all."""
        self._known.clear()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(name for name, homes in self._known.items() if homes))


def _home(made: Placed) -> str:
    """Function and file: what is defined there anew is the same function."""
    return made.where.rpartition(":")[0]


def _file(made: Placed) -> str:
    return _home(made).rpartition(" (")[2]
