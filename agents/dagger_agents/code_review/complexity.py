"""How complex functions are: cyclomatic, by ruff, and cognitive, by complexipy."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from complexipy import code_complexity

from dagger_agents.code_review.functions import Function
from dagger_agents.code_review.ruff import diagnostics


class Complexity(NamedTuple):
    """What is said of one function."""

    cyclomatic: int
    """Ways through it, with those of the functions within it (McCabe, 1976)."""
    cognitive: int
    """How hard it is to follow, nesting counted more than once (Campbell, 2018)."""


def complexities(text: str, functions: Sequence[Function]) -> tuple[Complexity, ...]:
    """The complexity of each of the functions of a text."""
    cyclomatic = _cyclomatic(text)
    cognitive = _cognitive(text)
    return tuple(
        Complexity(
            cyclomatic.get(each.line, 1),
            cognitive[each.first_line] if each.first_line in cognitive else _alone(each),
        )
        for each in functions
    )


_NUMBER = re.compile(r"\((\d+) > 0\)")


def _cyclomatic(text: str) -> dict[int, int]:
    """By the line of `def`. Ruff tells the number where it is above what is allowed."""
    allowed = "--config=lint.mccabe.max-complexity=0"
    found = diagnostics(text, "source.py", ("C901",), (), "--ignore-noqa", allowed)
    numbers = ((each.line, _NUMBER.search(each.message)) for each in found)
    return {line: int(number[1]) for line, number in numbers if number}


def _cognitive(text: str) -> dict[int, int]:
    """By the first line; a function within another one counts for that one only."""
    found = code_complexity(text, no_ignore=True, with_plans=False)
    return {each.line_start: each.complexity for each in found.functions}


def _alone(function: Function) -> int:
    """The cognitive complexity of a function by itself, which is indented as it stands."""
    found = _cognitive(f"class _:\n{function.source}")
    return next(iter(found.values()), 0)
