"""How a value that breaks a schema is explained."""

from __future__ import annotations

from typing import Any

import pytest

from dagger.rules.schema import schema
from dagger.rules.violation import Violation, json_path, shown

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}},
        "boss": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
    },
    "required": ["name"],
}


def violation(declared: dict[str, Any], value: Any) -> Violation:
    """The violation of a value that breaks a schema."""
    found = schema(declared, "here").violation(value)
    assert found is not None
    return found


def test_a_fitting_value_has_no_violation() -> None:
    """What fits has nothing to explain."""
    assert schema(PERSON, "here").violation({"name": "Ada", "boss": None}) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, ("$", "type", 'value is not of type "object"', "3")),
        ({}, ("$", "required", '"name" is a required property', "{}")),
        ({"name": 3}, ("$.name", "type", 'value is not of type "string"', "3")),
        (
            {"name": "Ada", "tags": ["a", "c"]},
            ("$.tags[1]", "enum", 'value is not one of "a" or "b"', '"c"'),
        ),
        (
            {"name": "Ada", "boss": {"name": None}},
            ("$.boss.name", "type", 'value is not of type "string"', "null"),
        ),
        (
            {"name": "Ada", "boss": {}},
            ("$.boss", "required", '"name" is a required property', "{}"),
        ),
    ],
)
def test_a_violation_says_where_what_and_why(value: Any, expected: tuple[str, ...]) -> None:
    """It names path, rule, problem and value; `required` points to the object."""
    assert violation(PERSON, value) == expected


def test_an_undecided_alternative_is_reported_as_a_whole() -> None:
    """Where no alternative of anyOf comes closest, none is singled out: it says what each wants."""
    found = violation(PERSON, {"name": "Ada", "boss": 3})
    assert (found.path, found.rule) == ("$.boss", "anyOf")
    assert found.problem == 'value is not of type "object", and value is not of type "null"'


def test_too_many_matches_are_reported_as_such() -> None:
    """A value that fits several alternatives of oneOf is not blamed on the others."""
    found = violation({"oneOf": [{"type": "integer"}, {"minimum": 0}, {"required": ["a"]}]}, 1)
    assert (found.path, found.rule) == ("$", "oneOf")


def test_a_violation_is_short_whatever_the_value() -> None:
    """Neither value nor problem repeats more than 200 characters; one fault is enough."""
    for value in ("x" * 10_000_000, [{"a": 1}] * 100_000, {"k" * 5000: 1}):
        found = violation({"type": "integer"}, value)
        assert len(found.value) == 203
        assert len(found.problem) <= 203
    many = violation({"items": {"type": "integer"}}, ["x"] * 1_000_000)
    assert many.path == "$[0]"


def test_odd_keys_are_quoted_in_paths() -> None:
    """A path stays readable where a key is no plain word."""
    assert (
        json_path(["a", 0, "b-c", "d.e", "f g", "", '"']) == '$.a[0].b-c["d.e"]["f g"][""]["\\""]'
    )
    assert json_path([]) == "$"


def test_anything_can_be_shown() -> None:
    """What JSON cannot say is shown as Python says it."""
    circle: list[Any] = []
    circle.append(circle)
    assert shown({"a": None, "é": True}) == '{"a": null, "é": true}'
    assert shown({1, 2}) == '"{1, 2}"'
    assert shown({(1, 2): 3}) == "{(1, 2): 3}"
    assert shown(circle) == "[[...]]"
