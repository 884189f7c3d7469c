"""Spoilt pages of a store's file, and what is left of it after a repair."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from dagger.cli.stored import ALL
from dagger.executor.recovery import restored
from dagger.executor.repairing import repair
from dagger.executor.verifying import Finding, pages, verify
from dagger.store import pagefile
from dagger.store.pagefile import DATA
from dagger.store.reader import StoreReader
from dagger.views.report import make_report
from dagger.words.errors import DatabaseError
from tests.crash.processes import Say
from tests.store.damage import as_owner, as_reader

PAGE = 4096


class Spoilt(NamedTuple):
    """Pages and what they are now."""

    kind: str
    pages: dict[int, bytes]

    def done_to(self, file: Path) -> None:
        """Write them into a file."""
        with file.open("r+b") as data:
            for number, page in self.pages.items():
                data.seek(number * PAGE)
                data.write(page)


def spoilt(data: bytes, random: Random, step: int) -> Iterator[Spoilt]:
    """Pages in turn: emptied, overwritten, or having changed places with another one."""
    whole = [data[at : at + PAGE] for at in range(0, len(data), PAGE)]
    for number in range(0, len(whole), step):
        other = random.randrange(len(whole))
        yield Spoilt("empty", {number: bytes(PAGE)})
        yield Spoilt("overwritten", {number: random.randbytes(PAGE)})
        yield Spoilt("swapped", {number: whole[other], other: whole[number]})


def everything_wrong(path: Path) -> list[Finding]:
    """What `dagger verify` would tell."""
    found = list(pages(path))
    if not found:
        with StoreReader(path) as reader:
            found = list(verify(reader))
    return found


def told(path: Path) -> dict[str, object]:
    """What is known of each run, by its id."""
    with StoreReader(path) as reader:
        runs = restored(reader, ALL).runs.values()
    return {run.id: make_report(run, 0.0).to_dict() for run in runs}


def repair_each(say: Say, path: Path, damages: list[Spoilt]) -> None:
    """Do each damage to a copy, repair that, and say what was found and what is left."""
    for number, damage in enumerate(damages):
        copy = path.with_name(f"spoilt {number}")
        shutil.copytree(path, copy)
        damage.done_to(copy / "journal" / DATA)
        found = [str(each) for each in everything_wrong(copy)]
        done = list(repair(copy, ALL))
        assert everything_wrong(copy) == [], done
        as_owner(copy)
        say("repaired", damage.kind, sorted(damage.pages), found, done, told(copy))
        shutil.rmtree(copy)


def open_each(say: Say, path: Path, damages: list[Spoilt]) -> None:
    """Do each damage to a copy, which is taken for a large one, and open that."""
    pagefile.WHOLE = 0
    expected = as_reader(path)
    for number, damage in enumerate(damages):
        for read in (as_reader, as_owner):
            copy = path.with_name(f"opened {number}")
            shutil.copytree(path, copy)
            damage.done_to(copy / "journal" / DATA)
            try:
                said = "same" if read(copy) == expected else "wrong"
            except DatabaseError as error:
                said = type(error).__name__
            say(said, damage.kind, sorted(damage.pages))
            shutil.rmtree(copy)
