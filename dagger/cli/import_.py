"""`dagger import`: a run that was exported, in this store."""

from __future__ import annotations

from pathlib import Path

import click

from dagger.cli.stores import store_option


@click.command("import", epilog="Exit codes: 0 done, 2 usage, 3 store trouble.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@store_option
def command(file: str, store: Path) -> None:
    """Take a run that was exported into a store.

    It keeps its id and its past; an open one can go on here. Where there is no store yet
    one is made.
    """
    from dagger.cli.importing import bring_in
    from dagger.cli.stored import told

    click.echo(told(bring_in(store, file), store))
