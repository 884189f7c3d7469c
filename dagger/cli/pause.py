"""`dagger pause`: nothing more of a run is taken, until it is resumed."""

from __future__ import annotations

from pathlib import Path

import click

from dagger.cli.completing import run_argument
from dagger.cli.stores import in_store, store_option


@click.command("pause", epilog="Exit codes: 0 done, 2 usage, 3 store trouble.")
@run_argument()
@store_option
def command(run_id: str, store: Path) -> None:
    """Pause a run: nothing more of it is taken.

    It stays paused, whoever opens its store, until it is resumed. A program that waits
    for the run (such as `dagger run`) is given its report, with the run still open.
    """
    from dagger.cli.orders import order
    from dagger.cli.stored import standing

    for run in order(store, "pause", run_id):
        hint = f"; dagger resume {run.id}{in_store(store)} lifts that" if run.on_hold else ""
        click.echo(f"run {run.id} is {standing(run)}{hint}")
