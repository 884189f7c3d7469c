"""A tree against a grammar."""

from __future__ import annotations

from typing import Any

from dagger.rules.documents.rule import Grammar
from dagger.rules.documents.structure import fitted
from dagger.rules.documents.tree import node_of
from dagger.rules.violation import json_path

NUMBER = {"type": "number", "title": "a number"}
BOX = {
    "type": "object",
    "title": "a mapping with 'size'",
    "properties": {
        "size": NUMBER,
        "boxes": {"type": "array", "title": "a list", "items": {"$ref": "#/$defs/box"}},
    },
    "required": ["size"],
    "additionalProperties": False,
}
GRAMMAR = Grammar({"$ref": "#/$defs/box", "$defs": {"box": BOX}})


def fit(value: Any) -> tuple[Any, list[str]]:
    """What of a value is a box, and what is wrong with it, by JSON path."""
    data, problems = fitted(node_of(value), GRAMMAR.whole, "", {"boxes": "a box"})
    return data, [f"{json_path(each.path)} {each.text}" for each in problems]


def test_a_definition_may_refer_to_itself() -> None:
    """A box may have boxes in it."""
    value = {"size": 3, "boxes": [{"size": 2, "boxes": [{"size": 1}]}]}
    assert fit(value) == (value, [])


def test_each_misfit_has_a_path() -> None:
    """It leads to the value, to the unknown key, or to the mapping that lacks one."""
    value = {"size": 3, "boxes": [{"size": "big"}, 7, {"boxes": [{"siez": 1}]}]}
    data, problems = fit(value)
    assert problems == [
        "$.boxes[0].size size must be a number, not 'big'",
        "$.boxes[1] a box must be a mapping with 'size', not 7",
        "$.boxes[2].boxes[0].siez unknown key 'siez' in a box; did you mean 'size'?",
        "$.boxes[2].boxes[0] a box lacks 'size'",
        "$.boxes[2] a box lacks 'size'",
    ]
    assert data == {"size": 3, "boxes": [{}, None, {"boxes": [{}]}]}
