"""Exported runs, read from a file and taken into a store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import click

from dagger.cli.exits import Refused
from dagger.cli.stored import stored_run
from dagger.cli.stores import opened
from dagger.cli.visiting import visiting
from dagger.executor.exporting import imported
from dagger.words.errors import DatabaseError, RunConflict

if TYPE_CHECKING:
    from dagger.state.run import Run


def bring_in(store: Path, file: str) -> Run:
    """Take in the run of a file, and tell how it stands; a store is made where there is none.

    Raises Refused for what is no export or has an id that is taken, LockError while
    somebody owns the store, DatabaseError.
    """
    rows = list(_rows(file))
    try:
        run_id = imported(rows).id
    except DatabaseError as error:
        raise Refused(f"{_named(file)} cannot be imported: {error}") from error

    async def main() -> None:
        async with visiting(store) as executor:
            await executor.import_run(rows)

    try:
        anyio.run(main)
    except RunConflict as error:
        raise Refused(
            f"run {run_id!r} cannot be imported into {store}, which has a run of that id already; "
            "name another store with --store: it is made if it is not there"
        ) from error
    with opened(store) as reader:
        return stored_run(reader, run_id)


def _rows(file: str) -> Iterator[Any]:
    """What each line says. Raises Refused, with the number of the line."""
    number = 1
    try:
        with click.open_file(file, "rb") as lines:
            for line in lines:
                yield json.loads(line)
                number += 1
    except OSError as error:
        raise Refused(f"{_named(file)} cannot be read: {error.strerror}") from error
    except ValueError as error:
        problem = f"line {number} is not JSON: {error}"
        raise Refused(f"{_named(file)} cannot be imported: {problem}") from error


def _named(file: str) -> str:
    return "stdin" if file == "-" else file
