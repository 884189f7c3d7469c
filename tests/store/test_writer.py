"""The writer: what it puts into one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event
from typing import Any

import pytest

from dagger.store import writer as writing
from dagger.store.block import Block, block
from dagger.store.saving import Saving
from dagger.store.writer import MOST_BLOCKS, MOST_RECORDS, Writer

MOST = MOST_BLOCKS * MOST_RECORDS


class Noted:
    """A disk that notes where each transaction ends."""

    def __init__(self) -> None:
        self.ends: list[int] = []

    def write(self, blocks: Sequence[Block], job: Saving | None) -> bool:
        self.ends += [blocks[-1].last] if blocks else []
        return False

    def recover(self) -> None: ...


@pytest.mark.parametrize("before", [0, 1, MOST - 3, MOST - 1, MOST, 2 * MOST - 1])
def test_what_belongs_together_is_written_together(before: int) -> None:
    """However much waits, no transaction ends amid a group, and none grows without limit."""
    disk, over = Noted(), Event()
    writer = Writer(disk, 0, lambda: over.set() if writer.ended else None)
    writer.add([1, b"\x90"] * before)
    writer.together(before, before + 3)
    writer.add([1, b"\x90"] * 3)
    writer.add([1, b"\x90"] * MOST)
    writer.start()
    writer.stop()
    assert over.wait(20)
    assert disk.ends[-1] == before + 3 + MOST
    assert not {before + 1, before + 2} & set(disk.ends)
    sizes = [after - start for start, after in zip([0, *disk.ends], disk.ends, strict=False)]
    assert max(sizes) <= MOST + MOST_RECORDS


def test_want_of_memory_is_a_failed_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no block can be made, that is told like a disk that fails, and it is tried again."""
    disk, failed, written, over = Noted(), Event(), Event(), Event()
    monkeypatch.setattr(writing, "PATIENCE", (0.01, 0.01))

    def told() -> None:
        if writer.problem is not None:
            monkeypatch.setattr(writing, "block", block)  # there is room again
            failed.set()
        if writer.written == 5:
            written.set()
        if writer.ended:
            over.set()

    def no_room(*_: Any) -> Block:
        raise MemoryError

    writer = Writer(disk, 0, told)
    monkeypatch.setattr(writing, "block", no_room)
    writer.add([1, b"\x90"] * 3)
    writer.start()
    assert failed.wait(5)
    writer.add([1, b"\x90"] * 2)
    writer.wake()
    assert written.wait(5)
    writer.stop()
    assert over.wait(5)
    assert disk.ends[-1] == 5
    assert writer.problem is None
