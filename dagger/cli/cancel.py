"""`dagger cancel`: a run is wound down, and ends."""

from __future__ import annotations

from pathlib import Path

import click

from dagger.cli.stores import run_argument, store_option


@click.command("cancel", epilog="Exit codes: 0 done, 2 usage, 3 store trouble.")
@run_argument()
@store_option
def command(run_id: str, store: Path) -> None:
    """Cancel a run, and wait for its end.

    Its handlers are cancelled and awaited; one that takes longer than some seconds to
    clean up is left to it, and the run is "cancelling" until then.
    """
    from dagger.cli.orders import order

    for run in order(store, "cancel", run_id):
        click.echo(f"run {run.id} is {run.status}")
