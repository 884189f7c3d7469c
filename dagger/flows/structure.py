"""A tree against the grammar: all that does not fit, and what is left when it is put aside.

What is left is plain data of the grammar's shape, so that the rest of the document can be looked
at as well: keys that are unknown and values that do not fit are not in it, and what is missing
is missing.
"""

from __future__ import annotations

import json
from typing import Any

from dagger.flows.grammar import Rule, grammar_of
from dagger.flows.limits import MAX_PROBLEMS
from dagger.flows.tree import (
    UNREAD,
    Mapping,
    Node,
    Place,
    Problem,
    Scalar,
    Sequence,
    node_of,
    plain,
)
from dagger.rules.nearest import meant

SHOWN = 60
"""Characters of a value that a problem repeats."""

_NONE: Any = object()
"""Stands for a value that does not fit."""


def fitted(node: Node, rule: Rule, name: str) -> tuple[Any, list[Problem]]:
    """What of a node fits a rule, as plain data, and its problems; `name` is what it is called.

    Where nothing of it fits, that is None.
    """
    problems: list[Problem] = []
    try:
        value = _fitted(node, rule, name, problems)
    except _Enough:
        return None, problems
    return (None if value is _NONE else value), problems


class _Enough(Exception):
    """There are more problems than are told."""


def _say(problems: list[Problem], place: Place, text: str) -> None:
    problems.append(Problem(place, text))
    if len(problems) >= MAX_PROBLEMS:
        raise _Enough


def shown(value: Any) -> str:
    """A value on one line, cut."""
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."


def _fitted(node: Node, rule: Rule, name: str, problems: list[Problem]) -> Any:
    if isinstance(node, Scalar) and node.value is UNREAD:
        return _NONE
    if rule.alternatives:
        return _alternative(node, rule, name, problems)
    if rule.free:
        return plain(node)
    if (problem := _misfit(node, rule)) is not None:
        _say(problems, node.place, f"{_holder(name)} must be {rule.title}, {problem}")
        return _NONE
    if isinstance(node, Mapping):
        return _mapping(node, rule, name, problems)
    if isinstance(node, Sequence):
        return _sequence(node, rule, name, problems)
    return node.value


def _alternative(node: Node, rule: Rule, name: str, problems: list[Problem]) -> Any:
    """What fits the first alternative of the node's own kind."""
    for each in rule.alternatives:
        if _misfit(node, each) is None:
            return _fitted(node, each, name, problems)
    problem = f"{name} must be {rule.title}, not {_described(node)}"
    _say(problems, node.place, problem)
    return _NONE


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


def _sequence(node: Sequence, rule: Rule, name: str, problems: list[Problem]) -> list[Any]:
    """The items; one that does not fit is None, so that the others keep their places."""
    if rule.items is None:
        return [plain(each) for each in node.items]
    inner = _item_name(name)
    found = (_fitted(each, rule.items, inner, problems) for each in node.items)
    return [None if each is _NONE else each for each in found]


def _item_name(name: str) -> str:
    return {"steps": "a step", "rescue": "a rescue step"}.get(name, f"an item of {name}")


def _mapping(node: Mapping, rule: Rule, name: str, problems: list[Problem]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in node.items.items():
        inner = _rule_of(key, node.keys[key], rule, name, problems)
        if inner is None:
            continue
        fits = plain(value) if inner.free else _fitted(value, inner, key, problems)
        if fits is not _NONE:
            found[key] = fits
    if missing := [each for each in rule.required if each not in node.items]:
        _say(problems, node.place, _missing(name, missing))
    if rule.cases and (case := rule.cases.get(str(found.get("uses", "")))):
        _case(node, case, found, problems)
    return found


def _rule_of(key: str, place: Place, rule: Rule, name: str, problems: list[Problem]) -> Rule | None:
    """The rule for what stands under a key; None for a key that may not be there."""
    if key in rule.fields:
        return rule.fields[key]
    if rule.closed:
        known = meant(key, rule.fields) or f"; known: {', '.join(rule.fields)}"
        _say(problems, place, f"unknown key {key!r} in {_holder(name)}{known}")
        return None
    if rule.keys is not None and _scalar_misfit(key, rule.keys) is not None:
        problem = f"a key of {name} must be {rule.keys.title}, not {shown(key)}"
        _say(problems, place, problem)
        return None
    return rule.others or _ANYTHING


_ANYTHING = Rule()


def _holder(name: str) -> str:
    return name or "the document"


def _missing(name: str, missing: list[str]) -> str:
    what = " and ".join(map(repr, missing))
    return f"{_holder(name)} lacks {what}"


def _case(node: Mapping, case: Rule, found: dict[str, Any], problems: list[Problem]) -> None:
    """The arguments of a built-in, which are known."""
    uses, rule = found["uses"], case.fields["with"]
    if "with" not in node.items:
        if rule.required or rule.fewest:
            wanted = " and ".join(map(repr, rule.required)) or rule.title
            _say(problems, node.place, f"{uses} lacks 'with' and in it {wanted}")
    elif isinstance(node.items["with"], Mapping):
        _fitted(node.items["with"], rule, f"with of {uses}", problems)


def complaint(field: str, value: Any) -> str | None:
    """Why a value that is given in Python is none for a field of a step; None if it is."""
    _, problems = fitted(node_of(value), grammar_of("step").fields[field], "it")
    return problems[0].text if problems else None
