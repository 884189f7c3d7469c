"""`dagger fork`: a new run that begins as another one was when a message was published."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from dagger.cli.completing import run_argument
from dagger.cli.exits import RUN_CODES
from dagger.cli.stores import store_option
from dagger.cli.target import METAVAR


@click.command("fork", epilog=RUN_CODES)
@run_argument()
@store_option
@click.option("--at", required=True, metavar="MSG", help="Begin with this message of the run.")
@click.option("--payload", "given", metavar="JSON", help="Let it say this: JSON, @file or -.")
@click.option("--frontier", is_flag=True, help="Go on with all that was pending then as well.")
@click.option("--run-id", "name", metavar="ID", help="Name of the new run.")
@click.option("--agents", "target", metavar=METAVAR, help="Go on with it here, with these agents.")
@click.option("-v", "--verbose", is_flag=True, help="Show what agents say with ctx.log.")
def command(run_id: str, store: Path, target: str | None, verbose: bool, **wanted: Any) -> None:
    """Begin a new run as another one was in its past.

    Cache, tasks and joins are as they were when that message was published, and it alone
    is pending. The other run does not change. See `dagger show RUN --messages`.
    """
    from dagger.cli.forks import fork, read
    from dagger.cli.stored import told

    if target is None:
        click.echo(told(fork(store, read(run_id, **wanted)), store))
        return
    from dagger.cli.going_on import go_on
    from dagger.cli.program import load

    program = load(target)
    made = fork(store, read(run_id, **wanted), here=True)
    sys.exit(go_on(program, store, made.id, verbose))
