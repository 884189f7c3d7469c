"""`dagger backup`: a copy of a store, also of one that is in use."""

from __future__ import annotations

from pathlib import Path

import click

from dagger.cli.stores import FOLDER, opened, store_option


@click.command("backup", epilog="Exit codes: 0 done, 2 usage, 3 store trouble.")
@click.argument("folder", metavar="DIR", type=FOLDER)
@store_option
def command(folder: Path, store: Path) -> None:
    """Copy a store into a new folder, as it is now.

    Whoever owns it goes on meanwhile. The copy is a store like any other; go back to it
    by using it in the place of the first one.
    """
    from dagger.cli.sizes import size
    from dagger.views.wording import plural

    with opened(store) as reader:
        there = reader.backup(folder)
    with opened(folder) as copy, copy.still():
        runs = plural(sum(1 for _ in copy.ids()), "run")
        records = plural(copy.position, "record")
    click.echo(f"copied {store} to {folder}: {records}, {runs}, {size(there)}")
