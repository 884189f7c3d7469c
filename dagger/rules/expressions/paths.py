"""Which paths an expression refers to, and how a path is written."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

Part = str | int


class Path(NamedTuple):
    """A name, and the constant parts that follow it: `steps.fetch.items[0]`."""

    parts: tuple[Part, ...]
    columns: tuple[int, ...]
    """Where each part is."""


def paths(node: ast.AST, bound: frozenset[str] = frozenset()) -> Iterator[Path]:
    """All paths in a tree that begin with a name which no loop around them gives."""
    if isinstance(node, ast.ListComp | ast.GeneratorExp):
        yield from _paths_of_loop(node, bound)
        return
    base, keys = chain(node)
    if isinstance(base, ast.Name):
        if base.id not in bound:
            yield _path(base, keys)
        below: list[ast.AST] = [*keys]
    elif isinstance(node, ast.Call):
        below = [*node.args]
    else:
        below = [*ast.iter_child_nodes(node)]
    for each in below:
        yield from paths(each, bound)


def whole_path(node: ast.AST) -> Path | None:
    """What a node is, if it is nothing but a path."""
    base, keys = chain(node)
    if not isinstance(base, ast.Name):
        return None
    path = _path(base, keys)
    return path if len(path.parts) == len(keys) + 1 else None


def chain(node: ast.AST) -> tuple[ast.AST, list[ast.expr]]:
    """What `a[b][c]` begins with, and its keys in order."""
    keys: list[ast.expr] = []
    while isinstance(node, ast.Subscript):
        keys.append(node.slice)
        node = node.value
    return node, keys[::-1]


def constant(key: ast.AST) -> Part | None:
    """A key that is written down as such; `-1` is said as the negative of 1."""
    if isinstance(key, ast.UnaryOp) and isinstance(key.op, ast.USub):
        below = constant(key.operand)
        return -below if isinstance(below, int) else None
    if isinstance(key, ast.Constant) and type(key.value) in (str, int):
        written_down: Part = key.value
        return written_down
    return None


def bound_by(loop: ast.comprehension) -> frozenset[str]:
    """The name that a loop gives to what it goes through."""
    return frozenset({loop.target.id} if isinstance(loop.target, ast.Name) else ())


def named(node: ast.AST) -> str:
    """A value as it is called in a sentence: its path, or "this"."""
    path = whole_path(node)
    return written(path.parts) if path else "this"


def written(parts: tuple[Part, ...]) -> str:
    """A path as it is written: `steps.fetch.items[0]`."""
    text = str(parts[0])
    for part in parts[1:]:
        plain = isinstance(part, str) and part.isascii() and part.isidentifier()
        text += f".{part}" if plain else f"[{part!r}]"
    return text


def _paths_of_loop(node: ast.ListComp | ast.GeneratorExp, bound: frozenset[str]) -> Iterator[Path]:
    for each in node.generators:
        yield from paths(each.iter, bound)
        bound |= bound_by(each)
        for test in each.ifs:
            yield from paths(test, bound)
    yield from paths(node.elt, bound)


def _path(base: ast.Name, keys: list[ast.expr]) -> Path:
    parts: list[Part] = [base.id]
    columns = [base.col_offset]
    for key in keys:
        part = constant(key)
        if part is None:
            break
        parts.append(part)
        columns.append(key.col_offset)
    return Path(tuple(parts), tuple(columns))
