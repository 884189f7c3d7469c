"""A JSON Schema on one line, for people: "{topic: string, depth?: integer}"."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

NESTED = 2
"""Objects and arrays within each other that are written out."""


def shape(schema: Mapping[str, Any] | bool | None, nested: int = NESTED) -> str:
    """What values of a schema look like, as far as that can be said shortly."""
    if not isinstance(schema, Mapping):
        return "nothing" if schema is False else "anything"
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2] or "itself"
    if "const" in schema:
        return json.dumps(schema["const"], ensure_ascii=False)
    if "enum" in schema:
        return " | ".join(json.dumps(each, ensure_ascii=False) for each in schema["enum"])
    for word, between in (("anyOf", " | "), ("oneOf", " | "), ("allOf", " & ")):
        if word in schema:
            return between.join(dict.fromkeys(shape(each, nested) for each in schema[word]))
    kinds = schema.get("type", "object" if "properties" in schema else "anything")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return " | ".join(_of_type(kind, schema, nested) for kind in kinds)


def _of_type(kind: str, schema: Mapping[str, Any], nested: int) -> str:
    if kind == "array":
        return f"[{shape(schema.get('items'), nested - 1)}]" if nested else "[…]"
    if kind == "object":
        return _object(schema, nested)
    return kind


def _object(schema: Mapping[str, Any], nested: int) -> str:
    required = schema.get("required", ())
    properties = schema.get("properties", {})
    fields = [
        f"{name if name in required else f'{name}?'}: {shape(each, nested - 1)}"
        for name, each in (properties.items() if nested else ())
    ]
    more = schema.get("additionalProperties")
    if isinstance(more, Mapping) and nested:
        fields.append(f"*: {shape(more, nested - 1)}")
    if fields:
        return f"{{{', '.join(fields)}}}"
    return "{…}" if properties else "object"
