"""Runs as they stand in a store, seen from outside of the process that may own it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dagger.cli.stores import in_store, number_of, opened
from dagger.executor.recovery import MANY, restored, restored_run, whole_run
from dagger.state.run import Keep
from dagger.words.outcomes import RunStatus

if TYPE_CHECKING:
    from dagger.state.run import Run
    from dagger.store.reader import StoreReader

INTERRUPTED = "interrupted: no process has the store open"
"""What keeps a run from going on that nobody has paused."""

ALL = Keep(MANY, MANY, MANY)
"""Whatever the store has kept is shown."""


def stored_runs(reader: StoreReader) -> list[Run]:
    """Every run in a store, oldest first."""
    owned = reader.owner() is not None
    return [_seen(run, owned) for _, run in sorted(restored(reader, ALL).runs.items())]


def stored_run(reader: StoreReader, run_id: str, *, whole: bool = False) -> Run:
    """One run; the `whole` of it has what its executor does not keep in memory as well.

    Raises Refused if there is no run of that id.
    """
    number = number_of(reader, run_id)
    run = whole_run(reader, number) if whole else restored_run(reader, number, ALL)
    assert run is not None, "a run that has a number is there"
    return _seen(run, reader.owner() is not None)


def _seen(run: Run, owned: bool) -> Run:
    """What an executor knows of an open run besides its records: whether it is held up."""
    if run.on_hold:
        run.paused = True
    elif not owned and run.standing() is RunStatus.RUNNING:
        run.paused, run.obstacle = True, INTERRUPTED
    return run


def standing(run: Run) -> str:
    """The word for how a run stands, for people."""
    return "interrupted" if run.obstacle == INTERRUPTED else str(run.standing())


def told(run: Run, store: Path) -> str:
    """How a run stands, and how one goes on with it that nobody has open."""
    word = standing(run)
    again = f"dagger resume {run.id}{in_store(store)} --agents FILE.py goes on with it"
    return f"run {run.id} is {word}" + (f"; {again}" if word == "interrupted" else "")


def wound_down(run: Run, store: Path) -> str:
    """How a run stands that was cancelled, and what it waits for if it has not ended."""
    with opened(store) as reader:
        owned = reader.owner() is not None
    waits = "" if owned or run.ended_at is not None else "; it cleans up once its agents are there"
    return f"run {run.id} is {run.status}{waits}"
