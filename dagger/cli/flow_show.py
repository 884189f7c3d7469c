"""`dagger flow show`: a stored run of a flow, step by step."""

from __future__ import annotations

import json
from pathlib import Path

import click

from dagger.cli.completing import run_argument
from dagger.cli.pictures import picture_option
from dagger.cli.stores import store_option


@click.command("show", epilog="Exit codes: 0 done, 2 usage, 3 store trouble.")
@run_argument()
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON, and only that.")
@picture_option("--dot", "Write a picture of the flow as DOT source, with colours by status.")
@picture_option("--svg", "Draw that picture, with Graphviz.")
def command(run_id: str, store: Path, as_json: bool, dot: Path | None, svg: Path | None) -> None:
    """Show the flow that a run began with, and what has become of each step.

    The run may be open or have ended, and another process may have the store open.
    """
    from dagger.cli.flow_told import lines
    from dagger.cli.flow_views import flow_picture, stored_flow
    from dagger.cli.pictures import draw

    found = stored_flow(store, run_id)
    click.echo(json.dumps(found.data(), indent=2) if as_json else "\n".join(lines(found)))
    if dot is not None or svg is not None:
        draw(flow_picture(found), dot=dot, svg=svg)
