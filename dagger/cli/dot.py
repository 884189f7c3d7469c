"""`dagger dot`: a picture of a stored run."""

from __future__ import annotations

import time
from pathlib import Path

import click

from dagger.cli.completing import run_argument
from dagger.cli.pictures import STDOUT, picture_or_stdout_option
from dagger.cli.stores import opened, store_option


@click.command("dot", epilog="Exit codes: 0 done, 2 usage, 3 store trouble.")
@run_argument()
@store_option
@picture_or_stdout_option("--svg", "Have Graphviz draw it instead, to a file if one is named.")
def command(run_id: str, store: Path, svg: Path | None) -> None:
    """Print the execution tree of a run in Graphviz's language."""
    from dagger.cli.stored import stored_run
    from dagger.views.render import drawn
    from dagger.views.report import make_report

    with opened(store) as reader, reader.still():
        run = stored_run(reader, run_id)
    tree = make_report(run, time.time()).tree
    if svg is None:
        click.echo(tree.to_dot())
    elif svg == STDOUT:
        click.echo(drawn(tree.to_dot(), "svg"), nl=False)
    else:
        tree.render(svg, "svg")
        click.echo(f"wrote {svg}", err=True)
