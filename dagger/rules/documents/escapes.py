"""What JSON writes otherwise than YAML: a character beyond U+FFFF, as two escapes.

All else that is JSON is YAML, and means the same there.
"""

from __future__ import annotations

import json
import re

_PAIR = re.compile(
    r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})"
)


def one_escape_each(text: str) -> str:
    """The text with such pairs as YAML writes them, if it is JSON; any other as it is.

    Behind one of them, columns on the same line are two less than they were for each.
    """
    if not text.lstrip().startswith("{") or not _PAIR.search(text):
        return text
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text
    return _PAIR.sub(_one, text)


def _one(pair: re.Match[str]) -> str:
    high, low = int(pair[2], 16) - 0xD800, int(pair[3], 16) - 0xDC00
    return f"{pair[1]}\\U{0x10000 + (high << 10) + low:08x}"
