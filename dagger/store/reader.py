"""A store that is only looked into, whoever owns it."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

from dagger.store.backup import backup
from dagger.store.block import Block
from dagger.store.environment import Environment
from dagger.store.faults import explained
from dagger.store.layout import bereft, check_format
from dagger.store.lock import Owner, owner
from dagger.store.pagefile import findings
from dagger.store.payloads import Strange
from dagger.store.rows import NAMES
from dagger.store.shelves import Shelves
from dagger.words.errors import StoreReadOnly
from dagger.words.records import Record


class StoreReader:
    """The Source that a folder is, for who does not own it: needs no lock, changes nothing.

    What is read within `still()` is of one moment, however long it takes.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Raises NotAStore if there is no store in that folder, StoreCorrupt, and
        StoreReadOnly if it is owned by somebody while this process may not write there.
        """
        self.path = Path(path)
        try:
            self._open()
        except OSError as error:
            raise explained(self.path, error, reading=True) from error
        self._shelves = Shelves(self._environment)

    def _open(self) -> None:
        journal = self.path / "journal"
        if not journal.is_dir():
            raise bereft(self.path)
        self._environment = Environment(journal, NAMES, readonly=True)
        try:
            check_format(self._environment, self.path)
            self._check_alone()
        except BaseException:
            self.close()
            raise

    def _check_alone(self) -> None:
        """Whoever owns the store may overwrite what is read by somebody he cannot know of."""
        if not self._environment.locked and (found := self.owner()) is not None:
            problem = f"process {found.pid} owns it, and a reader has to write into lock.mdb"
            raise StoreReadOnly(str(self.path), problem)

    def still(self) -> AbstractContextManager[None]:
        """What is read within is of one moment."""
        return self._environment.still()

    @property
    def position(self) -> int:
        """The number of records that are on disk."""
        return self._shelves.last()

    def owner(self) -> Owner | None:
        """Who owns the store now."""
        return owner(self.path / "owner")

    def find(self, run_id: str) -> int | None:
        """The number of the run of that id, if it is there."""
        return self._shelves.find(run_id)

    def indexed(self, run_id: str) -> int | None:
        """The number of the run of that id, if the latest snapshot holds it."""
        return self._shelves.indexed(run_id)

    def ids(self) -> Iterator[tuple[int, str]]:
        """Number and id of every run, oldest first."""
        return self._shelves.ids()

    def saved(self) -> int:
        return self._shelves.saved()

    def kept(self) -> set[int]:
        return self._shelves.kept()

    def parts(self) -> Iterator[tuple[int, bytes]]:
        return self._shelves.parts()

    def part(self, number: int) -> bytes | None:
        return self._shelves.part(number)

    def read(self, after: int = 0) -> Iterator[Record]:
        return self._shelves.read(after)

    def history(self, run: int, after: int = 0) -> Iterator[tuple[int, Record]]:
        return self._shelves.history(run, after)

    def everything(self, after: int = 0) -> Iterator[tuple[int, Record]]:
        """Position and record of all that is known behind a position, in order: of the runs
        that are kept, and of who hears what; since the snapshot of everything.
        """
        return self._shelves.everything(after)

    def blocks(self, after: int = 0) -> Iterator[Block]:
        """The blocks of the journal, as they are. Raises StoreCorrupt."""
        return self._shelves.blocks(after)

    def records(self, block: Block) -> Iterator[tuple[int, Record]]:
        """Each record of a block with its position. Raises StoreCorrupt."""
        return self._shelves.records(block, self._shelves.payloads())

    def mentioned(self) -> set[int]:
        """Every run that there is anything of, also one that is gone but for some records."""
        left = {run for block in self.blocks() for run in block.runs}
        return left.union(number for number, _ in self.ids())

    def strange_payloads(self, runs: Container[int]) -> list[Strange]:
        """What is wrong with large payloads, where there are only these runs."""
        return self._shelves.strange_payloads(runs)

    def held(self) -> set[int]:
        """The runs that the latest snapshot has parts of: those that it keeps."""
        return self._shelves.held()

    def histories(self) -> set[int]:
        """The runs that there is history of."""
        return self._shelves.histories()

    def pages(self) -> list[str]:
        """What is wrong with the pages of the file, which reading may not meet."""
        with self.still():
            return findings(self._environment.path)

    def backup(self, to: str | os.PathLike[str]) -> int:
        """Copy the store as it is into a new folder; its size in bytes. See `backup`."""
        return backup(self._environment, Path(to))

    def close(self) -> None:
        self._environment.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
