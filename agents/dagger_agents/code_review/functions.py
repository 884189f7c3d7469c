"""The functions of a source text, as `ast` sees them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from dagger_agents.code_review.syntax import lines_of, parse

Definition = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Function:
    """A function, a method, or a function within another one."""

    name: str
    """Its own name."""
    qualified_name: str
    """With the classes and functions that it is in: "Shelf.sort.key"."""
    first_line: int
    """Where it begins, with its decorators; from 1."""
    line: int
    """Where `def` stands."""
    end_line: int
    """Its last line."""
    source: str
    """Its text, as it is indented in the file."""
    is_async: bool
    """Whether it is an `async def`."""
    is_method: bool
    """Whether it stands in the body of a class."""
    is_nested: bool
    """Whether it stands within another function."""
    node: Definition = field(repr=False, compare=False)
    """What `ast` knows of it; not to be changed."""


def functions_of(text: str) -> tuple[Function, ...]:
    """All functions of a source text, in the order in which they begin.

    Raises SyntaxError for what is no Python.
    """
    return tuple(_functions(parse(text), lines_of(text), (), None))


def _functions(
    parent: ast.AST, lines: list[str], outer: tuple[str, ...], holder: ast.AST | None
) -> Iterator[Function]:
    """The functions below a node; `holder` is the innermost class or function around it."""
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, Definition):
            yield _function(node, lines, outer, holder)
        if isinstance(node, Definition | ast.ClassDef):
            yield from _functions(node, lines, (*outer, node.name), node)
        else:
            yield from _functions(node, lines, outer, holder)


def _function(
    node: Definition, lines: list[str], outer: tuple[str, ...], holder: ast.AST | None
) -> Function:
    first = min((each.lineno for each in node.decorator_list), default=node.lineno)
    end = node.end_lineno or node.lineno
    return Function(
        name=node.name,
        qualified_name=".".join((*outer, node.name)),
        first_line=first,
        line=node.lineno,
        end_line=end,
        source="".join(lines[first - 1 : end]),
        is_async=isinstance(node, ast.AsyncFunctionDef),
        is_method=isinstance(holder, ast.ClassDef),
        is_nested=isinstance(holder, Definition),
        node=node,
    )
