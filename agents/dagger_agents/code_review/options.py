"""What a review asks for: from when on something is too much, and what is to stay."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """The thresholds of a review: what is at one is still good. And what is known of others."""

    max_lines: int = 50
    """Lines of a function, without its docstring."""
    max_nesting: int = 3
    """Blocks within each other in a function: `if`, `for`, `while`, `with`, `try`, `match`."""
    max_parameters: int = 6
    """Parameters of a function that are not `self`, `cls`, `*args` or `**kwargs`."""
    max_cyclomatic: int = 10
    """Ways through a function, as McCabe counts them."""
    max_cognitive: int = 15
    """How hard a function is to follow, as Sonar's white paper counts it."""
    plain_numbers: tuple[float, ...] = (0, 1, 2, 10, 100)
    """Numbers that need no name."""
    taken: frozenset[str] = frozenset()
    """What others are known to take from the file, "*" for all: imports of these stay."""


DEFAULTS = Options()
"""The thresholds where nothing else is said."""
