"""Verifying: whether everything in a store is what was written, and agrees with itself.

The journal, the snapshot and the history of each run say the same things in different
forms. Each is read whole, and what they fold to is compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from dagger.executor.recovery import MANY
from dagger.state.likeness import difference
from dagger.state.loading import load_run, load_world
from dagger.state.run import Keep
from dagger.state.state import State
from dagger.store.pagefile import BadFile, findings
from dagger.store.pagefile import check as check_file
from dagger.store.reader import StoreReader
from dagger.views.conservation import check
from dagger.words.errors import ConservationError, StoreCorrupt, StoreNewer
from dagger.words.records import WIRING, run_of
from dagger.words.versions import WrittenByNewer


class Finding(NamedTuple):
    """Something in a store that cannot be."""

    position: int
    """The record it is about, or after which it is."""
    where: str
    """"file", "inbox", "meta", "ids", "journal", "snapshot", "history", "payloads", "state", or
    "format" for what is whole, and is not understood: a newer version wrote it.
    """
    problem: str
    run: int = 0
    """The number of the run that it is about; 0 for all of them."""

    def __str__(self) -> str:
        at = f"record {self.position}, " if self.position else ""
        of = f" of run {self.run}" if self.run else ""
        return f"{at}{self.where}{of}: {self.problem}"


def pages(path: Path) -> Iterator[Finding]:
    """What is wrong with the file of a store, page by page.

    With a finding nothing else can be looked at. Raises what StoreReader does, but for
    StoreCorrupt.
    """
    try:
        with StoreReader(path) as reader:
            found = reader.pages()
    except StoreCorrupt as error:
        found = [error.problem]
        with suppress(BadFile):
            found = findings(path / "journal") or found
    return (Finding(0, "file", each) for each in found)


def inbox(path: Path) -> Iterator[Finding]:
    """What is wrong with the file of a store's inbox; to be asked while nobody uses it."""
    folder = path / "inbox"
    try:
        if folder.is_dir():
            check_file(folder, whole=True)
    except BadFile as error:
        yield Finding(0, "inbox", str(error))


def verify(reader: StoreReader, keep: Keep | None = None) -> Iterator[Finding]:
    """Everything that is wrong with a store, in the order in which it is found.

    What is built on something broken is not looked at. `keep` is what its owner keeps of
    each run; another one makes no findings, but compares less.
    """
    try:
        yield from _verify(reader, keep)
    except StoreCorrupt as error:
        yield Finding(error.position, "file", error.problem)
    except StoreNewer as error:
        yield Finding(0, "format", error.problem)


def _verify(reader: StoreReader, keep: Keep | None) -> Iterator[Finding]:
    with reader.still():
        lost = list(_meta(reader))
        yield from lost
        if lost:
            return
        broken = list(_journal(reader))
        yield from broken
        state = State(keep)
        unloaded = list(_load(reader, state))
        yield from unloaded
        if unloaded:
            return
        if not broken:
            broken = list(_fold(reader, state))
            yield from broken
        if not broken:
            yield from _counts(state)
            yield from _index(reader, state)
            yield from _payloads(reader, state)
            yield from _histories(reader, state)


def _meta(reader: StoreReader) -> Iterator[Finding]:
    """What all else is found by: the position of the snapshot, and which runs it holds."""
    try:
        saved = reader.saved()
    except StoreCorrupt as error:
        yield Finding(error.position, "meta", error.problem)
        return
    try:
        held = reader.held()
        nameless = held - reader.kept()
    except StoreCorrupt as error:
        yield Finding(error.position, "ids", error.problem)
        return
    if held and not saved:
        yield Finding(0, "meta", "the position of the snapshot is missing")
    for run in sorted(nameless):
        yield Finding(saved, "ids", "it has none", run)


def _journal(reader: StoreReader) -> Iterator[Finding]:
    """Blocks follow each other, and their records are those that their columns name."""
    expected: int | None = None
    saved, kept, blocks = reader.saved(), reader.kept(), reader.blocks()
    while True:
        try:
            block = next(blocks, None)
            if block is None:
                break
            if expected is not None and block.first != expected:
                problem = f"records {expected} to {block.first - 1} are missing"
                yield Finding(expected, "journal", problem)
            expected = block.last + 1
            block = block.of_use(saved, kept)
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


def _load(reader: StoreReader, state: State) -> Iterator[Finding]:
    """Each part of the snapshot can be loaded; without the world no run can."""
    state.position = reader.saved()
    for number in (WIRING, *sorted(reader.kept())):
        found = _loaded(reader, state, number)
        if found is not None:
            yield found
            if number == WIRING:
                return


def _loaded(reader: StoreReader, state: State, number: int) -> Finding | None:
    """Load one part; what is wrong with it, if anything is."""
    try:
        part = reader.part(number)
        if part is None:
            needed = number or reader.saved()
            return Finding(state.position, "snapshot", "it is missing", number) if needed else None
        if number == WIRING:
            load_world(state, part)
        else:
            load_run(state, part)
    except StoreCorrupt as error:
        return Finding(state.position, "snapshot", error.problem, number)
    except StoreNewer as error:
        return Finding(state.position, "format", error.problem, number)
    except Exception as error:  # it is what was written, and is not understood
        return Finding(state.position, "format", f"it cannot be loaded: {error}", number)
    return None


def _fold(reader: StoreReader, state: State) -> Iterator[Finding]:
    """What came after the snapshot can be folded."""
    for record in reader.read(state.position):
        try:
            state.apply(record)
        except Exception as error:
            where = "format" if isinstance(error, WrittenByNewer) else "journal"
            problem = f"{type(record).__name__} cannot be applied: {error!r}"
            yield Finding(state.position + 1, where, problem)
            return


def _counts(state: State) -> Iterator[Finding]:
    """What is counted in several places adds up."""
    for run in state.runs.values():
        try:
            check(run)
        except ConservationError as error:
            yield Finding(state.position, "state", str(error), run.number)
        if run.ended_at is not None and run.deliveries:
            problem = f"it has ended, with {len(run.deliveries)} deliveries left"
            yield Finding(state.position, "state", problem, run.number)
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
            yield Finding(state.position, "ids", problem, run.number)
    kept = reader.kept()
    for number in kept & state.runs.keys():
        try:
            found = reader.indexed(state.runs[number].id)
            problem = f"its id leads to {found}" if found != number else ""
        except StoreCorrupt as error:
            problem = error.problem
        if problem:
            yield Finding(state.position, "ids", problem, number)
    for number in reader.histories() - kept:
        yield Finding(reader.saved(), "history", "there is no such run", number)


def _payloads(reader: StoreReader, state: State) -> Iterator[Finding]:
    """Large payloads are there, and only as long as a run uses them."""
    for run, known, problem in reader.strange_payloads(reader.mentioned()):
        told = f"payload {known.hex()[:16]}: {problem}"
        yield Finding(state.position, "payloads", told, run)


def _histories(reader: StoreReader, state: State) -> Iterator[Finding]:
    """The history of each run folds to the same as snapshot and journal."""
    # Of dead letters all: of those that are kept some may have been discarded.
    keep = state.keep._replace(dead_letters=MANY)
    for number, run in state.runs.items():
        alone = State(keep)
        alone.names = state.names
        position = 0
        try:
            for at, record in reader.history(number):
                position = at
                alone.apply(record)
        except StoreCorrupt as error:
            yield Finding(error.position, "history", error.problem, number)
            continue
        except (StoreNewer, WrittenByNewer) as error:
            yield Finding(position, "format", str(error), number)
            continue
        except Exception as error:
            yield Finding(position, "history", f"it cannot be folded: {error!r}", number)
            continue
        again = alone.runs.get(number)
        if again is None:
            yield Finding(position, "history", "it is missing", number)
        elif differing := difference(again, run):
            yield Finding(position, "history", f"{differing} differ from the state", number)
