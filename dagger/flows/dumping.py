"""A flow as the YAML that says it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dagger.flows.flow import Flow
from dagger.flows.reading import data_of
from dagger.flows.scalars import is_text
from dagger.rules.violation import shown
from dagger.words.errors import DefinitionError
from dagger.words.payload import plain

ON_A_LINE = 80
"""Characters of a list or mapping that stands on one line, if nothing in it has parts."""

_LINES = re.compile(r"[\x21-\x7e\xa1-\u2027][\n\x20-\x7e\xa0-\u2027]*\n")
"""A text that is shown line by line: it starts with no space, and ends with its last line."""


def dump(flow: Flow) -> str:
    """The document of a flow: parsing it gives the same flow, if its sub-flows are there.

    Raises SerializationError for a value in it that is not JSON.
    """
    import yaml

    data = plain(data_of(flow), f"flow {flow.name!r}")
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


def save(flow: Flow, path: str | Path) -> Path:
    """Write the document of a flow, and those of the flows that it uses next to or below it.

    Raises SerializationError, DefinitionError where one of them would not be there, and OSError.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dump(flow), "utf-8")
    for uses, each in flow.subflows.items():
        if not uses.startswith("./") or ".." in uses.split("/"):
            problem = f"the sub-flow {shown(uses)} is no file below, such as ./other.yml"
            raise DefinitionError(problem, f"flow {flow.name!r}")
        save(each, path.parent / uses)
    return path


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
    style = None if is_text(value) and value != "<<" else '"'
    if _LINES.fullmatch(value):
        style = "|"
    return yaml.ScalarEvent(None, None, (style is None, True), value, style=style)


def _on_a_line(value: Any) -> bool:
    parts = value.values() if isinstance(value, Mapping) else value
    if any(isinstance(each, (Mapping, list)) for each in parts):
        return not value
    return len(str(value)) <= ON_A_LINE and "\n" not in str(value).replace("\\n", "\n")
