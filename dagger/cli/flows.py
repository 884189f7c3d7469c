"""What commands about flows have in common: the files, what they may use, what is found in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dagger.cli.exits import Refused
from dagger.cli.target import imported, short_traceback
from dagger.views.wording import plural

if TYPE_CHECKING:
    from types import ModuleType

    from dagger.flows.documents import Document
    from dagger.flows.names import Names
    from dagger.words.errors import FlowProblem

F = TypeVar("F", bound=Callable[..., Any])

FLOW_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

_COLOURS = {"error": "red", "warning": "yellow"}


def is_flow(target: str) -> bool:
    """Whether it is the file of a flow that is meant, by its name."""
    return target.endswith((".yml", ".yaml"))


def steps_option(command: F) -> F:
    """--steps: files with what the steps of a flow use."""
    text = "A file with agents and step functions that the flow may use. May be repeated."
    return click.option("--steps", multiple=True, metavar="FILE.py", help=text)(command)


def inputs_option(command: F) -> F:
    """--input: the inputs of a flow."""
    text = "An input, name=value, or all: a JSON mapping, @file or - (stdin). May be repeated."
    return click.option("--input", "given", multiple=True, metavar="INPUT", help=text)(command)


def changes_option(command: F) -> F:
    """--accept-changes: whether runs go on under a flow that was changed."""
    text = "Go on with runs of a flow that was changed, where what has run is as it was."
    return click.option("--accept-changes", is_flag=True, help=text)(command)


def names_in(files: Iterable[str]) -> Names | None:
    """What there is to use in some files, and in the modules that the settings name.

    None where neither says anything. Raises what `modules_in` does.
    """
    modules = modules_in(files)
    return _names(modules) if modules else None


def modules_in(files: Iterable[str]) -> list[ModuleType]:
    """The modules that the settings name, and those of some files.

    Raises Refused, and what of Dagger's errors they raise.
    """
    from dagger.words.config import Config

    config = Config.load()
    return [*map(_module, config.flow_modules), *(imported(each)[0] for each in files)]


def _module(name: str) -> ModuleType:
    try:
        return import_module(name)
    except Exception as error:
        problem = f"the module {name!r}, which flow_modules names, cannot be imported"
        raise Refused(f"{problem}\n{short_traceback(error)}") from error


def _names(modules: Iterable[ModuleType]) -> Names:
    from dagger.authoring.agent import Agent
    from dagger.flows.functions import StepFunction
    from dagger.flows.names import Names

    there = [each for module in modules for each in vars(module).values()]
    return Names.of(
        (each.name for each in there if isinstance(each, Agent)),
        (each for each in there if isinstance(each, StepFunction)),
    )


def read(file: Path, names: Names | None) -> list[Document]:
    """The document of a file, and those that it uses, under the settings in force.

    Raises Refused if it cannot be read.
    """
    from dagger.flows.loading import documents
    from dagger.flows.running.builtins import refused
    from dagger.words.config import Config

    try:
        return documents(file, names, refused(Config.load()))
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}") from error


def lines(documents: Iterable[Document]) -> Iterator[tuple[FlowProblem, str]]:
    """What is found in some documents, each with "error" or "warning"."""
    for each in documents:
        yield from ((problem, "error") for problem in each.errors)
        yield from ((problem, "warning") for problem in each.warnings)


def told(documents: list[Document], names: Names | None) -> Iterator[str]:
    """The same as lines for people, with a sum below them."""
    counts = dict.fromkeys(_COLOURS, 0)
    for problem, level in lines(documents):
        counts[level] += 1
        mark = click.style(f"{level:<7}", fg=_COLOURS[level])
        yield f"{mark}  {problem}"
    steps = sum(len([*each.flow.all_steps()]) for each in documents)
    found = ", ".join(_counted(count, level) for level, count in counts.items())
    files = plural(len(documents), "file")
    asked = "" if names is not None else "; what the steps use was not looked for (see --steps)"
    yield f"{files}, {plural(steps, 'step')}: {found}{asked}"


def _counted(count: int, level: str) -> str:
    from dagger.rules.documents.limits import MAX_PROBLEMS

    return f"{'at least ' if count >= MAX_PROBLEMS else ''}{plural(count, level)}"
