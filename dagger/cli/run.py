"""`dagger run`: a run of the agents of a file, from its first message to the report."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dagger.cli.completing import run_ids
from dagger.cli.exits import RUN_CODES, Exit, Refused
from dagger.cli.pictures import draw, picture_option
from dagger.cli.stores import FOLDER
from dagger.cli.target import METAVAR

if TYPE_CHECKING:
    from dagger.cli.conduct import Conducted
    from dagger.cli.program import Program


@click.command("run", epilog=RUN_CODES)
@click.argument("target", metavar=METAVAR, type=click.Path())
@click.option("--channel", metavar="C", help="Start on this channel.")
@click.option("--input", "given", metavar="JSON", help="First payload: JSON, @file or - (stdin).")
@click.option("--timeout", type=float, metavar="S", help="Seconds that the run may be active.")
@click.option(
    "--store",
    type=FOLDER,
    envvar="DAGGER_STORE",
    metavar="DIR",
    help="Folder that keeps the run, so that the same command goes on with it; or DAGGER_STORE.",
)
@click.option("--run-id", metavar="ID", shell_complete=run_ids, help="Name of the run.")
@click.option("--max-messages", type=int, metavar="N", help="Messages that it may publish.")
@click.option("--max-tokens", type=int, metavar="N", help="Tokens that it may spend.")
@click.option("--max-concurrent", type=int, metavar="N", help="Handlers of it that run at once.")
@click.option(
    "--priority", type=int, metavar="N", help="How urgent it is where turns are waited for."
)
@click.option("--max-cost", type=float, metavar="C", help="Cost that it may spend.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON, and only that.")
@picture_option("--dot", "Write the execution tree as DOT source.")
@picture_option("--svg", "Draw the execution tree, with Graphviz.")
@click.option("-v", "--verbose", is_flag=True, help="Show what agents say with ctx.log.")
def command(
    target: str,
    channel: str | None,
    given: str | None,
    store: Path | None,
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
        program = load(target)
        done = conduct(program, program.start(channel, given), options, store, as_json, verbose)
    sys.exit(_tell(program, done, as_json, dot, svg))


def _tell(
    program: Program, done: Conducted, as_json: bool, dot: Path | None, svg: Path | None
) -> Exit:
    """Print the report, draw the pictures, and say where a run is kept; the exit code."""
    kept = bool(done.kept) and done.code is Exit.INTERRUPTED
    code = done.code if kept else _report(program, done, as_json)
    draw(done.report.tree, dot=dot, svg=svg)
    if done.kept:
        click.echo(done.kept, err=True)
    return code


def _report(program: Program, done: Conducted, as_json: bool) -> Exit:
    """Print the report, and what the file's own `finish` has to say; the exit code."""
    if as_json:
        click.echo(json.dumps(done.report.to_dict(), indent=2))
        return done.code
    click.echo(str(done.report))
    try:
        words = program.last_words(done.run, done.report)
    except Refused as refused:
        refused.show()
        return Exit.USAGE
    if words:
        click.echo(f"\n{words}")
    return done.code
