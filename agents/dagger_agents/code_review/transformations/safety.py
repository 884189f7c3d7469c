"""What has to hold of every changed text: it is Python, offers what it offered before, and says
nothing in texts and docstrings that it did not say.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from dagger_agents.code_review.syntax import parse, texts_of


def is_safe(before: str, after: str) -> bool:
    """Whether a changed text parses, has every public name that the text before had, and no text
    or docstring that was not there: lines that move could change what is in them.
    """
    try:
        then, now = parse(before), parse(after)
    except SyntaxError:
        return False
    if {*texts_of(now)} - {*texts_of(then)} or {*_docstrings(now)} - {*_docstrings(then)}:
        return False
    return public_names(before) <= public_names(after)


_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def _docstrings(tree: ast.AST) -> Iterator[tuple[str, str | None]]:
    """That of each thing that can have one, by its name."""
    for each in ast.walk(tree):
        if isinstance(each, _DOCUMENTED):
            yield getattr(each, "name", ""), ast.get_docstring(each, clean=False)


def public_names(text: str) -> set[str]:
    """What others may use of a module: functions with their parameters, classes with what is in
    them, variables, what it imports for others (`import x as x`, and all in `__all__`).

    Raises SyntaxError for what is no Python.
    """
    tree = parse(text)
    listed = {name for each in tree.body for name in _listed(each)}
    return {*_names(tree.body, ""), *(f"__all__: {name}" for name in listed)} | {
        f"import {name}" for name in listed & {*_imported(tree.body)}
    }


def _names(body: list[ast.stmt], prefix: str) -> Iterator[str]:
    for each in body:
        if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef)) and _is_public(each.name):
            yield f"{prefix}{each.name}({_said(each.args)})"
        elif isinstance(each, ast.ClassDef) and _is_public(each.name):
            yield f"{prefix}{each.name}"
            yield from _names(each.body, f"{prefix}{each.name}.")
        elif isinstance(each, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            yield from (f"{prefix}{name}" for name in _assigned(each) if _is_public(name))
        elif isinstance(each, (ast.Import, ast.ImportFrom)):
            said = (alias.asname for alias in each.names if alias.asname == alias.name)
            yield from (f"{prefix}{name}" for name in said if name)
        else:
            yield from _names(_inner(each), prefix)


def _said(parameters: ast.arguments) -> str:
    try:
        return ast.unparse(parameters)
    except ValueError:  # a number of more digits than Python writes
        return ", ".join(each.arg for each in ast.walk(parameters) if isinstance(each, ast.arg))


def _is_public(name: str) -> bool:
    return not name.startswith("_") or (name.startswith("__") and name.endswith("__"))


def _inner(statement: ast.stmt) -> list[ast.stmt]:
    """The statements within `if`, `try`, `with` and the like."""
    return [each for each in ast.walk(statement) if isinstance(each, ast.stmt)][1:]


def _assigned(node: ast.Assign | ast.AnnAssign | ast.AugAssign) -> Iterator[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    for target in targets:
        yield from (each.id for each in ast.walk(target) if isinstance(each, ast.Name))


def _listed(statement: ast.stmt) -> Iterator[str]:
    """What stands in `__all__`."""
    if not isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        return
    if "__all__" in _assigned(statement) and statement.value is not None:
        texts = (each for each in ast.walk(statement.value) if isinstance(each, ast.Constant))
        yield from (each.value for each in texts if isinstance(each.value, str))


def _imported(body: list[ast.stmt]) -> Iterator[str]:
    for each in body:
        if isinstance(each, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name for alias in each.names)
