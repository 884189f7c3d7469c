"""Names for magic numbers that stand in the code more than once.

    if age > 86400:            ->   if age > _AGE_LIMIT_86400:

with `_AGE_LIMIT_86400 = 86400` below the imports, the number written as it was: 0o755 says more
than 493. The name is made of what the number is compared or counted with; where that has none,
there is no constant, and a person will find a better one anyway. It is private, no other name in
the file is like it, and where names are listed there is none. That the text means the same is
proved each time: put back, the numbers give the syntax tree there was.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import cast

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from dagger_agents.code_review.imports import looks_up
from dagger_agents.code_review.numbers import Number, Repeated, magic_numbers, repeated_numbers
from dagger_agents.code_review.review import Review
from dagger_agents.code_review.syntax import lines_of, parse, shape_of

Statement = cst.SimpleStatementLine | cst.BaseCompoundStatement

Place = tuple[int, int]
"""Line and column, as libcst counts them."""


def with_constants(text: str, review: Review) -> str:
    """The text with constants for the magic numbers that it has more than once."""
    tree = parse(text)
    repeated = repeated_numbers(magic_numbers(tree, text, review.options))
    if not repeated or looks_up(tree):
        return text
    named = _named(tree, repeated)
    lines = lines_of(text)
    wanted = {_place(each, lines): name for name, places in named.items() for each in places}
    changed = MetadataWrapper(cst.parse_module(text)).visit(_Replacing(wanted))
    numbers = {name: places[0] for name, places in named.items()}
    result = _with_definitions(changed, numbers).code
    return result if _means_the_same(tree, result, numbers) else text


def _named(tree: ast.AST, repeated: Sequence[Repeated]) -> dict[str, Sequence[Number]]:
    """By the name that its constant gets, where a number stands."""
    taken = _identifiers(tree)
    named: dict[str, Sequence[Number]] = {}
    for role, places in repeated:
        value = re.sub(r"\W", "_", places[0].literal)
        name = f"_{role.strip('_') or 'number'}_{value}".upper()
        while name in taken:
            name += "_"
        taken.add(name)
        named[name] = places
    return named


def _identifiers(tree: ast.AST) -> set[str]:
    """Every text in a module that could be a name, whatever it is the name of."""
    return {
        value
        for node in ast.walk(tree)
        for _, found in ast.iter_fields(node)
        for value in (found if isinstance(found, list) else [found])
        if isinstance(value, str)
    }


def _place(number: Number, lines: Sequence[str]) -> Place:
    """`ast` counts bytes, libcst counts characters."""
    before = lines[number.line - 1].encode()[: number.column]
    return number.line, len(before.decode())


# -- the change -------------------------------------------------------------------------


class _Replacing(cst.CSTTransformer):
    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, wanted: Mapping[Place, str]) -> None:
        super().__init__()
        self._wanted = wanted

    def leave_Integer(
        self, original_node: cst.Integer, updated_node: cst.Integer
    ) -> cst.BaseExpression:
        return self._replaced(original_node, updated_node)

    def leave_Float(self, original_node: cst.Float, updated_node: cst.Float) -> cst.BaseExpression:
        return self._replaced(original_node, updated_node)

    def _replaced(self, original: cst.BaseNumber, updated: cst.BaseNumber) -> cst.BaseExpression:
        start = self.get_metadata(PositionProvider, original).start
        name = self._wanted.get((start.line, start.column))
        if name is None:
            return updated
        return cst.Name(name, lpar=updated.lpar, rpar=updated.rpar)


def _with_definitions(module: cst.Module, numbers: Mapping[str, Number]) -> cst.Module:
    """The module with the constants below its docstring and the imports it begins with."""
    body = [*module.body]
    at = _after_imports(body)
    lines = [cst.parse_statement(f"{name} = {each.literal}") for name, each in numbers.items()]
    lines[0] = lines[0].with_changes(leading_lines=[cst.EmptyLine(indent=False)] if at else [])
    if at < len(body):
        body[at] = _set_apart(body[at])
    return module.with_changes(body=[*body[:at], *lines, *body[at:]])


def _set_apart(statement: Statement) -> Statement:
    """The statement with empty lines above it and its comments: one, or two as is usual."""
    leading = [*statement.leading_lines]
    if leading and leading[0].comment is None:
        return statement
    lines = 2 if isinstance(statement, (cst.FunctionDef, cst.ClassDef)) else 1
    empty = [cst.EmptyLine(indent=False)] * lines
    return statement.with_changes(leading_lines=[*empty, *leading])


def _after_imports(body: Sequence[Statement]) -> int:
    """How many statements a module begins with that are its docstring and imports."""
    for number, each in enumerate(body):
        only = each.body[0] if isinstance(each, cst.SimpleStatementLine) else None
        docstring = number == 0 and isinstance(only, cst.Expr)
        if not docstring and not isinstance(only, (cst.Import, cst.ImportFrom)):
            return number
    return len(body)


# -- the proof --------------------------------------------------------------------------


def _means_the_same(before: ast.AST, after: str, numbers: Mapping[str, Number]) -> bool:
    """Whether a text with its constants put back has the syntax tree there was."""
    try:
        tree = parse(after)
    except SyntaxError:
        return False
    values = {name: each.value for name, each in numbers.items()}
    defined = [each for each in tree.body if _defines(each, values)]
    tree.body = [each for each in tree.body if each not in defined]
    put_back = cast("ast.AST", _PuttingBack(values).visit(tree))
    return len(defined) == len(numbers) and shape_of(put_back) == shape_of(before)


def _defines(statement: ast.stmt, values: Mapping[str, float]) -> bool:
    """Whether a statement gives a constant its value."""
    match statement:
        case ast.Assign([ast.Name(name)], ast.Constant(value)) if name in values:
            return shape_of(value) == shape_of(values[name])
    return False


class _PuttingBack(ast.NodeTransformer):
    def __init__(self, values: Mapping[str, float]) -> None:
        self._values = values

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self._values:
            return ast.Constant(self._values[node.id])
        return node
