"""What a step gives, in texts for those outside who take nothing else: servers and programs.

What is said of a value that is no text never quotes it, for it may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A name as HTTP has it (a token of RFC 9110), and most variables."""


class Malformed(ValueError):
    """What is asked for cannot be done; the text says why, and quotes no value."""


def entries(what: str, given: Any) -> Iterable[tuple[str, Any]]:
    """The names and values of a mapping; of null, none. Raises Malformed."""
    if given is None:
        return ()
    if not isinstance(given, Mapping):
        raise Malformed(f"{what} must be a mapping, not {type(given).__name__}")
    return ((str(name), value) for name, value in given.items())


def named(name: str) -> str:
    """A name as an error may show it: one that no name looks like may be a value in its place."""
    return repr(name) if len(name) < 50 and NAME.fullmatch(name) else "(a strange name)"


def in_words(what: str, value: Any) -> str:
    """A text, number or boolean as text, the last as JSON writes it. Raises Malformed."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise Malformed(f"{what} must be a text or a number, not {type(value).__name__}")
    return str(value)


def encoded(what: str, text: str) -> bytes:
    """A text in UTF-8. Raises Malformed."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise Malformed(f"{what} holds half of a surrogate pair, which UTF-8 cannot say") from None
