"""Python read quietly: what it would warn of is nobody's business here."""

from __future__ import annotations

import ast
import io
import threading
import warnings
from collections.abc import Iterator

_alone = threading.Lock()
"""Of several threads one parses at a time: CPython 3.11 counts how deep all of them are as one
(python/cpython#106905), and what is warned of is theirs together.
"""


def parse(text: str) -> ast.Module:
    """The syntax tree of a text. Raises SyntaxError for what is no Python, or is too deep."""
    try:
        with _alone, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except ValueError as error:  # a NUL
        raise SyntaxError(str(error)) from error
    except (RecursionError, MemoryError) as error:
        raise SyntaxError("nested too deep") from error


def shape_of(node: object) -> object:
    """What two syntax trees that mean the same have in common, and no others: all but places.

    `ast.dump` does the same in text, and fails at a number of more digits than Python writes.
    """
    if isinstance(node, ast.AST):
        return (type(node), *(shape_of(value) for _, value in ast.iter_fields(node)))
    if isinstance(node, list):
        return tuple(map(shape_of, node))
    return type(node), node


def lines_of(text: str) -> list[str]:
    """The lines of a text as Python counts them, each with its end.

    `str.splitlines` counts form feeds and others as well.
    """
    return [*io.StringIO(text, newline=None)]


def texts_of(tree: ast.AST) -> Iterator[str]:
    """All texts that stand in the code, also between the parts of f-strings."""
    for each in ast.walk(tree):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value
