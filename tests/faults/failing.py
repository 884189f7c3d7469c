"""Work on a disk whose calls fail, in a process that goes on."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import anyio

from dagger import Config, Context, DatabaseError, Executor, LiveRun, LmdbStore, agent
from dagger.executor import commands
from dagger.store import writer
from dagger.store.inbox import Command
from tests.crash.processes import Say
from tests.faults.shim import Kind, Shim
from tests.store.filling import fill_twice
from tests.waiting import until

ALL = Kind.DATA | Kind.META | Kind.SYNC | Kind.SIZE | Kind.NAME
FOR_A_WHILE = 1_000_000

CONFIG = Config(snapshot_every_records=10, cancel_grace=1.0)


@agent(subscribe="work")
async def note(payload: int, ctx: Context) -> None:
    """Writes down what it was given."""
    ctx.cache.append("noted", payload)


def at_work(say: Say, path: Path, kinds: Kind, performed: bool) -> None:
    """Publish before, during and after two faults: one call that fails, and all for a while."""
    _hurry()
    anyio.run(_at_work, say, path, kinds, performed)


async def _at_work(say: Say, path: Path, kinds: Kind, performed: bool) -> None:
    shim, store = Shim(), LmdbStore(path)
    async with Executor([note], store=store, config=CONFIG) as executor:
        shim.watch(path)
        async with await executor.start("work", 0, run_id="case") as live:
            await _publish(say, live, range(1, 16))
            shim.fail(kinds, 1, performed=performed)
            await _publish(say, live, range(20, 21))
            await until(lambda: store.trouble is None)
            shim.fail(kinds, FOR_A_WHILE, performed=performed)
            await _publish(say, live, range(40, 45))
            _post(say, store)
            shim.fail(kinds, 0)
            await until(lambda: store.trouble is None)
            _post(say, store)
            await _publish(say, live, range(50, 60))
            await until(lambda: executor._engine.state.commands > 0)  # type: ignore[union-attr]
        report = await live.result()
        say("report", report.status, live.cache.get("noted"))


async def _publish(say: Say, live: LiveRun, numbers: range) -> None:
    for number in numbers:
        try:
            await live.publish("work", number)
        except DatabaseError as error:
            say(type(error).__name__, number)
        else:
            say("kept", number)


def _post(say: Say, store: LmdbStore) -> None:
    """A command that does nothing, from outside."""
    assert store.inbox is not None
    try:
        store.inbox.post(Command("resume", "case", {}, time.time(), "somebody"))
    except DatabaseError:
        say("not posted")
    else:
        say("posted")


def at_quota(say: Say, path: Path, spare: int) -> None:
    """Publish until the files of a store may not grow any more, twice."""
    _hurry()
    shim = Shim()
    shim.watch(path)
    fill, free = partial(shim.quota, spare), partial(shim.quota, None)
    say("kept", anyio.run(fill_twice, path, fill, lambda: None, free))


def opening(say: Say, path: Path, times: int, step: int) -> None:
    """Make stores on disks of which the k-th call fails, or all from there, for many a k."""
    _hurry()
    shim = Shim()
    for spare in range(0, 200, step):
        shim.watch(path / str(spare))
        shim.fail(ALL, times, spare=spare)
        say("first", anyio.run(_open, path / str(spare)))
        if shim.calls <= spare:
            break
        shim.fail(ALL, 0)
        say("second", anyio.run(_open, path / str(spare)))


async def _open(path: Path) -> str:
    """Do a little: "ok", or the error that came of it."""
    try:
        async with Executor([note], store=path / "store", config=CONFIG) as executor:
            await executor.run("work", 1)
    except DatabaseError as error:
        return str(error)
    return "ok"


def _hurry() -> None:
    writer.PATIENCE = (0.001, 0.01)
    commands.EVERY = 0.001
