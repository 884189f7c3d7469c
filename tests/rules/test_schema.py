"""What declaring a schema promises."""

from __future__ import annotations

import gc
import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger.rules.schema import DIALECTS, Schema, schema
from dagger.words.errors import SchemaError

HERE = "planner (agents.py:12)"
TREE: dict[str, Any] = {
    "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}},
    "$ref": "#/$defs/node",
}


def nested(levels: int) -> dict[str, Any]:
    """A schema whose `not` are nested that deep."""
    made: dict[str, Any] = {}
    for _ in range(levels - 1):
        made = {"not": made}
    return made


def chain(links: int) -> dict[str, Any]:
    """A schema whose references follow one another."""
    links_by_name: dict[str, Any] = {
        f"d{number}": {"$ref": f"#/$defs/d{number + 1}"} for number in range(links)
    }
    return {"$defs": links_by_name | {f"d{links}": {"type": "string"}}, "$ref": "#/$defs/d0"}


def test_mapping_text_and_boolean_are_taken() -> None:
    """A schema may be given as a mapping, as JSON text or as a boolean."""
    assert schema({"type": "integer"}, HERE).is_valid(3)
    assert schema(MappingProxyType({"type": "integer"}), HERE).is_valid(3)
    assert not schema('{"type": "integer"}', HERE).is_valid("3")
    assert schema(True, HERE).is_valid("anything")
    assert not schema("false", HERE).is_valid("anything")


def test_equal_schemas_are_one() -> None:
    """Equal JSON, in whatever order and form it is declared, gives the same object."""
    one = schema({"type": "object", "required": ["a"]}, HERE)
    other = schema('{"required": ["a"], "type": "object"}', "elsewhere")
    assert one is other
    assert one.number >= 1


def test_different_schemas_have_different_numbers() -> None:
    """A number is never given to another schema, even after the first one is gone."""
    numbers = set()
    for bound in range(20):
        numbers.add(schema({"minimum": bound, "title": "numbers"}, HERE).number)
        gc.collect()
    assert len(numbers) == 20


def test_true_and_one_are_different() -> None:
    """Constants that Python calls equal, and JSON does not, make different schemas."""
    assert schema({"const": True}, HERE) is not schema({"const": 1}, HERE)


def test_schema_is_a_private_copy() -> None:
    """Changing what was declared changes nothing about the schema."""
    declared: dict[str, Any] = {"type": "object", "required": ["x"]}
    made = schema(declared, HERE)
    declared["required"].append("y")
    assert made.source == {"type": "object", "required": ["x"]}
    assert made.is_valid({"x": 1})


def test_schema_cannot_be_changed() -> None:
    """A schema is immutable."""
    with pytest.raises(AttributeError):
        schema(True, HERE).number = 5  # type: ignore[misc]


def test_is_valid_is_the_bare_method_of_the_validator() -> None:
    """Asking whether a value fits costs no Python frame."""
    pytest.importorskip("jsonschema_rs")
    assert type(schema({"type": "string"}, HERE).is_valid).__name__ == "builtin_function_or_method"


@pytest.mark.parametrize("dialect", [*DIALECTS, *(f"{each}#" for each in DIALECTS)])
def test_every_known_draft_is_spoken(dialect: str) -> None:
    """Drafts 2020-12, 2019-09, 7, 6 and 4 are chosen by `$schema`."""
    made = schema({"$schema": dialect, "type": "object", "required": ["a"]}, HERE)
    assert made.is_valid({"a": 1})
    assert not made.is_valid({})


def test_drafts_differ_where_they_do() -> None:
    """A keyword means what its draft says: an exclusive minimum was a flag in draft 4."""
    four = "http://json-schema.org/draft-04/schema#"
    old = schema({"$schema": four, "minimum": 3, "exclusiveMinimum": True}, HERE)
    assert not old.is_valid(3)
    assert not schema({"exclusiveMinimum": 3}, HERE).is_valid(3)
    with pytest.raises(SchemaError):
        schema({"minimum": 3, "exclusiveMinimum": True}, HERE)


def test_format_is_an_annotation_in_every_draft() -> None:
    """`format` fails no value."""
    for dialect in DIALECTS:
        assert schema({"$schema": dialect, "format": "email"}, HERE).is_valid("no address")


@pytest.mark.parametrize(
    ("declared", "sentence"),
    [
        ("{", "the schema is not JSON: "),
        ("object", "the schema is not JSON: "),
        ("[" * 100_000, "the schema is nested too deep"),
        ('{"minimum": 1' + "0" * 5000 + "}", "the schema is not JSON: "),
        ("[1]", "a schema is an object or a boolean, not [1]"),
        ([1], "a schema is an object or a boolean, not [1]"),
        (None, "a schema is an object or a boolean, not null"),
        ({"enum": {1}}, "the schema is not JSON at $.enum: set is not JSON"),
        ({1: True}, "the schema is not JSON at $: the object key 1 is a int"),
        ({"const": float("nan")}, "the schema is not JSON at $.const: nan is not"),
        ('{"const": NaN}', "the schema is not JSON at $.const: nan is not"),
        ({"const": "\ud800"}, "the schema is not JSON: "),
        ({"type": "text"}, "the schema is not valid at $.type: 'text' is not"),
        ({"properties": {"a": {"minimum": "1"}}}, "the schema is not valid at $.properties.a.min"),
        ({"required": "a"}, "the schema is not valid at $.required: 'a' is not of type"),
        ({"pattern": "("}, 'the schema is not valid at $.pattern: "(" is not a "regex"'),
        ({"patternProperties": {"(": True}}, 'not valid at $.patternProperties["("]: "(" is'),
        ({"$schema": "https://example.org/mine"}, 'unknown $schema "https://example.org/mine"'),
        ({"$schema": "http://json-schema.org/draft-03/schema#"}, "unknown $schema"),
        ({"$schema": 7}, "unknown $schema 7; known: https://json-schema.org/draft/2020-12"),
        ({"$ref": "#/$defs/a"}, "the reference '#/$defs/a' leads to nothing inside the schema"),
        ({"$ref": "#name"}, "the reference '#name' leads to nothing inside the schema"),
        ({"$ref": "other.json"}, "the reference 'other.json' leads to nothing inside"),
        ({"$ref": DIALECTS[0]}, f"the reference '{DIALECTS[0]}' leads to nothing inside"),
        ({"$ref": "#/a", "a": {"type": 3}}, "the reference '#/a' leads to something that is no"),
        ({"$ref": "#/a", "a": [1]}, "the reference '#/a' leads to something that is no schema"),
        (
            {"$schema": DIALECTS[2], "$ref": "#/$defs/a", "$defs": {"a": {"dependencies": []}}},
            "the reference '#/$defs/a' leads to something that is no schema",
        ),
        ({"$ref": "#"}, "the schema cannot be used: it refers to itself without end"),
        ({"anyOf": [{"type": "null"}, {"$ref": "#"}]}, "it refers to itself without end"),
        ({"not": {"if": {"$dynamicRef": "#"}}}, "it refers to itself without end"),
        (
            {
                "$defs": {
                    "a": {"$ref": "#/$defs/b"},
                    "b": {"dependentSchemas": {"x": {"$ref": "#/$defs/a"}}},
                }
            },
            "it refers to itself without end",
        ),
        (chain(100), "more than 64 references follow one another"),
        (nested(65), "nested deeper than 64"),
    ],
)
def test_what_is_no_schema_is_refused_in_a_sentence(declared: Any, sentence: str) -> None:
    """A bad schema is refused when it is declared, saying where and why."""
    with pytest.raises(SchemaError) as caught:
        schema(declared, HERE)
    assert str(caught.value).startswith(f"{HERE}: ")
    assert sentence in caught.value.problem
    assert "\n" not in str(caught.value)
    assert len(caught.value.problem) < 500


@pytest.mark.parametrize(
    "declared",
    [
        TREE,
        {"type": "array", "items": {"$ref": "#"}},
        {"$id": "https://example.org/a", "$defs": {"b": {"$id": "b"}}, "$ref": "b"},
        {"$defs": {"b": {"$anchor": "here", "type": "integer"}}, "$ref": "#here"},
        {"$defs": {"a/b c~": True}, "$ref": "#/$defs/a~1b%20c~0"},
        {"properties": {"$ref": {"type": "string"}}, "const": {"$ref": "nowhere"}},
        {"$schema": DIALECTS[1], "properties": {"a": {"$recursiveRef": "#"}}},
        {"$schema": DIALECTS[2], "definitions": {"a": {"$id": "#a"}}, "$ref": "#a"},
        {"$schema": DIALECTS[2], "$defs": {"a": True}, "$ref": "#/$defs/a"},
        {"components": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"b": {}}, "$ref": "#/components/a"},
        {"if": {"type": "null"}, "then": True, "dependentSchemas": {"a": {"minProperties": 2}}},
        {"$defs": {"a": {"type": "string"}}, "allOf": [{"$ref": "#/$defs/a"}] * 2},
        chain(60),
        nested(64),
        {"minimum": 10**30},
    ],
)
def test_references_inside_the_schema_work(declared: dict[str, Any]) -> None:
    """Pointers, anchors, embedded ids and recursion through smaller values are fine."""
    assert isinstance(schema(declared, HERE), Schema)


def test_recursion_is_followed_as_deep_as_payloads_go() -> None:
    """A recursive schema looks at every level of a value nested as deep as allowed."""
    value: Any = {"next": 1}
    for _ in range(63):
        value = {"next": value}
    violation = schema(TREE, HERE).violation(value)
    assert violation is not None
    assert violation.path == "$" + ".next" * 64


KEYWORDS = st.sampled_from(
    [
        *("$ref", "$dynamicRef", "$anchor", "$dynamicAnchor", "$id", "$defs", "$schema"),
        *("type", "enum", "const", "not", "if", "then", "allOf", "anyOf", "oneOf"),
        *("properties", "patternProperties", "additionalProperties", "unevaluatedProperties"),
        *("dependentSchemas", "required", "items", "prefixItems", "contains"),
        *("pattern", "minimum", "maxLength"),
    ]
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.floats(allow_nan=False)
    | st.sampled_from(["", "a", "(", "#", "#a", "#/$defs/a", "string", "object", DIALECTS[2]]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYWORDS, inner, max_size=3)
        | st.fixed_dictionaries({"a": inner})
    ),
    max_leaves=10,
)


@given(st.dictionaries(KEYWORDS, JSON, max_size=4), JSON)
def test_anything_is_either_a_schema_or_refused(declared: dict[str, Any], value: Any) -> None:
    """Whatever is declared ends in a schema that can be asked, or in a SchemaError."""
    try:
        made = schema(declared, HERE)
    except SchemaError:
        return
    assert made.is_valid(value) == (made.violation(value) is None)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server on this machine that nobody should call."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def test_nothing_is_fetched_from_the_network(listener: socket.socket) -> None:
    """A reference to a server is refused, and the server is not called."""
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/schema.json"
    for declared in ({"$ref": url}, {"$id": url, "$ref": "b.json"}, {"$schema": url}):
        with pytest.raises(SchemaError):
            schema(declared, HERE)
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_nothing_is_read_from_disk(tmp_path: Path) -> None:
    """A reference to a file is refused, even if the file holds a schema."""
    file = tmp_path / "a.json"
    file.write_text(json.dumps({"type": "string"}))
    for reference in (file.as_uri(), str(file)):
        with pytest.raises(SchemaError, match="leads to nothing inside"):
            schema({"$ref": reference}, HERE)


def test_schema_works_without_a_compiled_validator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where jsonschema-rs has no wheel, jsonschema takes its place."""
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
    made = schema({"type": "object", "required": ["without a wheel"]}, HERE)
    violation = made.violation({})
    assert not made.is_valid({})
    assert violation is not None
    assert (violation.path, violation.rule) == ("$", "required")
    with pytest.raises(SchemaError, match="not valid at"):
        schema({"pattern": "("}, HERE)
