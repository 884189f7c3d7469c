"""The writer: what it puts into one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event

import pytest

from dagger.store.block import Block
from dagger.store.saving import Saving
from dagger.store.writer import MOST_BLOCKS, MOST_RECORDS, Writer
from tests.patience import PATIENCE

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
    assert over.wait(PATIENCE)
    assert disk.ends[-1] == before + 3 + MOST
    assert not {before + 1, before + 2} & set(disk.ends)
    sizes = [after - start for start, after in zip([0, *disk.ends], disk.ends, strict=False)]
    assert max(sizes) <= MOST + MOST_RECORDS
