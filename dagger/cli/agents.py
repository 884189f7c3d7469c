"""`dagger agents`: the agents of a file, and what each of them declares."""

from __future__ import annotations

import json
import sys

import click

from dagger.cli.target import METAVAR

WIDTH = 100
"""Columns of the table where it does not go to a terminal."""


@click.command("agents", epilog="Exit codes: 0 done, 2 usage.")
@click.argument("target", metavar=METAVAR, type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON, schemas and all.")
def command(target: str, as_json: bool) -> None:
    """List the agents of a file, and what they declare."""
    from dagger.cli.describe import agents_table, described
    from dagger.cli.program import load

    agents = load(target).agents
    if as_json:
        click.echo(json.dumps([described(each) for each in agents], indent=2))
        return
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    with console.capture() as captured:
        console.print(agents_table(agents))
    click.echo("\n".join(line.rstrip() for line in captured.get().strip("\n").splitlines()))
