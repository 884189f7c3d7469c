"""What is logged while a run goes on: warnings, and on request what agents say."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO

import pytest
from rich.console import Console

from dagger.cli.live_table import LiveTable
from dagger.cli.logs import logs

DAGGER = logging.getLogger("dagger")
AGENTS = logging.getLogger("dagger.agents")


@contextmanager
def bare_root() -> Iterator[logging.Logger]:
    """The root logger as a program finds it: without the handlers of pytest."""
    root = logging.getLogger()
    before, root.handlers = root.handlers, []
    try:
        yield root
    finally:
        root.handlers = before


@pytest.mark.parametrize(
    ("verbose", "told"),
    [(False, "warning: look out\n"), (True, "warning: look out\ninfo: walker:1.1: walking\n")],
)
def test_warnings_go_to_stderr(
    capsys: pytest.CaptureFixture[str], verbose: bool, told: str
) -> None:
    """Warnings are told with their level; lines of agents with --verbose only."""
    with bare_root(), logs(verbose=verbose):
        DAGGER.warning("look out")
        AGENTS.info("%s: %s", "walker:1.1", "walking")
        AGENTS.debug("never told")
    assert capsys.readouterr() == ("", told)


def test_a_program_that_logs_has_its_way(capsys: pytest.CaptureFixture[str]) -> None:
    """Where the file has set up logging, nothing is told twice, or in another form."""
    own = StringIO()
    with bare_root() as root:
        root.addHandler(logging.StreamHandler(own))
        with logs(verbose=True):
            AGENTS.info("walking")
    assert own.getvalue() == "walking\n"
    assert capsys.readouterr().err == ""


def test_nothing_stays_behind() -> None:
    """Afterwards logging is as it was."""
    before = DAGGER.level, list(DAGGER.handlers)
    with logs(verbose=True):
        pass
    assert (DAGGER.level, DAGGER.handlers) == before


def test_a_table_takes_the_logging_of_a_program_along(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler that was made before the table writes above it, and afterwards as before."""
    stderr = StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    handler = logging.StreamHandler()
    console = Console(file=StringIO(), force_terminal=True)
    with bare_root() as root:
        root.addHandler(handler)
        with LiveTable(console):
            assert handler.stream is sys.stderr
            assert handler.stream is not stderr
        assert handler.stream is stderr


def test_runs_are_told_where_that_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    """Which runs begin and end is told of a worker, and not with --verbose."""
    runs = logging.getLogger("dagger.runs")
    for wanted in (True, False):
        with bare_root(), logs(verbose=not wanted, runs=wanted):
            runs.info("run %r begins", wanted)
    assert capsys.readouterr().err == "info: run True begins\n"
