"""Upcasting: messages that fitted an earlier version of a schema, made into what it says now."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from dagger.rules.schema import Schema
from dagger.rules.violation import Violation, violation_at
from dagger.words.errors import DefinitionError
from dagger.words.payload import plain

Steps = Mapping[int, Callable[[Any], Any]]
"""By version, oldest first, with no gap: a function from a payload of that version to one of
the next."""


class UpcastError(Exception):
    """A message cannot be made into one of the wanted version."""

    def __init__(self, violation: Violation) -> None:
        self.violation = violation
        super().__init__(violation.problem)


def check_steps(declared: Any, wanted: Schema | None, where: str) -> Steps | None:
    """What `upcast=` says, sorted; None if nothing. Raises DefinitionError.

    `wanted` is the input schema, whose version the last step leads to.
    """
    if not declared:
        return None
    if not isinstance(declared, Mapping):
        raise DefinitionError(f"upcast= maps versions to functions, not {declared!r}", where)
    version = wanted.version if wanted is not None else 0
    if not version:
        problem = 'upcast= needs an input schema with a "version", which is where it leads to'
        raise DefinitionError(problem, where)
    for start, step in declared.items():
        if type(start) is not int or not 0 <= start < version:
            problem = f"upcast= begins at versions from 0 to {version - 1}, not at {start!r}"
            raise DefinitionError(problem, where)
        if not callable(step) or inspect.iscoroutinefunction(step):
            problem = f"upcast={{{start}: ...}} takes a plain function, not {step!r}"
            raise DefinitionError(problem, where)
    for start in range(min(declared), version):
        if start not in declared:
            problem = f"upcast= leads to version {version}, and has no step from version {start}"
            raise DefinitionError(problem, where)
    return dict(sorted(declared.items()))


def upcasted(steps: Steps, version: int, data: Any) -> Any:
    """A payload of `version` as one that the last step leads to: plain data, perhaps the same.

    Version 0 is that of messages which no schema with a version was checked for: where
    there is no step for it they stay as they are. Raises UpcastError.
    """
    oldest = next(iter(steps))
    if not version and oldest:
        return data
    if version < oldest:
        problem = f"there is no upcast from version {version}; the oldest is from {oldest}"
        raise UpcastError(violation_at((), "upcast", problem, data))
    for start in range(version, oldest + len(steps)):
        try:
            data = plain(steps[start](data), f"upcast from version {start}")
        except Exception as error:
            problem = f"the upcast from version {start} raised {type(error).__name__}"
            raise UpcastError(violation_at((), "upcast", problem, data)) from error
    return data
