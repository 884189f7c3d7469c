"""The executor against its model, over a store on disk, stopped and killed again and again."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import pytest
from hypothesis import settings
from hypothesis.stateful import precondition, rule

from dagger import LmdbStore, Store
from dagger.executor import recovery
from dagger.executor.suspects import Suspects
from dagger.executor.verifying import verify
from dagger.state.state import State
from dagger.store.block import Block
from dagger.store.reader import StoreReader
from dagger.store.saving import Saving
from tests.conftest import PROVE
from tests.executor.test_model import ExecutorMachine, done
from tests.executor.test_model import counted as counted

IN_MEMORY = Path("/dev/shm")
"""What is killed is a process, and not the machine: nothing has to get to a disk."""


class CopiedStore(LmdbStore):
    """One that can be copied as it is, which is what a kill leaves of it."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path)
        self._writing = Lock()

    @contextmanager
    def between_writes(self) -> Iterator[None]:
        """Nothing is written meanwhile."""
        with self._writing:
            yield

    def write(self, blocks: Sequence[Block], job: Saving | None) -> bool:
        with self._writing:
            return super().write(blocks, job)


class DiskMachine(ExecutorMachine):
    """The same rules, and kills."""

    config = ExecutorMachine.config.replace(snapshot_every_records=7)
    store: CopiedStore

    def new_store(self) -> Store:
        place = IN_MEMORY if IN_MEMORY.is_dir() else None
        self.folder = Path(tempfile.mkdtemp(prefix="dagger-", dir=place))
        self.kills = 0
        self.store = CopiedStore(self.folder / "0")
        return self.store

    def agree(self, state: State, store: Store) -> None:
        """What is on disk is looked at while nobody changes it."""
        with self.store.between_writes():
            super().agree(state, store)

    def teardown(self) -> None:
        """See the whole of it through, and whether what is on disk is sound."""
        try:
            super().teardown()
            with StoreReader(self.store.path) as reader:
                assert list(verify(reader)) == []
        finally:
            self.stack.close()
            shutil.rmtree(self.folder)

    @precondition(lambda self: self.worn)
    @rule()
    def kill(self) -> None:
        """The process is gone at once, and another one goes on with what it leaves."""
        done["kills"] += 1
        self.listen()  # until all is on disk: the model knows no disk
        self.kills += 1
        left = self.folder / str(self.kills)
        with self.store.between_writes():
            shutil.copytree(self.store.path, left, ignore=shutil.ignore_patterns("ballast"))
        self.running.close()
        self.house.store = self.store = CopiedStore(left)
        self.go_on(killed=True)


class TrioMachine(DiskMachine):
    """The same on the other loop."""

    backend = "trio"


@pytest.fixture(autouse=True)
def careless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who begins only once his delivery is on disk begins later than the model thinks."""
    monkeypatch.setattr(recovery, "CAREFUL", 0)
    monkeypatch.setattr(Suspects, "include", staticmethod(lambda _: False))


TestOnAsyncio = DiskMachine.TestCase
TestOnTrio = TrioMachine.TestCase
TestOnAsyncio.settings = TestOnTrio.settings = settings(
    max_examples=100 if PROVE else 3, stateful_step_count=50
)
