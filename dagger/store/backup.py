"""Copies of a store: whole, of one moment, and there at once or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from tempfile import mkdtemp

from dagger.store.environment import Environment, sync_folder
from dagger.store.faults import plain
from dagger.words.errors import DatabaseError


def backup(environment: Environment, to: Path) -> int:
    """Copy a journal into a new folder, which is a store then; its size in bytes.

    Whoever owns the store goes on meanwhile. Commands that nobody has carried out yet are
    not in the copy. Raises DatabaseError if the folder is there already, or cannot be made.
    """
    if to.exists():
        raise DatabaseError(f"{to} is there already; a backup makes a new folder")
    made: Path | None = None
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        made = Path(mkdtemp(prefix=f".{to.name}-", dir=to.parent))
        journal = made / "journal"
        journal.mkdir(mode=0o700)
        environment.copy(journal)
        size = _sync(journal / "data.mdb")
        sync_folder(journal)
        sync_folder(made)
        os.rename(made, to)
        sync_folder(to.parent)
    except Exception as error:  # LMDB's own, and the system's
        raise DatabaseError(f"a backup cannot be made in {to}: {plain(error)}") from error
    finally:
        if made is not None:  # and not there under its name: it failed, or was interrupted
            shutil.rmtree(made, ignore_errors=True)
    return size


def _sync(path: Path) -> int:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
        os.chmod(path, 0o600)
        return file.seek(0, os.SEEK_END)
