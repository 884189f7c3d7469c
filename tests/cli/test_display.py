"""How a run is shown: what suits the place, and no more than it needs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
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
    agents: Mapping[str, tuple[int, int, int, int, int]] = {},
    **more: tuple[int, int, int, int, int],
) -> Progress:
    """Agents by name: handled, failed, lost, pending, in hand."""
    counts = {name: AgentProgress(*numbers) for name, numbers in {**agents, **more}.items()}
    return Progress("census", status, seconds, 1234, counts)


def drawn(*shown: Progress, height: int = 24) -> list[str]:
    """The lines of a live table that has been shown all of these, on a screen 100 wide."""
    console = Console(file=StringIO(), width=100, height=height)
    display = LiveTable(console)
    pictures = [display.picture(each) for each in shown]
    with console.capture() as captured:
        console.print(pictures[-1])
    return [line.rstrip() for line in captured.get().splitlines() if line.strip()]


# -- which one -----------------------------------------------------------------------


def test_a_terminal_gets_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where stderr is a terminal there is a live table."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(choose(silent=False), LiveTable)


def test_other_places_get_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe, a file and a terminal that cannot move its cursor get plain lines."""
    monkeypatch.setattr(sys, "stderr", StringIO())
    assert isinstance(choose(silent=False), Lines)
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(choose(silent=False), Lines)


def test_who_wants_silence_gets_it(capsys: pytest.CaptureFixture[str]) -> None:
    """A silent display writes nothing at all."""
    with choose(silent=True) as display:
        assert isinstance(display, Silent)
        display.show(progress(status=RunStatus.COMPLETED))
    assert capsys.readouterr() == ("", "")


# -- plain lines ---------------------------------------------------------------------


def test_lines_are_few(capsys: pytest.CaptureFixture[str]) -> None:
    """There is a line every few seconds however often one is asked for, and one at the end."""
    ticks = 100
    with Lines() as display:
        for tick in range(ticks + 1):
            display.show(progress(seconds=tick * 2.5 * EVERY / ticks))
        display.show(progress(seconds=3 * EVERY - 0.1, status=RunStatus.COMPLETED))
    lines = capsys.readouterr().err.splitlines()
    assert [each.split(" · ")[:2] for each in lines] == [
        ["2.0 s", "running"],
        ["4.0 s", "running"],
        ["5.9 s", "completed"],
    ]


def test_a_run_that_waits_has_a_last_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    """The last line is about how things stand when the command leaves the run."""
    with Lines() as display:
        display.show(progress(seconds=0.1, status=RunStatus.WAITING))
    assert " · waiting · " in capsys.readouterr().err


def test_a_line_adds_up_all_agents() -> None:
    """A line has the sums of the run; what is 0 and would be bad is left out."""
    shown = progress(2.0, a=(1000, 3, 0, 40, 1), b=(500, 0, 7, 2, 0))
    assert line(shown) == (
        "2.0 s · running · 1,234 messages · 1,500 handled · 3 failed · 7 lost · 42 pending · 750/s"
    )
    assert line(progress(a=(1, 0, 0, 0, 0))).count("·") == 5


# -- the table -----------------------------------------------------------------------


def test_a_row_for_each_agent() -> None:
    """Each agent has handled, failed, pending, in hand, and a rate; a zero is a mere dot."""
    head, titles, _, first, second = drawn(
        progress(2.0, walker=(1, 0, 0, 0, 0), parse=(900, 9, 0, 50, 2))
    )
    assert head.endswith("run census · running · 2.0 s · 1,234 messages · 450 deliveries/s")
    assert titles.split() == ["agent", "handled", "failed", "pending", "in", "hand", "rate"]
    assert first.split()[:6] == ["walker", "1", "·", "·", "·", "0/s"]
    assert second.split()[:6] == ["parse", "900", "9", "50", "2", "450/s"]


def test_losses_have_a_column_when_there_are_any() -> None:
    """What was dropped, cancelled or discarded is shown as soon as there is some."""
    _, titles, _, row = drawn(progress(a=(5, 0, 3, 0, 0)))
    assert titles.split()[1:4] == ["handled", "failed", "lost"]
    assert row.split()[:4] == ["a", "5", "·", "3"]


def test_a_rate_is_of_late_and_at_the_end_of_all() -> None:
    """While a run goes on its rates are of the last seconds; once it has ended, of all of it."""
    before, after = progress(10.0, a=(100, 0, 0, 1, 0)), progress(12.0, a=(160, 0, 0, 1, 0))
    assert drawn(before, after)[-1].split()[5] == "30/s"
    ended = progress(16.0, RunStatus.COMPLETED, a=(160, 0, 0, 0, 0))
    assert drawn(before, after, ended)[-1].split()[5] == "10/s"


@pytest.mark.parametrize("height", [1, 8, 12, 24])
def test_a_table_fits_its_screen(height: int) -> None:
    """Agents that there is no room for are added up in the last row."""
    agents = {f"agent{number}": (number, 0, 0, 1, 0) for number in range(100)}
    lines = drawn(progress(agents=agents), height=height)
    assert len(lines) <= max(4, height - 2)
    rest = 100 - (len(lines) - 4)
    assert lines[-1].split()[:4] == ["…", "and", str(rest), "more"]
    assert lines[-1].split()[4] == f"{sum(range(100 - rest, 100)):,}"


def test_names_are_only_text() -> None:
    """A name is shown as it is, on one line, whatever a terminal or a markup would make of it."""
    name = "[red]\x1b[31m\nwalker[/red] " + "x" * 100
    *_, row = drawn(progress(agents={name: (1, 0, 0, 0, 0)}))
    assert row.strip().startswith("[red]␛[31m walker[/red] xxx")
    assert "x" * NAME not in row


def test_few_rows_stay_as_they_are() -> None:
    """Nothing is added up where there is room for all."""
    rows = [Row("a", 1, 0, 0, 0, 0, 0.0), Row("b", 2, 0, 0, 0, 0, 0.0)]
    assert at_most(2, rows) == rows
    assert [row.name for row in at_most(1, rows)] == ["… and 2 more"]
    assert table(rows).row_count == 2
