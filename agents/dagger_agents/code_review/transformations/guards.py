"""Early returns, where functions are nested too deep or are too hard to follow.

Two changes, both inside of functions only:

    if ready:                  if not ready:
        work()            ->       return
                               work()

where the `if` is the last statement of a function (or of a loop: then it is `continue`), so that
nothing was to come after it anyway; and

    if ready:                  if not ready:
        work()                     raise Missing
    else:                 ->   work()
        raise Missing

where what stands under `else` always ends in `return`, `raise`, `continue` or `break`, so that
what comes after the `if` came after `work()` alone. In both the condition is asked as often as
before, and once. It is only ever turned round by `not`, which means the same whatever it is: `not
a == b` is not the same as `a != b`. Only what has blocks of its own in it is moved.
"""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst
from libcst import matchers as m

from dagger_agents.code_review.review import Review
from dagger_agents.code_review.rules import COGNITIVE, DEEP_NESTING


def with_guards(text: str, review: Review) -> str:
    """The text with early returns in the functions that the review finds too deep or too hard."""
    wanted = {each.function for each in review.issues if each.code in (COGNITIVE, DEEP_NESTING)}
    if not wanted:
        return text
    return cst.parse_module(text).visit(_Guards(wanted)).code


class _Guards(cst.CSTTransformer):
    """Changes the functions of some qualified names, and none within others that are not."""

    def __init__(self, wanted: set[str]) -> None:
        super().__init__()
        self._wanted = wanted
        self._outer: list[str] = []

    def visit_ClassDef(self, node: cst.ClassDef) -> None:
        self._outer.append(node.name.value)

    def leave_ClassDef(
        self, original_node: cst.ClassDef, updated_node: cst.ClassDef
    ) -> cst.ClassDef:
        self._outer.pop()
        return updated_node

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        self._outer.append(node.name.value)

    def leave_FunctionDef(
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.FunctionDef:
        name = ".".join(self._outer)
        self._outer.pop()
        if name not in self._wanted or not isinstance(updated_node.body, cst.IndentedBlock):
            return updated_node
        end = "return None" if _returns_values(updated_node.body) else "return"
        return updated_node.with_changes(body=_flat(updated_node.body, end))


def _returns_values(body: cst.IndentedBlock) -> bool:
    """Whether a function returns something else than None somewhere."""
    found = _Returns()
    body.visit(found)
    return found.values


class _Returns(cst.CSTVisitor):
    values = False

    def visit_Return(self, node: cst.Return) -> None:
        self.values |= node.value is not None

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
        return False


Statements = Sequence[cst.BaseStatement]


def _flat(block: cst.BaseSuite, end: str | None) -> cst.BaseSuite:
    """A block with guards; `end` is what leaves it where nothing comes after it."""
    if not isinstance(block, cst.IndentedBlock):
        return block
    done: list[cst.BaseStatement] = []
    ahead = [*block.body]
    while ahead:
        statement = ahead.pop(0)
        guarded = _guarded(statement, None if ahead else end)
        if guarded is None:
            done.append(_flat_inside(statement, None if ahead else end))
        else:
            guard, *inner = guarded
            done.append(guard)
            ahead = [*inner, *ahead]
    return block.with_changes(body=done)


def _flat_inside(statement: cst.BaseStatement, end: str | None) -> cst.BaseStatement:
    """A statement with guards in the blocks that it has.

    What is last in an `if` or a `with` is last in what that is in: it may be left in the same way.
    """
    if isinstance(statement, (cst.For, cst.While)):
        return statement.with_changes(body=_flat(statement.body, "continue"))
    if isinstance(statement, cst.With):
        return statement.with_changes(body=_flat(statement.body, end))
    if not isinstance(statement, cst.If):
        return statement
    changed = statement.with_changes(body=_flat(statement.body, end))
    branch = statement.orelse
    if isinstance(branch, cst.Else):
        return changed.with_changes(orelse=branch.with_changes(body=_flat(branch.body, end)))
    return changed if branch is None else changed.with_changes(orelse=_flat_inside(branch, end))


def _guarded(statement: cst.BaseStatement, end: str | None) -> Statements | None:
    """A guard, and what it guards, instead of an `if`; None where there is none to be made."""
    if not isinstance(statement, cst.If) or not isinstance(statement.body, cst.IndentedBlock):
        return None
    inner = statement.body
    deep = any(isinstance(each, cst.BaseCompoundStatement) for each in inner.body)
    leaving = _leaving(statement.orelse, end)
    if not deep or not leaving or _has_comments(inner.footer):
        return None
    guard = statement.with_changes(
        test=_negated(statement.test),
        whitespace_before_test=cst.SimpleWhitespace(" "),
        body=inner.with_changes(body=leaving),
        orelse=None,
    )
    return [guard, *inner.body]


def _leaving(alternative: cst.If | cst.Else | None, end: str | None) -> Statements:
    """What is done where the condition does not hold, if that leads away; else nothing."""
    if alternative is None:
        return [cst.parse_statement(end)] if end else []
    if isinstance(alternative, cst.If) or not _is_guard(alternative):
        return []
    return [each for each in alternative.body.body if isinstance(each, cst.SimpleStatementLine)]


def _is_guard(alternative: cst.Else) -> bool:
    """Whether an `else` is one line that leads away, and has no comment that would be lost."""
    block = alternative.body
    if not isinstance(block, cst.IndentedBlock) or len(block.body) != 1:
        return False
    if _has_comments(alternative.leading_lines) or _has_comments(block.footer):
        return False
    if block.header.comment is not None:
        return False
    last = block.body[0]
    return isinstance(last, cst.SimpleStatementLine) and isinstance(
        last.body[-1], (cst.Return, cst.Raise, cst.Continue, cst.Break)
    )


def _has_comments(lines: Sequence[cst.EmptyLine]) -> bool:
    return any(each.comment is not None for each in lines)


_ATOM = m.Name() | m.Attribute() | m.Call() | m.Subscript() | m.Integer() | m.SimpleString()


def _negated(test: cst.BaseExpression) -> cst.BaseExpression:
    """`not` before a condition, in as few words as mean the same."""
    if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        return test.expression
    if isinstance(test, cst.Comparison) and len(test.comparisons) == 1:
        only = test.comparisons[0]
        turned = _turned(only.operator)
        if turned is not None:
            return test.with_changes(comparisons=[only.with_changes(operator=turned)])
    if not m.matches(test, _ATOM) and not test.lpar:
        test = test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    return cst.UnaryOperation(operator=cst.Not(), expression=test)


def _turned(operator: cst.BaseCompOp) -> cst.BaseCompOp | None:
    """The operator that is the very opposite of another one; None where there is none."""
    match operator:
        case cst.Is():
            return cst.IsNot()
        case cst.IsNot():
            return cst.Is()
        case cst.In():
            return cst.NotIn()
        case cst.NotIn():
            return cst.In()
    return None
