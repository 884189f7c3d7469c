"""A stored run, given to the agents of a program once more."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import anyio

from dagger.cli.stores import number_of, opened
from dagger.executor.rechecking import recheck
from dagger.words.records import RunForked, run_of

if TYPE_CHECKING:
    from dagger.cli.program import Program
    from dagger.executor.rechecking import Difference


class Rechecked(NamedTuple):
    """What came of a recheck."""

    differences: list[Difference]
    begun_elsewhere: bool
    """Whether the run had done something before that is not in this store."""


def rechecked(store: Path, run_id: str, program: Program, allow_bodies: bool) -> Rechecked:
    """What differs from then. Raises Refused if there is no such run, DatabaseError."""
    with opened(store) as reader, reader.still():
        number = number_of(reader, run_id)
        own = (record for _, record in reader.history(number) if run_of(record) == number)
        begun_elsewhere = isinstance(next(own, None), RunForked)
        check = partial(
            recheck,
            reader,
            number,
            program.agents,
            allow_bodies=allow_bodies,
            config=program.config,
        )
        return Rechecked(anyio.run(check), begun_elsewhere)
