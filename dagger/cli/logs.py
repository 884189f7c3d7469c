"""What Dagger and its agents log, on stderr."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_logger = logging.getLogger("dagger")
_agents = logging.getLogger("dagger.agents")
_runs = logging.getLogger("dagger.runs")


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to whatever stderr is by then: the live table puts its own there."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)

    def format(self, record: logging.LogRecord) -> str:
        return f"{record.levelname.lower()}: {super().format(record)}"


@contextmanager
def logs(*, verbose: bool, runs: bool = False) -> Iterator[None]:
    """Warnings go to stderr meanwhile, with `verbose` what agents say with ctx.log, and with
    `runs` which runs begin and end.

    Where a program has set up logging of its own, that has its way.
    """
    handler = _Stderr()
    before = [(each, each.level) for each in (_agents, _runs)]
    if verbose:
        _agents.setLevel(logging.INFO)
    if runs:
        _runs.setLevel(logging.INFO)
    if not _logger.hasHandlers():
        _logger.addHandler(handler)
    try:
        yield
    finally:
        _logger.removeHandler(handler)
        for each, level in before:
            each.setLevel(level)
