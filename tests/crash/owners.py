"""Programs that own a store: one that waits to be killed, and some that fork."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from dagger import Executor, LiveRun, LmdbStore, LockError, StoreForked, agent
from dagger.store.block import Block
from dagger.store.saving import Saving
from dagger.words.records import Restarted
from tests.crash.disks import DEAD
from tests.crash.processes import Say
from tests.promises.gates import Gate
from tests.waiting import until


@agent(subscribe="start", publish="out")
async def echo(payload: Any) -> Any:
    """Say it again."""
    return payload


def own(say: Say, path: Path) -> None:
    """Owns a store until somebody kills it, with one run that has ended and one in hand."""

    async def main() -> None:
        gate = Gate()
        async with Executor([echo, gate.agent], store=path) as executor:
            await executor.run("start", 1, run_id="ended")
            await executor.start("work", "in hand", run_id="open")
            await until(lambda: bool(gate.handled))
            say("at work")
            await anyio.sleep_forever()

    anyio.run(main)


class LastRestart(LmdbStore):
    """Ends its process once the disk has the news that the one before it is dead."""

    def write(self, blocks: Sequence[Block], job: Saving | None) -> bool:
        tidy = super().write(blocks, job)
        records = [record for block in blocks for _, record in block.records()]
        if any(isinstance(record, Restarted) for record in records):
            os._exit(DEAD)
        return tidy


def take_over_and_die(say: Say, path: Path) -> None:
    """Takes a store over from one that has died, and dies of it; or ends in peace."""

    async def main() -> None:
        async with Executor([echo, Gate().agent], store=LastRestart(path)):
            pass

    anyio.run(main)


# -- forks that use the store --------------------------------------------------------

Use = Callable[[Executor, LiveRun, Path], Awaitable[object]]


async def _open_anew(executor: Executor, live: LiveRun, path: Path) -> None:
    async with Executor([echo], store=path):
        pass


async def _write(executor: Executor, live: LiveRun, path: Path) -> None:
    executor.shared.set("key", 1)


FORKS: dict[str, tuple[Use, str]] = {
    "run": (lambda executor, live, path: executor.run("start", 2), "StoreForked"),
    "publish": (lambda executor, live, path: executor.publish("start", 2), "StoreForked"),
    "start": (lambda executor, live, path: executor.start("start", 2), "StoreForked"),
    "publish into a run": (lambda executor, live, path: live.publish("start", 2), "StoreForked"),
    "cancel": (lambda executor, live, path: live.cancel(), "StoreForked"),
    "write": (_write, "StoreForked"),
    "open": (_open_anew, "LockError"),
}
"""What a child does, and what comes of it."""


def fork(say: Say, path: Path, name: str) -> None:
    """Forks in the midst of its work, and goes on."""

    async def main() -> None:
        async with Executor([echo], store=path) as executor:
            async with await executor.start("start", 1, run_id="case") as live:
                if (child := os.fork()) == 0:
                    await _in_the_child(say, FORKS[name][0](executor, live, path))
                status = await anyio.to_thread.run_sync(lambda: os.waitpid(child, 0)[1])
                say("child", os.waitstatus_to_exitcode(status))
                await live.publish("start", 3)
            report = await live.result()
            say("outputs", report.outputs)
            say("still owned", await _owned(path))

    anyio.run(main)


async def _owned(path: Path) -> bool:
    """Whether the store is somebody's, who would not have it shared."""
    try:
        async with Executor([echo], store=path):
            return False
    except LockError:
        return True


async def _in_the_child(say: Say, use: Awaitable[object]) -> None:
    try:
        await use
    except (StoreForked, LockError) as error:
        say("refused", type(error).__name__)
    finally:
        os._exit(0)


# -- forks that end ------------------------------------------------------------------


def fork_and_end(say: Say, path: Path, way: str) -> None:
    """Forks children that do nothing with the store but end."""

    async def main() -> None:
        async with Executor([echo], store=path) as executor:
            async with await executor.start("start", 1, run_id="case") as live:
                for number in range(3):
                    if (child := os.fork()) == 0:
                        ENDS[way]()
                    await anyio.to_thread.run_sync(os.waitpid, child, 0)
                    await live.publish("start", number)
            say("outputs", (await live.result()).outputs)
            say("still owned", await _owned(path))

    anyio.run(main)


def _collect_and_exit() -> None:
    gc.collect()
    os._exit(0)


ENDS: dict[str, Callable[[], None]] = {
    "exit": lambda: os._exit(0),
    "exit after a collection": _collect_and_exit,
    "signal": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "another program": lambda: os.execl("/bin/true", "true"),
}
