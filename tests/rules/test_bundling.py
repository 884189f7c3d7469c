"""Schemas of objects, put together from those of their properties."""

from __future__ import annotations

from jsonschema import Draft202012Validator

from dagger.rules.bundling import object_of


def test_definitions_move_to_the_top() -> None:
    """References lead where they led before, also those within definitions."""
    tree = {
        "$ref": "#/$defs/Tree",
        "$defs": {"Tree": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}},
    }
    made = object_of({"a": tree, "b": {"type": "null"}}, ["a"])
    assert [*made["$defs"]] == ["Tree"]
    holds = Draft202012Validator(made).is_valid
    assert holds({"a": [[], [[]]], "b": None})
    assert not holds({"a": [[], [1]]})
    assert not holds({"b": None})


def test_equal_definitions_are_there_once_and_others_under_other_names() -> None:
    """Two properties with the same model share it; models of one name stay what they are."""

    def of(kind: str) -> dict[str, object]:
        inner, outer = {"type": kind}, {"items": {"$ref": "#/$defs/In"}}
        return {"$ref": "#/$defs/Out", "$defs": {"In": inner, "Out": outer}}

    made = object_of({"a": of("null"), "b": of("null"), "c": of("string")}, [])
    assert [*made["$defs"]] == ["In", "Out", "c.In", "c.Out"]
    holds = Draft202012Validator(made).is_valid
    assert holds({"a": [None], "b": [None], "c": ["x"]})
    assert not holds({"c": [None]})


def test_other_properties_are_refused_unless_it_is_open() -> None:
    """And what may be anything is a schema that says nothing."""
    assert object_of({"a": True}, []) == {
        "type": "object",
        "properties": {"a": {}},
        "required": [],
        "additionalProperties": False,
    }
    assert "additionalProperties" not in object_of({}, [], open_=True)
