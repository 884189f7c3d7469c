"""Repairing: a damaged store is cut back to what is whole, after a copy was put aside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dagger.executor.recovery import restored
from dagger.executor.verifying import Finding, verify
from dagger.state.loading import load_run, load_world
from dagger.state.run import Keep, Run
from dagger.state.snapshot import copy_run
from dagger.state.state import State
from dagger.store.block import block
from dagger.store.care import Surgery, alone, set_aside
from dagger.store.reader import StoreReader
from dagger.words.errors import DatabaseError
from dagger.words.records import WIRING, RunForked, pack

ROUNDS = 10_000
"""Findings that are seen to, one after the other, before it is given up."""


def repair(path: Path, keep: Keep | None = None) -> Iterator[str]:
    """See to everything that `verify` finds, and say what was done.

    What cannot be read any more is taken out: the journal from the first broken record on,
    a run whose state is lost. What is there in two forms is made anew from the other. The
    journal as it was is copied into the folder first. Raises LockError, NotAStore, and
    DatabaseError if it cannot be repaired.
    """
    with alone(path):
        found = _first(path, keep)
        if found is not None:
            yield f"copied the journal as it was to {set_aside(path)}"
        for _ in range(ROUNDS):
            if found is None:
                return
            yield _mend(path, found, keep)
            before, found = found, _first(path, keep)
            if found == before:
                break
        raise DatabaseError(f"{path} cannot be repaired: {found}; go back to a backup")


def _first(path: Path, keep: Keep | None) -> Finding | None:
    with StoreReader(path) as reader:
        return next(verify(reader, keep), None)


def _mend(path: Path, found: Finding, keep: Keep | None) -> str:
    """See to one finding; what was done, in words."""
    match found.where:
        case "journal":
            with _surgery(path) as surgery:
                surgery.cut_journal(found.position)
            return f"cut the journal at record {found.position}: {found.problem}"
        case "history":
            return _renew_history(path, found)
        case "snapshot" if found.run:
            return _renew_part(path, found, keep)
        case "ids":
            return _renew_id(path, found, keep)
        case "payloads":
            return _mend_payloads(path, found)
    raise DatabaseError(f"{path} cannot be repaired: {found}; go back to a backup")


def _renew_history(path: Path, found: Finding) -> str:
    """The run as the snapshot has it becomes all that is known of its past."""
    with StoreReader(path) as reader:
        run, state = _in_snapshot(reader, found.run)
        position = reader.saved()
    records = None
    if run is not None:
        part = copy_run(run).alone(state.names)
        record = RunForked(run.number, run.id, "", "", part, run.opened_at)
        records = block(position, [run.number], [pack(record)])
    with _surgery(path) as surgery:
        surgery.put_history(found.run, records)
    return f"gave up the history of run {found.run} before record {position}: {found.problem}"


def _renew_part(path: Path, found: Finding, keep: Keep | None) -> str:
    """The run is folded anew from its history; without one it is lost."""
    with StoreReader(path) as reader:
        run = _from_history(reader, found.run, keep)
    with _surgery(path) as surgery:
        if run is not None:
            surgery.put_part(found.run, b"".join(copy_run(run).pieces()))
            return f"made run {run.id!r} anew from its history: {found.problem}"
        surgery.put_part(found.run, None)
        surgery.put_history(found.run, None)
        surgery.put_id(found.run, None)
    return f"gave up run {found.run}, of which neither state nor history is whole: {found.problem}"


def _renew_id(path: Path, found: Finding, keep: Keep | None) -> str:
    with StoreReader(path) as reader:
        run = restored(reader, keep).runs.get(found.run)
    with _surgery(path) as surgery:
        surgery.put_id(found.run, run.id if run is not None else None)
    return f"wrote down the id of run {found.run} again: {found.problem}"


def _mend_payloads(path: Path, found: Finding) -> str:
    with StoreReader(path) as reader:
        runs = reader.mentioned()
    with _surgery(path) as surgery:
        surgery.mend_payloads(runs)
    return f"wrote down anew which large payloads are used: {found.problem}"


def _in_snapshot(reader: StoreReader, number: int) -> tuple[Run | None, State]:
    state = State()
    world, part = reader.part(WIRING), reader.part(number)
    if world is not None:
        load_world(state, world)
    return load_run(state, part) if part is not None else None, state


def _from_history(reader: StoreReader, number: int, keep: Keep | None) -> Run | None:
    """The run at the position of the snapshot, if its history says all of it."""
    state, saved = State(keep), reader.saved()
    world = reader.part(WIRING)
    if world is not None:
        known = State()
        load_world(known, world)
        state.names = known.names
    try:
        for position, record in reader.history(number):
            if position <= saved:
                state.apply(record)
    except Exception:  # it is broken as well, in whichever way
        return None
    return state.runs.get(number)


@contextmanager
def _surgery(path: Path) -> Iterator[Surgery]:
    surgery = Surgery(path)
    try:
        yield surgery
    finally:
        surgery.close()
