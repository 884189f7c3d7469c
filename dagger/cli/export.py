"""`dagger export`: a run as lines of JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dagger.cli.completing import run_argument
from dagger.cli.exits import Refused
from dagger.cli.stores import number_of, opened, store_option

if TYPE_CHECKING:
    from dagger.store.reader import StoreReader


@click.command("export", epilog="Exit codes: 0 done, 2 usage, 3 store trouble.")
@run_argument()
@click.argument("file", default="-", type=click.Path(dir_okay=False, allow_dash=True))
@store_option
def command(run_id: str, file: str, store: Path) -> None:
    """Write all records of a run as lines of JSON.

    They go to a file, or to stdout. `dagger import` brings the run into another store.
    """
    from dagger.views.wording import plural

    with opened(store) as reader, reader.still():
        count = _write(reader, number_of(reader, run_id), file)
    if file != "-":
        click.echo(f"wrote {plural(count, 'record')} of run {run_id} to {file}", err=True)


def _write(reader: StoreReader, number: int, file: str) -> int:
    """Write the lines of a run, all of them or none; how many records they tell."""
    from dagger.executor.exporting import exported

    count = -1  # the first line only says what it is
    try:
        with click.open_file(file, "w", encoding="utf-8", atomic=True) as lines:
            for row in exported(reader, number):
                lines.write(f"{json.dumps(row)}\n")
                count += 1
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Refused(f"{file} cannot be written: {error.strerror}") from error
    return count
