"""The journal in memory keeps the contract, with records and without."""

from __future__ import annotations

import pytest

from dagger import MemoryStore, Store
from dagger.testing.store_suite import RECORDS, LastingStoreSuite, StoreSuite
from dagger.words.records import Spent


class TestMemoryStore(LastingStoreSuite):
    """A store that keeps its records as long as its object lives."""

    @pytest.fixture(autouse=True)
    def _store(self) -> None:
        self.store = MemoryStore()

    async def opened(self) -> Store:
        return self.store


class TestCountingStore(StoreSuite):
    """What an executor without a store writes to: it counts, and keeps nothing."""

    async def opened(self) -> Store:
        return MemoryStore(keep=False)


async def test_only_the_one_that_keeps_lasts() -> None:
    """A store that only counts has nothing to go on with another time."""
    assert MemoryStore().lasting
    assert not MemoryStore(keep=False).lasting


async def test_what_was_appended_is_the_stores_own() -> None:
    """Records are packed as they are taken: nobody can change one afterwards."""
    store = MemoryStore()
    limits = {"timeout": 1.0}
    store.append(RECORDS[2]._replace(limits=limits))  # type: ignore[call-arg]
    limits["timeout"] = 9.0
    (record,) = store.read()
    assert record.limits == {"timeout": 1.0}  # type: ignore[union-attr]
    assert record is not next(iter(store.read()))


async def test_what_cannot_be_packed_is_not_taken() -> None:
    """A record that holds something unknown raises, and leaves the journal as it was."""
    store = MemoryStore()
    with pytest.raises(TypeError):
        store.append(Spent(1, 1, object()))  # type: ignore[arg-type]
    assert store.position == 0
    assert list(store.read()) == []
