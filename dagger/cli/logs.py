"""What Dagger and its agents log, on stderr."""

from __future__ import annotations

import logging
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TextIO

from dagger.cli.place import place_of

_logger = logging.getLogger("dagger")
_agents = logging.getLogger("dagger.agents")
_runs = logging.getLogger("dagger.runs")


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to whatever stderr is by then: the live table puts its own there."""

    def __init__(self, flows: Collection[str]) -> None:
        super().__init__()
        self._flows = flows

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)

    def format(self, record: logging.LogRecord) -> str:
        return f"{record.levelname.lower()}: {self._of_a_step(record) or super().format(record)}"

    def _of_a_step(self, record: logging.LogRecord) -> str:
        """What a step of a flow says, with its place; "" for all else."""
        if record.name != _agents.name or not hasattr(record, "channel"):
            return ""
        said = vars(record)
        place = place_of(said["channel"], said["request"], self._flows)
        if place is None or not isinstance(record.args, tuple):
            return ""
        attempt = f" · attempt {said['attempt']}" if place.step else ""
        return f"{said['run_id']} · {place.title}{attempt} · {record.args[-1]}"


class _Json(_Stderr):
    """Writes lines of JSON; what agents say is told by others (see `log_json`)."""

    def emit(self, record: logging.LogRecord) -> None:
        from dagger.cli.log_json import write

        if record.name == _runs.name and isinstance(record.args, tuple):
            write(record.created, record.levelno, record.getMessage(), run=record.args[0])
        elif record.name != _agents.name:
            write(record.created, record.levelno, record.getMessage())


@contextmanager
def logs(
    *, verbose: bool, runs: bool = False, flows: Collection[str] = (), as_json: bool = False
) -> Iterator[None]:
    """Warnings go to stderr meanwhile, with `verbose` what agents say with ctx.log, and with
    `runs` which runs begin and end. Of steps of these flows it is said which they are.

    Where a program has set up logging of its own, that has its way.
    """
    handler = (_Json if as_json else _Stderr)(flows)
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
