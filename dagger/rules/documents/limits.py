"""What a document may not exceed, looked at before it is parsed.

A parser is kept from doing more work than a document can be worth: text that nests deeper, or is
longer, is refused by a look at its characters alone. How deep and how much it really is, is
counted while it is parsed, and parsing then ends there.
"""

from __future__ import annotations

import re
from errno import EINVAL
from pathlib import Path

from dagger.rules.documents.escapes import one_escape_each
from dagger.rules.documents.tree import Place, Problem

MAX_BYTES = 4 * 1024 * 1024
"""Bytes of a document."""

MAX_DEPTH = 64
"""Lists and mappings within each other: as many as a payload may have."""

MAX_NODES = 250_000
"""Values, lists and mappings in a document, its keys included."""

MAX_BRACKETS = 500
"""Brackets open at once, those in texts and comments included; libyaml fails at 1,000."""

MAX_PROBLEMS = 1_000
"""Problems of one document that are told: the first, as many as these are found."""

NOT_TEXT = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u2028\u2029\ufeff]"
)
"""What YAML does not let stand in a text, and what some of its parsers take for a line's end."""

_BRACKETS = re.compile(r"[\[\]{}]")
_STEP = {"[": 1, "{": 1, "]": -1, "}": -1}


def content_of(path: Path) -> bytes:
    """What is in a file, or enough of it to see that it is too much. Raises OSError."""
    if path.exists() and not path.is_file():
        raise OSError(EINVAL, "it is no regular file", str(path))
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def text_of(content: bytes) -> str | Problem:
    """The text of a document, or why it may not be parsed."""
    if len(content) > MAX_BYTES:
        problem = f"the document has more than {MAX_BYTES:,} bytes"
        return Problem(Place(1, 1), problem)
    try:
        text = content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        return Problem(place_at(before, len(before)), "the document is not UTF-8 here")
    return unfit(text) or one_escape_each(text)


def unfit(text: str) -> Problem | None:
    """Why a text may not be parsed; None if it may."""
    if found := NOT_TEXT.search(text):
        what = f"the character U+{ord(found[0]):04X} may not stand here; write it as an escape"
        return Problem(place_at(text, found.start()), f'{what}, "\\u{ord(found[0]):04x}"')
    depth = 0
    for found in _BRACKETS.finditer(text):
        depth = max(0, depth + _STEP[found[0]])
        if depth > MAX_BRACKETS:
            problem = f"more than {MAX_BRACKETS} brackets are open here"
            return Problem(place_at(text, found.start()), problem)
    return None


def place_at(text: str, offset: int) -> Place:
    """The line and column of a character."""
    start = max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1
    return Place(text.count("\n", 0, offset) + 1, offset - start + 1)
