"""Imports: which of those that nothing in the code needs can go without anybody noticing.

To import a module is to run it. It may register what is in it, patch something, or fail where it
is not installed; and what it gives may be found by name alone, as pytest finds fixtures. So an
import goes only if its module is known to do nothing but give names, on every platform and in
every version of Python that is alive, and if its own name stands nowhere where it could be looked
up: in texts, in doctests, in other files that are known, and nowhere at all where code is run or
names are listed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from dagger_agents.code_review.syntax import texts_of

FLAT = frozenset(
    {
        *("abc", "argparse", "array", "ast", "atexit", "base64", "binascii", "bisect", "builtins"),
        *("calendar", "codecs", "collections", "collections.abc", "colorsys", "configparser"),
        *("contextlib", "contextvars", "copy", "copyreg", "csv", "dataclasses", "datetime"),
        *("decimal", "difflib", "enum", "errno", "filecmp", "fileinput", "fnmatch", "fractions"),
        *("functools", "gc", "getopt", "glob", "graphlib", "hashlib", "heapq", "hmac"),
        *("inspect", "io", "itertools", "keyword", "linecache", "locale", "math", "mimetypes"),
        *("numbers", "operator", "os", "os.path", "pathlib", "pickle", "platform", "pprint"),
        *("queue", "random", "re", "reprlib", "sched", "secrets", "selectors", "shelve", "shlex"),
        *("shutil", "signal", "socket", "stat", "statistics", "string", "struct", "subprocess"),
        *("sys", "tarfile", "tempfile", "textwrap", "threading", "time", "timeit", "token"),
        *("tokenize", "tomllib", "traceback", "types", "typing", "unicodedata", "uuid", "warnings"),
        *("weakref", "zipfile"),
    }
)
"""Modules that give names and do nothing else."""

PACKAGES = frozenset({"asyncio", "email", "html", "http", "importlib", "json"}) | {
    *("logging", "multiprocessing", "unittest", "urllib", "xml")
}
"""Packages that do nothing else either. Only `import package` goes: to import something from one
may load a part of it, which others then find there.
"""

LOOKING_UP = frozenset({"__dict__", "dir", "eval", "exec", "globals", "locals", "modules", "vars"})
"""What finds names that are written down nowhere."""


def staying(tree: ast.Module, taken: frozenset[str] = frozenset()) -> frozenset[str]:
    """The imports of a module that have to stay, whether anything in it needs them or not.

    `taken` is what others take from it, "*" for all. Each as ruff calls it: "os", "os.path",
    "collections.abc.Iterator", ".shelf.put".
    """
    if looks_up(tree) or "*" in taken:
        return frozenset(_qualified(*each) for each in _imports(tree))
    named, tried = _mentioned(tree) | taken, {id(each) for each in _tried(tree)}
    return frozenset(
        _qualified(statement, alias)
        for statement, alias in _imports(tree)
        if _bound(alias) in named or id(statement) in tried or not _is_harmless(statement, alias)
    )


def needed_by_doctests(tree: ast.Module) -> frozenset[str]:
    """The imports of a module that examples in its texts use; called as in `staying`."""
    words = {word for each in texts_of(tree) for word in _words_of_examples(each)}
    return frozenset(
        _qualified(statement, alias)
        for statement, alias in _imports(tree)
        if words and _bound(alias) in words
    )


Import = ast.Import | ast.ImportFrom


def _imports(tree: ast.AST) -> Iterator[tuple[Import, ast.alias]]:
    for each in ast.walk(tree):
        if isinstance(each, Import):
            yield from ((each, alias) for alias in each.names)


def _tried(tree: ast.AST) -> Iterator[Import]:
    """Imports in a `try`: that one fails may be what is asked."""
    for each in ast.walk(tree):
        if isinstance(each, ast.Try | ast.TryStar):
            yield from (inner for inner in ast.walk(each) if isinstance(inner, Import))


def _is_harmless(statement: Import, alias: ast.alias) -> bool:
    if isinstance(statement, ast.Import):
        return alias.name in FLAT or alias.name in PACKAGES
    return not statement.level and statement.module in FLAT and alias.name != "*"


def _bound(alias: ast.alias) -> str:
    return alias.asname or alias.name.split(".")[0]


def _qualified(statement: Import, alias: ast.alias) -> str:
    if isinstance(statement, ast.Import):
        return alias.name
    dots = "." * statement.level
    return f"{dots}{statement.module}.{alias.name}" if statement.module else f"{dots}{alias.name}"


# -- where names are looked up ----------------------------------------------------------


def looks_up(tree: ast.AST) -> bool:
    """Whether code is run that nobody can see, or names are listed or asked for by texts."""
    return any(
        (isinstance(each, ast.Name) and each.id in LOOKING_UP)
        or (isinstance(each, ast.Attribute) and each.attr in LOOKING_UP)
        for each in ast.walk(tree)
    )


def _mentioned(tree: ast.AST) -> set[str]:
    """The words of all texts; of docstrings those of their examples, since the rest is prose."""
    prose = {id(each) for each in _docstrings(tree)}
    found: set[str] = set()
    for each in ast.walk(tree):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            words = _words_of_examples if id(each) in prose else _words
            found.update(words(each.value))
    return found


def _docstrings(tree: ast.AST) -> Iterator[ast.expr]:
    """Texts that are statements."""
    for each in ast.walk(tree):
        if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant):
            yield each.value


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def _words_of_examples(text: str) -> list[str]:
    lines = re.findall(r"^\s*(?:>>>|\.\.\.) (.*)$", text, re.MULTILINE)
    return [word for each in lines for word in _words(each)]
