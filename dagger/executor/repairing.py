"""Repairing: a damaged store is cut back to what is whole, after a copy was put aside."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, groupby
from pathlib import Path

from dagger.executor.verifying import Finding, inbox, pages, verify
from dagger.state.loading import load_run, load_world, position_of
from dagger.state.parts import RunRow, unpack
from dagger.state.run import Keep, Run
from dagger.state.snapshot import copy_run, copy_world
from dagger.state.state import State
from dagger.store.block import block
from dagger.store.care import Surgery, alone, move_inbox, remake, set_aside
from dagger.store.reader import StoreReader
from dagger.store.shelves import whose
from dagger.words.errors import DatabaseError, StoreCorrupt, StoreNewer
from dagger.words.packing import pack
from dagger.words.records import (
    WIRING,
    AgentAdded,
    ChannelOpened,
    ChannelShut,
    Record,
    RunForked,
    RunOpened,
)

ROUNDS = 10_000
"""Findings that are seen to, one after the other, before it is given up."""


def repair(path: Path, keep: Keep | None = None) -> Iterator[str]:
    """See to everything that is found wrong with a store, and say what was done.

    What cannot be read any more is taken out: pages of the file, the journal from the first
    broken record on, a run whose state is lost. What is there in two forms is made anew from
    the other. The journal as it was is copied into the folder first. Raises LockError,
    NotAStore, StoreNewer, and DatabaseError if it cannot be repaired.
    """
    with alone(path):
        found = _first(path, keep)
        if found is not None:
            yield f"copied the journal as it was to {set_aside(path)}"
        whole = found is None or _histories_are_whole(path)
        tries = Counter[tuple[str, int, int]]()
        for _ in range(ROUNDS):
            if found is None:
                return
            what = found.where, found.run, found.position
            try:
                done = _mend(path, found, keep, tries[what], whole)
            except StoreCorrupt as error:  # of pages that only showed when they were written to
                what = "file", 0, 0
                whole = False
                done = _mend(path, Finding(0, "file", error.problem), keep, tries[what], whole)
            tries[what] += 1
            yield done
            found = _first(path, keep)
        raise _beyond(path, found)


def _first(path: Path, keep: Keep | None) -> Finding | None:
    """The first finding that can be seen to. Raises StoreNewer: what is whole is not cut."""
    broken = next(chain(pages(path), inbox(path)), None)
    if broken is not None:
        return broken
    with StoreReader(path) as reader:
        found = next(verify(reader, keep), None)
    if found is not None and found.where == "format":
        raise StoreNewer(str(path), found.problem)
    return found


def _histories_are_whole(path: Path) -> bool:
    """Whether all that is wrong with the file is known to be in databases of other things.

    One that has lost its last rows looks like that of a run that has not come so far.
    """
    problems = [found.problem for found in pages(path)]
    return all(each.startswith("main/") and not each.startswith(_HISTORY) for each in problems)


_HISTORY = "main/history DB"


def _beyond(path: Path, found: Finding | None) -> DatabaseError:
    return DatabaseError(f"{path} cannot be repaired: {found}; go back to a backup")


def _mend(path: Path, found: Finding, keep: Keep | None, tries: int, whole: bool) -> str:
    """See to one finding, after some tries at it; what was done, in words.

    `whole` says that no history can have lost anything.
    """
    match found.where:
        case "history" if tries < 2:
            return _renew_history(path, found, wiring=tries == 1)
        case _ if tries:
            raise _beyond(path, found)
        case "file":
            return f"wrote {remake(path)} rows that can be read into a new file: {found.problem}"
        case "inbox":
            return f"moved the inbox to {move_inbox(path)}: {found.problem}"
        case "meta":
            return _renew_position(path, found)
        case "journal":
            return _cut(path, found)
        case "snapshot" if found.run:
            return _renew_part(path, found, keep, whole)
        case "state" if found.run:
            with _surgery(path) as surgery:
                surgery.forget(found.run)
            return f"gave up run {found.run}: {found.problem}"
        case "snapshot":
            return _renew_world(path, found, keep)
        case "ids" if found.run:
            return _renew_id(path, found, keep)
        case "ids":
            return _renew_ids(path, found)
        case "payloads":
            with _surgery(path) as surgery:
                surgery.renew_uses()
            return f"wrote down anew which large payloads are used: {found.problem}"
    raise _beyond(path, found)


def _cut(path: Path, found: Finding) -> str:
    """Let the journal end before a broken record; before the snapshot it can do without."""
    with StoreReader(path) as reader:
        saved = reader.saved()
    with _surgery(path) as surgery:
        if found.position > saved:
            surgery.cut_journal(found.position)
            return f"cut the journal at record {found.position}: {found.problem}"
        surgery.tidy(saved)
    return f"gave up what is broken before record {saved}, the snapshot: {found.problem}"


def _renew_position(path: Path, found: Finding) -> str:
    """The world says which position it is of."""
    with StoreReader(path) as reader:
        try:
            world = reader.part(WIRING)
        except StoreCorrupt as error:
            raise _beyond(path, found) from error
    position = position_of(world) if world is not None else 0
    if not position:
        raise _beyond(path, found)
    with _surgery(path) as surgery:
        surgery.put_snapshot(position)
    return f"wrote down again that the snapshot is of record {position}: {found.problem}"


def _renew_history(path: Path, found: Finding, *, wiring: bool) -> str:
    """The run as the snapshot has it becomes all that is known of its past; so do, for all
    runs, the agents and channels as they are there.
    """
    with StoreReader(path) as reader:
        run, state = _in_snapshot(reader, found.run)
        position = reader.saved()
    part = record = None
    if run is not None:
        run.codes = state.codes
        copied = copy_run(run)
        part = b"".join(copied.pieces())
        record = RunForked(run.number, run.id, "", "", copied.alone(state.names), run.opened_at)
    with _surgery(path) as surgery:
        surgery.tidy(position)
        surgery.put_part(found.run, part)
        surgery.put_history(found.run, record and block(position, [found.run], [pack(record)]))
        wires = [pack(each) for each in _wiring(state)] if wiring else []
        if wires:
            first = position - len(wires) + 1
            surgery.put_history(WIRING, block(first, [WIRING] * len(wires), wires))
    return f"gave up the history of run {found.run} before record {position}: {found.problem}"


def _wiring(state: State) -> Iterator[Record]:
    """The records of the agents and channels that there are."""
    for agent in state.subscribers.values():
        yield AgentAdded(
            agent.name,
            agent.subscriptions,
            agent.hears_itself,
            0.0,
            agent.code,
            agent.join,
            agent.publishes,
            agent.cleans_up,
        )
    for channel in state.channels.values():
        yield ChannelOpened(channel.name, channel.created_at)
        if channel.closed:
            yield ChannelShut(channel.name, channel.created_at)


def _renew_part(path: Path, found: Finding, keep: Keep | None, whole: bool) -> str:
    """The run is folded anew from its history; without a whole one it is lost."""
    with StoreReader(path) as reader:
        run = _from_history(reader, found.run, keep) if whole else None
    with _surgery(path) as surgery:
        if run is not None:
            surgery.put_part(found.run, b"".join(copy_run(run).pieces()))
            return f"made run {run.id!r} anew from its history: {found.problem}"
        surgery.forget(found.run)
    return f"gave up run {found.run}, of which neither state nor history is whole: {found.problem}"


def _renew_world(path: Path, found: Finding, keep: Keep | None) -> str:
    """Agents, channels and runs are folded anew from the histories; the shared cache is lost."""
    with StoreReader(path) as reader:
        saved = reader.saved()
        runs, broken = reader.kept(), set[int]()
        past = [_past(reader, run, saved, broken) for run in (WIRING, *runs)]
    state = State(keep)
    merged = heapq.merge(*past, key=whose)
    for (_, run), same in groupby(merged, key=whose):
        try:
            state.apply(next(same)[1])
        except Exception:  # it is broken as well, in whichever way
            broken.add(run)
    state.position = saved
    with _surgery(path) as surgery:
        surgery.put_part(WIRING, b"".join(copy_world(state).pieces()))
        for run in runs:
            if run in state.runs and run not in broken:
                surgery.put_part(run, b"".join(copy_run(state.runs[run]).pieces()))
            else:
                surgery.forget(run)
    return f"gave up the shared cache, and made the rest anew from histories: {found.problem}"


def _past(reader: StoreReader, run: int, saved: int, broken: set[int]) -> list[tuple[int, Record]]:
    """The history of a run up to the snapshot; one that cannot be read is `broken`."""
    try:
        return [pair for pair in reader.history(run) if pair[0] <= saved]
    except StoreCorrupt:
        broken.add(run)
        return []


def _renew_id(path: Path, found: Finding, keep: Keep | None) -> str:
    with StoreReader(path) as reader:
        run_id = _id_of(reader, found.run)
    with _surgery(path) as surgery:
        if run_id is None:
            surgery.forget(found.run)
        else:
            surgery.put_id(found.run, run_id)
    return f"wrote down the id of run {found.run} again: {found.problem}"


def _renew_ids(path: Path, found: Finding) -> str:
    """All of them, from the runs that the snapshot holds; who has none then is found next."""
    with StoreReader(path) as reader:
        ids = {run: _id_of(reader, run) for run in reader.held()}
    with _surgery(path) as surgery:
        surgery.put_ids({run: run_id for run, run_id in ids.items() if run_id is not None})
    return f"wrote down the ids of all runs again: {found.problem}"


def _id_of(reader: StoreReader, run: int) -> str | None:
    """The id that the part of a run has, or else its history."""
    with suppress(StoreCorrupt, ValueError):
        for row in unpack(reader.part(run) or b""):
            if isinstance(row, RunRow):
                return row.id
    with suppress(StoreCorrupt):
        for _, record in reader.history(run):
            if isinstance(record, RunOpened | RunForked):
                return record.id
    return None


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
    import lmdb

    surgery = Surgery(path)
    try:
        yield surgery
    except lmdb.Error as error:
        raise StoreCorrupt(str(path), 0, str(error)) from error
    finally:
        surgery.close()
