"""`dagger flow check`: all that is wrong with a flow, before anything runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from dagger.cli.exits import Exit
from dagger.cli.flows import FLOW_FILE, lines, names_in, read, steps_option, told


@click.command("check", epilog="Exit codes: 0 no errors, 1 errors, 2 usage.")
@click.argument("file", metavar="FILE.yml", type=FLOW_FILE)
@steps_option
@click.option("--json", "as_json", is_flag=True, help="Print what is found as JSON.")
def command(file: Path, steps: tuple[str, ...], as_json: bool) -> None:
    """Say all that is wrong with a flow, with the line and column of each.

    The flows that its steps use are checked as well. Whether the agents and step functions
    that they use exist is asked where --steps or the setting flow_modules says where they are.
    """
    names = names_in(steps)
    documents = read(file, names)
    if as_json:
        found = [{"level": level, **each._asdict()} for each, level in lines(documents)]
        click.echo(json.dumps(found, indent=2))
    else:
        click.echo("\n".join(told(documents, names)))
    wrong = any(each.errors for each in documents)
    sys.exit(Exit.NOT_COMPLETED if wrong else Exit.OK)
