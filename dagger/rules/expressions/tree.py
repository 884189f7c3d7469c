"""What an expression means: Python's tree of it, checked before anything is worked out.

Python's parser is asked, and then whatever is not on the lists below is refused.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from dagger.rules.expressions import operators
from dagger.rules.expressions.data import number
from dagger.rules.expressions.functions import FUNCTIONS, arity
from dagger.rules.expressions.limits import MAX_DEPTH
from dagger.rules.expressions.paths import Path, bound_by, paths, whole_path
from dagger.rules.expressions.refusal import Refused, nearest
from dagger.rules.expressions.tokens import Misread, Tokens

_NODES = (
    *(ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.Compare, ast.IfExp, ast.Call, ast.Constant),
    *(ast.Name, ast.Subscript, ast.Slice, ast.List, ast.ListComp, ast.GeneratorExp),
    *(ast.comprehension, ast.Load, ast.Store),
)
_OPERATORS = (ast.operator, ast.unaryop, ast.cmpop, ast.boolop)


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
        _check_depth(body)
        for node in ast.walk(body):
            _check(node)
        found = sorted(paths(body), key=lambda path: path.columns)
        _check_names(body, {path.parts[0] for path in found})
    except _Wrong as wrong:
        raise Misread(wrong.problem, words.offset(wrong.column)) from None
    return Tree(body, tuple(found), whole_path(body), not _selects(body))


class _Wrong(Refused):
    """What is wrong with a node, and where."""

    def __init__(self, problem: str, node: ast.AST) -> None:
        super().__init__(problem)
        self.column: int = getattr(node, "col_offset", 0)


def _parsed(words: Tokens) -> ast.expr:
    try:
        return ast.parse(words.python, mode="eval").body
    except SyntaxError as error:
        problem = "this does not read as an expression: something is missing here, or too much"
        raise Misread(problem, words.offset((error.offset or 1) - 1)) from None
    except (RecursionError, MemoryError):  # the latter is how the parser says the former
        raise Misread(_TOO_DEEP, words.offset(0)) from None


_TOO_DEEP = f"more than {MAX_DEPTH} things within one another; take it apart"


def _check_depth(body: ast.AST) -> None:
    level: list[ast.AST] = [body]
    for _ in range(MAX_DEPTH):
        level = [below for node in level for below in ast.iter_child_nodes(node)]
        if not level:
            return
    raise _Wrong(_TOO_DEEP, body)


def _check(node: ast.AST) -> None:
    if isinstance(node, _OPERATORS):
        known = type(node) in operators.KINDS
    else:
        known = isinstance(node, _NODES)
    if not known:
        hint = "; a list is written as [1, 2]" if isinstance(node, ast.Tuple) else ""
        raise _Wrong(f"this is nothing that an expression can say{hint}", node)
    if isinstance(node, ast.Call):
        _check_call(node)
    elif isinstance(node, ast.Constant):
        _check_constant(node)
    elif isinstance(node, ast.comprehension) and not isinstance(node.target, ast.Name):
        raise _Wrong("a loop has one name, as in [each.id for each in items]", node.target)


def _check_call(node: ast.Call) -> None:
    if not isinstance(node.func, ast.Name):
        problem = "only functions can be called, and values have none; see docs/expressions.md"
        raise _Wrong(problem, node.func)
    name = node.func.id
    if name not in FUNCTIONS:
        raise _Wrong(f"no function {name!r}; {nearest(name, FUNCTIONS)}", node)
    _, least, most = FUNCTIONS[name]
    given = len(node.args)
    if given < least or (most is not None and given > most):
        raise _Wrong(f"{arity(name)}; here are {given}", node)


def _check_constant(node: ast.Constant) -> None:
    if type(node.value) in (int, float):
        try:
            number(node.value)
        except Refused:
            raise _Wrong("this number is too large; a message cannot carry it", node) from None


def _check_names(body: ast.AST, roots: set[object]) -> None:
    """Each loop gives a name of its own: none that is one already in the expression around."""
    waiting = [(body, frozenset(roots))]
    while waiting:
        node, taken = waiting.pop()
        if isinstance(node, ast.ListComp | ast.GeneratorExp):
            for each in node.generators:
                for name in bound_by(each):
                    if name in taken:
                        problem = f"{name!r} is a name already; take another here"
                        raise _Wrong(problem, each.target)
                    taken |= {name}
        waiting += ((below, taken) for below in ast.iter_child_nodes(node))


def _selects(node: ast.AST) -> bool:
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
