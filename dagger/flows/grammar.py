"""The grammar of a flow document: the JSON Schema that is shipped, made into rules.

`flow.schema.json` is the one place where it is written. A rule is what `structure` needs of a
schema: the keywords that it uses, with references followed. Every schema there has a `title`,
which says what a value must be.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from math import inf
from typing import Any

SCHEMA_FILE = "flow.schema.json"


@dataclass(slots=True, eq=False)
class Rule:
    """What a value must be. One without types, choices or alternatives is of any value."""

    title: str = ""
    types: frozenset[str] = frozenset()
    choices: tuple[Any, ...] = ()
    pattern: re.Pattern[str] | None = None
    longest: float = inf
    least: float = -inf
    above: float = -inf
    most: float = inf
    fewest: int = 0
    """Items, keys or characters at least."""
    most_keys: int | None = None
    fields: Mapping[str, Rule] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    closed: bool = False
    """Whether there may be no other keys."""
    keys: Rule | None = None
    others: Rule | None = None
    """What stands under other keys must be this."""
    items: Rule | None = None
    alternatives: tuple[Rule, ...] = ()
    cases: Mapping[str, Rule] = field(default_factory=dict)
    """By the value of `uses`, what holds besides."""

    @property
    def free(self) -> bool:
        """Whether any value will do."""
        return not (self.types or self.choices or self.alternatives)


@cache
def schema() -> Mapping[str, Any]:
    """The JSON Schema of a flow document, as it is shipped; not to be changed."""
    text = files("dagger.flows").joinpath(SCHEMA_FILE).read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


@cache
def grammar() -> Rule:
    """The rule for a whole document."""
    return _rule(schema())


@cache
def built_ins() -> Mapping[str, Rule]:
    """What a step may use without anybody having written it, and the rule for its arguments."""
    return {name: rule.fields["with"] for name, rule in grammar_of("step").cases.items()}


@cache
def grammar_of(name: str) -> Rule:
    """The rule of one of the schema's definitions."""
    return _rule(schema()["$defs"][name])


def _rule(source: Mapping[str, Any]) -> Rule:
    if "$ref" in source:
        return grammar_of(source["$ref"].removeprefix("#/$defs/"))
    types = source.get("type", ())
    pattern = source.get("pattern")
    others = source.get("additionalProperties", True)
    return Rule(
        title=source.get("title", ""),
        types=frozenset([types] if isinstance(types, str) else types),
        choices=tuple(source.get("enum", ())),
        # Python's $ would let a newline follow.
        pattern=re.compile(re.sub(r"\$$", r"\\Z", pattern)) if pattern else None,
        longest=source.get("maxLength", inf),
        least=source.get("minimum", -inf),
        above=source.get("exclusiveMinimum", -inf),
        most=source.get("maximum", inf),
        fewest=max(source.get(word, 0) for word in ("minItems", "minLength", "minProperties")),
        most_keys=source.get("maxProperties"),
        fields={name: _rule(each) for name, each in source.get("properties", {}).items()},
        required=tuple(source.get("required", ())),
        closed=others is False,
        keys=_rule(source["propertyNames"]) if "propertyNames" in source else None,
        others=_rule(others) if isinstance(others, Mapping) else None,
        items=_rule(source["items"]) if "items" in source else None,
        alternatives=tuple(map(_rule, source.get("anyOf", ()))),
        cases=_cases(source),
    )


def _cases(source: Mapping[str, Any]) -> dict[str, Rule]:
    """The rules of `if` and `then` about `uses`, by its value."""
    found = {}
    for each in source.get("allOf", ()):
        if "$ref" in each:
            found.update(_cases(schema()["$defs"][each["$ref"].removeprefix("#/$defs/")]))
        else:
            name = each["if"]["properties"]["uses"]["const"]
            found[name] = _rule(each["then"])
    return found
