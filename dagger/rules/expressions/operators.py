"""What operators do, each given the `Work` that is left and its values.

They join what is of one kind and convert nothing. Integers stay within what a message can
carry, so that no power takes longer than another, and nothing is repeated by `*`.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from functools import partial
from typing import Any

from dagger.rules.expressions import limits
from dagger.rules.expressions.data import a, kind, number, same
from dagger.rules.expressions.limits import Work
from dagger.rules.expressions.refusal import Refused

MAX_EXPONENT = 64
"""Of an integer: whatever is more makes none that a message can carry."""


def plus(work: Work, left: Any, right: Any) -> Any:
    """The sum of two numbers; two texts or two lists joined."""
    of = kind(left)
    if of == kind(right) == "text":
        limits.fits(len(left) + len(right))
        work.spend((len(left) + len(right)) // 100)
        return left + right
    if of == kind(right) == "list":
        work.spend(len(left) + len(right))
        return [*left, *right]
    return _calculated(operator.add, "+", left, right)


def power(work: Work, left: Any, right: Any) -> int | float:
    """A number to the power of another."""
    if isinstance(left, int) and isinstance(right, int) and abs(left) > 1 and right > MAX_EXPONENT:
        raise Refused("this makes a number that is too large; a message cannot carry it")
    return _calculated(operator.pow, "**", left, right)


def _calculated(
    calculate: Callable[[Any, Any], Any], sign: str, left: Any, right: Any
) -> int | float:
    if not kind(left) == kind(right) == "number":
        raise Refused(_unlike(sign, left, right))
    try:
        return number(calculate(left, right))
    except ZeroDivisionError:
        raise Refused("this divides by zero") from None
    except OverflowError:
        raise Refused("this makes a number that is too large") from None


def _unlike(sign: str, left: Any, right: Any) -> str:
    problem = f"{a(left)} and {a(right)} do not go together with {sign}"
    if sign == "+" and "text" in (kind(left), kind(right)):
        return f"{problem}; str() makes a text of anything, and so does format('{{0}}', ...)"
    return f"{problem}; int() and float() make numbers of texts"


def _calculation(calculate: Callable[[Any, Any], Any], sign: str) -> Callable[..., Any]:
    return lambda work, left, right: _calculated(calculate, sign, left, right)


def less(work: Work, left: Any, right: Any) -> bool:
    """Whether one number is less than another, or one text comes before another."""
    of = kind(left)
    if of != kind(right) or of not in ("number", "text"):
        raise Refused(
            f"{a(left)} and {a(right)} cannot be compared; numbers can, and texts with texts"
        )
    if of == "text":
        work.spend(len(left) // 100)
    return bool(left < right)


def within(work: Work, item: Any, value: Any) -> bool:
    """Whether a text is in a text, a value in a list, or a key in a mapping."""
    of = kind(value)
    if of == "list":
        return any(same(item, each, work) for each in value)
    if of not in ("text", "mapping"):
        raise Refused(f"nothing is in {a(value)}; a text, a list or a mapping can be asked")
    if kind(item) != "text":
        raise Refused(f"a {of} has texts in it; this is {a(item)}")
    if of == "text":
        work.spend(len(value) // 100)
    return item in value


def _sign(sign: str, apply: Callable[[Any], Any], work: Work, value: Any) -> int | float:
    if kind(value) != "number":
        raise Refused(f"{sign} comes before a number; this is {a(value)}")
    return number(apply(value))


def _equal(work: Work, left: Any, right: Any) -> bool:
    return same(left, right, work)


def _not(work: Work, value: Any) -> bool:
    return not value


_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: plus,
    ast.Sub: _calculation(operator.sub, "-"),
    ast.Mult: _calculation(operator.mul, "*"),
    ast.Div: _calculation(operator.truediv, "/"),
    ast.FloorDiv: _calculation(operator.floordiv, "//"),
    ast.Mod: _calculation(operator.mod, "%"),
    ast.Pow: power,
    ast.Eq: _equal,
    ast.NotEq: lambda work, left, right: not same(left, right, work),
    ast.Lt: less,
    ast.LtE: lambda work, left, right: not less(work, right, left),
    ast.Gt: lambda work, left, right: less(work, right, left),
    ast.GtE: lambda work, left, right: not less(work, left, right),
    ast.In: within,
    ast.NotIn: lambda work, item, value: not within(work, item, value),
    ast.Not: _not,
    ast.Invert: _not,  # as `!` is said to Python's parser
    ast.USub: partial(_sign, "-", operator.neg),
    ast.UAdd: partial(_sign, "+", operator.pos),
}

KINDS = frozenset(_OPERATORS) | {ast.And, ast.Or}
"""The operators there are, as Python's parser calls them."""


class Operators:
    """The operators, which do one work: a table of them by kind, as simpleeval wants it."""

    __slots__ = ("_work",)

    def __init__(self, work: Work) -> None:
        self._work = work

    def __getitem__(self, kind: type[ast.AST]) -> Callable[..., Any]:
        return partial(_OPERATORS[kind], self._work)
