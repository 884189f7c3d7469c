"""Smells of functions: too long, too deep, too many parameters, too complex."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from dagger_agents.code_review.complexity import Complexity
from dagger_agents.code_review.functions import Definition, Function
from dagger_agents.code_review.issues import Issue
from dagger_agents.code_review.options import Options
from dagger_agents.code_review.rules import (
    COGNITIVE,
    CYCLOMATIC,
    DEEP_NESTING,
    LONG_FUNCTION,
    MANY_PARAMETERS,
    rule,
)

_BLOCKS = (
    *(ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith),
    *(ast.Try, ast.TryStar, ast.Match),
)


def smells(function: Function, complexity: Complexity, options: Options) -> Iterator[Issue]:
    """The issues of one function as a whole."""
    measured = (
        (LONG_FUNCTION, length_of(function), options.max_lines, "lines"),
        (DEEP_NESTING, nesting_of(function.node), options.max_nesting, "blocks in each other"),
        (MANY_PARAMETERS, parameters_of(function), options.max_parameters, "parameters"),
        (CYCLOMATIC, complexity.cyclomatic, options.max_cyclomatic, "ways through it"),
        (COGNITIVE, complexity.cognitive, options.max_cognitive, "points of cognitive complexity"),
    )
    for code, found, most, unit in measured:
        if found > most:
            yield Issue(
                code=code,
                priority=rule(code).priority,
                line=function.line,
                column=function.node.col_offset + 1,
                message=f"{function.qualified_name} has {found} {unit}, more than {most}",
                function=function.qualified_name,
            )


def length_of(function: Function) -> int:
    """The lines of a function without its decorators and its docstring."""
    whole = function.end_line - function.line + 1
    first = function.node.body[0]
    if ast.get_docstring(function.node, clean=False) is None:
        return whole
    return whole - ((first.end_lineno or first.lineno) - first.lineno + 1)


def parameters_of(function: Function) -> int:
    """How many parameters are to be given, without `self` and `cls`, `*args` and `**kwargs`."""
    given = function.node.args
    named = [each.arg for each in (*given.posonlyargs, *given.args)]
    bound = function.is_method and named[:1] in (["self"], ["cls"])
    return len(named) + len(given.kwonlyargs) - bound


def nesting_of(node: ast.AST) -> int:
    """How many blocks stand within each other; functions and classes inside are not looked into."""
    return max((_nesting(each) for each in ast.iter_child_nodes(node)), default=0)


def _nesting(node: ast.AST) -> int:
    if isinstance(node, Definition | ast.ClassDef | ast.Lambda):
        return 0
    if isinstance(node, ast.If):
        branch = node.orelse
        elif_ = len(branch) == 1 and isinstance(branch[0], ast.If)
        inner = max(map(_nesting, node.body if elif_ else [*node.body, *branch]), default=0)
        # An `elif` is as deep as its `if`.
        return max(inner + 1, _nesting(branch[0]) if elif_ else 0)
    return nesting_of(node) + isinstance(node, _BLOCKS)
