"""--dot and --svg: pictures, written to files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dagger.words.errors import ExecutionError

if TYPE_CHECKING:
    from dagger.views.topology import Topology
    from dagger.views.tree import ExecutionTree


class PictureFile(click.Path):
    """A file that can be written: told before there is something to lose."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, writable=True, path_type=Path)

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(super().convert(value, param, ctx))
        if not path.parent.is_dir():
            self.fail(f"there is no folder {str(path.parent)!r}.", param, ctx)
        return path


def draw(what: Topology | ExecutionTree, *, dot: Path | None, svg: Path | None = None) -> None:
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
