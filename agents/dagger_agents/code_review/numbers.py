"""Magic numbers: literals in the bodies of functions that nothing names."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from dagger_agents.code_review.issues import Issue
from dagger_agents.code_review.options import Options
from dagger_agents.code_review.rules import MAGIC_NUMBER, rule
from dagger_agents.code_review.syntax import lines_of

REPEATED = 2
"""From how many times on a number is worth a constant."""

LONGEST = 20
"""Characters of a number that somebody can still read; with more it gets no constant."""


class Number(NamedTuple):
    """One place where a number stands."""

    value: int | float
    literal: str
    """As it is written there: "0o755"."""
    line: int
    column: int
    """From 0, as `ast` counts: in bytes of UTF-8."""
    role: str
    """What it is there, by what it is compared or counted with: "age_limit"; "" where that has no
    name."""


class Repeated(NamedTuple):
    """A number that a constant can stand for."""

    role: str
    """What the constant is to say."""
    places: Sequence[Number]


def magic_numbers(tree: ast.AST, text: str, options: Options) -> list[Number]:
    """All magic numbers of a module, in order."""
    roles, lines = _roles(tree), lines_of(text)
    found = [_number(each, lines, roles) for each in _numbers(tree, options, inside=False)]
    return sorted(found, key=lambda each: (each.line, each.column))


def _number(node: ast.Constant, lines: Sequence[str], roles: Mapping[ast.expr, str]) -> Number:
    assert isinstance(node.value, (int, float))
    start, end = node.col_offset, node.end_col_offset
    literal = lines[node.lineno - 1].encode()[start:end].decode()
    return Number(node.value, literal, node.lineno, start, roles.get(node, ""))


def repeated_numbers(numbers: Sequence[Number]) -> list[Repeated]:
    """Those that stand there more than once, have a role, and can be read; in the order of their
    first places.
    """
    found = []
    for places in _by_literal(numbers):
        role = next((each.role for each in places if each.role), "")
        if role and len(places) >= REPEATED and len(places[0].literal) <= LONGEST:
            found.append(Repeated(role, places))
    return found


def number_issues(tree: ast.AST, text: str, options: Options) -> Iterator[Issue]:
    """An issue for each number, where it stands first."""
    numbers = magic_numbers(tree, text, options)
    fixable = {each.places[0] for each in repeated_numbers(numbers)}
    for places in _by_literal(numbers):
        first, times = places[0], len(places)
        said = "once" if times == 1 else "twice" if times == 2 else f"{times} times"
        yield Issue(
            code=MAGIC_NUMBER,
            priority=rule(MAGIC_NUMBER).priority,
            line=first.line,
            column=first.column + 1,
            message=f"the number {_shown(first.literal)} stands in the code {said}",
            is_fixable=first in fixable,
        )


def _shown(literal: str) -> str:
    return literal if len(literal) <= LONGEST else f"{literal[:LONGEST]}..."


def _by_literal(numbers: Sequence[Number]) -> list[list[Number]]:
    """1 and 1.0 are equal, and not the same; and 127 and 0x7F do not say the same."""
    found: dict[str, list[Number]] = {}
    for each in numbers:
        found.setdefault(each.literal, []).append(each)
    return [*found.values()]


# -- where numbers stand ----------------------------------------------------------------

_NAMED = (
    *(ast.keyword, ast.arguments, ast.AnnAssign),  # what it is for stands next to it
    *(ast.Dict, ast.List, ast.Set, ast.Tuple),  # rows of a table
    ast.JoinedStr,
)
"""Where a number has a name, or is not to be replaced by one."""


def _numbers(node: ast.AST, options: Options, inside: bool) -> Iterator[ast.Constant]:
    if isinstance(node, ast.Constant):
        value = node.value
        if inside and isinstance(value, (int, float)) and not _is_plain(value, options):
            yield node
        return
    function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    for child in _parts(node):
        yield from _numbers(child, options, inside or function)


def _parts(node: ast.AST) -> Iterator[ast.AST]:
    """What of a node can have magic numbers in it."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.match_case)):
        yield from node.body  # and no defaults; and a name in a pattern would catch everything
    elif isinstance(node, ast.Subscript):
        yield node.value
    elif not isinstance(node, _NAMED) and not _is_named(node):
        yield from ast.iter_child_nodes(node)


def _is_plain(value: float, options: Options) -> bool:
    return isinstance(value, bool) or value in options.plain_numbers


def _is_named(node: ast.AST) -> bool:
    """Whether a number alone is assigned."""
    if not isinstance(node, ast.Assign):
        return False
    value = node.value.operand if isinstance(node.value, ast.UnaryOp) else node.value
    return isinstance(value, ast.Constant)


# -- what they are there ----------------------------------------------------------------

_ROLES: Mapping[type[ast.AST], str] = {
    **dict.fromkeys((ast.Lt, ast.LtE, ast.Gt, ast.GtE), "_limit"),
    **dict.fromkeys((ast.Mult, ast.Div, ast.FloorDiv, ast.Mod), "_factor"),
    **dict.fromkeys((ast.Add, ast.Sub), "_offset"),
    **dict.fromkeys((ast.Eq, ast.NotEq), ""),
}
"""By operator, what follows the name of what a number is compared or counted with."""


def _roles(tree: ast.AST) -> dict[ast.expr, str]:
    found: dict[ast.expr, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            found |= _sides([node.left, *node.comparators], node.ops[0])
        elif isinstance(node, ast.BinOp):
            found |= _sides([node.left, node.right], node.op)
    return found


def _sides(sides: Sequence[ast.expr], operator: ast.AST) -> dict[ast.expr, str]:
    name = next(filter(None, map(_name_of, sides)), "")
    if not name or type(operator) not in _ROLES:
        return {}
    role = f"{name}{_ROLES[type(operator)]}"
    return {each: role for each in sides if isinstance(each, ast.Constant)}


def _name_of(node: ast.expr) -> str:
    """What an expression is called: "status" of `response.status`, "len_items" of `len(items)`."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1:
        inner = _name_of(node.args[0])
        return f"{node.func.id}_{inner}" if inner else ""
    return ""
