"""--store DIR: the store that a command is about, and a run in it."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dagger.cli.exits import Refused, StoreTrouble
from dagger.views.wording import one_line
from dagger.words.errors import StoreCorrupt

if TYPE_CHECKING:
    from dagger.store.reader import StoreReader

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT = Path(".dagger")
"""Where a store is that nobody names."""

FOLDER = click.Path(file_okay=False, path_type=Path)

LONGEST = 60
"""Characters of a run id that are told where several are."""
NEAREST = 3
"""Ids that are offered where there is no run of the one that was asked for."""


def store_option(command: F) -> F:
    """--store DIR, or else DAGGER_STORE, or else ./.dagger."""
    return click.option(
        "--store",
        type=FOLDER,
        envvar="DAGGER_STORE",
        default=DEFAULT,
        metavar="DIR",
        help="Folder of the store: DAGGER_STORE or else .dagger.",
    )(command)


def existing(path: Path) -> Path:
    """The folder, in which there is a store. Raises StoreTrouble, StoreCorrupt."""
    from dagger.store.layout import bereft

    try:
        if (path / "journal").is_dir():
            return path
        problem = bereft(path)
    except OSError as error:
        advice = f"{error.strerror}; this user has to be allowed to read all of it"
        raise StoreTrouble(f"{path} cannot be looked into: {advice}") from error
    if isinstance(problem, StoreCorrupt):
        raise problem
    raise StoreTrouble(
        f"there is no store in {path}; name one with --store or DAGGER_STORE, "
        f"or make one: dagger run FILE.py --store {path}"
    )


def opened(path: Path) -> StoreReader:
    """A store, to look into; a context manager. Raises StoreTrouble, DatabaseError."""
    from dagger.store.reader import StoreReader

    return StoreReader(existing(path))


def number_of(reader: StoreReader, run_id: str) -> int:
    """The number of the run of that id. Raises Refused, which names the nearest ids."""
    number = reader.find(run_id)
    if number is not None:
        return number
    ids = [known for _, known in reader.ids()]
    nearest = difflib.get_close_matches(run_id, ids, NEAREST)
    some = ", ".join(one_line(repr(each), LONGEST) for each in nearest or ids[-NEAREST:])
    hint = f"the {'nearest' if nearest else 'latest'}: {some}" if ids else "it holds no runs"
    raise Refused(f"no run {run_id!r} in {reader.path}; {hint}")


def in_store(path: Path) -> str:
    """The words that a further command about this store needs; none for the default one."""
    return "" if path == DEFAULT else f" --store {path}"
