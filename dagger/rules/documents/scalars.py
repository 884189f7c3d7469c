"""What a plain scalar means, by the core schema of YAML 1.2 (section 10.3.2 of its specification).

So `no`, `on`, `1_000`, `0777`-with-an-o-forgotten and `2026-01-01` are not what YAML 1.1 made of
them: no, on, 1_000 and the date are texts, 0777 is 777, and octal is 0o777.
"""

from __future__ import annotations

import re
from math import isfinite
from typing import Any

_WORDS: dict[str, Any] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}

_DECIMAL = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_MAYBE_NUMBER = frozenset("+-.0123456789")

LONGEST_NUMBER = 400
"""Characters of a number; the longest double has fewer digits."""


class NoValue(ValueError):
    """A plain scalar that is a number in YAML, but none in JSON."""


def value_of(text: str) -> Any:
    """The value of a plain scalar. Raises NoValue."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _MAYBE_NUMBER:
        return text
    if _DECIMAL.fullmatch(text) and len(text) <= LONGEST_NUMBER:
        return _whole(text, 10)
    if _OTHER_BASE.fullmatch(text) and len(text) <= LONGEST_NUMBER:
        return _whole(text, 0)
    if _FLOAT.fullmatch(text):
        number = float(text) if len(text) <= LONGEST_NUMBER else float("inf")
        if isfinite(number):
            return number
    elif not _NO_NUMBER.fullmatch(text):
        return text
    raise NoValue(
        f"the number {_short(text)} cannot be written in JSON; quote it to make it a text"
    )


def is_text(text: str) -> bool:
    """Whether a plain scalar is a text, and means itself."""
    try:
        return type(value_of(text)) is str
    except NoValue:
        return False


def _whole(text: str, base: int) -> int:
    number = int(text, base)
    if -(2**63) <= number < 2**64:
        return number
    raise NoValue(f"the number {_short(text)} does not fit in 64 bits; quote it to make it a text")


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}..."
