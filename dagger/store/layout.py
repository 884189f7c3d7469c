"""The folder of a store: what is in it, and which format it has."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from dagger.store import rows
from dagger.store.environment import Environment, create, sync_folder
from dagger.store.rows import NAMES, POSITION
from dagger.words.errors import NotAStore, StoreCorrupt, StoreNewer

FORMAT = 1
"""The format of a store as a whole; see docs/format.md."""

_OWN = {"journal", "inbox", "owner", "hands", "ballast", "damaged"}
_FIRST = {"owner"}
"""What is there before the journal is; all else comes after it."""


def make(path: Path) -> None:
    """The folder of a store; one that is full of something else is refused.

    Raises NotAStore, StoreCorrupt if a journal was there and is gone, OSError.
    """
    if (path / "journal").exists():
        return
    _make_folder(path)
    there = _in(path)
    if "journal" in there:  # another process has made it just now
        return
    if not there <= _OWN:
        raise NotAStore(str(path), "the folder has other things in it, and no journal")
    if not there <= _FIRST:
        raise bereft(path)


def bereft(path: Path) -> NotAStore | StoreCorrupt:
    """What is wrong with a folder that has no journal: there is no store, or the rest of one.

    Raises OSError if it cannot be looked into.
    """
    there = _in(path) if path.is_dir() else set[str]()
    if there <= _OWN and not there <= _FIRST:
        return StoreCorrupt(str(path), 0, "its journal is missing")
    return NotAStore(str(path), "there is no store in that folder")


def _in(path: Path) -> set[str]:
    """What there is in a folder: of a name with a time, or a number, behind it what is before."""
    names = (each.name for each in path.iterdir())
    return {re.split(r"[-.]", name)[0] for name in names if not name.startswith(".")}


def _make_folder(path: Path) -> None:
    """Make it, and see to it that a power cut leaves it there: whoever made the folders around
    it may have been killed before.
    """
    if not path.exists():
        _make_folder(path.parent)
        path.mkdir(exist_ok=True)
    with suppress(PermissionError):  # who may not look into it has not made this one
        sync_folder(path.parent)


def make_journal(path: Path) -> None:
    """An empty journal in a store's folder, if there is none yet."""
    if not path.exists():
        create(path, NAMES, write_format)


def write_format(environment: Environment) -> None:
    """Say in a new journal which format it has."""
    with environment.writing(0) as txn:
        txn.put(rows.FORMAT, POSITION.pack(FORMAT), db=environment.db["meta"])


def check_format(environment: Environment, path: Path) -> None:
    """Raise StoreNewer for a store of a format that is not known, NotAStore for one of none."""
    with environment.reading() as txn:
        value = txn.get(rows.FORMAT, db=environment.db["meta"])
    if value is None:
        problem = "its journal is empty, and does not say which format it has"
        raise NotAStore(str(path), problem)
    known_format(value, path)


def known_format(value: bytes, path: Path) -> None:
    """Raise StoreNewer for what a store says of its format that is not known here."""
    if (version := int.from_bytes(value, "big")) != FORMAT:
        raise StoreNewer(str(path), f"its format {version} is not known")
