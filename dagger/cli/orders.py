"""pause, resume and cancel: carried out by whoever owns the store, or else here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import anyio

from dagger.cli.exits import Refused
from dagger.cli.following import Following
from dagger.cli.sending import send, sender, soon
from dagger.cli.stored import stored_run, stored_runs
from dagger.cli.stores import number_of, opened
from dagger.cli.visiting import done_here

if TYPE_CHECKING:
    from dagger.executor.executor import Executor
    from dagger.executor.live import LiveRun
    from dagger.state.run import Run
    from dagger.store.reader import StoreReader

Verb = Literal["pause", "resume", "cancel"]


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


def cancel_invocation(store: Path, run_id: str, node: str) -> Run:
    """Have one invocation of a run cancelled; how the run stands afterwards.

    Raises what `order` does; InvocationNotFound, or Refused by the owner, for a node that is
    not there or has ended.
    """
    with opened(store) as reader, reader.still():
        owned = reader.owner() is not None
        _meant(reader, run_id)

    async def do(executor: Executor) -> None:
        await executor.live(run_id).cancel_invocation(node)

    if owned or not done_here(store, do):
        with opened(store) as reader:
            anyio.run(send, reader, "cancel_invocation", run_id, {"node": node})
    with opened(store) as reader, reader.still():
        return stored_run(reader, run_id)


def _meant(reader: StoreReader, run_id: str | None) -> list[Run]:
    if run_id is None:
        return [run for run in stored_runs(reader) if run.on_hold and run.ended_at is None]
    run = stored_run(reader, run_id)
    if run.ended_at is not None:
        raise Refused(f"run {run_id!r} has ended: it is {run.status}")
    return [run]


def _done_here(store: Path, verb: Verb, ids: list[str]) -> bool:
    async def do(executor: Executor) -> None:
        for each in ids:
            await _do(executor.live(each), verb)

    return done_here(store, do)


async def _do(run: LiveRun, verb: Verb) -> None:
    if run.status.ended:  # all that it lacked was somebody who says so
        return
    if verb == "pause":
        await run.pause(f"pause by {sender()}")
    elif verb == "resume":
        await run.resume()
    else:
        await run.cancel(f"cancel by {sender()}")


async def _ask(store: Path, verb: Verb, run_id: str | None) -> None:
    """Have the owner do it, and wait; a run to be cancelled may take its time to end."""
    with opened(store) as reader:
        await send(reader, verb, run_id or "", {})
        if verb == "cancel" and run_id is not None:
            run = number_of(reader, run_id)
            following = Following(reader, run)
            await soon(lambda: _over(following, run))


def _over(following: Following, run: int) -> bool:
    for _ in following.news():
        pass
    return following.state.runs[run].ended_at is not None
