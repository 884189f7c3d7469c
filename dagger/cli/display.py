"""How a run is shown while it goes on: a live table, plain lines, or not at all.

All of it goes to stderr; stdout is for the report.
"""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

import click

from dagger.views.wording import duration, plural

if TYPE_CHECKING:
    from dagger.executor.listing import Progress

EVERY = 2.0
"""Seconds between two plain lines."""


class Display(Protocol):
    """Shows how far a run is, from its start to its end: `with display: display.show(...)`."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def show(self, progress: Progress) -> None:
        """The run is this far; called some times a second, and once at its end."""

    def aside(self) -> AbstractContextManager[None]:
        """Meanwhile the terminal is for something else."""


def choose(*, silent: bool) -> Display:
    """What suits the place that stderr goes to."""
    if silent:
        return Silent()
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        return Lines()
    from dagger.cli.live_table import LiveTable

    return LiveTable()


class Silent:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def show(self, progress: Progress) -> None:
        return

    def aside(self) -> AbstractContextManager[None]:
        return nullcontext()


class Lines:
    """A line every EVERY seconds and one at the end, for logs and pipes."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._written = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None and self._progress.seconds != self._written:
            click.echo(line(self._progress), err=True)

    def show(self, progress: Progress) -> None:
        self._progress = progress
        if not progress.status.ended and progress.seconds - self._written >= EVERY:
            self._written = progress.seconds
            click.echo(line(progress), err=True)

    def aside(self) -> AbstractContextManager[None]:
        return nullcontext()


def line(progress: Progress) -> str:
    """How far a run is, in one line."""
    agents = progress.agents.values()
    handled = sum(each.handled for each in agents)
    failed = sum(each.failed for each in agents)
    lost = sum(each.lost for each in agents)
    said = [
        f"{duration(progress.seconds)}",
        str(progress.status),
        plural(progress.messages, "message"),
        f"{handled:,} handled",
        f"{failed:,} failed" if failed else "",
        f"{lost:,} lost" if lost else "",
        f"{sum(each.pending for each in agents):,} pending",
        f"{handled / progress.seconds:,.0f}/s" if progress.seconds else "",
    ]
    return " · ".join(filter(None, said))
