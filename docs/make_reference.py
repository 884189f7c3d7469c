"""The pages that come from the code: reference.md and configuration.md.

    python docs/make_reference.py

writes both anew next to this file. A test fails while they say anything else than this.
"""

from __future__ import annotations

import ast
import enum
import inspect
import re
import textwrap
import typing
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import dagger
from dagger.words import errors
from dagger.words.config import PREFIX, Config

HERE = Path(__file__).parent

WIDTH = 92
"""Columns that a signature may take on one line."""

SECTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "Agents": (
        "A handler with a name, channels, schemas and policies.",
        ("dagger.agent", "dagger.Agent", "dagger.registry", "dagger.Registry"),
    ),
    "Running": (
        "One executor, many runs.",
        ("dagger.run", "dagger.Executor", "dagger.LiveRun", "dagger.EventDriven", "dagger.Receipt"),
    ),
    "Inside a handler": (
        "What a handler is given by the names of its parameters.",
        (
            "dagger.Context",
            "dagger.Message",
            "dagger.authoring.cache.CacheView",
            "dagger.authoring.tasks.TaskView",
            "dagger.authoring.tasks.TaskInfo",
            "dagger.authoring.context.ExecutorView",
        ),
    ),
    "Results": (
        "What a run leaves behind, and what is told while it goes on.",
        (
            "dagger.Report",
            "dagger.views.report.AgentCounts",
            "dagger.views.report.ChannelCounts",
            "dagger.views.report.OpenTask",
            "dagger.views.report.OpenQuestion",
            "dagger.views.letters.DeadLetter",
            "dagger.executor.letters.DeadLetters",
            "dagger.words.records.Failure",
            "dagger.Outcome",
            "dagger.LogLine",
            "dagger.Emission",
            "dagger.Missed",
            "dagger.executor.listing.AgentInfo",
            "dagger.executor.listing.ChannelInfo",
            "dagger.executor.listing.Progress",
            "dagger.executor.listing.AgentProgress",
        ),
    ),
    "Pictures": (
        "Who caused what, and who is connected to whom.",
        (
            "dagger.views.tree.ExecutionTree",
            "dagger.views.nodes.TreeNode",
            "dagger.views.topology.Topology",
        ),
    ),
    "Settings": (
        "The settings themselves are a [page of their own](configuration.md).",
        ("dagger.Config", "dagger.Exponential", "dagger.Linear", "dagger.Immediate"),
    ),
    "Time and storage": (
        "The contract of a store, and twins for tests.",
        ("dagger.Store", "dagger.MemoryStore", "dagger.LoopClock"),
    ),
    "How things stand and end": (
        "The closed sets.",
        (
            "dagger.words.outcomes.RunStatus",
            "dagger.words.outcomes.Disposition",
            "dagger.words.outcomes.TaskStatus",
            "dagger.words.outcomes.Overflow",
            "dagger.words.outcomes.OnFailure",
        ),
    ),
}
"""What the reference holds; what is not in `dagger` itself is handed out by what is."""

MADE_BY_USERS = {
    "EventDriven",
    "Executor",
    "Exponential",
    "Immediate",
    "Linear",
    "LoopClock",
    "MemoryStore",
    "Registry",
}
"""Classes whose arguments are shown; instances of the others are handed out."""

FOR_THE_EXECUTOR = {"LiveRun.still", "LiveRun.stir", "LiveRun.end", "TaskView.link"}
"""Methods that are not for users."""

WITHOUT_EFFECT = {
    "human_wait": "no limit to waiting is carried out",
    "human_timeout_action": "no limit to waiting is carried out",
    "durability": "needs the store on disk",
    "snapshot_every_records": "needs the store on disk",
    "snapshot_every_seconds": "needs the store on disk",
    "keep_outcomes": "late watchers are told a number only",
    "keep_logs": "log records are told to watchers and not kept",
    "keep_runs_bytes": "needs the store on disk",
}
"""Settings that are checked but do nothing yet, and why. A test looks for others."""

NOTICE = "<!-- Written by docs/make_reference.py: change the docstrings, then run it again. -->"


def reference() -> str:
    """The text of reference.md."""
    lines = [NOTICE, "# Reference", ""]
    lines += [
        "Everything that `from dagger import ...` offers, and what it hands out, from the",
        "docstrings. Names that stand in full, such as `dagger.authoring.cache.CacheView`, are not",
        "for importing: you get their instances from the others.",
        "",
    ]
    for title, (about, names) in SECTIONS.items():
        lines += [f"## {title}", "", about, ""]
        for name in names:
            lines += _entry(name)
    lines += _errors()
    return "\n".join(lines).rstrip() + "\n"


def configuration() -> str:
    """The text of configuration.md."""
    return "\n".join([NOTICE, *_settings()]).rstrip() + "\n"


def main() -> None:
    """Write both pages."""
    (HERE / "reference.md").write_text(reference(), encoding="utf-8")
    (HERE / "configuration.md").write_text(configuration(), encoding="utf-8")


# -- one name --------------------------------------------------------------------------


def _entry(path: str) -> Iterator[str]:
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
            yield f"| `{field}` | `{_cell(annotation)}`{default} | {_cell(doc)} |"
        yield ""
    for member, thing in vars(kind).items():
        if not member.startswith("_") and f"{name}.{member}" not in FOR_THE_EXECUTOR:
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
    yield from (_doc(kind), "", "| | | |", "|---|---|---|")
    for each in kind:
        yield f"| `{each.name}` | `{each.value!r}` | {_cell(docs.get(each.name, ''))} |"
    yield ""


# -- signatures ------------------------------------------------------------------------


def _code(name: str, thing: Callable[..., Any]) -> Iterator[str]:
    """The signature: on one line, or as a block with a line for each parameter."""
    signature = inspect.signature(thing)
    parameters = list(_parameters(signature))
    returns = "" if isinstance(thing, type) else f" -> {_annotation(signature.return_annotation)}"
    word = "async " if inspect.iscoroutinefunction(thing) else ""
    line = f"{word}{name}({', '.join(parameters)}){returns}"
    if len(line) <= WIDTH:
        yield from (f"`{line}`", "")
    else:
        indented = [f"    {each}," for each in parameters]
        yield from ("```text", f"{word}{name}(", *indented, f"){returns}", "```", "")


def _parameters(signature: inspect.Signature) -> Iterator[str]:
    named_only = False
    for parameter in signature.parameters.values():
        if parameter.name == "self" or parameter.name == "cls":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not named_only:
            named_only = True
            yield "*"
        mark = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
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
    if isinstance(value, tuple):
        return f"({''.join(f'{_default(each)},' for each in value)})"
    return value.__name__ if isinstance(value, type) else repr(value)


# -- docstrings ------------------------------------------------------------------------


def _doc(thing: Any) -> str:
    """A docstring as Markdown, which it nearly is: "<" outside of code would be a tag."""
    pieces = re.split(r"(`[^`]*`)", inspect.getdoc(thing) or "")
    return "".join(each if each[:1] == "`" else each.replace("<", "&lt;") for each in pieces)


def _paragraph(thing: Any) -> Iterator[str]:
    """The docstring and a line after it; nothing where there is none."""
    if doc := _doc(thing):
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
    for node, below in zip(body, body[1:], strict=False):
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and isinstance(below, ast.Expr):
            if isinstance(below.value, ast.Constant) and isinstance(below.value.value, str):
                found[target.id] = inspect.cleandoc(below.value.value)
    return found


def _body(kind: type[Any]) -> list[ast.stmt]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    assert isinstance(tree.body[0], ast.ClassDef)
    return tree.body[0].body


def _is_protocol(kind: type[Any]) -> bool:
    return bool(getattr(kind, "_is_protocol", False))


def _cell(text: str) -> str:
    """A text that fits into one cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


# -- errors and settings ---------------------------------------------------------------


def _errors() -> Iterator[str]:
    """The tree of errors, and each of them with its fields."""
    yield from ("## Errors", "")
    about, _, rest = (errors.__doc__ or "").partition("\n\n")
    tree, _, more = rest.partition("\n\n")
    yield from (about, "", "```text", tree, "```", "")
    yield from (" ".join(more.split()), "")
    yield from (
        "In `dagger` itself are those that programs are likely to catch; the others are in",
        "`dagger.words.errors`.",
        "",
        "| error | fields | |",
        "|---|---|---|",
    )
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and not name.startswith("_"):
            shown = f"**`{name}`**" if name in dagger.__all__ else f"`{name}`"
            yield f"| {shown} | {_error_fields(kind)} | {_cell(_doc(kind))} |"


def _error_fields(kind: type[Any]) -> str:
    init = kind.__init__
    assigned = ast.walk(ast.parse(textwrap.dedent(inspect.getsource(init)))) if _own(init) else ()
    names = [
        node.attr
        for node in assigned
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    ]
    return ", ".join(f"`{name}`" for name in dict.fromkeys(names))


def _own(init: Any) -> bool:
    return getattr(init, "__module__", "").startswith("dagger")


def _settings() -> Iterator[str]:
    yield from ("# Settings", "")
    yield from (
        "A `Config` holds the settings of one executor. `Executor(config=Config(capacity=16))` takes",
        "what is written there and nothing else. Without `config=` an executor takes `Config.load()`:",
        "arguments beat environment variables, which beat the table `[tool.dagger]` of the nearest",
        "`pyproject.toml` at or above the working directory, which beats the defaults below.",
        "",
        "A setting that is unknown or out of range raises `ConfigError`, which names the nearest known",
        'one and where the wrong one was found. `None`, and in the other two places the word `none`,',
        "means no limit. What an agent or channel says about itself beats the Config.",
        "",
        "| setting | default | environment | what it is |",
        "|---|---|---|---|",
    )
    for name, field in Config.model_fields.items():
        default = field.default.value if isinstance(field.default, enum.Enum) else field.default
        about = _cell(field.description or "")
        if name in WITHOUT_EFFECT:
            about += f" **Without effect today:** {WITHOUT_EFFECT[name]}."
        yield f"| `{name}` | `{default!r}` | `{PREFIX}{name.upper()}` | {about} |"


if __name__ == "__main__":
    main()
