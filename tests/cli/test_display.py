"""How a run is shown: what suits the place, and no more than it needs."""

from __future__ import annotations

import sys
from io import StringIO

import pytest
from rich.console import Console

from dagger.cli.display import EVERY, Lines, Silent, choose, line
from dagger.cli.live_table import NAME, LiveTable, Row, at_most, table
from dagger.executor.listing import AgentProgress, Progress
from dagger.words.outcomes import RunStatus


class Terminal(StringIO):
    """What stderr is, at a terminal."""

    def isatty(self) -> bool:
        return True


def progress(
    seconds: float = 1.0,
    status: RunStatus = RunStatus.RUNNING,
    **agents: tuple[int, int, int, int, int],
) -> Progress:
    """Agents by name: handled, failed, lost, pending, in hand."""
    counts = {name: AgentProgress(*numbers) for name, numbers in agents.items()}
    return Progress("census", status, seconds, 1234, counts)


def drawn(display: Progress, height: int = 24) -> list[str]:
    """The lines of a live table, as they stand on a screen 90 wide."""
    console = Console(file=StringIO(), width=90, height=height, force_terminal=True)
    shown = LiveTable(console)
    with console.capture() as captured:
        shown.show(display)
        console.print(shown._live.renderable)
    return captured.get().splitlines()
