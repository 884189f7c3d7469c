"""A file whose pages are lost is written anew with all that can be read of it."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random
from struct import unpack_from

import pytest

from dagger import NotAStore, StoreCorrupt
from dagger.cli.stored import ALL
from dagger.executor.repairing import repair
from dagger.store.pagefile import DATA
from tests.crash.processes import finished
from tests.crash.workload import whole_day
from tests.executor.spoiling import (
    PAGE,
    Spoilt,
    everything_wrong,
    open_each,
    repair_each,
    spoilt,
    told,
)
from tests.store.damage import add_runs, as_reader

JOURNAL = f"journal/{DATA}"
ADDED = 8


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with snapshots, histories and some hundred blocks; its owner was killed."""
    path = tmp_path_factory.mktemp("made") / "store"
    finished(whole_day, path, 3)
    finished(add_runs, path, ADDED)
    return path


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(made, tmp_path / "store"))


def test_whatever_page_is_lost_the_rest_is_kept(store: Path, prove: bool) -> None:
    """Runs go that have lost a payload, and those from the first lost record on; no other."""
    before = told(store)
    damages = list(spoilt((store / JOURNAL).read_bytes(), Random(1), 2 if prove else 15))
    verdicts = finished(repair_each, store, damages)
    assert len(verdicts) == len(damages)
    for _, kind, numbers, found, done, after in verdicts:
        if not found:
            assert after == before, (kind, numbers)
        whole = [run_id for run_id in before if after.get(run_id) == before[run_id]]
        gone = before.keys() & {f"run {nth}" for nth in range(3)} - after.keys()
        assert not gone or "gave up run" in "\n".join(done), (kind, numbers)
        rest = [run_id for run_id in before if run_id not in gone]
        assert whole == rest[: len(whole)], (kind, numbers)
        assert len(after) - len(whole) <= 1, (kind, numbers)


def test_a_large_file_kills_nobody_either(store: Path, prove: bool) -> None:
    """In one that is only skimmed, every lost page is an error, or does no harm."""
    damages = list(spoilt((store / JOURNAL).read_bytes(), Random(2), 1 if prove else 8))
    said = finished(open_each, store, damages)
    assert len(said) == 2 * len(damages)
    assert {"StoreCorrupt"} <= {each[0] for each in said} <= {"same", "StoreCorrupt"}


def heads(store: Path) -> dict[int, int]:
    """The flags of each page."""
    data = (store / JOURNAL).read_bytes()
    return {at // PAGE: unpack_from("=H", data, at + 10)[0] for at in range(0, len(data), PAGE)}


def roots(store: Path) -> tuple[int, int, int]:
    """The newest meta page, and the roots of the free pages and of the databases."""
    data = (store / JOURNAL).read_bytes()
    newest = max((0, 1), key=lambda page: unpack_from("=Q", data, page * PAGE + 144)[0])
    free, main = (unpack_from("=Q", data, newest * PAGE + at)[0] for at in (80, 128))
    return newest, free, main


def leads(store: Path) -> list[int]:
    """Pages without which others cannot be found, but in which nothing is kept."""
    branches = [page for page, flags in heads(store).items() if flags == 1]
    assert branches
    return [*branches, *roots(store)]


def test_pages_that_only_lead_to_others_can_be_spared(store: Path) -> None:
    """Without a branch, a root or the latest meta page everything is found all the same."""
    before = told(store)
    damages = [Spoilt("empty", {number: bytes(PAGE)}) for number in leads(store)]
    for _, _, numbers, found, _, after in finished(repair_each, store, damages):
        assert after == before, numbers
        if numbers[0] in roots(store):
            assert found


def test_it_is_told_what_is_wrong_and_what_was_done(store: Path) -> None:
    """Each page is a finding; the file as it was is kept, and what was read is counted."""
    _, _, main = roots(store)
    Spoilt("empty", {main: bytes(PAGE)}).done_to(store / JOURNAL)
    with pytest.raises(StoreCorrupt):
        as_reader(store)
    assert any(f"page {main} " in str(each) for each in everything_wrong(store))
    spoiled = (store / JOURNAL).read_bytes()
    copied, done = repair(store, ALL)
    (aside,) = store.glob("damaged-*")
    assert copied == f"copied the journal as it was to {aside}"
    assert (aside / DATA).read_bytes() == spoiled
    assert " rows that can be read into a new file: " in done
    assert not list(store.glob(".journal-*"))


@pytest.mark.spoilt("it has no meta page")
def test_a_file_without_any_meta_page_is_beyond_repair(store: Path) -> None:
    """That is told, and the file stays as it is."""
    Spoilt("empty", {0: bytes(PAGE), 1: bytes(PAGE)}).done_to(store / JOURNAL)
    before = (store / JOURNAL).read_bytes()
    with pytest.raises(NotAStore, match=r"is no file of LMDB 0\.9"):
        list(repair(store, ALL))
    assert (store / JOURNAL).read_bytes() == before
