"""`dagger verify`: whether a store is whole, and what can be done if it is not."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from dagger.cli.exits import Exit
from dagger.cli.stores import FOLDER, existing, store_option

CODES = """\b
Exit codes:
  0  it is whole
  1  it is not
  2  usage
  3  there is no store, or it cannot be read or repaired"""


@click.command("verify", epilog=CODES)
@click.argument("folder", metavar="[DIR]", required=False, type=FOLDER)
@store_option
@click.option("--repair", is_flag=True, help="Cut out what is broken, after it was put aside.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def command(folder: Path | None, store: Path, repair: bool, as_json: bool) -> None:
    """Check that a store is whole.

    Journal, snapshot, histories and state are read, and held against each other. DIR is
    another way to write --store DIR.
    """
    from dagger.cli.verifying import look, repaired

    path = existing(folder or store)
    done = list(repaired(path, silent=as_json)) if repair else []
    found = look(path, silent=as_json)
    if as_json:
        click.echo(json.dumps(found.to_dict() | {"repaired": done}, indent=2))
    else:
        click.echo(str(found))
    sys.exit(Exit.NOT_COMPLETED if found.findings else Exit.OK)
