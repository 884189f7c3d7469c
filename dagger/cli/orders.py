"""pause, resume and cancel: carried out by whoever owns the store, or else here."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import anyio

from dagger.cli.exits import Refused, StoreTrouble
from dagger.cli.following import Following
from dagger.cli.stored import stored_run, stored_runs
from dagger.cli.stores import number_of, opened
from dagger.executor.executor import Executor
from dagger.executor.recovery import MANY
from dagger.state.loading import load_world
from dagger.state.state import State
from dagger.store.inbox import Command, LmdbInbox
from dagger.words.errors import LockError
from dagger.words.records import WIRING, CommandTaken

if TYPE_CHECKING:
    from dagger.executor.live import LiveRun
    from dagger.state.run import Run
    from dagger.store.reader import StoreReader
    from dagger.words.config import Config

Verb = Literal["pause", "resume", "cancel"]

PATIENCE = 5.0
"""Seconds in which the owner of a store is to do what it is asked for."""

EVERY = 0.05
"""Seconds between two looks at whether it has."""


def order(store: Path, verb: Verb, run_id: str | None) -> list[Run]:
    """Have it done to one run, or to all that are paused; how they stand afterwards.

    Raises Refused for a run that is not there or has ended, StoreTrouble where the owner
    of the store does nothing, and DatabaseError.
    """
    with opened(store) as reader, reader.still():
        owned = reader.owner() is not None
        ids = [run.id for run in _meant(reader, run_id)]
    if ids and (owned or not _done_here(store, verb, ids)):
        anyio.run(_ask, store, verb, run_id)
    with opened(store) as reader, reader.still():
        return [stored_run(reader, each) for each in ids]


def _meant(reader: StoreReader, run_id: str | None) -> list[Run]:
    if run_id is None:
        return [run for run in stored_runs(reader) if run.on_hold and run.ended_at is None]
    run = stored_run(reader, run_id)
    if run.ended_at is not None:
        raise Refused(f"run {run_id!r} has ended: it is {run.status}")
    return [run]


# -- here ----------------------------------------------------------------------------


def _done_here(store: Path, verb: Verb, ids: list[str]) -> bool:
    """Open the store and do it; False if somebody else has come to own it."""

    async def main() -> None:
        async with Executor([], store=store, config=_keep_all(), resume=False) as executor:
            for each in ids:
                await _do(executor.live(each), verb)

    try:
        anyio.run(main)
    except LockError:
        return False
    return True


def _keep_all() -> Config:
    """What the programs of a store keep in it is theirs to say, and lets nothing go here."""
    from dagger.words.config import Config

    return Config(
        keep_outputs=MANY,
        keep_dead_letters=MANY,
        keep_nodes=MANY,
        keep_runs=MANY,
        keep_runs_seconds=None,
        keep_runs_bytes=None,
    )


async def _do(run: LiveRun, verb: Verb) -> None:
    if run.status.ended:  # all that it lacked was somebody who says so
        return
    if verb == "pause":
        await run.pause(f"pause by {_sender()}")
    elif verb == "resume":
        await run.resume()
    else:
        await run.cancel(f"cancel by {_sender()}")


# -- by the owner --------------------------------------------------------------------


async def _ask(store: Path, verb: Verb, run_id: str | None) -> None:
    """Send it to the owner, and wait until it is carried out; a run to be cancelled may
    take its time to end.
    """
    with opened(store) as reader:
        since = reader.position
        number = _post(store, Command(verb, run_id or "", {}, time.time(), _sender()))
        if not await _soon(lambda: _taken(reader, number, since)):
            raise StoreTrouble(
                f"the owner of {store} has not carried it out within {PATIENCE:g} s; it stays in "
                "the inbox for whoever has the store open next"
            )
        if verb == "cancel" and run_id is not None:
            run = number_of(reader, run_id)
            following = Following(reader, run)
            await _soon(lambda: _over(following, run))


def _post(store: Path, command: Command) -> int:
    inbox = LmdbInbox(store / "inbox")
    try:
        return inbox.post(command)
    finally:
        inbox.close()


async def _soon(happened: Callable[[], bool]) -> bool:
    """Whether it happens as long as one is ready to wait."""
    with anyio.move_on_after(PATIENCE):
        while not happened():  # noqa: ASYNC110  in another process, which sets no event here
            await anyio.sleep(EVERY)
        return True
    return False


def _taken(reader: StoreReader, number: int, since: int) -> bool:
    """Whether a command has been carried out, by what was recorded behind a position."""
    with reader.still():
        state = State()
        if reader.saved() > since:
            load_world(state, reader.part(WIRING) or b"")
        taken = [each.number for each in reader.read(since) if type(each) is CommandTaken]
    return max([state.commands, *taken]) >= number


def _over(following: Following, run: int) -> bool:
    for _ in following.news():
        pass
    return following.state.runs[run].ended_at is not None


def _sender() -> str:
    return f"{os.getpid()}@{socket.gethostname()}"
