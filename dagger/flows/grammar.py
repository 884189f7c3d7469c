"""The grammar of a flow document: the JSON Schema that is shipped, made into rules.

`flow.schema.json` is the one place where it is written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from dagger.rules.documents.rule import Grammar, Rule
from dagger.rules.documents.structure import fitted
from dagger.rules.documents.tree import node_of

SCHEMA_FILE = "flow.schema.json"

CALLED: Mapping[str, str] = {"steps": "a step", "rescue": "a rescue step"}
"""What an item of a list is called, by the key of the list."""


@cache
def schema() -> Mapping[str, Any]:
    """The JSON Schema of a flow document, as it is shipped; not to be changed."""
    text = files("dagger.flows").joinpath(SCHEMA_FILE).read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


@cache
def _grammar() -> Grammar:
    return Grammar(schema())


def grammar() -> Rule:
    """The rule for a whole document."""
    return _grammar().whole


def grammar_of(name: str) -> Rule:
    """The rule of one of the schema's definitions."""
    return _grammar().of(name)


@cache
def built_ins() -> Mapping[str, Rule]:
    """What a step may use without anybody having written it, and the rule for its arguments."""
    return {name: rule.fields["with"] for name, rule in grammar_of("step").cases.items()}


def complaint(field: str, value: Any) -> str | None:
    """Why a value that is given in Python is none for a field of a step; None if it is."""
    _, problems = fitted(node_of(value), grammar_of("step").fields[field], "it", CALLED)
    return problems[0].text if problems else None
