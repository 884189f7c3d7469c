"""Verifying: whether everything in a store is what was written, and agrees with itself.

The journal, the snapshot and the history of each run say the same things in different
forms. Each is read whole, and what they fold to is compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dagger.executor.recovery import saved
from dagger.state.run import Keep, Run
from dagger.state.snapshot import copy_run
from dagger.state.state import State
from dagger.store.reader import StoreReader
from dagger.views.conservation import check
from dagger.words.errors import ConservationError, DatabaseError, StoreCorrupt
from dagger.words.records import run_of


class Finding(NamedTuple):
    """Something in a store that cannot be."""

    position: int
    """The record it is about, or after which it is."""
    where: str
    """"journal", "snapshot", "history" or "state", and of which run."""
    problem: str

    def __str__(self) -> str:
        return f"record {self.position}, {self.where}: {self.problem}"


def verify(reader: StoreReader, keep: Keep | None = None) -> Iterator[Finding]:
    """Everything that is wrong with a store, in the order in which it is found.

    What is built on something broken is not looked at. `keep` is what its owner keeps of
    each run; another one makes no findings, but compares less.
    """
    with reader.still():
        broken = list(_journal(reader))
        yield from broken
        try:
            state = saved(reader, keep)
        except (DatabaseError, ValueError, KeyError, TypeError, IndexError) as error:
            yield Finding(reader.saved(), "snapshot", f"it cannot be loaded: {error!r}")
            return
        if not broken:
            broken = list(_fold(reader, state))
            yield from broken
        if not broken:
            yield from _counts(state)
            yield from _index(reader, state)
            yield from _histories(reader, state)


def _journal(reader: StoreReader) -> Iterator[Finding]:
    """Blocks follow each other, and their records are those that their columns name."""
    expected: int | None = None
    blocks = reader.blocks()
    while True:
        try:
            block = next(blocks, None)
            if block is None:
                break
            if expected is not None and block.first != expected:
                problem = f"records {expected} to {block.first - 1} are missing"
                yield Finding(expected, "journal", problem)
            expected = block.last + 1
            for (position, record), run in zip(reader.records(block), block.runs, strict=True):
                if run_of(record) != run:
                    problem = f"it stands under run {run}, and is of run {run_of(record)}"
                    yield Finding(position, "journal", problem)
        except StoreCorrupt as error:
            yield Finding(error.position, "journal", error.problem)
            return
    first = next((block.first for block in reader.blocks()), None)
    if first is not None and first > reader.saved() + 1:
        yield Finding(reader.saved() + 1, "journal", f"it begins at record {first}, too late")


def _fold(reader: StoreReader, state: State) -> Iterator[Finding]:
    """What came after the snapshot can be folded."""
    for record in reader.read(state.position):
        try:
            state.apply(record)
        except Exception as error:
            problem = f"{type(record).__name__} cannot be applied: {error!r}"
            yield Finding(state.position + 1, "journal", problem)
            return


def _counts(state: State) -> Iterator[Finding]:
    """What is counted in several places adds up."""
    for run in state.runs.values():
        try:
            check(run)
        except ConservationError as error:
            yield Finding(state.position, f"state of run {run.id!r}", str(error))
        if run.ended_at is not None and run.deliveries:
            problem = f"it has ended, with {len(run.deliveries)} deliveries left"
            yield Finding(state.position, f"state of run {run.id!r}", problem)
    open_runs = sum(run.ended_at is None for run in state.runs.values())
    if open_runs != state.open_runs:
        problem = f"{open_runs} runs are open, and {state.open_runs} are counted"
        yield Finding(state.position, "state", problem)


def _index(reader: StoreReader, state: State) -> Iterator[Finding]:
    """Every run is found by its id, and nothing is left of others."""
    ids = dict(reader.ids())
    for run in state.runs.values():
        if ids.get(run.number) != run.id:
            problem = f"its number {run.number} leads to {ids.get(run.number)!r}"
            yield Finding(state.position, f"ids, run {run.id!r}", problem)
    kept = reader.kept()
    for number in reader.histories() - kept:
        yield Finding(reader.saved(), f"history of run {number}", "it belongs to no run")


def _histories(reader: StoreReader, state: State) -> Iterator[Finding]:
    """The history of each run folds to the same as snapshot and journal."""
    for number, run in state.runs.items():
        where = f"history of run {run.id!r}"
        alone = State(state.keep)
        alone.names = state.names
        position = 0
        try:
            for at, record in reader.history(number):
                position = at
                alone.apply(record)
        except StoreCorrupt as error:
            yield Finding(error.position, where, error.problem)
            continue
        except Exception as error:
            yield Finding(position, where, f"it cannot be folded: {error!r}")
            continue
        again = alone.runs.get(number)
        if again is None:
            yield Finding(position, where, "it is missing")
        elif differing := _difference(again, run):
            yield Finding(position, where, f"{differing} differ from the state")


def _difference(one: Run, other: Run) -> str:
    """The names of the first facts that differ; "" if none do."""
    left, right = copy_run(one), copy_run(other)
    if b"".join(left.pieces()) == b"".join(right.pieces()):
        return ""
    for name, mine, others in zip(left.run._fields, left.run, right.run, strict=True):
        if mine != others:
            return f"its {name} ({mine!r} and {others!r})"
    for field in ("lanes", "outputs", "letters"):
        if getattr(left, field) != getattr(right, field):
            return f"its {field}"
    return "its deliveries, cache, tasks or tree"
