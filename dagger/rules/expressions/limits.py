"""How much an expression may be, do and make.

There is no clock in this room, so that work is counted and not timed: the same expression
over the same values is refused always or never.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dagger.rules.expressions.refusal import Refused

MAX_SOURCE = 4_000
"""Characters of one expression."""

MAX_DEPTH = 64
"""Brackets, operators and keys within one another, in one expression."""

MAX_LOOPS = 10_000
"""Turns of all loops, each time that an expression is worked out."""

MAX_WORK = 500_000
"""Steps of working out an expression once: one for each part of it that is looked at, and one
for each item, or for each hundred characters, that a function or an operator goes through."""

MAX_TEXT = 1_000_000
"""Characters of a text that is made."""

MAX_VALUES = 1_000_000
"""Values, at any depth, in a list that is made."""

MAX_NESTED = 200
"""Lists and mappings within one another, in a value that is made a text of, or of a text. A
message has fewer."""

MAX_CHARACTERS = 10_000_000
"""Characters of all texts, at any depth, in a list that is made."""

INTEGERS = (-(2**63), 2**64 - 1)
"""The least and the greatest integer that a message can carry."""


class Work:
    """What may still be done while an expression is worked out."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MAX_WORK

    def spend(self, steps: int) -> None:
        """Raises Refused if that is more than what is left."""
        self.left -= steps
        if self.left < 0:
            raise Refused(f"this takes more than {MAX_WORK:,} steps; do it in code instead")


def text(made: str) -> str:
    """A text that was made, or Refused if it is too long."""
    fits(len(made))
    return made


def fits(characters: int) -> None:
    """Raises Refused if a text of so many characters may not be made."""
    if characters > MAX_TEXT:
        raise Refused(f"this makes a text of more than {MAX_TEXT:,} characters; do it in code")


def flat(value: Any) -> None:
    """Raises Refused if a value is nested too deeply to be made a text of, or if that would be too
    long; by counting, so that Python's stack does not decide.
    """
    ahead = [iter((value,))]
    values = 0
    while ahead:
        for each in ahead[-1]:
            values += 1
            if type(each) in _LEAVES:  # nearly always
                continue
            if isinstance(each, list | tuple):
                ahead.append(iter(each))
                break
            if isinstance(each, Mapping):
                ahead.append(iter(each.values()))
                break
        else:
            ahead.pop()
        if len(ahead) - 1 > MAX_NESTED:
            raise Refused(_TOO_DEEP)
        if values > MAX_TEXT:  # each is a character at least
            fits(values)


def flat_text(text: str) -> None:
    """The same for a value that a text of JSON is of."""
    if text.count("[") + text.count("{") <= MAX_NESTED:
        return
    depth = 0
    for found in _BRACKETS.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        if depth > MAX_NESTED:
            raise Refused(_TOO_DEEP)


_LEAVES = frozenset({str, int, float, bool, type(None)})

_TOO_DEEP = f"more than {MAX_NESTED} lists and mappings within one another; do it in code"

_BRACKETS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[][{}]', re.DOTALL)
"""The brackets of JSON, and the texts, in which they are none."""


def size(made: Any) -> None:
    """Raises Refused if a value that was made holds too much, counting what it holds twice
    as two.
    """
    values = characters = 0
    waiting = [made]
    while waiting:
        each = waiting.pop()
        values += 1
        if isinstance(each, str):
            characters += len(each)
        elif isinstance(each, list | tuple):
            waiting += each
        elif isinstance(each, Mapping):
            waiting += each.values()
        if values + len(waiting) > MAX_VALUES or characters > MAX_CHARACTERS:
            raise Refused(
                f"this makes more than {MAX_VALUES:,} values or {MAX_CHARACTERS:,} characters; "
                "do it in code instead"
            )
