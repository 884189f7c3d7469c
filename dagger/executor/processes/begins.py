"""What a worker process never does: begin the program that it imports a handler from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class ProgramBegins(BaseException):
    """A program that is being imported by a worker process is about to start an executor.

    No Exception, for nobody on the way out of it is meant to deal with it.
    """


class _Import:
    """Whether this process imports a program now, and whether that has come to its beginning."""

    going_on = False
    begun = False


@contextmanager
def importing() -> Iterator[type[_Import]]:
    """Meanwhile no executor starts, in whichever thread."""
    _Import.going_on, _Import.begun = True, False
    try:
        yield _Import
    finally:
        _Import.going_on = False


def not_while_importing() -> None:
    """Raise ProgramBegins in a worker process that imports a program."""
    if _Import.going_on:
        _Import.begun = True
        raise ProgramBegins
