"""Readers: what they see of a store while others write to it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

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
