"""Plain data as YAML that is read as it was, and that people like to read.

A text that would mean something else if it were plain is quoted, one of several lines stands as
it is; small lists and mappings stand on one line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from dagger.rules.documents.limits import NOT_TEXT
from dagger.rules.documents.scalars import is_text

ON_A_LINE = 80
"""Characters of a list or mapping that stands on one line, if nothing in it has parts."""

_LINES = re.compile(r"[\x21-\x7e\xa1-\u2027][\n\x20-\x7e\xa0-\u2027]*\n")
"""A text that is shown line by line: it starts with no space, and ends with its last line."""


def written(data: Any) -> str:
    """The YAML of plain JSON data."""
    import yaml

    events = [
        yaml.StreamStartEvent(),
        yaml.DocumentStartEvent(explicit=False),
        *_events(yaml, data),
        yaml.DocumentEndEvent(explicit=False),
        yaml.StreamEndEvent(),
    ]
    dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.emit(events, Dumper=dumper, allow_unicode=True, width=1_000_000)
    return text


def _events(yaml: Any, value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        yield yaml.MappingStartEvent(None, None, True, flow_style=_on_a_line(value))
        for key, each in value.items():
            yield _scalar(yaml, key)
            yield from _events(yaml, each)
        yield yaml.MappingEndEvent()
    elif isinstance(value, list):
        yield yaml.SequenceStartEvent(None, None, True, flow_style=_on_a_line(value))
        for each in value:
            yield from _events(yaml, each)
        yield yaml.SequenceEndEvent()
    else:
        yield _scalar(yaml, value)


def _scalar(yaml: Any, value: Any) -> Any:
    """A scalar: plain where it then means itself, and texts of several lines as they are."""
    if not isinstance(value, str):
        written = "null" if value is None else repr(value).lower()
        return yaml.ScalarEvent(None, None, (True, False), written)
    is_plain = is_text(value) and value != "<<" and not NOT_TEXT.search(value)
    style = None if is_plain else '"'
    if _LINES.fullmatch(value):
        style = "|"
    return yaml.ScalarEvent(None, None, (style is None, True), value, style=style)


def _on_a_line(value: Any) -> bool:
    parts = value.values() if isinstance(value, Mapping) else value
    if any(isinstance(each, (Mapping, list)) for each in parts):
        return not value
    return len(str(value)) <= ON_A_LINE and "\n" not in str(value).replace("\\n", "\n")
