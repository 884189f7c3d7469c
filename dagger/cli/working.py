"""A worker: it waits for a store to be its own, runs what comes, and ends in peace."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from dagger.cli.exits import Exit
from dagger.cli.interrupts import Interrupts
from dagger.cli.log_json import JsonLog, Say, nothing, saying
from dagger.cli.logs import logs
from dagger.executor.executor import Executor
from dagger.store.lmdb import LmdbStore
from dagger.store.lock import owner
from dagger.views.wording import plural
from dagger.words.errors import LockError

if TYPE_CHECKING:
    from dagger.cli.offer import Offer

TICK = 1 / 8
"""Seconds between two looks at whether it is to end, or at whether the store has an owner: a
dead one tells nobody.
"""

NAMED = 10
"""Runs that cannot go on here of which that is said."""


def work(program: Offer, store: Path, grace: float, verbose: bool, log_json: bool = False) -> Exit:
    """Run what comes, until a signal ends it; what is in hand then has `grace` seconds.

    Raises DatabaseError.
    """
    folder = LmdbStore(store)
    say = saying(in_json=log_json)

    async def main() -> None:
        executor = Executor(program.agents, store=folder, config=program.config)
        tell = nothing
        async with AsyncExitStack() as stack:
            if await _entered(executor, folder, stack, interrupts, say):
                if log_json:
                    tell = JsonLog(executor.watch(), program.flows).write
                await program.begin(executor)
                _tell_what_there_is(executor, store, say)
                await _until(lambda: bool(interrupts.signal), tell)
                await _wind_down(executor, grace, say)
        await tell()

    telling = logs(verbose=verbose, runs=True, flows=program.flows, as_json=log_json)
    with telling, Interrupts() as interrupts:
        # Whoever kills it knows why: no handler is to blame.
        interrupts.before_the_end = lambda: folder.hands.clear()
        anyio.run(main)
    return Exit.OK if interrupts.signal == "SIGTERM" else Exit.INTERRUPTED


async def _entered(
    executor: Executor, store: LmdbStore, stack: AsyncExitStack, interrupts: Interrupts, say: Say
) -> bool:
    """Open the store as soon as nobody else owns it; False if it is to end before."""
    told = 0
    while not interrupts.signal:
        try:
            await stack.enter_async_context(executor)
        except LockError as locked:
            if told != locked.pid:
                told = locked.pid
                say(f"standing by: process {told} on {locked.host} has {store.path} open")
        else:
            return True
        await _until(lambda: bool(interrupts.signal) or owner(store.path / "owner") is None)
    return False


async def _until(
    happened: Callable[[], bool], meanwhile: Callable[[], Awaitable[None]] = nothing
) -> None:
    """Return once it has happened: a signal, or something in another process."""
    while not happened():  # neither sets an event here
        await anyio.sleep(TICK)
        await meanwhile()


def _tell_what_there_is(executor: Executor, store: Path, say: Say) -> None:
    runs = sum(each.ended is None for each in executor.runs())
    held = [plural(len(executor.list_agents()), "agent")]
    held += [plural(len(executor.schedules.list()), "schedule"), plural(runs, "open run")]
    say(f"{store} is open: {', '.join(held)}; Ctrl-C ends it")
    for run_id, obstacle in islice(_held_up(executor), NAMED):
        say(f"run {run_id} cannot go on: {obstacle}")


def _held_up(executor: Executor) -> Iterator[tuple[str, str]]:
    """Open runs that wait for something which is not here, and for what."""
    for each in executor.runs():
        obstacle = executor.live(each.run_id).state.obstacle if each.ended is None else ""
        if obstacle:
            yield each.run_id, obstacle


async def _wind_down(executor: Executor, grace: float, say: Say) -> None:
    running = sum(each.running for each in executor.list_agents())
    if running:
        ends = f"finishing {plural(running, 'handler')}, for {grace:g} s at most"
        say(f"{ends}; a second Ctrl-C kills")
    if not await executor.wind_down(grace):
        say("time is up: what is still in hand is cancelled, and done again the next time")
