"""What `dagger gc` lets go of: ended runs, and what killed processes have left half made."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from dagger.cli.exits import StoreTrouble
from dagger.cli.stored import stored_runs
from dagger.cli.stores import opened
from dagger.cli.times import moment
from dagger.cli.visiting import keeping, visiting
from dagger.executor.retention import Retention
from dagger.store.care import leftovers
from dagger.views.wording import plural

if TYPE_CHECKING:
    from dagger.state.run import Run

Limits = dict[str, Any]
"""Settings that say which ended runs are kept."""


def limits(keep_runs: int | None, older_than: float | None) -> Limits:
    """What is to be kept: as it is asked for, or else as the settings say."""
    given = {"keep_runs": keep_runs, "keep_runs_seconds": older_than}
    asked = {name: value for name, value in given.items() if value is not None}
    if asked:
        return asked
    from dagger.words.config import Config

    names = ("keep_runs", "keep_runs_seconds", "keep_runs_bytes")
    config = Config.load()
    return {name: getattr(config, name) for name in names}


def sweep(store: Path, kept: Limits, dry_run: bool) -> Iterator[str]:
    """Let go of what is not to be kept, and tell what that is; or with `dry_run` only tell.

    Raises LockError while somebody owns the store, DatabaseError.
    """
    with opened(store) as reader, reader.still():
        runs = stored_runs(reader)
    if dry_run:
        gone, left = _surplus(runs, kept), leftovers(store)
    else:
        numbers, left = anyio.run(_let_go, store, kept)
        gone = [run for run in runs if run.id not in numbers]
    for run in gone:
        yield f"run {run.id}, {run.status} on {moment(run.ended_at or 0.0)}"
    for path in left:
        yield f"{path}, left by a process that was killed"
    would = "would let" if dry_run else "let"
    yield f"{would} go of {len(gone):,} of {plural(len(runs), 'run')}"


def _surplus(runs: list[Run], kept: Limits) -> list[Run]:
    """The runs that would not be kept, the one that ended first before all others."""
    by_number = {run.number: run for run in runs}
    retention = Retention(keeping(**kept), by_number)
    for run in runs:
        if run.ended_at is not None:
            retention.add(run)
    return [by_number[number] for number in retention.take(time.time(), exact=True)]


async def _let_go(store: Path, kept: Limits) -> tuple[set[str], list[Path]]:
    """Do it; the ids of the runs that are left, and the files that were not."""
    async with visiting(store, **kept) as executor:
        await executor.gc()
        left = leftovers(store)
        for path in left:
            _remove(path)
        return {report.run_id for report in executor.runs()}, left


def _remove(path: Path) -> None:
    try:
        shutil.rmtree(path)
    except OSError as error:
        raise StoreTrouble(f"{path} cannot be removed: {error}") from error
