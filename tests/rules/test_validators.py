"""That both validators say the same."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger.rules.schema import DIALECTS
from dagger.rules.validators import with_jsonschema, with_jsonschema_rs
from dagger.words.errors import SchemaError

pytest.importorskip("jsonschema_rs")

NAMES = st.sampled_from("abc")
SMALL = st.integers(-3, 3)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    SMALL,
    st.sampled_from([0.5, 1.0, 2.5, 1e300]),
    st.text("abé", max_size=3),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
TYPES = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
SIZES = st.integers(0, 3)


def optional(**keywords: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A schema with some of these keywords."""
    return st.fixed_dictionaries({}, optional=keywords)


def combined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Schemas made of others."""
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        st.fixed_dictionaries({"anyOf": several}),
        st.fixed_dictionaries({"oneOf": several}),
        st.fixed_dictionaries({"allOf": several}),
        st.fixed_dictionaries({"not": inner}),
        st.fixed_dictionaries({"if": inner, "then": inner, "else": inner}),
        optional(
            properties=st.dictionaries(NAMES, inner, max_size=3),
            additionalProperties=inner,
            propertyNames=inner,
            required=st.lists(NAMES, max_size=2, unique=True),
            dependentRequired=st.dictionaries(NAMES, st.lists(NAMES, max_size=2, unique=True)),
            unevaluatedProperties=inner,
            type=TYPES,
        ),
        optional(prefixItems=several, items=inner, contains=inner, maxContains=SIZES, type=TYPES),
    )


SCHEMAS = st.recursive(
    st.booleans()
    | st.sampled_from([{"$ref": "#/$defs/tree"}, {"$ref": "#/$defs/text"}])
    | optional(
        type=TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True),
        enum=st.lists(LEAVES, min_size=1, max_size=3),
        const=VALUES,
        minimum=SMALL,
        exclusiveMaximum=SMALL,
        multipleOf=st.sampled_from([1, 2, 0.5]),
        minLength=SIZES,
        maxLength=SIZES,
        pattern=st.sampled_from(["^a", "b+", "^[ab]*$"]),
        minItems=SIZES,
        maxProperties=SIZES,
        uniqueItems=st.booleans(),
        format=st.sampled_from(["email", "date-time", "regex"]),
    ),
    combined,
    max_leaves=6,
)
DEFINITIONS = {
    "text": {"type": "string", "maxLength": 2},
    "tree": {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"$ref": "#/$defs/tree"}}]},
}


@given(SCHEMAS, st.lists(VALUES, min_size=1, max_size=5))
def test_both_validators_agree(declared: Any, values: list[Any]) -> None:
    """What fits by one fits by the other, and each explains exactly what does not fit."""
    source = {"$defs": DEFINITIONS, "allOf": [declared]}
    native, python = with_jsonschema_rs(source, ""), with_jsonschema(source, "")
    for value in values:
        fits = native.is_valid(value)
        assert python.is_valid(value) == fits
        for validator in (native, python):
            assert (validator.fault(value) is None) == fits


@pytest.mark.parametrize("dialect", DIALECTS)
def test_both_validators_agree_in_every_draft(dialect: str) -> None:
    """Each draft is read the same way by both."""
    source = {
        "$schema": dialect,
        "definitions": {"a": {"type": "integer"}},
        "properties": {"a": {"$ref": "#/definitions/a", "maximum": 1}},
        "format": "email",
        "const": 1,
    }
    native, python = with_jsonschema_rs(source, ""), with_jsonschema(source, "")
    for value in (1, 1.0, {"a": 5}, {"a": "x"}, {"a": 1.0}, "no address"):
        assert native.is_valid(value) == python.is_valid(value)


def test_neither_validator_fetches() -> None:
    """Even a reference that got past the declaration is not followed to a server."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        source: dict[str, Any] = {"$ref": f"http://127.0.0.1:{server.getsockname()[1]}/"}
        with pytest.raises(SchemaError, match="disabled"):
            with_jsonschema_rs(source, "here")
        with pytest.raises(Exception, match="Unresolvable"):
            with_jsonschema(source, "here").is_valid(1)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_python_validator_does_not_exhaust_the_stack() -> None:
    """A value too deep for it is a violation, not a RecursionError."""
    wide: dict[str, Any] = {"allOf": [{"$ref": "#/$defs/a"}]}
    for _ in range(12):
        wide = {"allOf": [wide]}
    source = {
        "$defs": {"a": {"properties": {"a": {"$ref": "#/$defs/b"}}}, "b": wide},
        "$ref": "#/$defs/b",
    }
    value: Any = {}
    for _ in range(60):
        value = {"a": value}
    python = with_jsonschema(source, "here")
    assert not python.is_valid(value)
    fault = python.fault(value)
    assert fault is not None
    assert "too deep" in fault.problem
