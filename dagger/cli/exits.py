"""Exit codes: what a shell learns of a command."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

import click

from dagger.words.errors import DaggerError, DatabaseError
from dagger.words.outcomes import RunStatus

if TYPE_CHECKING:
    from dagger.views.report import Report


class Exit(IntEnum):
    """All that a command can end with."""

    OK = 0
    """The run has completed; the check has found no error."""
    NOT_COMPLETED = 1
    """The run has ended in another way; the check has found errors."""
    USAGE = 2
    """What was asked for cannot be done: a file, channel, payload or option is wrong."""
    STORE = 3
    """The store cannot do what was asked of it."""
    OPEN = 4
    """The run has not ended: it waits for people, or is paused."""
    INTERRUPTED = 130
    """Ctrl-C, or SIGTERM."""


RUN_CODES = """\b
Exit codes:
  0    the run has completed
  1    it has ended in another way
  2    what was asked for cannot be done
  3    the store cannot do what was asked of it
  4    the run has not ended: it waits for people, or is paused
  130  interrupted by Ctrl-C or SIGTERM"""


class Refused(click.ClickException):
    """What was asked for cannot be done; the message is one sentence for people."""

    exit_code = Exit.USAGE


class StoreTrouble(click.ClickException):
    """The store cannot do what was asked of it."""

    exit_code = Exit.STORE


def refusal(error: DaggerError) -> click.ClickException:
    """An error of Dagger's as a command tells it."""
    kind = StoreTrouble if isinstance(error, DatabaseError) else Refused
    return kind(str(error))


def exit_of(report: Report) -> Exit:
    """How a run ended that nobody interrupted."""
    if report.ended is None:
        return Exit.OPEN
    return Exit.OK if report.status is RunStatus.COMPLETED else Exit.NOT_COMPLETED
