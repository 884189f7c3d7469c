"""What every store must do: subclass `StoreSuite` and say how a store is opened.

Its tests run on asyncio and on trio, by anyio's pytest plugin.
"""

from __future__ import annotations

import pytest

from dagger.store.contract import Store
from dagger.words.effects import CacheWrite, Publication, Reply, TaskWrite
from dagger.words.records import (
    AgentAdded,
    AgentRemoved,
    Asked,
    AttemptFailed,
    ChannelOpened,
    ChannelShut,
    Condensed,
    Failure,
    Flow,
    Kept,
    Logged,
    Published,
    Record,
    Redriven,
    Remembered,
    Retracted,
    RunCancelling,
    RunEnded,
    RunOpened,
    Settled,
    Spent,
    Streamed,
    Swept,
    TokenTaken,
    WaitOver,
    Waits,
    Wrote,
)

MESSAGE = Publication("c", b"\x01", 0, "key", "task", (("h", "v"),), "me", "id", 3)
FAILURE = Failure("ValueError", "no \ud800", "$.a", ("KeyError: k",), "f.py:1 in g")
RECORDS: tuple[Record, ...] = (
    ChannelOpened("c", 1.0),
    AgentAdded("a", ("c", "d"), True, 2.0, "0123456789ab"),
    RunOpened(1, "r", {"timeout": 1.5, "max_tokens": 2**40}, MESSAGE, 3.0),
    Published(1, MESSAGE, (1, 2), False, 4.0),
    AttemptFailed(1, 1, 1, 5.0, 6.0, FAILURE, 7.0),
    Kept(1, 1, "step:s", "#0", b"\xc0", 8.0),
    Asked(1, 1, "q", b"\xa1?", 9.0),
    Spent(1, 1, 100),
    Logged(1, 1, 20, "text", 10.0),
    Wrote(1, (CacheWrite("set", "n", "k", b"\x01", True), TaskWrite("claim", "t", holder=1))),
    Settled(1, 1, 0, 2, 11.0, 12.0, None, (MESSAGE, Reply(b"\x01")), (), False),
    Settled(1, 2, 5, 3, 13.0, 14.0, FAILURE, (), (3, 4), True),
    Swept(1, (5, 6), 9, 15.0),
    RunCancelling(1, "cancelled", "why", 16.0),
    RunEnded(1, "cancelled", "why", 17.0),
    AgentRemoved("a", 18.0),
    ChannelShut("c", 19.0),
    Streamed(1, 1, 2, 3, b"8 bytes\xff", MESSAGE, 2**28, True, (7,), False, 20.0),
    Retracted(1, 1, 2, 21.0),
    Redriven(
        *(1, 1, "a", 5, MESSAGE, 1, 0, "b", (1, 0), 22.0, (Remembered("s", "#0", b"\xc0"),), True),
        *(23.0, ((1, 0, "c"),), Flow(2, 4, b"8 bytes\xff\x03\x00\x00\x00")),
    ),
    Redriven(*(1, 1, "a", 5, MESSAGE, 0, 0, "", None, 24.0, (), False, 25.0, ()), Flow(1, 1, b"")),
    TokenTaken("limit", "key", 27.5, 26.0),
    Waits(1, (1, 2), "gpu", 27.0, 28.5),
    WaitOver(1, 1, 29.0),
    Condensed(1, 1, "", b"\xa0", ("k",), 30.0),
)
"""One of nearly every kind, with every kind of field in it."""


@pytest.mark.anyio
class StoreSuite:
    """The promises of `dagger.Store`; `opened` is the one thing to provide."""

    async def opened(self) -> Store:
        """A store to write to; for one that lasts, each call opens the same journal."""
        raise NotImplementedError

    async def test_positions_count_records_from_one(self) -> None:
        """A new store is at 0; each append takes it one further, at once."""
        store = await self.opened()
        assert store.position == store.durable == 0
        for position, record in enumerate(RECORDS, 1):
            store.append(record)
            assert store.position == position
        await store.close()

    async def test_what_is_flushed_is_durable(self) -> None:
        """After `flush` everything appended before the call is durable, and stays so."""
        store = await self.opened()
        await store.flush()
        for record in RECORDS:
            store.append(record)
            assert store.durable <= store.position
        await store.flush()
        assert store.durable == store.position == len(RECORDS)
        store.append(RECORDS[0])
        assert store.durable in (len(RECORDS), len(RECORDS) + 1)
        await store.close()

    async def test_records_are_read_as_they_were_appended(self) -> None:
        """In order, whole, and behind whichever position is asked for."""
        store = await self.opened()
        for record in RECORDS:
            store.append(record)
        await store.flush()
        kept = RECORDS if store.lasting else ()
        assert tuple(store.read()) == kept
        assert [type(record) for record in store.read()] == [type(record) for record in kept]
        for after in (0, 1, 5, len(RECORDS) - 1, len(RECORDS), len(RECORDS) + 7):
            assert tuple(store.read(after)) == kept[after:]
        await store.close()

    async def test_a_journal_may_be_read_again_and_again(self) -> None:
        """Readings do not disturb each other, nor what is appended meanwhile."""
        store = await self.opened()
        for record in RECORDS[:5]:
            store.append(record)
        await store.flush()
        first, second = iter(store.read()), iter(store.read())
        for _ in range(5 if store.lasting else 0):
            assert next(first) == next(second)
        store.append(RECORDS[5])
        await store.flush()
        kept = RECORDS[:6] if store.lasting else ()
        assert tuple(store.read()) == kept
        await store.close()

    async def test_many_records_are_kept(self) -> None:
        """Ten thousand appends in a row are taken without waiting, and all of them kept."""
        store = await self.opened()
        for number in range(10_000):
            store.append(Spent(1, number, number))
        await store.flush()
        kept = 10_000 if store.lasting else 0
        assert store.durable == 10_000
        assert [record.delivery for record in store.read()] == list(range(kept))  # type: ignore[union-attr]
        await store.close()


class LastingStoreSuite(StoreSuite):
    """What a store must do besides if it says that it lasts."""

    async def test_a_store_that_lasts_goes_on_where_it_was(self) -> None:
        """Opened again, it is at the position it was closed at, with everything in it."""
        store = await self.opened()
        assert store.lasting
        for record in RECORDS[:7]:
            store.append(record)
        await store.close()
        again = await self.opened()
        assert again.position == again.durable == 7
        again.append(RECORDS[7])
        await again.flush()
        assert tuple(again.read()) == RECORDS[:8]
        await again.close()

    async def test_everything_is_read_with_its_positions(self) -> None:
        """In order, behind whichever position is asked for."""
        store = await self.opened()
        for record in RECORDS[:8]:
            store.append(record)
        await store.flush()
        for after in (0, 3, 8):
            found = list(enumerate(RECORDS[after:8], after + 1))
            assert list(store.everything(after)) == found
        await store.close()

    async def test_what_belongs_together_is_kept_together(self) -> None:
        """Records that were appended together are in the journal in their order, with the rest."""
        store = await self.opened()
        store.append(RECORDS[0])
        with store.together():
            store.append(RECORDS[1])
            store.append(RECORDS[2])
        store.append(RECORDS[3])
        await store.flush()
        assert (store.position, store.durable) == (4, 4)
        assert tuple(store.read()) == RECORDS[:4]
        await store.close()

    async def test_the_history_of_a_run_is_its_own(self) -> None:
        """It has what concerns that run and who hears what, each with its position, in order."""
        store = await self.opened()
        records = (*RECORDS[:2], *(Spent(1 + number % 2, number, 1) for number in range(6)))
        for record in records:
            store.append(record)
        await store.flush()
        whole = list(enumerate(records, 1))
        for run in (1, 2):
            concerned = [each for each in whole if each[0] <= 2 or each[1].run == run]  # type: ignore[union-attr]
            assert list(store.history(run)) == concerned
            assert list(store.history(run, 4)) == [each for each in concerned if each[0] > 4]
        await store.close()

    async def test_a_snapshot_takes_the_place_of_the_one_before(self) -> None:
        """Its parts replace theirs, what is gone is gone, and the rest stays; also later on."""
        store = await self.opened()
        for record in RECORDS[:5]:
            store.append(record)
        await store.flush()
        assert (store.saved(), store.kept(), store.part(1)) == (0, set(), None)
        await store.save(5, {0: [b"world"], 1: [b"o", b"ne"], 2: [b"two"]}, {1: "r", 2: "s"}, ())
        store.append(RECORDS[5])
        await store.flush()
        await store.save(6, {0: [b"World"], 3: [b"three"]}, {3: "t"}, {2})
        await store.tidied()
        await store.close()
        again = await self.opened()
        assert (again.saved(), again.kept()) == (6, {1, 3})
        assert list(again.parts()) == [(0, b"World"), (1, b"one"), (3, b"three")]
        assert (again.part(1), again.part(2)) == (b"one", None)
        await again.close()

    async def test_it_tells_which_runs_were_touched(self) -> None:
        """A run is told once for all records since the last time."""
        store = await self.opened()
        for run in (1, 2, 1):
            store.append(Spent(run, 1, 1))
        assert store.touched() >= {1, 2}
        store.append(Spent(2, 1, 1))
        assert 2 in store.touched()
        await store.close()
