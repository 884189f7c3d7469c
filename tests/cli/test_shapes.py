"""Schemas on one line: as much as helps, and never a failure."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger.cli.shapes import shape
from dagger.rules.derive import derive

OBJECT = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (None, "anything"),
        (True, "anything"),
        ({}, "anything"),
        (False, "nothing"),
        ({"type": "integer"}, "integer"),
        ({"type": ["string", "null"]}, "string | null"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string | null"),
        ({"oneOf": [{"type": "string"}, {"type": "string", "maxLength": 3}]}, "string"),
        ({"allOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}]}, "A & B"),
        ({"enum": ["a", 1, None]}, '"a" | 1 | null'),
        ({"const": "ü"}, '"ü"'),
        ({"$ref": "#"}, "#"),
        ({"type": "array"}, "[anything]"),
        ({"type": "array", "items": {"type": "number"}}, "[number]"),
        ({"type": "object"}, "object"),
        (OBJECT, "{a: string}"),
        ({"properties": {"a": {}}}, "{a?: anything}"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, "{*: integer}"),
        ({"type": "array", "items": OBJECT}, "[{a: string}]"),
        ({"type": "array", "items": {"type": "array", "items": OBJECT}}, "[[{…}]]"),
    ],
)
def test_a_shape_is_short(schema: Any, said: str) -> None:
    """Types, names of fields, which may be missing, and names of what is defined elsewhere."""
    assert shape(schema) == said


def test_what_annotations_say_is_said() -> None:
    """The schema of an annotation reads much like the annotation."""
    assert shape(derive(dict[str, list[int]], "here").schema) == "{*: [integer]}"


@given(
    st.recursive(
        st.booleans() | st.fixed_dictionaries({}, optional={"type": st.just("string")}),
        lambda inner: (
            st.fixed_dictionaries({"type": st.just("array"), "items": inner})
            | st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1)})
            | st.fixed_dictionaries({"properties": st.dictionaries(st.text(), inner)})
        ),
    )
)
def test_any_schema_has_a_shape(schema: Any) -> None:
    """No schema is too odd, or too deep, to be told."""
    assert shape(schema)
