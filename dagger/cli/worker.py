"""`dagger worker`: a process that waits and runs what comes, until it is ended."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from dagger.cli.flows import changes_option, steps_option
from dagger.cli.stores import store_option
from dagger.cli.target import METAVAR

TARGETS = f"{METAVAR}|FILE.yml..."

CODES = """\b
Exit codes:
  0    ended by SIGTERM
  2    what was asked for cannot be done
  3    the store cannot do what was asked of it
  130  ended by Ctrl-C, or by a second signal"""

GRACE = 20.0
"""Seconds to finish what is in hand. Whoever kills after 30 s, as most do, has no handler cut
off that way: those that are cancelled have another 5 s (`cancel_grace`).
"""


@click.command("worker", epilog=CODES)
@click.argument("targets", metavar=TARGETS, type=click.Path(), nargs=-1, required=True)
@store_option
@steps_option
@changes_option
@click.option(
    "--grace",
    type=click.FloatRange(0),
    default=GRACE,
    metavar="S",
    help="Seconds to finish what is in hand, once it is to end: 20.",
)
@click.option("--log-json", is_flag=True, help="Log as lines of JSON, also how steps end.")
@click.option("-v", "--verbose", is_flag=True, help="Show what agents say with ctx.log.")
def command(
    targets: tuple[str, ...],
    store: Path,
    steps: tuple[str, ...],
    accept_changes: bool,
    grace: float,
    log_json: bool,
    verbose: bool,
) -> None:
    """Run what comes: open runs, schedules, commands of others.

    It serves the agents of a file, or flows, which it begins when their files say so.
    The store is made where there is none. While another process has it open, this one stands
    by, and takes over once that is gone. SIGTERM and Ctrl-C end it: nothing new is taken, and
    what is in hand is finished. A second one kills.
    """
    from dagger.cli.serving import served
    from dagger.cli.working import work

    sys.exit(work(served(targets, steps, accept_changes), store, grace, verbose, log_json))
