"""A disk that fails: whoever waits is told, nothing more is done, and then all goes on."""

from __future__ import annotations

import errno
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import lmdb
import pytest

from dagger import Config, Context, Executor, LiveRun, OutcomeUnknown, StoreUnavailable, agent
from dagger.executor.recovery import restored
from dagger.store import writer
from dagger.store.reader import StoreReader
from tests.crash.disks import BadDisk
from tests.promises.conftest import Audited
from tests.promises.gates import Gate
from tests.state.meaning import audit
from tests.waiting import in_hand, pending, until

FAULTS: dict[str, Exception] = {
    "EIO": OSError(errno.EIO, "Input/output error"),
    "ENOSPC": OSError(errno.ENOSPC, "No space left on device"),
    "MapFull": lmdb.MapFullError("mdb_put: MDB_MAP_FULL"),
    "Panic": lmdb.PanicError("mdb_txn_begin: MDB_PANIC"),
}
EIO = FAULTS["EIO"]

WRITTEN = pytest.mark.parametrize("written", [False, True], ids=["lost", "written all the same"])
"""Whether a write that fails has taken place all the same."""

CALLS: dict[str, Callable[[Executor, LiveRun], Awaitable[object]]] = {
    "run": lambda executor, live: executor.run("work", 1, run_id="new"),
    "start": lambda executor, live: executor.start("work", 1, run_id="new"),
    "publish": lambda executor, live: executor.publish("work", 1, run_id="new"),
    "publish into a run": lambda executor, live: live.publish("work", 1),
    "pause": lambda executor, live: live.pause(),
    "cancel": lambda executor, live: live.cancel(),
}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed write is tried again very soon."""
    monkeypatch.setattr(writer, "PATIENCE", (0.001, 0.01))


@pytest.fixture
def disk(tmp_path: Path) -> BadDisk:
    """A store on a disk that fails when a test wants it to."""
    return BadDisk(tmp_path / "store")


async def unknown(call: Awaitable[object]) -> None:
    """Fail unless whoever calls is told that nobody knows."""
    with pytest.raises(OutcomeUnknown, match="may be kept or not"):
        await call


@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
@WRITTEN
async def test_it_recovers_by_itself(disk: BadDisk, fault: Exception, written: bool) -> None:
    """What was being written when the disk failed is not lost and not doubled; all runs end."""
    gate = Gate()
    async with Audited([gate.agent], store=disk) as executor:
        async with await executor.start("work", 0) as live:
            with disk.failing(fault, written=written):
                async with anyio.create_task_group() as group:
                    group.start_soon(unknown, live.publish("work", 1))
                    group.start_soon(unknown, live.publish("work", 2))
                    group.start_soon(unknown, executor.run("work", 3, run_id="three"))
                assert disk.trouble is not None
            await until(lambda: disk.trouble is None)
            assert await live.publish("work", 4) == f"{live.id}.0.3"
            gate.open.set()
        reports = [await live.result(), await executor.run("work", 3, run_id="three")]
    assert sorted(gate.handled) == [0, 1, 2, 3, 4]
    assert [each.dispositions for each in reports] == [{"ok": 4}, {"ok": 1}]


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
async def test_nothing_is_accepted_meanwhile(
    disk: BadDisk, call: Callable[[Executor, LiveRun], Awaitable[object]]
) -> None:
    """Who comes while the disk fails is refused at once, and what they asked for is not done."""
    gate = Gate()
    async with Audited([gate.agent], store=disk) as executor:
        async with await executor.start("work", 0) as live:
            with disk.failing(EIO):
                await unknown(live.publish("work", 0))
                before = live.report().to_dict()["messages"], live.status, len(executor.runs())
                with pytest.raises(StoreUnavailable, match="nothing was accepted"):
                    await call(executor, live)
                after = live.report().to_dict()["messages"], live.status, len(executor.runs())
                assert after == before
            await until(lambda: disk.trouble is None)
            gate.open.set()
        assert (await live.result()).messages == 2


async def test_nothing_is_done_meanwhile(
    disk: BadDisk, prove: bool, anyio_backend_name: str
) -> None:
    """While the disk fails nothing is taken, shown or snapshotted, and no step is begun."""
    shown: list[Any] = []
    stepped: list[Any] = []
    gate, go = Gate("other", "other"), anyio.Event()

    @agent(subscribe="work")
    async def work(payload: int, ctx: Context) -> None:
        await go.wait()
        await ctx.step("outside", stepped.append, payload)

    async def watch(live: LiveRun) -> None:
        async for event in live.watch():
            shown.append(event)  # noqa: PERF401 - one by one, as they come

    config = Config(snapshot_every_seconds=0.001)
    async with (
        Audited([work, gate.agent], store=disk, config=config) as executor,
        anyio.create_task_group() as group,
    ):
        async with await executor.start("work", 0) as live:
            for number in (1, 2):
                await live.publish("other", number)
            group.start_soon(watch, live)
            await until(lambda: in_hand(executor) == 2 and pending(executor) == 1)
            with disk.failing(EIO):
                await unknown(live.publish("other", 3))
                gate.open.set()
                go.set()
                await until(lambda: live.report().handled == 1)  # what was in hand goes on
                snapshots, writes = disk.snapshots, disk.writes
                await until(lambda: disk.writes > writes + 1)
                await anyio.sleep(5 if prove and anyio_backend_name == "trio" else 0)
                assert gate.handled == [1]
                assert pending(executor) == 2
                assert not shown
                assert not stepped
                assert disk.snapshots == snapshots
        report = await live.result()
    assert report.dispositions == {"ok": 4}
    assert gate.handled == [1, 2, 3]
    assert stepped == [0]
    assert len(shown) == 4


@WRITTEN
async def test_stopping_while_it_fails(disk: BadDisk, written: bool) -> None:
    """Stopping does not wait for the disk to recover: it raises, and the next one goes on."""
    gate = Gate()

    async def use() -> None:
        async with Executor([gate.agent], store=disk) as executor:
            live = await executor.start("work", 0, run_id="case")
            await until(lambda: in_hand(executor) == 1)
            fault.enter_context(disk.failing(EIO, written=written))
            await unknown(live.publish("work", 1))
            await executor.stop()

    with ExitStack() as fault, pytest.raises(OutcomeUnknown):
        await use()
    with StoreReader(disk.path) as reader:
        audit(state := restored(reader))
        assert state.runs[1].messages == 1 + written
    gate.open.set()
    async with Audited([gate.agent], store=disk) as executor:
        report = await executor.run("work", 0, run_id="case")
    assert report.dispositions == {"ok": 1 + written}


async def test_opening_while_it_fails(disk: BadDisk) -> None:
    """An executor that finds something to write down and cannot does not start."""
    gate = Gate()
    async with Executor([gate.agent], store=disk) as executor:
        live = await executor.start("work", 0, run_id="case")
        live.tasks.add_task("job", 1, 1)
    with disk.failing(EIO), pytest.raises(OutcomeUnknown):
        async with Executor([gate.agent], store=disk):
            pytest.fail("it started")
    gate.open.set()
    async with Audited([gate.agent], store=disk) as executor:
        assert (await executor.run("work", 0, run_id="case")).dispositions == {"ok": 1}


async def test_a_snapshot_that_fails_holds_up_nobody(
    disk: BadDisk, caplog: pytest.LogCaptureFixture
) -> None:
    """Where there is room for records and not for a snapshot, work goes on without one."""
    gate = Gate()
    gate.open.set()
    config = Config(snapshot_every_records=1)
    async with Audited([gate.agent], store=disk, config=config) as executor:
        with disk.failing_snapshots(FAULTS["ENOSPC"]):
            for number in range(5):
                await executor.run("work", number)
            await until(lambda: disk.snapshots > 1)
            assert disk.trouble is None
            assert disk.saved() == 0
        await executor.run("work", 5)
        await until(lambda: disk.saved() > 0)
    assert "a snapshot was not made: " in caplog.text


async def test_a_last_snapshot_that_fails_is_done_without(disk: BadDisk) -> None:
    """Stopping does not wait for a snapshot that cannot be made, nor does it raise."""
    gate = Gate()
    gate.open.set()
    async with Executor([gate.agent], store=disk) as executor:
        await executor.run("work", 1)
        with disk.failing_snapshots(FAULTS["ENOSPC"]):
            await executor.stop()
    assert disk.snapshots == 1
    async with Audited([gate.agent], store=disk) as executor:
        assert [each.status for each in executor.runs()] == ["completed"]


async def test_a_snapshot_that_comes_too_late_is_refused(disk: BadDisk) -> None:
    """One that is still being encoded as its store closes ends as well, and says so."""
    encoding, closed = threading.Event(), threading.Event()

    def pieces() -> Iterator[bytes]:
        encoding.set()
        closed.wait()
        yield b"piece"

    await disk.open()
    async with anyio.create_task_group() as group:
        group.start_soon(unknown, disk.save(0, {0: pieces()}, {}, ()))
        await until(encoding.is_set)
        await disk.close()
        closed.set()
