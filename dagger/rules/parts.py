"""What a list of simple schemas that hold together says about one value.

`Parts` come from dagger.rules.alternatives. Where a keyword is not read here, a
part says less than it could, never more.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from functools import reduce
from typing import Any

from dagger.rules.alternatives import Parts
from dagger.rules.validators import Source

KINDS = frozenset({"null", "boolean", "integer", "number", "string", "array", "object"})
"""JSON's kinds of value; "number" stands for the numbers that are not integers."""

_KIND: dict[type, str] = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    str: "string",
    list: "array",
    dict: "object",
}

_OPENS = {
    *("patternProperties", "dependentSchemas", "dependentRequired", "dependencies"),
    *("if", "then", "else", "enum", "const", "$dynamicRef", "$recursiveRef"),
}
"""Keywords that can bring in properties that are named nowhere else."""


def kinds(parts: Parts) -> frozenset[str]:
    """The kinds that a value of all `parts` can have."""
    return reduce(frozenset.intersection, (each for part in parts for each in _kinds(part)), KINDS)


def _kinds(part: dict[str, Any]) -> Iterator[frozenset[str]]:
    if "type" in part:
        names = [part["type"]] if isinstance(part["type"], str) else part["type"]
        yield frozenset([*names, "integer"] if "number" in names else names)
    for options in _options(part):
        yield frozenset(map(_kind, options))


def _kind(value: Any) -> str:
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    return _KIND[type(value)]


def _options(part: dict[str, Any]) -> Iterator[list[Any]]:
    if "enum" in part:
        yield part["enum"]
    if "const" in part:
        yield [part["const"]]


def constants(parts: Parts) -> dict[Hashable, Any] | None:
    """The only values that `parts` allow, by their frozen form; None if they name none."""
    named = [
        {frozen(each): each for each in options} for part in parts for options in _options(part)
    ]
    if not named:
        return None
    first, *others = named
    return {key: each for key, each in first.items() if all(key in other for other in others)}


def frozen(value: Any) -> Hashable:
    """A key that is the same for what JSON Schema calls equal: 1 and 1.0, but not true."""
    if isinstance(value, dict):
        return frozenset((key, frozen(each)) for key, each in value.items())
    if isinstance(value, list):
        return tuple(map(frozen, value))
    return (bool, value) if isinstance(value, bool) else value


def required(parts: Parts) -> set[str]:
    """The properties that an object of all `parts` always has."""
    return {name for part in parts for name in part.get("required", ())}


def may_carry(parts: Parts, name: str) -> bool:
    """Whether objects of all `parts` are declared in a way that may include property `name`.

    It is not where others are declared, or none are allowed, and nothing is left open.
    """
    named = any(
        name in part.get("properties", ()) or name in part.get("required", ()) for part in parts
    )
    closed = any(part.get("properties") or _is_closed(part) for part in parts)
    return named or not closed or any(_is_open(part) for part in parts)


def _is_open(part: dict[str, Any]) -> bool:
    others = (part.get(each) for each in ("additionalProperties", "unevaluatedProperties"))
    return any(each not in (None, False) for each in others) or not _OPENS.isdisjoint(part)


def _is_closed(part: dict[str, Any]) -> bool:
    return part.get("additionalProperties") is False and "patternProperties" not in part


def forbids(part: dict[str, Any], name: str) -> bool:
    """Whether a part allows no property `name` because it does not name it."""
    return _is_closed(part) and name not in part.get("properties", ())


def property_of(part: dict[str, Any], name: str) -> Source:
    """What a part asks of property `name`, where there is one."""
    found: Source
    if name in part.get("properties", ()):
        found = part["properties"][name]
    elif "patternProperties" in part:
        found = True
    else:
        found = part.get("additionalProperties", True)
    return found


def item_of(part: dict[str, Any], index: int, legacy: bool) -> Source:
    """What a part asks of item `index`, where there is one; `legacy` as of drafts 4 to 7."""
    items: Source | list[Source] = part.get("items", True)
    if isinstance(items, list):  # before 2020-12, one schema for each place
        leading, rest = items, part.get("additionalItems", True)
    else:
        leading, rest = [] if legacy else part.get("prefixItems", []), items
    found: Source = leading[index] if index < len(leading) else rest
    return found
