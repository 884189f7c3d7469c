"""One schema of an object from the schemas of its properties.

A schema that pydantic derives has its definitions at its own top, where its references look for
them. As that of a property it is not at the top any more: so the definitions move up.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from dagger.rules.validators import Source

_DEFS = "$defs"


def object_of(
    properties: Mapping[str, Source], required: Collection[str], open_: bool = False
) -> dict[str, Any]:
    """The schema of an object with these properties; `open_` allows others as well.

    Definitions that have one name and are not the same are told apart by their property's.
    """
    definitions: dict[str, Any] = {}
    bundled = {name: _lifted(name, each, definitions) for name, each in properties.items()}
    made: dict[str, Any] = {"type": "object", "properties": bundled, "required": [*required]}
    if not open_:
        made["additionalProperties"] = False
    return {**made, _DEFS: definitions} if definitions else made


def _lifted(name: str, source: Source, definitions: dict[str, Any]) -> dict[str, Any]:
    """A property's schema without its definitions, which are put with the others."""
    if isinstance(source, bool):
        return {} if source else {"not": {}}
    own = source.get(_DEFS, {})
    other = any(definitions.get(key, each) != each for key, each in own.items())
    renamed = {key: f"{name}.{key}" if other else key for key in own}
    moved = {f"#/{_DEFS}/{key}": f"#/{_DEFS}/{to}" for key, to in renamed.items()}
    definitions.update({renamed[key]: _referring(each, moved) for key, each in own.items()})
    rest = {key: each for key, each in source.items() if key != _DEFS}
    lifted: dict[str, Any] = _referring(rest, moved)
    return lifted


def _referring(value: Any, moved: Mapping[str, str]) -> Any:
    """A part of a schema whose references follow what was moved."""
    if isinstance(value, dict):
        return {key: _referring(each, moved) for key, each in value.items()}
    if isinstance(value, list):
        return [_referring(each, moved) for each in value]
    return moved.get(value, value) if isinstance(value, str) else value
