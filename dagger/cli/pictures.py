"""--dot and --svg: pictures, written to files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click

from dagger.words.errors import ExecutionError

F = TypeVar("F", bound=Callable[..., Any])


STDOUT = Path("-")
"""Where a picture goes that is for no file."""


def picture_option(flag: str, text: str) -> Callable[[F], F]:
    """An option that names a file to draw to; whether it can be made is said at once."""
    kind = click.Path(dir_okay=False, writable=True, path_type=Path)
    return click.option(flag, type=kind, callback=_in_a_folder, metavar="F", help=text)


def picture_or_stdout_option(flag: str, text: str) -> Callable[[F], F]:
    """The same, where no file need be named: STDOUT stands for none."""
    kind = click.Path(dir_okay=False, writable=True, allow_dash=True, path_type=Path)
    alone: dict[str, Any] = {"is_flag": False, "flag_value": str(STDOUT), "metavar": "[F]"}
    return click.option(flag, type=kind, callback=_in_a_folder, help=text, **alone)


def _in_a_folder(ctx: click.Context, param: click.Parameter, path: Path | None) -> Path | None:
    if path is not None and not path.parent.is_dir():
        raise click.BadParameter(f"there is no folder {str(path.parent)!r}.")
    return path


class Drawable(Protocol):
    """What there is a picture of."""

    def to_dot(self) -> str:
        """It, in Graphviz's language."""

    def render(self, path: Path, format: str) -> Path:
        """It, drawn to a file. Raises ExecutionError."""


def draw(what: Drawable, *, dot: Path | None, svg: Path | None = None) -> None:
    """Write the pictures that are wanted, and say where; without Graphviz, why there is none."""
    if dot is not None:
        dot.write_text(what.to_dot(), encoding="utf-8")
        click.echo(f"wrote {dot}", err=True)
    if svg is not None:
        try:
            what.render(svg, "svg")
        except ExecutionError as error:
            click.echo(f"{svg} was not written: {error}", err=True)
        else:
            click.echo(f"wrote {svg}", err=True)
