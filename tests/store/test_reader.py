"""Readers: what they see of a store while others write to it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

from dagger.store.pagefile import DATA
from dagger.store.reader import StoreReader

ADD = """
    import sys
    import dagger

    @dagger.agent(subscribe="start")
    async def nothing(payload): ...

    dagger.run([nothing], "start", 1, store=sys.argv[1])
"""


def add(store: Path) -> None:
    """Let another process add a run to a store."""
    subprocess.run([sys.executable, "-c", dedent(ADD), str(store)], check=True)


def test_a_file_that_was_replaced_is_opened_anew(tmp_path: Path) -> None:
    """Who reads a store sees what is there, also once another file is there than at first."""
    store, copy = tmp_path / "store", tmp_path / "copy"
    add(store)
    with StoreReader(store) as reader:
        before = reader.position
        reader.backup(copy)
        add(copy)
        with reader.still():
            (copy / "journal" / DATA).replace(store / "journal" / DATA)
            assert reader.position == before
        assert reader.position > before
        assert len(list(reader.ids())) == 2


def test_what_is_still_stays_so_within(tmp_path: Path) -> None:
    """A moment lasts as long as the outermost block that holds it, whatever is held within."""
    add(tmp_path)
    with StoreReader(tmp_path) as reader:
        with reader.still():
            before = reader.position
            with reader.still():
                pass
            add(tmp_path)
            assert reader.position == before
        assert reader.position > before
