"""`dagger cancel`: a run is wound down, and ends; or one invocation of it does."""

from __future__ import annotations

from pathlib import Path

import click

from dagger.cli.completing import run_argument
from dagger.cli.stores import store_option


@click.command("cancel", epilog="Exit codes: 0 done, 2 usage, 3 store trouble.")
@run_argument()
@store_option
@click.option(
    "--node", metavar="NODE", help="Cancel this invocation alone; the rest of the run goes on."
)
def command(run_id: str, store: Path, node: str | None) -> None:
    """Cancel a run, or one invocation of it, and wait for its end.

    Its handlers are cancelled and awaited; one that takes longer than some seconds to
    clean up is left to it, and the run is "cancelling" until then. So is one that has
    something to undo and nobody here who could: it goes on with that once its agents are there.
    """
    from dagger.cli.orders import cancel_invocation, order
    from dagger.cli.stored import standing, wound_down

    if node is not None:
        run = cancel_invocation(store, run_id, node)
        click.echo(f"{node} is cancelled; run {run_id} is {standing(run)}")
        return
    for run in order(store, "cancel", run_id):
        click.echo(wound_down(run, store))
