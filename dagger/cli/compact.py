"""`dagger compact`: the room that a store does not need any more is given back to the disk."""

from __future__ import annotations

from pathlib import Path

import click

from dagger.cli.stores import existing, store_option


@click.command("compact", epilog="Exit codes: 0 done, 2 usage, 3 store trouble.")
@store_option
def command(store: Path) -> None:
    """Write a store anew, without its free pages.

    Nobody may use it meanwhile, and the disk needs room for both.
    """
    from dagger.cli.sizes import size
    from dagger.store.care import compact

    before, after = compact(existing(store))
    click.echo(f"{store} took {size(before)}, and takes {size(after)} now")
