"""What files of Python take from each other by name, `import` or not."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from dagger_agents.code_review.sources import Source
from dagger_agents.code_review.syntax import parse, texts_of

Pair = tuple[str, str]
"""A module, by the last part of its name, and what is taken from it; "*" for all."""


def taken_among(sources: Iterable[Source]) -> frozenset[Pair]:
    """All that some files take from modules. What is no Python takes nothing."""
    found: set[Pair] = set()
    for each in sources:
        try:
            found.update(_taken(parse(each.text)))
        except SyntaxError:
            continue
    return frozenset(found)


def taken_from(path: Path, pairs: Iterable[Pair]) -> frozenset[str]:
    """The names among them that could be those of one file; "*" is all it has."""
    module = path.parent.resolve().name if path.stem == "__init__" else path.stem
    return frozenset(name for where, name in pairs if where == module)


def _taken(tree: ast.AST) -> Iterator[Pair]:
    """By `from a import b`, by `a.b`, and in texts, as `patch("a.b")` has them."""
    modules = dict(_modules(tree))
    for each in ast.walk(tree):
        if isinstance(each, ast.ImportFrom) and each.module:
            yield from ((each.module.split(".")[-1], alias.name) for alias in each.names)
        elif isinstance(each, ast.Attribute):
            of = each.value
            name = of.attr if isinstance(of, ast.Attribute) else getattr(of, "id", "")
            yield modules.get(name, name), each.attr
    for text in texts_of(tree):
        yield from re.findall(r"(\w+)\.(?=(\w+))", text)


def _modules(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """What may be modules that have another name in the file."""
    for each in ast.walk(tree):
        if isinstance(each, ast.Import | ast.ImportFrom):
            yield from (
                (alias.asname, alias.name.split(".")[-1]) for alias in each.names if alias.asname
            )
