"""What an expression means: Python's tree of it, checked before anything is worked out.

Python's parser is asked, and then whatever is not on the lists below is refused.
"""

from __future__ import annotations

import ast
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from dagger.rules.expressions import operators
from dagger.rules.expressions.data import number
from dagger.rules.expressions.functions import FUNCTIONS, arity
from dagger.rules.expressions.limits import MAX_DEPTH
from dagger.rules.expressions.paths import Path, chain, path_of, whole_path
from dagger.rules.expressions.refusal import Refused, nearest
from dagger.rules.expressions.tokens import Misread, Tokens

_PARTS: dict[type[ast.expr], Callable[[Any], Iterable[ast.expr]]] = {
    ast.BoolOp: lambda node: node.values,
    ast.BinOp: lambda node: (node.left, node.right),
    ast.UnaryOp: lambda node: (node.operand,),
    ast.Compare: lambda node: (node.left, *node.comparators),
    ast.IfExp: lambda node: (node.test, node.body, node.orelse),
    ast.List: lambda node: node.elts,
    ast.Slice: lambda node: filter(None, (node.lower, node.upper, node.step)),
}
"""Nodes that are nothing but their parts, and an operator perhaps."""


@dataclass(frozen=True, slots=True)
class Tree:
    """An expression that was checked."""

    body: ast.expr
    paths: tuple[Path, ...]
    """What it refers to, in order: all paths that begin with a name that no loop gives."""
    path: Path | None
    """Itself, if it is nothing but a path."""
    makes: bool
    """Whether its value may be a list that is not in what it refers to."""


def tree(words: Tokens) -> Tree:
    """Raises Misread for what means nothing."""
    body = _parsed(words)
    try:
        path = whole_path(body)
        if path is not None:  # most are, and there is nothing else to be checked
            _check_depth(body, len(path.parts))
            return Tree(body, (path,), path, makes=False)
        checker = _Checker()
        checker.check(body, 1, frozenset())
        checker.check_names()
    except _Wrong as wrong:
        raise Misread(wrong.problem, words.offset(wrong.column)) from None
    paths = tuple(sorted(checker.paths, key=lambda path: path.columns))
    return Tree(body, paths, None, not _selects(body))


class _Wrong(Refused):
    """What is wrong with a node, and where."""

    def __init__(self, problem: str, node: ast.expr) -> None:
        super().__init__(problem)
        self.column = node.col_offset


_TOO_DEEP = f"more than {MAX_DEPTH} things within one another; take it apart"


_alone = threading.Lock()
"""CPython 3.11 counts how deep the trees of all threads are as one (python/cpython#106905)."""


def _parsed(words: Tokens) -> ast.expr:
    try:
        with _alone:
            return ast.parse(words.python, mode="eval").body
    except SyntaxError as error:
        # The parser counts from 1, and says 0 where it has come to the end.
        column = error.offset - 1 if error.offset else len(words.python)
        problem = "this does not read as an expression: something is missing here, or too much"
        raise Misread(problem, words.offset(column)) from None
    except (RecursionError, MemoryError):  # the latter is how the parser says the former
        raise Misread(_TOO_DEEP, words.offset(0)) from None


class _Checker:
    """Goes through a tree once."""

    def __init__(self) -> None:
        self.paths: list[Path] = []
        self.loops: list[ast.Name] = []

    def check(self, node: ast.expr, depth: int, bound: frozenset[str]) -> None:
        """Raises _Wrong if a node may not be; `bound` are the names that loops around it give."""
        _check_depth(node, depth)
        if isinstance(node, ast.Name | ast.Subscript):
            self._path(node, depth, bound)
        elif isinstance(node, ast.Constant):
            _check_constant(node)
        elif isinstance(node, ast.Call):
            _check_call(node)
            self._all(node.args, depth, bound)
        elif isinstance(node, ast.ListComp | ast.GeneratorExp):
            self._loops(node, depth, bound)
        elif parts := _PARTS.get(type(node)):
            _check_operators(node)
            self._all(parts(node), depth, bound)
        else:
            hint = "; a list is written as [1, 2]" if isinstance(node, ast.Tuple) else ""
            raise _Wrong(f"this is nothing that an expression can say{hint}", node)

    def check_names(self) -> None:
        """Raises _Wrong if the name that a loop gives is also one that a path begins with."""
        roots = {path.parts[0] for path in self.paths}
        for target in self.loops:
            if target.id in roots:
                raise _taken(target)

    def _all(self, nodes: Iterable[ast.expr], depth: int, bound: frozenset[str]) -> None:
        for each in nodes:
            self.check(each, depth + 1, bound)

    def _path(self, node: ast.expr, depth: int, bound: frozenset[str]) -> None:
        base, keys = chain(node)
        if not isinstance(base, ast.Name):
            self.check(base, depth + len(keys), bound)
        elif base.id not in bound:
            self.paths.append(path_of(base, keys))
        self._all(keys, depth + len(keys) - 1, bound)

    def _loops(
        self, node: ast.ListComp | ast.GeneratorExp, depth: int, bound: frozenset[str]
    ) -> None:
        for each in node.generators:
            self._all([each.iter], depth, bound)
            target = each.target
            if not isinstance(target, ast.Name):
                raise _Wrong("a loop has one name, as in [each.id for each in items]", target)
            if target.id in bound:
                raise _taken(target)
            self.loops.append(target)
            bound |= {target.id}
            self._all(each.ifs, depth, bound)
        self._all([node.elt], depth, bound)


def _check_depth(node: ast.expr, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _Wrong(_TOO_DEEP, node)


def _taken(target: ast.Name) -> _Wrong:
    return _Wrong(f"{target.id!r} is a name already; take another here", target)


def _check_call(node: ast.Call) -> None:
    if not isinstance(node.func, ast.Name):
        problem = "only functions can be called, and values have none; see docs/expressions.md"
        raise _Wrong(problem, node.func)
    name = node.func.id
    if name not in FUNCTIONS:
        raise _Wrong(f"no function {name!r}; {nearest(name, FUNCTIONS)}", node)
    function, given = FUNCTIONS[name], len(node.args)
    fits = function.least <= given <= (given if function.most is None else function.most)
    if node.keywords or not fits:
        raise _Wrong(f"{arity(name)}; here are {given}", node)


def _check_constant(node: ast.Constant) -> None:
    if type(node.value) in (int, float):
        try:
            number(node.value)
        except Refused:
            raise _Wrong("this number is too large; a message cannot carry it", node) from None


def _check_operators(node: ast.expr) -> None:
    signs = node.ops if isinstance(node, ast.Compare) else [getattr(node, "op", None)]
    for sign in signs:
        if sign is not None and type(sign) not in operators.KINDS:
            raise _Wrong(f"there is no operator {type(sign).__name__} in expressions", node)


def _selects(node: ast.expr) -> bool:
    """Whether its value is no list, or one that is in what it refers to."""
    match node:
        case ast.IfExp(body=body, orelse=orelse):
            return _selects(body) and _selects(orelse)
        case ast.BoolOp(values=values):
            return all(map(_selects, values))
        case ast.Call(func=ast.Name(id="default"), args=values):
            return all(map(_selects, values))
        case ast.Subscript(value=value):
            return _selects(value)
        case ast.List(elts=elements):
            return not elements
        case _:
            return isinstance(node, ast.Name | ast.Constant | ast.UnaryOp | ast.Compare)
