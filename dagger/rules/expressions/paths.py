"""Paths in a tree, such as `steps.fetch.output.items[0]`, and how they are written."""

from __future__ import annotations

import ast
from typing import NamedTuple

Part = str | int


class Path(NamedTuple):
    """A name, and the constant parts that follow it."""

    parts: tuple[Part, ...]
    columns: tuple[int, ...]
    """Where each part is."""


def chain(node: ast.expr) -> tuple[ast.expr, list[ast.expr]]:
    """What `a[b][c]` begins with, and its keys in order."""
    keys: list[ast.expr] = []
    while isinstance(node, ast.Subscript):
        keys.append(node.slice)
        node = node.value
    keys.reverse()
    return node, keys


def path_of(base: ast.Name, keys: list[ast.expr]) -> Path:
    """The path that a name and keys are, up to the first key that has to be worked out."""
    parts: list[Part] = [base.id]
    columns = [base.col_offset]
    for key in keys:
        part = constant(key)
        if part is None:
            break
        parts.append(part)
        columns.append(key.col_offset)
    return Path(tuple(parts), tuple(columns))


def whole_path(node: ast.expr) -> Path | None:
    """What a node is, if it is nothing but a path."""
    base, keys = chain(node)
    if not isinstance(base, ast.Name):
        return None
    path = path_of(base, keys)
    return path if len(path.parts) == len(keys) + 1 else None


def constant(key: ast.expr) -> Part | None:
    """A key that is written down as such; `-1` is said as the negative of 1."""
    if isinstance(key, ast.UnaryOp) and isinstance(key.op, ast.USub):
        below = constant(key.operand)
        return -below if isinstance(below, int) else None
    value = key.value if isinstance(key, ast.Constant) else None
    return value if isinstance(value, str | int) and not isinstance(value, bool) else None


def named(node: ast.expr) -> str:
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
