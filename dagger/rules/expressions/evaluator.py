"""How an expression is worked out: a path is followed, and for the rest there is a walk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dagger.rules.expressions import limits
from dagger.rules.expressions.data import beginning, into, kind
from dagger.rules.expressions.paths import Path, written
from dagger.rules.expressions.refusal import Refused, Stopped
from dagger.rules.expressions.tree import Tree


def evaluated(expression: Tree, scope: Mapping[str, Any]) -> Any:
    """The value of an expression, which is that very object where a path leads to one.

    Raises Stopped, and nothing else: how deep it goes is bounded, so that a stack which is at its
    end is the caller's own.
    """
    try:
        if expression.path is not None:
            return _followed(expression.path, scope)
        return _walked(expression, scope)
    except Stopped:
        raise
    except Refused as refused:
        raise Stopped(refused.problem, 0) from None


def _followed(path: Path, scope: Mapping[str, Any]) -> Any:
    place = 0
    try:
        value = beginning(scope, str(path.parts[0]))
        while (place := place + 1) < len(path.parts):
            part = path.parts[place]
            value = into(value, part, told=True)
        kind(value)
    except Refused as refused:
        place = min(place, len(path.parts) - 1)
        subject = f"{written(path.parts[:place])} " if place else ""
        raise Stopped(subject + refused.problem, path.columns[place]) from None
    return value


def _walked(expression: Tree, scope: Mapping[str, Any]) -> Any:
    # simpleeval is loaded here, and not where nothing but paths is worked out.
    from dagger.rules.expressions.walk import Walk

    value = Walk(scope).value_of(expression.body)
    if expression.makes:
        limits.size(value)
    return value
