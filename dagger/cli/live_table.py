"""The live table: a row for each agent, drawn anew as the run goes on."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Self, TextIO, TypeVar

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from dagger.cli.rates import Rates
from dagger.views.wording import duration, one_line, plural

if TYPE_CHECKING:
    from rich.console import RenderableType

    from dagger.executor.listing import Progress

AROUND = 6
"""Lines of the terminal that are not for rows."""

LOST = 2
"""Which of the columns of numbers is for what was lost."""

NAME = 40
"""Characters of an agent's name that are shown."""

T = TypeVar("T")

_COLOURS = {"completed": "green", "running": "cyan", "waiting": "yellow", "paused": "yellow"}


class Row(NamedTuple):
    """What is shown of one agent, or of several together."""

    name: str
    handled: int
    failed: int
    lost: int
    pending: int
    in_hand: int
    rate: float
    """Deliveries handled per second: of late, or of the whole run once it has ended."""


class LiveTable:
    """A table on stderr while the run goes on; what is printed or logged scrolls by above it.

    At the end it leaves the screen to the report, or stays where that goes elsewhere.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._rates = Rates()
        self._spinner = Spinner("dots")
        together = sys.stdout.isatty()
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            transient=together,
            redirect_stdout=together,
        )
        self._stderr = sys.stderr

    def __enter__(self) -> Self:
        self._stderr = sys.stderr
        self._live.start()
        _log_to(sys.stderr, instead_of=self._stderr)
        return self

    def __exit__(self, *_: object) -> None:
        _log_to(self._stderr, instead_of=sys.stderr)
        self._live.stop()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Meanwhile it is not there."""
        self.__exit__()
        try:
            yield
        finally:
            self.__enter__()

    def show(self, progress: Progress) -> None:
        """Draw it anew."""
        self._live.update(self.picture(progress), refresh=True)

    def picture(self, progress: Progress) -> RenderableType:
        """A line about the run, and a row for each agent, as many as the screen has room for."""
        rows = at_most(max(1, self._console.height - AROUND), self._rows(progress))
        drawn = table(rows, progress.of)
        return Group(self._head(progress, sum(row.rate for row in rows)), drawn)

    def _rows(self, progress: Progress) -> list[Row]:
        counts = {name: each.handled for name, each in progress.agents.items()}
        rates = self._rates.at(progress.seconds, counts)
        if progress.status.ended and progress.seconds:
            rates = {name: count / progress.seconds for name, count in counts.items()}
        return [
            Row(
                one_line(name, NAME),
                each.handled,
                each.failed,
                each.lost,
                each.pending,
                each.in_hand,
                rates[name],
            )
            for name, each in progress.agents.items()
        ]

    def _head(self, progress: Progress, rate: float) -> RenderableType:
        status = str(progress.status)
        text = Text.assemble(
            ("run ", "dim"),
            (one_line(progress.run_id, NAME), "bold"),
            (" · ", "dim"),
            (status, _COLOURS.get(status, "red")),
            (f" · {duration(progress.seconds)} · {plural(progress.messages, 'message')}", "dim"),
            (f" · {rate:,.0f} deliveries/s" if rate else "", "dim"),
        )
        if progress.status.ended:
            return text
        self._spinner.update(text=text)
        return self._spinner


def at_most(limit: int, rows: Sequence[Row]) -> Sequence[Row]:
    """At most `limit` rows: those beyond are added up in the last one."""
    if len(rows) <= limit:
        return rows
    rest = rows[limit - 1 :]
    sums = (sum(column) for column in zip(*(row[1:] for row in rest), strict=True))
    return [*rows[: limit - 1], Row(f"… and {len(rest):,} more", *sums)]


def table(rows: Sequence[Row], of: str = "agent") -> Table:
    """The rows as a table of agents, or of what else they are; a zero is a dot, and losses have
    a column if there are any.
    """
    lost = any(row.lost for row in rows)
    drawn = Table(box=SIMPLE_HEAD, header_style="dim", pad_edge=False)
    drawn.add_column(of, style="bold", no_wrap=True)
    for title in _shown(lost, "handled", "failed", "lost", "pending", "in hand", "rate"):
        drawn.add_column(title, justify="right", no_wrap=True, min_width=7)
    drawn.add_column(no_wrap=True)
    for row in rows:
        cells = _shown(
            lost,
            _number(row.handled, "green"),
            _number(row.failed, "red"),
            _number(row.lost, "red"),
            _number(row.pending, "yellow"),
            _number(row.in_hand, "cyan"),
            Text(f"{row.rate:,.0f}/s" if row.rate else "·", style="" if row.rate else "dim"),
        )
        drawn.add_row(Text(row.name), *cells, _bar(row))
    return drawn


def _shown(lost: bool, *cells: T) -> Iterator[T]:
    """The cells of a line, without the one for losses where there are none."""
    return (cell for at, cell in enumerate(cells) if lost or at != LOST)


def _number(number: int, colour: str) -> Text:
    return Text(f"{number:,}", style=colour) if number else Text("·", style="dim")


def _bar(row: Row) -> ProgressBar:
    """How much of what it was given is handled."""
    given = row.handled + row.lost + row.pending + row.in_hand
    return ProgressBar(
        total=max(1, given),
        completed=row.handled,
        width=20,
        complete_style="cyan",
        finished_style="green",
    )


def _log_to(stream: TextIO, instead_of: TextIO) -> None:
    """Let logging write to `stream`, as far as it writes to the other one itself.

    A handler keeps the stderr that it found when it was made, and so would write across
    the table.
    """
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is instead_of:
            handler.setStream(stream)
