"""`dagger flow dot`: a picture of a flow."""

from __future__ import annotations

from pathlib import Path

import click

from dagger.cli.flows import FLOW_FILE, read
from dagger.cli.pictures import picture_option


@click.command("dot", epilog="Exit codes: 0 done, 2 usage or errors in the file.")
@click.argument("file", metavar="FILE.yml", type=FLOW_FILE)
@picture_option("--svg", "Draw it to a file instead, with Graphviz.")
def command(file: Path, svg: Path | None) -> None:
    """Print the steps of a flow, and which need which, in Graphviz's language."""
    from dagger.flows.picture import to_dot
    from dagger.views.render import render
    from dagger.words.errors import FlowError

    document = read(file, None)[0]
    if document.errors:
        raise FlowError(document.errors)
    source = to_dot(document.flow)
    if svg is None:
        click.echo(source, nl=False)
    else:
        render(source, svg, "svg")
        click.echo(f"wrote {svg}", err=True)
