"""`dagger resume`: a run that was paused or interrupted goes on."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from dagger.cli.completing import run_argument
from dagger.cli.exits import RUN_CODES
from dagger.cli.stores import store_option
from dagger.cli.target import METAVAR


@click.command("resume", epilog=RUN_CODES)
@run_argument(required=False)
@store_option
@click.option("--agents", "target", metavar=METAVAR, help="Go on here, with these agents.")
@click.option("-v", "--verbose", is_flag=True, help="Show what agents say with ctx.log.")
def command(run_id: str | None, store: Path, target: str | None, verbose: bool) -> None:
    """Lift the pause of a run, or of all that are paused.

    With --agents they go on here, and so do interrupted ones, until they have ended.
    """
    if target is not None:
        from dagger.cli.going_on import go_on
        from dagger.cli.program import load

        sys.exit(go_on(load(target), store, run_id, verbose))
    from dagger.cli.orders import order
    from dagger.cli.stored import told

    resumed = order(store, "resume", run_id)
    for run in resumed:
        click.echo(told(run, store))
    if not resumed:
        click.echo(f"no run in {store} is paused; --agents FILE.py goes on with interrupted ones")
