"""A store that fails: whoever waits for it is told, and the executor still ends."""

from __future__ import annotations

from typing import Any

import pytest

from dagger import Context, DatabaseError, Executor, MemoryStore, agent
from dagger.words.records import Record, Settled
from tests.waiting import turns


class BrokenStore(MemoryStore):
    """Takes records, and cannot make them durable while it is `broken`."""

    broken = False

    @property
    def durable(self) -> int:
        """Nothing is durable before it was flushed."""
        return 0 if self.broken else self.position

    async def flush(self) -> None:
        """Raise while the disk is full."""
        if self.broken:
            raise DatabaseError("the disk is full")


@agent(subscribe="start", publish="out")
async def echo(payload: Any) -> Any:
    """Answer with what came."""
    return payload


@pytest.mark.parametrize("call", ["run", "start", "publish"])
async def test_a_publisher_is_told_that_its_message_may_not_be_kept(call: str) -> None:
    """Whoever opens a run on a store that cannot keep it gets the store's error."""
    store = BrokenStore()
    async with Executor([echo], store=store) as executor:
        store.broken = True
        with pytest.raises(DatabaseError, match="the disk is full"):
            await getattr(executor, call)("start", 1)
        store.broken = False
        assert (await executor.run("start", 2)).outputs == {"out": [2]}


async def test_a_report_waits_for_the_store() -> None:
    """A result is not shown before what it depends on is kept; later it is."""
    store = BrokenStore()
    async with Executor([echo], store=store) as executor:
        live = await executor.start("start", 1)
        store.broken = True
        with pytest.raises(DatabaseError):
            await live.result()
        store.broken = False
        assert (await live.result()).status == "completed"


async def test_an_executor_ends_although_its_store_fails() -> None:
    """Leaving the block raises the store's own error, and leaves nothing running."""
    store = BrokenStore()

    async def use() -> None:
        async with Executor([echo], store=store) as executor:
            await executor.run("start", 1)
            store.broken = True

    with pytest.raises(DatabaseError, match="the disk is full"):
        await use()
    store.broken = False
    async with Executor([echo], store=store) as executor:
        assert [report.status for report in executor.runs()] == ["completed"]


async def test_a_step_waits_until_its_store_can_write() -> None:
    """However long that takes: meanwhile it is neither begun nor failed."""
    store, called = BrokenStore(), list[int]()

    async def look(number: int) -> int:
        called.append(number)
        return number

    @agent(subscribe="look", publish="out", max_attempts=1)
    async def looking(payload: int, ctx: Context) -> int:
        store.broken = True
        result: int = await ctx.step("look", look, payload)
        return result

    async with Executor([looking], store=store) as executor:
        live = await executor.start("look", 1)
        await turns()
        assert store.broken
        assert called == []
        store.broken = False
        assert store.heard is not None
        store.heard()
        assert (await live.result()).outputs == {"out": [1]}
    assert called == [1]


async def test_a_worker_that_fails_ends_its_executor() -> None:
    """A failure that is no handler's is raised where the executor was opened, on every loop."""

    class RefusingStore(MemoryStore):
        """Does not take ends, good or bad."""

        def append(self, record: Record) -> None:
            if isinstance(record, Settled):
                raise LookupError
            super().append(record)

    async def use() -> None:
        async with Executor([echo], store=RefusingStore()) as executor:
            await executor.run("start", 1)

    with pytest.raises(LookupError):
        await use()
