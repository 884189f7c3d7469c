"""`dagger watch`: what happens in a store, while another process owns it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dagger.cli.completing import run_argument
from dagger.cli.exits import Exit
from dagger.cli.stores import number_of, opened, store_option
from dagger.cli.terminal import columns
from dagger.cli.times import moment, time_of_day
from dagger.views.wording import one_line
from dagger.words.outcomes import RunStatus

if TYPE_CHECKING:
    from dagger.cli.following import Following
    from dagger.cli.interrupts import Interrupts
    from dagger.cli.telling import Line
    from dagger.store.reader import StoreReader

EVERY = 0.1
"""Seconds between two looks at the journal."""

WORD = 10
"""Columns for the word that says what a line is about."""

LONGEST = 300
"""Characters of a line that goes to no terminal."""

_COLOURS = {
    **dict.fromkeys(("ok", "completed"), "green"),
    **dict.fromkeys(("opened", "resumed", "restarted", "info"), "cyan"),
    **dict.fromkeys(("paused", "asks", "dropped", "cancelled", "warning"), "yellow"),
    **dict.fromkeys(("failed", "dead", "rejected", "error", "critical"), "red"),
}

CODES = """\b
Exit codes:
  0    the run has completed
  1    it has ended in another way
  2    what was asked for cannot be done
  3    the store cannot be read
  130  interrupted by Ctrl-C or SIGTERM"""


@click.command("watch", epilog=CODES)
@run_argument(required=False)
@store_option
@click.option("--after", type=click.IntRange(0), metavar="N", help="Start behind this record.")
@click.option("--json", "as_json", is_flag=True, help="Print lines of JSON.")
def command(run_id: str | None, store: Path, after: int | None, as_json: bool) -> None:
    """Tell what happens in a store, or in one run.

    It starts now, or behind the record that --after names: each line begins with the
    number of its own. It ends with the run, or with Ctrl-C.
    """
    import anyio

    from dagger.cli.following import Following
    from dagger.cli.interrupts import Interrupts

    with opened(store) as reader, Interrupts() as interrupts:
        run = None if run_id is None else number_of(reader, run_id)
        following = Following(reader, run, after)
        _say_where(reader, following.start)
        show = _as_json if as_json else _brief if run_id else _with_run
        sys.exit(anyio.run(_watch, following, run, show, interrupts))


def _say_where(reader: StoreReader, start: int) -> None:
    """Say so if watching may have to wait."""
    if start > (there := reader.position):
        click.echo(f"there are {there} records so far; starting behind {start}", err=True)
    if reader.owner() is None:
        click.echo("no process has the store open", err=True)


async def _watch(
    following: Following,
    number: int | None,
    show: Callable[[int, Line], str],
    interrupts: Interrupts,
) -> Exit:
    """Print what comes, until the run has ended or somebody interrupts."""
    import anyio

    told = 0
    while not interrupts.signal:
        for text in _texts(following, show):
            click.echo(text)
            told += 1
            if interrupts.signal:
                return Exit.INTERRUPTED
        run = None if number is None else following.state.runs[number]
        if run is not None and run.ended_at is not None:
            if not told:
                click.echo(f"run {run.id} ended on {moment(run.ended_at)}", err=True)
            return Exit.OK if run.status is RunStatus.COMPLETED else Exit.NOT_COMPLETED
        await anyio.sleep(EVERY)
    return Exit.INTERRUPTED


def _texts(following: Following, show: Callable[[int, Line], str]) -> Iterator[str]:
    from dagger.cli.telling import lines

    for position, record in following.news():
        for line in lines(following.state, record):
            yield show(position, line)


def _as_json(position: int, line: Line) -> str:
    return json.dumps({"position": position, **line.to_dict()})


def _with_run(position: int, line: Line) -> str:
    return _text(position, line, f"{one_line(line.run, LONGEST)}  ")


def _brief(position: int, line: Line) -> str:
    return _text(position, line, "")


def _text(position: int, line: Line, run: str) -> str:
    """A line for people, which a terminal does not have to break."""
    head = f"{position:>7}  {time_of_day(line.at)}  {run}"
    text = one_line(line.text, max(WORD, columns(LONGEST) - len(head) - WORD - 2))
    return f"{head}{click.style(f'{line.word:<{WORD}}', fg=_COLOURS.get(line.word))}  {text}"
