"""`dagger run`: a run of the agents of a file, from its first message to the report."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Any

import click

from dagger.cli.exits import RUN_CODES
from dagger.cli.pictures import PictureFile, draw
from dagger.cli.target import METAVAR


@click.command("run", epilog=RUN_CODES)
@click.argument("target", metavar=METAVAR, type=click.Path())
@click.option("--channel", metavar="C", help="Start on this channel.")
@click.option("--input", "given", metavar="JSON", help="First payload: JSON, @file or - (stdin).")
@click.option("--timeout", type=float, metavar="S", help="Seconds that the run may be active.")
@click.option("--run-id", metavar="ID", help="Name of the run.")
@click.option("--max-messages", type=int, metavar="N", help="Messages that it may publish.")
@click.option("--max-tokens", type=int, metavar="N", help="Tokens that it may spend.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON, and only that.")
@click.option("--dot", type=PictureFile(), metavar="F", help="Write the tree as DOT source.")
@click.option("--svg", type=PictureFile(), metavar="F", help="Draw the tree, with Graphviz.")
@click.option("-v", "--verbose", is_flag=True, help="Show what agents say with ctx.log.")
def command(
    target: str,
    channel: str | None,
    given: str | None,
    as_json: bool,
    dot: Path | None,
    svg: Path | None,
    verbose: bool,
    **options: Any,
) -> None:
    """Run the agents of a file, and print the report.

    The file says where a run starts, with what, and how: `channel`, `payload`, `config`.
    NAME picks one of its agents, a list of them, or an EventDriven.
    """
    from dagger.cli.conduct import conduct
    from dagger.cli.program import load

    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        start = load(target).start(channel, given)
        report, code = conduct(start, options, silent=as_json, verbose=verbose)
    click.echo(json.dumps(report.to_dict(), indent=2) if as_json else str(report))
    draw(report.tree, dot=dot, svg=svg)
    sys.exit(code)
