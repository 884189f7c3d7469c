"""A tree against the grammar: all that does not fit, and what is left when it is put aside.

What is left is plain data of the grammar's shape, so that the rest of the document can be looked
at as well: keys that are unknown and values that do not fit are not in it, and what is missing
is missing.
"""

from __future__ import annotations

import json
from collections import abc
from typing import Any

from dagger.rules.documents.limits import MAX_PROBLEMS
from dagger.rules.documents.rule import Rule
from dagger.rules.documents.tree import (
    UNREAD,
    Mapping,
    Node,
    Place,
    Problem,
    Scalar,
    Sequence,
    plain,
)
from dagger.rules.nearest import meant

SHOWN = 60
"""Characters of a value that a problem repeats."""

Named = abc.Mapping[str, str]
"""What an item of a list is called, by the key of the list."""

NAMELESS: Named = {}

_NONE: Any = object()
"""Stands for a value that does not fit."""

_ANYTHING = Rule()


def fitted(
    node: Node, rule: Rule, name: str, called: Named = NAMELESS
) -> tuple[Any, list[Problem]]:
    """What of a node fits a rule, as plain data, and its problems.

    `name` is what the node is called, and `called` says it of items. Where nothing of the node
    fits, that is None.
    """
    walk = _Walk(called)
    try:
        value = walk.fitted(node, rule, name)
    except _Enough:
        return None, walk.problems
    return (None if value is _NONE else value), walk.problems


class _Enough(Exception):
    """There are more problems than are told."""


class _Walk:
    """Goes along a tree, and notes what does not fit; `path` is where it is."""

    def __init__(self, called: Named) -> None:
        self.problems: list[Problem] = []
        self._called = called
        self._path: list[str | int] = []

    def fitted(self, node: Node, rule: Rule, name: str) -> Any:
        """What of a node fits a rule."""
        if isinstance(node, Scalar) and node.value is UNREAD:
            return _NONE
        if rule.alternatives:
            return self._alternative(node, rule, name)
        if rule.free:
            return plain(node)
        if (problem := _misfit(node, rule)) is not None:
            self._say(node.place, f"{_holder(name)} must be {rule.title}, {problem}")
            return _NONE
        if isinstance(node, Mapping):
            return self._mapping(node, rule, name)
        if isinstance(node, Sequence):
            return self._sequence(node, rule, name)
        return node.value

    def _alternative(self, node: Node, rule: Rule, name: str) -> Any:
        """What fits the first alternative of the node's own kind."""
        for each in rule.alternatives:
            if _misfit(node, each) is None:
                return self.fitted(node, each, name)
        self._say(node.place, f"{name} must be {rule.title}, not {_described(node)}")
        return _NONE

    def _sequence(self, node: Sequence, rule: Rule, name: str) -> list[Any]:
        """The items; one that does not fit is None, so that the others keep their places."""
        if rule.items is None:
            return [plain(each) for each in node.items]
        inner = self._called.get(name, f"an item of {name}")
        found = []
        for number, each in enumerate(node.items):
            fits = self._within(number, each, rule.items, inner)
            found.append(None if fits is _NONE else fits)
        return found

    def _mapping(self, node: Mapping, rule: Rule, name: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.items.items():
            inner = self._rule_of(key, node.keys[key], rule, name)
            if inner is None:
                continue
            fits = plain(value) if inner.free else self._within(key, value, inner, key)
            if fits is not _NONE:
                found[key] = fits
        if missing := [each for each in rule.required if each not in node.items]:
            self._say(node.place, _missing(name, missing))
        if rule.cases and (case := rule.cases.get(str(found.get("uses", "")))):
            self._case(node, case, found)
        return found

    def _rule_of(self, key: str, place: Place, rule: Rule, name: str) -> Rule | None:
        """The rule for what stands under a key; None for a key that may not be there."""
        if key in rule.fields:
            return rule.fields[key]
        if rule.closed:
            known = meant(key, rule.fields) or f"; known: {', '.join(rule.fields)}"
            self._say(place, f"unknown key {key!r} in {_holder(name)}{known}", key)
            return None
        if rule.keys is not None and _scalar_misfit(key, rule.keys) is not None:
            problem = f"a key of {name} must be {rule.keys.title}, not {shown(key)}"
            self._say(place, problem, key)
            return None
        return rule.others or _ANYTHING

    def _case(self, node: Mapping, case: Rule, found: dict[str, Any]) -> None:
        """The arguments of a built-in, which are known."""
        uses, rule = found["uses"], case.fields["with"]
        if "with" not in node.items:
            if rule.required or rule.fewest:
                wanted = " and ".join(map(repr, rule.required)) or rule.title
                self._say(node.place, f"{uses} lacks 'with' and in it {wanted}")
        elif isinstance(node.items["with"], Mapping):
            self._within("with", node.items["with"], rule, f"with of {uses}")

    def _within(self, part: str | int, node: Node, rule: Rule, name: str) -> Any:
        """What fits of what stands at one part of where it is."""
        self._path.append(part)
        fits = self.fitted(node, rule, name)
        self._path.pop()
        return fits

    def _say(self, place: Place, text: str, *key: str) -> None:
        self.problems.append(Problem(place, text, (*self._path, *key)))
        if len(self.problems) >= MAX_PROBLEMS:
            raise _Enough


def shown(value: Any) -> str:
    """A value on one line, cut."""
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."


def _misfit(node: Node, rule: Rule) -> str | None:
    """Why a node itself, without what is in it, does not fit; None if it does."""
    if isinstance(node, Scalar):
        return _scalar_misfit(node.value, rule)
    size = len(node.items)
    kind = "array" if isinstance(node, Sequence) else "object"
    if kind not in rule.types or size < rule.fewest:
        return f"not {_described(node)}"
    if rule.most_keys is not None and size > rule.most_keys:
        return f"not {' and '.join(map(repr, node.items))}"
    return None


def _scalar_misfit(value: Any, rule: Rule) -> str | None:
    if _is_fit(value, rule):
        return None
    near = meant(str(value), map(str, rule.choices)) if rule.choices else ""
    return f"not {shown(value)}{near}"


def _is_fit(value: Any, rule: Rule) -> bool:
    if rule.choices:
        # `in` would take 1 for true.
        return any(type(value) is type(each) and value == each for each in rule.choices)
    if rule.types.isdisjoint(_types(value)):
        return False
    if isinstance(value, str):
        if rule.pattern is not None and not rule.pattern.search(value):
            return False
        return rule.fewest <= len(value) <= rule.longest
    if isinstance(value, bool) or value is None:
        return True
    return bool(rule.least <= value <= rule.most and value > rule.above)


def _types(value: Any) -> tuple[str, ...]:
    """The JSON Schema types of a scalar."""
    if isinstance(value, bool):
        return ("boolean",)
    if isinstance(value, int):
        return ("integer", "number")
    if isinstance(value, float):
        return ("integer", "number") if value.is_integer() else ("number",)
    return ("null",) if value is None else ("string",)


def _described(node: Node) -> str:
    if isinstance(node, Scalar):
        return shown(node.value)
    kind = "list" if isinstance(node, Sequence) else "mapping"
    return f"a {kind}" if node.items else f"an empty {kind}"


def _holder(name: str) -> str:
    return name or "the document"


def _missing(name: str, missing: list[str]) -> str:
    what = " and ".join(map(repr, missing))
    return f"{_holder(name)} lacks {what}"
