"""`dagger recheck`: what today's agents make of the messages that a stored run has handled."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path

import click

from dagger.cli.completing import run_argument
from dagger.cli.exits import Exit
from dagger.cli.stores import store_option
from dagger.cli.target import METAVAR

CODES = """\b
Exit codes:
  0    nothing differs
  1    something does
  2    what was asked for cannot be done
  3    the store cannot be read
  130  interrupted by Ctrl-C or SIGTERM"""


@click.command("recheck", epilog=CODES)
@run_argument()
@click.argument("target", metavar=METAVAR, type=click.Path())
@store_option
@click.option("--allow-bodies", is_flag=True, help="Call handlers: what they do, they do again.")
@click.option("--json", "as_json", is_flag=True, help="Print what differs as JSON, and only that.")
def command(run_id: str, target: str, store: Path, allow_bodies: bool, as_json: bool) -> None:
    """Tell what a file's agents would do differently in a run of the past.

    Its messages are given to them again, with cache, tasks and answers as they were.
    Nothing is written or published, and no handler is called without --allow-bodies.
    """
    from dagger.cli.program import load
    from dagger.cli.rechecking import rechecked

    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        found, begun_elsewhere = rechecked(store, run_id, load(target), allow_bodies)
    if as_json:
        click.echo(json.dumps([each._asdict() for each in found], indent=2))
    else:
        click.echo("\n".join(map(str, found)) or "nothing differs")
    if begun_elsewhere:
        before = f"what run {run_id} had done before it was forked or imported"
        click.echo(f"{before} is not known here, and was not looked at", err=True)
    if not allow_bodies:
        click.echo("no handler was called; --allow-bodies does what they do again", err=True)
    sys.exit(Exit.NOT_COMPLETED if found else Exit.OK)
