"""The page about the file format describes every kind of record and row that there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgpack
import pytest

from dagger.executor import exporting
from dagger.state import parts
from dagger.state.parts import ROWS
from dagger.state.tree import _ROW as NODE
from dagger.store import block, inbox, layout, outline
from dagger.store.block import decode
from dagger.store.rows import NAMES
from dagger.words.joins import Join
from dagger.words.outcomes import DISPOSITIONS
from dagger.words.packing import pack
from dagger.words.records import EFFECTS, RECORDS, Failure, Flow, Remembered, RunResumed
from tests.docs.pages import PAGES

FORMAT = PAGES["docs/format.md"]
TABLES: dict[str, tuple[type[Any], ...]] = {"Records": (*RECORDS, *EFFECTS), "The snapshot": ROWS}
WITHIN = (Failure, Flow, Remembered, Join)


@pytest.mark.parametrize("section", TABLES)
def test_every_kind_is_described(section: str) -> None:
    """Each has a row with its number, its name, its fields in order, and what it says."""
    told = [(number, name, fields) for number, name, fields, said in kinds(section) if said]
    numbers = [*range(len(RECORDS)), *range(len(EFFECTS))] if section == "Records" else range(99)
    there = zip(numbers, TABLES[section], strict=False)
    assert told == [(number, kind.__name__, kind._fields) for number, kind in there]


def test_what_is_within_them_is_described() -> None:
    """So are the tuples that have no number."""
    text = FORMAT.sections()["Records"]
    for kind in WITHIN:
        fields = ", ".join(f"`{name}`" for name in kind._fields)
        assert f"| `{kind.__name__}` | {fields} |" in text


def test_names_and_formats_are_those_of_today() -> None:
    """Databases, dispositions, sizes and formats are what the code has."""
    sections = FORMAT.sections()
    told = re.findall(r"^\| `(\w+)` \|", sections["Databases"], re.M)
    assert tuple(told) == NAMES
    [words] = re.findall(r"in this row: ([^;]+);", " ".join(sections["Records"].split()))
    assert tuple(words.split(", ")) == DISPOSITIONS
    assert f"{outline.LARGE // 1024} KiB" in sections["Large payloads"]
    assert f"{NODE.size} bytes" in sections["The snapshot"]
    formats = (layout, block, parts, inbox, exporting)
    assert [each.FORMAT for each in formats] == [1] * 5, "say so on the page"


def test_a_block_is_laid_out_as_described() -> None:
    """What is read at the offsets of the page is what was written."""
    blobs = [pack(RunResumed(7, 1.0)), pack(RunResumed(8, 2.0))]
    data = block.block(1_000, (7, 8), blobs).encode()
    _, *offsets = [each for each, *_ in rows(FORMAT.sections()["Blocks"])]
    assert offsets[:5] == ["0", "1", "4", "8", "16"]
    assert offsets[-1] == "20 + 12 *n*"
    assert (data[0], data[1:4]) == (1, bytes(3))
    n = int.from_bytes(data[16:20], "little")
    assert (int.from_bytes(data[8:16], "little"), n) == (1_000, 2)
    assert data[20 + 4 * n : 20 + 8 * n] == b"\7\0\0\0\x08\0\0\0"
    unpacked = msgpack.Unpacker()
    unpacked.feed(data[20 + 12 * n :])
    resumed = RECORDS.index(RunResumed)
    assert list(unpacked) == [[resumed, 7, 1.0], [resumed, 8, 2.0]]
    assert decode(data).last == 1_001


def kinds(section: str) -> Iterator[tuple[int, str, tuple[str, ...], str]]:
    """Number, name, fields and meaning of each kind in the tables of a section."""
    for cells in rows(FORMAT.sections()[section]):
        if len(cells) == 4 and cells[0].isdigit():
            number, name, fields, said = cells
            yield int(number), name.strip("`"), tuple(re.findall(r"`(\w+)`", fields)), said


def rows(text: str) -> Iterator[list[str]]:
    """The cells of each row of a table."""
    for line in re.findall(r"^\| ?(.*) \|$", text, re.M):
        yield [each.strip() for each in line.split(" | ")]
