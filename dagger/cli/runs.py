"""`dagger runs`: the runs that are in a store."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dagger.cli.aligned import aligned
from dagger.cli.completing import schedule_ids
from dagger.cli.stores import opened, store_option
from dagger.cli.times import recent
from dagger.views.wording import duration, one_line

if TYPE_CHECKING:
    from dagger.state.run import Run

NAME = 60
"""Characters of a run's id that are shown."""

TITLES = ("run", "status", "started", "took", "messages", "handled", "dead")

TEXTS = 3
"""Columns of text, which come first; the others are numbers."""

_COLOURS = {
    "completed": "green",
    "running": "cyan",
    **dict.fromkeys(("waiting", "paused", "interrupted"), "yellow"),
}


@click.command("runs", epilog="Exit codes: 0 done, 2 usage, 3 store trouble.")
@store_option
@click.option(
    "--schedule", metavar="ID", shell_complete=schedule_ids, help="Those of one schedule only."
)
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def command(store: Path, schedule: str | None, as_json: bool) -> None:
    """List the runs in a store, the newest last.

    An open run that nobody has paused is "interrupted" while no process has the store
    open: `dagger run`, said again, or `dagger resume` goes on with it.
    """
    from dagger.cli.stored import stored_runs

    now = time.time()
    with opened(store) as reader, reader.still():
        owner, runs = reader.owner(), [*_of(schedule, stored_runs(reader))]
    if as_json:
        rows = [_described(run, now) | {"owned": owner is not None} for run in runs]
        click.echo(json.dumps(rows, indent=2))
        return
    click.echo("\n".join(_lines([_cells(run, now) for run in runs])))
    if owner is not None:
        click.echo(f"process {owner.pid} on {owner.host} has the store open", err=True)


def _of(schedule: str | None, runs: Iterable[Run]) -> Iterator[Run]:
    """The runs that a schedule has begun; all of them for None."""
    from dagger.rules.occurrence import moment_of

    for run in runs:
        slot = moment_of(run.id)
        if schedule is None or (slot is not None and run.id == f"{schedule}@{slot}"):
            yield run


def _described(run: Run, now: float) -> dict[str, Any]:
    return {
        "id": run.id,
        "status": str(run.standing()),
        "reason": run.reason or run.obstacle,
        "started": run.opened_at,
        "ended": run.ended_at,
        "seconds": _seconds(run, now),
        "messages": run.messages,
        "handled": run.handled,
        "dead_letters": run.letters,
    }


def _cells(run: Run, now: float) -> tuple[str, ...]:
    from dagger.cli.stored import standing

    return (
        one_line(run.id, NAME),
        standing(run),
        recent(run.opened_at, now),
        duration(_seconds(run, now)),
        f"{run.messages:,}",
        f"{run.handled:,}",
        f"{run.letters:,}" if run.letters else "·",
    )


def _seconds(run: Run, now: float) -> float:
    """Wall time from its start to its end, or until now."""
    return max(0.0, (now if run.ended_at is None else run.ended_at) - run.opened_at)


def _lines(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """The rows below their titles, in columns."""
    titles, *below = aligned([TITLES, *rows], TEXTS)
    yield "  ".join(titles)
    for row, cells in zip(rows, below, strict=True):
        cells[1] = click.style(cells[1], fg=_COLOURS.get(row[1], "red"))
        yield "  ".join(cells)
