"""A grammar: a JSON Schema made into rules, which `structure` holds documents against.

A rule is what `structure` needs of a schema: the keywords that grammars of ours use, with
references followed. Every schema in one has a `title`, which says what a value must be.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from math import inf
from typing import Any

Source = Mapping[str, Any]


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


class Grammar:
    """The rules of a JSON Schema. Each of its definitions is made into one once, so that it may
    refer to itself.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._known: dict[str, Rule] = {}

    @cached_property
    def whole(self) -> Rule:
        """The rule for a whole document."""
        return self._rule(self._source)

    def of(self, name: str) -> Rule:
        """The rule of one of the schema's definitions."""
        if name in self._known:
            return self._known[name]
        rule = self._known[name] = Rule()  # which it may have within itself
        made = self._rule(self._source["$defs"][name])
        for each in fields(Rule):
            setattr(rule, each.name, getattr(made, each.name))
        return rule

    def _rule(self, source: Source) -> Rule:
        if "$ref" in source:
            return self.of(_name(source))
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
            fields={name: self._rule(each) for name, each in source.get("properties", {}).items()},
            required=tuple(source.get("required", ())),
            closed=others is False,
            keys=self._rule(source["propertyNames"]) if "propertyNames" in source else None,
            others=self._rule(others) if isinstance(others, Mapping) else None,
            items=self._rule(source["items"]) if "items" in source else None,
            alternatives=tuple(map(self._rule, source.get("anyOf", ()))),
            cases=self._cases(source),
        )

    def _cases(self, source: Source) -> dict[str, Rule]:
        """The rules of `if` and `then` about `uses`, by its value."""
        found = {}
        for each in source.get("allOf", ()):
            if "$ref" in each:
                found.update(self._cases(self._source["$defs"][_name(each)]))
            else:
                name = each["if"]["properties"]["uses"]["const"]
                found[name] = self._rule(each["then"])
        return found


def _name(source: Source) -> str:
    """The definition that a reference names."""
    found: str = source["$ref"].removeprefix("#/$defs/")
    return found
