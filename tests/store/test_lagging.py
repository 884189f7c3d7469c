"""The store that lags keeps the contract: what the promises are tried over is a store."""

from __future__ import annotations

import pytest

from dagger import Store
from dagger.testing import LaggingStore
from dagger.testing.store_suite import RECORDS, LastingStoreSuite


class TestLaggingStore(LastingStoreSuite):
    """In memory, and durable some turns of the loop later."""

    @pytest.fixture(autouse=True)
    def _store(self) -> None:
        self.store = LaggingStore()

    async def opened(self) -> Store:
        """The same object goes on where it was."""
        return self.store


async def test_it_does_lag() -> None:
    """What was appended is not durable before somebody has waited for it."""
    store = LaggingStore()
    store.append(RECORDS[0])
    assert (store.durable, store.position) == (0, 1)
    await store.flush()
    assert store.durable == 1


async def test_another_store_over_its_disk_knows_what_is_durable() -> None:
    """Nothing else survives: neither records that were only appended, nor a snapshot of them."""
    store = LaggingStore()
    for record in RECORDS[:3]:
        store.append(record)
    await store.flush()
    store.hands.hold(store.hands.seat(), 1, 2)
    store.append(RECORDS[3])
    again = LaggingStore(store.disk)
    assert (again.position, again.durable) == (3, 3)
    assert tuple(again.read()) == RECORDS[:3]
    assert again.hands.left_behind() == ((1, 2),)
