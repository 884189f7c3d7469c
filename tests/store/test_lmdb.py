"""The store on disk keeps the contract, and what only a disk can break."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagger import LmdbStore, Store
from dagger.testing.store_suite import LastingStoreSuite


@pytest.mark.spoilt("its records are of no run that there is")
class TestLmdbStore(LastingStoreSuite):
    """A store in a folder; each opening is a new object, as in a new process."""

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "store"

    async def opened(self) -> Store:
        store = LmdbStore(self.path)
        await store.open()
        return store
