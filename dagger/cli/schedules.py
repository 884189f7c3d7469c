"""`dagger schedules`: what is to be run when."""

from __future__ import annotations

import json
from pathlib import Path

import click

from dagger.cli.completing import schedule_ids
from dagger.cli.stores import store_option


@click.command("schedules", epilog="Exit codes: 0 done, 2 usage or refused, 3 store trouble.")
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@click.option("--pause", metavar="ID", shell_complete=schedule_ids, help="Start nothing of it.")
@click.option("--resume", metavar="ID", shell_complete=schedule_ids, help="Let it go on.")
@click.option("--remove", metavar="ID", shell_complete=schedule_ids, help="Let it be gone.")
def command(store: Path, as_json: bool, **changes: str | None) -> None:
    """List the schedules in a store, or change one.

    Times are local ones; with --json, seconds of the epoch.
    """
    from dagger.cli.scheduling import change, known, table

    wanted = [(how, id) for how, id in changes.items() if id is not None]
    if len(wanted) > 1 or (wanted and as_json):
        raise click.UsageError("list them, or pause, resume or remove one at a time")
    if wanted:
        ((how, id),) = wanted
        click.echo(change(store, id, how))
        return
    found = known(store).schedules.values()
    if as_json:
        click.echo(json.dumps([each.to_dict() for each in found], indent=2))
    else:
        click.echo("\n".join(table(found)) if found else f"nothing is scheduled in {store}")
