"""The folder of a store: what is in it, and which format it has."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from dagger.store import rows
from dagger.store.environment import Environment, create, sync_folder
from dagger.store.rows import NAMES, POSITION
from dagger.words.errors import NotAStore, StoreCorrupt

FORMAT = 1
"""The format of a store as a whole; see docs/durability.md."""

_OWN = {"journal", "inbox", "owner", "hands", "ballast"}
_FIRST = {"owner"}
"""What is there before the journal is; all else comes after it."""


def make(path: Path) -> None:
    """The folder of a store; one that is full of something else is refused.

    Raises NotAStore, StoreCorrupt if a journal was there and is gone, OSError.
    """
    if not (path / "journal").exists():
        _make_folder(path)
    there = {each.name for each in path.iterdir() if not each.name.startswith(".")}
    if "journal" not in there and not there <= _FIRST:
        if not there <= _OWN:
            raise NotAStore(str(path), "the folder has other things in it, and no journal")
        raise StoreCorrupt(str(path), 0, "its journal is missing")


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
    """Raise NotAStore for a store of a format that is not known here."""
    with environment.reading() as txn:
        value = txn.get(rows.FORMAT, db=environment.db["meta"])
    if value is None:
        problem = "its journal is empty, and does not say which format it has; go back to a backup"
        raise NotAStore(str(path), problem)
    known_format(value, path)


def known_format(value: bytes, path: Path) -> None:
    """Raise NotAStore for what a store says of its format that is not known here."""
    if (version := int.from_bytes(value, "big")) != FORMAT:
        problem = f"its format {version} is not known: a newer Dagger wrote it? Upgrade this one"
        raise NotAStore(str(path), problem)
