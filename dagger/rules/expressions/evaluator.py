"""How an expression is worked out: by simpleeval, which walks the tree that was checked.

Of simpleeval its walk is used: conditions, comparisons, lists, loops. What touches values is
this room's: names, keys, operators and functions. So there is no way from a value to an
attribute of it, and each step is counted.

simpleeval is loaded when the first expression is worked out that is more than a path.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache
from typing import Any

from dagger.rules.expressions import limits
from dagger.rules.expressions.data import into, kind
from dagger.rules.expressions.functions import FUNCTIONS
from dagger.rules.expressions.limits import MAX_LOOPS, Work
from dagger.rules.expressions.operators import operators
from dagger.rules.expressions.paths import Path, constant, named, written
from dagger.rules.expressions.refusal import Missing, Refused, nearest
from dagger.rules.expressions.tree import Tree


class Stopped(Refused):
    """Working out stopped at a column."""

    def __init__(self, problem: str, column: int) -> None:
        super().__init__(problem)
        self.column = column


class _Gone(Stopped, Missing):
    """A path led to nothing, at a column."""


def evaluated(expression: Tree, scope: Mapping[str, Any]) -> Any:
    """The value of an expression, which is that very object where a path leads to one.

    Raises Stopped, and nothing else.
    """
    try:
        if expression.path is not None:
            return _followed(expression.path, scope)
        value = _evaluator()(scope).value_of(expression.body)
        if expression.makes:
            limits.size(value)
        return value
    except Stopped:
        raise
    except Refused as refused:
        raise Stopped(refused.problem, 0) from None
    except RecursionError:
        raise Stopped("this is nested too deeply to be looked through", 0) from None


def _followed(path: Path, scope: Mapping[str, Any]) -> Any:
    done = 0
    try:
        value = _named(path.parts[0], scope)
        for done, part in enumerate(path.parts[1:], 1):  # noqa: B007 - told where it fails
            value = into(value, part, repr(part))
        kind(value)
    except Refused as refused:
        subject = f"{written(path.parts[:done])} " if done else ""
        raise Stopped(subject + refused.problem, path.columns[done]) from None
    return value


def _named(name: Any, scope: Mapping[str, Any]) -> Any:
    if name in scope:
        return scope[name]
    raise Refused(f"no name {name!r} here; {nearest(name, scope)}")


def _said(key: ast.AST) -> str:
    """A key as it may be told: as it is written, and never as it was worked out."""
    part = constant(key)
    return "that key" if part is None else repr(part)


@cache
def _evaluator() -> Any:
    from simpleeval import EvalWithCompoundTypes, IterableTooLong

    class Evaluator(EvalWithCompoundTypes):  # type: ignore[misc]
        """One working out of one expression."""

        def __init__(self, scope: Mapping[str, Any]) -> None:
            self.work = Work()
            super().__init__(operators(self.work), {}, scope)
            self.nodes |= {
                ast.Name: self._eval_name,
                ast.Subscript: self._eval_subscript,
                ast.Call: self._eval_call,
            }

        def value_of(self, body: ast.expr) -> Any:
            try:
                return self.eval("", body)
            finally:
                self.nodes = {}  # which refer to it: nothing is left to a garbage collection

        def _eval(self, node: Any) -> Any:
            """What a node stands for: every step of the walk comes through here."""
            try:
                self.work.spend(1)
                value = self.nodes[type(node)](node)
                if type(node) is not ast.Slice:
                    kind(value)
            except Stopped:
                raise
            except Missing as missing:
                raise _Gone(missing.problem, node.col_offset) from None
            except Refused as refused:
                raise Stopped(refused.problem, node.col_offset) from None
            except IterableTooLong:
                problem = f"this takes more than {MAX_LOOPS:,} turns; do it in code instead"
                raise Stopped(problem, node.col_offset) from None
            except TypeError:  # all of ours look first
                problem = "a loop goes through a list; this is none"
                raise Stopped(problem, node.col_offset) from None
            return value

        def _eval_name(self, node: ast.Name) -> Any:
            return _named(node.id, self.names)

        def _eval_subscript(self, node: ast.Subscript) -> Any:
            value, key = self._eval(node.value), self._eval(node.slice)
            try:
                return into(value, key, _said(node.slice))
            except Refused as refused:
                problem = f"{named(node.value)} {refused.problem}"
                gone = isinstance(refused, Missing)
                raise (_Gone if gone else Stopped)(problem, node.slice.col_offset) from None

        def _eval_call(self, node: Any) -> Any:
            name = node.func.id
            values = node.args
            if name == "default":
                return self._default(*values)
            return FUNCTIONS[name].call(self.work, *[self._eval(each) for each in values])

        def _default(self, node: ast.expr, instead: ast.expr) -> Any:
            try:
                value = self._eval(node)
            except Missing:
                value = None
            return self._eval(instead) if value is None else value

    return Evaluator
