"""One public name as Markdown: its signature, docstring, fields and members."""

from __future__ import annotations

import ast
import enum
import inspect
import re
import textwrap
import typing
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import pairwise
from typing import Any

import dagger
from dagger.words.config import Config

WIDTH = 92
"""Columns that a signature may take on one line."""

MADE_BY_USERS = {
    "Budget",
    "Crash",
    "Disk",
    "EventDriven",
    "Executor",
    "Exponential",
    "Flow",
    "Goto",
    "Graph",
    "Graphs",
    "Immediate",
    "InlineProcesses",
    "InlineThreads",
    "LaggingStore",
    "Linear",
    "LmdbStore",
    "LoopClock",
    "MemoryStore",
    "Registry",
    "SimulatedClock",
    "ToolRegistry",
}
"""Classes whose arguments are shown; instances of the others are handed out."""

FOR_THE_EXECUTOR = {"LiveRun.still", "LiveRun.stir", "LiveRun.end", "TaskView.link"}
FOR_THE_EXECUTOR |= {
    f"Reservation.{each}" for each in ("chain", "cover", "spend", "check", "publish")
}
FOR_THE_EXECUTOR |= {f"Reservation.{each}" for each in ("reached", "free", "outstanding")}
FOR_THE_EXECUTOR |= {"Budget.amounts", "Reservation.seconds_left"}
FOR_THE_EXECUTOR |= {f"NodeContext.{each}" for each in ("bind", "said", "seen")}
FOR_THE_EXECUTOR |= {"LmdbStore.write", "LmdbStore.recover", "LaggingStore.bury"}
"""Methods that are not for users."""

WORDS = {
    dagger.START: "What the edges come from that say where a run of a graph begins",
    dagger.END: "What an edge of a graph leads to where a branch ends",
}
"""What is a text, and what it stands for."""

STORES = {"LaggingStore", "LmdbStore", "MemoryStore"}
"""Classes of which all that there is to say is what `Store` says of their methods."""


def entry(path: str) -> Iterator[str]:
    """Heading, signature, docstring and members of one name."""
    module, _, name = path.rpartition(".")
    thing = getattr(import_module(module), name)
    yield from (f"### {name}", "")
    if module != "dagger":
        yield from (f"`{path}`", "")
    if not callable(thing):
        yield from (f"{_variable_doc(thing)}", "")
    elif not isinstance(thing, type):
        yield from _function(name, thing)
    elif issubclass(thing, enum.Enum):
        yield from _enumeration(thing)
    else:
        yield from _class(name, thing)


def _variable_doc(thing: object) -> str:
    if thing is dagger.tools:
        return "The default [`ToolRegistry`](#toolregistry): every decorated tool is in it."
    if thing in WORDS:
        return f"{WORDS[str(thing)]}: `{thing!r}`."
    return f"The default [`{type(thing).__name__}`](#registry-1): every decorated agent is in it."


def _function(name: str, function: Callable[..., Any]) -> Iterator[str]:
    # What a decorator may be called with stands in its last overload.
    known = typing.get_overloads(function)
    yield from _code(name, known[-1] if known else function)
    yield from _paragraph(function)


def _class(name: str, kind: type[Any]) -> Iterator[str]:
    fields = list(_fields(kind))
    if name in MADE_BY_USERS:
        yield from _code(name, kind)
    yield from _paragraph(kind)
    if fields and kind is not Config:
        yield from ("| field | | |", "|---|---|---|")
        for field, annotation, default, doc in fields:
            yield f"| `{field}` | `{cell(annotation)}`{default} | {cell(doc)} |"
        yield ""
    told_elsewhere = dir(dagger.Store) if name in STORES else ()
    for member, thing in vars(kind).items():
        hidden = member.startswith("_") or member in told_elsewhere
        if not hidden and f"{name}.{member}" not in FOR_THE_EXECUTOR:
            yield from _member(name, member, thing)


def _member(owner: str, name: str, thing: Any) -> Iterator[str]:
    """A method or property; other attributes are fields."""
    if isinstance(thing, property) or hasattr(thing, "attrname"):
        function = thing.fget if isinstance(thing, property) else thing.func
        returns = _annotation(function.__annotations__.get("return", "Any"))
        yield from (f"#### {owner}.{name}", "", f"`{name}: {returns}`", "", *_paragraph(function))
        return
    function = thing.__func__ if isinstance(thing, (classmethod, staticmethod)) else thing
    if inspect.isfunction(function):
        yield from (f"#### {owner}.{name}", "")
        yield from _code(name, function)
        yield from _paragraph(function)


def _enumeration(kind: type[enum.Enum]) -> Iterator[str]:
    docs = _attribute_docs(kind)
    yield from (markdown(kind), "", "| | | |", "|---|---|---|")
    for each in kind:
        yield f"| `{each.name}` | `{each.value!r}` | {cell(docs.get(each.name, ''))} |"
    yield ""


# -- signatures ------------------------------------------------------------------------


def _code(name: str, thing: Callable[..., Any]) -> Iterator[str]:
    """The signature: on one line, or as a block with a line for each parameter."""
    signature = inspect.signature(thing)
    parameters = list(_parameters(signature))
    given = _annotation(signature.return_annotation)
    awaited = re.fullmatch(r"Coroutine\[Any, Any, (.*)\]", given)  # as good as an async function
    if awaited:
        given = awaited[1]
    returns = "" if isinstance(thing, type) else f" -> {given}"
    word = "async " if awaited or inspect.iscoroutinefunction(inspect.unwrap(thing)) else ""
    line = f"{word}{name}({', '.join(parameters)}){returns}"
    if len(line) <= WIDTH:
        yield from (f"`{line}`", "")
    else:
        indented = [f"    {each}," for each in parameters]
        yield from ("```text", f"{word}{name}(", *indented, f"){returns}", "```", "")


_MARKS: dict[Any, str] = {
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.VAR_KEYWORD: "**",
}


def _parameters(signature: inspect.Signature) -> Iterator[str]:
    named_only = False
    for parameter in signature.parameters.values():
        if parameter.name == "self" or parameter.name == "cls":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not named_only:
            named_only = True
            yield "*"
        mark = _MARKS.get(parameter.kind, "")
        named_only |= mark == "*"
        text = f"{mark}{parameter.name}"
        if parameter.annotation is not parameter.empty:
            text += f": {_annotation(parameter.annotation)}"
        if parameter.default is not parameter.empty:
            text += f" = {_default(parameter.default)}"
        yield text


def _annotation(annotation: Any) -> str:
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return text.replace('"', "'")


def _default(value: Any) -> str:
    if value is dagger.registry:
        return "registry"
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    if value is dagger.tools:
        return "tools"
    if type(value) is object:  # stands for what is not given
        return "..."
    if isinstance(value, tuple):
        return f"({''.join(f'{_default(each)},' for each in value)})"
    return value.__name__ if isinstance(value, type) else repr(value)


# -- docstrings ------------------------------------------------------------------------


def markdown(thing: Any) -> str:
    """A docstring as Markdown, which it nearly is: "<" outside of code would be a tag."""
    pieces = re.split(r"(`[^`]*`)", inspect.getdoc(thing) or "")
    return "".join(each if each[:1] == "`" else each.replace("<", "&lt;") for each in pieces)


def _paragraph(thing: Any) -> Iterator[str]:
    """The docstring and a line after it; nothing where there is none."""
    if doc := markdown(thing):
        yield from (doc, "")


def _fields(kind: type[Any]) -> Iterator[tuple[str, str, str, str]]:
    """Name, type, default and description of what a class of data holds."""
    for each in reversed(kind.__mro__[:-1]):
        if each.__module__.partition(".")[0] == "dagger" and not _is_protocol(each):
            yield from _own_fields(each)


def _own_fields(kind: type[Any]) -> Iterator[tuple[str, str, str, str]]:
    docs = _attribute_docs(kind)
    for node in _body(kind):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
            if not name.startswith("_") and "ClassVar" not in ast.unparse(node.annotation):
                default = f" = `{ast.unparse(node.value)}`" if _plain(node.value) else ""
                yield name, ast.unparse(node.annotation), default, docs.get(name, "")


def _plain(value: ast.expr | None) -> typing.TypeGuard[ast.expr]:
    return value is not None and not isinstance(value, ast.Call)


def _attribute_docs(kind: type[Any]) -> dict[str, str]:
    """The strings that stand right below the attributes of a class."""
    found = {}
    body = _body(kind)
    for node, below in pairwise(body):
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        text = below.value if isinstance(below, ast.Expr) else None
        if isinstance(target, ast.Name) and isinstance(text, ast.Constant):
            found[target.id] = inspect.cleandoc(str(text.value))
    return found


def _body(kind: type[Any]) -> list[ast.stmt]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    assert isinstance(tree.body[0], ast.ClassDef)
    return tree.body[0].body


def _is_protocol(kind: type[Any]) -> bool:
    return bool(getattr(kind, "_is_protocol", False))


def cell(text: str) -> str:
    """A text that fits into one cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")
