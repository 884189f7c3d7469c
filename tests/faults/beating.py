"""An executor with a big run, of which snapshots are made while somebody listens to the loop."""

from __future__ import annotations

import os
import time
from pathlib import Path

import anyio
import anyio.lowlevel

from dagger import Config, Context, Executor, LiveRun, agent
from tests.crash.processes import Say
from tests.waiting import until

BEAT = 0.001
SNAPSHOTS = 4
"""So many at least, and the first does not count."""
TRIES = 40
"""So many at most, where a busy machine makes each of them slow."""

CONFIG = Config(snapshot_every_seconds=0.1)


@agent(subscribe="big", publish="waiting", publish_each=True)
async def fill(payload: dict[str, int], ctx: Context) -> list[int]:
    """Makes the run big."""
    for number in range(payload["keys"]):
        ctx.cache.set(f"key {number}", number)
        if number % 1_000 == 0:
            await anyio.lowlevel.checkpoint()
    return list(range(payload["pending"]))


@agent(subscribe="waiting", capacity=20_000)
async def never(payload: int) -> None:
    """Keeps all but one of them pending."""
    await anyio.sleep_forever()


def beat(say: Say, path: Path, keys: int, pending: int, enough: float) -> None:
    """Say how long the loop was busy at most, from one beat to the next."""
    anyio.run(_beat, say, path, keys, pending, enough)


async def _beat(say: Say, path: Path, keys: int, pending: int, enough: float) -> None:
    async with Executor([fill, never], store=path, config=CONFIG) as executor:
        executor.channel("nobody")
        live = await executor.start("big", {"keys": keys, "pending": pending})
        await until(lambda: live.report().open == pending)
        async with anyio.create_task_group() as group:
            group.start_soon(_touch, live)
            say("longest", await _listen(executor, enough))
            os._exit(0)  # nobody waits for those that wait for ever


async def _touch(live: LiveRun) -> None:
    """Change a little of the run all the time: each snapshot copies all of it."""
    while True:
        await live.publish("nobody", 1)
        await anyio.sleep(0.02)


async def _listen(executor: Executor, enough: float) -> float:
    """The longest that this thread works between two beats, while a snapshot is made.

    Not by the clock: others want the machine as well. And of several snapshots, which all
    are the same work, that with which they interfered least: some, or as many as it takes
    until one was quick `enough`.
    """
    store = executor._store
    saved, longest = store.saved(), [0.0]
    while len(longest) <= SNAPSHOTS or (len(longest) <= TRIES and enough < min(longest[1:-1])):
        begun = time.thread_time()
        await anyio.sleep(BEAT)
        longest[-1] = max(longest[-1], time.thread_time() - begun)
        if store.saved() != saved:
            saved = store.saved()
            longest.append(0.0)
    return min(longest[1:-1])
