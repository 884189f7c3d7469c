"""A stored run, given to the agents of a program once more."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from dagger.cli.stores import number_of, opened
from dagger.executor.rechecking import recheck

if TYPE_CHECKING:
    from dagger.cli.program import Program
    from dagger.executor.rechecking import Difference


def rechecked(store: Path, run_id: str, program: Program, allow_bodies: bool) -> list[Difference]:
    """What differs from then. Raises Refused if there is no such run, DatabaseError."""
    with opened(store) as reader, reader.still():
        check = partial(
            recheck,
            reader,
            number_of(reader, run_id),
            program.agents,
            allow_bodies=allow_bodies,
            config=program.config,
        )
        return anyio.run(check)
