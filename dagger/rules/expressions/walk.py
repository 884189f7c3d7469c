"""simpleeval's walk over a tree, over values of this room.

Of simpleeval the walk is used: conditions, comparisons, lists, loops. What touches values is
this room's: names, keys, operators and functions. So there is no way from a value to an
attribute of it, and each step is counted.

Nobody imports this file before an expression is worked out that is more than a path.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import partial
from typing import Any

from simpleeval import EvalWithCompoundTypes, IterableTooLong

from dagger.rules.expressions.data import beginning, into, kind
from dagger.rules.expressions.functions import FUNCTIONS
from dagger.rules.expressions.limits import MAX_LOOPS, Work
from dagger.rules.expressions.operators import Operators
from dagger.rules.expressions.paths import constant, named
from dagger.rules.expressions.refusal import Gone, Missing, Refused, Stopped


class Walk(EvalWithCompoundTypes):  # type: ignore[misc]
    """Works one expression out, once."""

    def __init__(self, scope: Mapping[str, Any]) -> None:
        # What simpleeval sets up besides is for what expressions cannot say.
        self.work = Work()
        self.names = scope
        self.operators = Operators(self.work)
        self.nodes = {
            ast.BinOp: self._eval_binop,
            ast.BoolOp: self._eval_boolop,
            ast.Call: self._eval_call,
            ast.Compare: self._eval_compare,
            ast.Constant: self._eval_constant,
            ast.GeneratorExp: self._eval_comprehension,
            ast.IfExp: self._eval_ifexp,
            ast.List: self._eval_list,
            ast.ListComp: self._eval_comprehension,
            ast.Name: self._eval_name,
            ast.Slice: self._eval_slice,
            ast.Subscript: self._eval_subscript,
            ast.UnaryOp: self._eval_unaryop,
        }

    def value_of(self, body: ast.expr) -> Any:
        """The value of a tree that was checked. Raises Stopped."""
        try:
            return self.eval("", body)
        finally:
            self.nodes = {}  # they refer to it, and would keep it until a garbage collection

    def _eval(self, node: Any) -> Any:
        """What a node stands for: every step of the walk comes through here."""
        try:
            self.work.spend(1)
            value = self.nodes[type(node)](node)
            if type(node) is not ast.Slice:
                kind(value)
        except Stopped:
            raise
        except Refused as refused:
            raise Stopped(refused.problem, node.col_offset) from None
        except IterableTooLong:
            problem = f"this takes more than {MAX_LOOPS:,} turns; do it in code instead"
            raise Stopped(problem, node.col_offset) from None
        except (ArithmeticError, ValueError):  # infinities, and integers that are in no message
            raise Stopped("this cannot be worked out with such numbers", node.col_offset) from None
        except TypeError:
            if not isinstance(node, ast.ListComp | ast.GeneratorExp):
                raise  # all of this room's look before they take
            raise Stopped("a loop goes through a list; this is none", node.col_offset) from None
        return value

    def _eval_name(self, node: ast.Name) -> Any:
        return beginning(self.names, node.id)

    def _eval_subscript(self, node: ast.Subscript) -> Any:
        value, key = self._eval(node.value), self._eval(node.slice)
        try:
            found = into(value, key, told=constant(node.slice) is not None)
        except Refused as refused:
            error = Gone if isinstance(refused, Missing) else Stopped
            problem = partial(_about, node.value, refused)
            raise error(problem, node.slice.col_offset) from None
        if isinstance(key, slice):
            self.work.spend(len(found) // 100 if isinstance(found, str) else len(found))
        return found

    def _eval_call(self, node: Any) -> Any:
        function = FUNCTIONS[node.func.id]
        if function.lazy:
            return function.call(self.work, *[partial(self._eval, each) for each in node.args])
        return function.call(self.work, *[self._eval(each) for each in node.args])


def _about(node: ast.expr, refused: Refused) -> str:
    return f"{named(node)} {refused.problem}"
