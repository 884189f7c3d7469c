"""A program that is killed at a statement of SQL, or right after a transaction.

    python mortal.py N PROGRAM [ARGUMENTS]

runs a program, and kills it with SIGKILL at the Nth of those points; it ends well before that,
or not at all.
"""

from __future__ import annotations

import os
import runpy
import sqlite3
import sys
from functools import partial
from itertools import count
from signal import SIGKILL
from typing import Any

points = count(1)
last, *sys.argv = sys.argv[1:]


def live(*_: object) -> None:
    """Come to a point, if only this far."""
    if next(points) == int(last):
        os.kill(os.getpid(), SIGKILL)


class Mortal(sqlite3.Connection):
    """A connection at which each statement is a point, and so is its end."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.set_trace_callback(live)

    def close(self) -> None:
        """What was done is in the file, and nobody was told."""
        super().close()
        live()


vars(sqlite3)["connect"] = partial(sqlite3.connect, factory=Mortal)
runpy.run_path(sys.argv[0], run_name="__main__")
