"""However many runs there were, memory and disk hold those that are kept."""

from __future__ import annotations

from pathlib import Path

from dagger.executor.recovery import restored
from dagger.executor.verifying import verify
from dagger.store.reader import StoreReader
from tests.conftest import Figures
from tests.crash.processes import finished
from tests.faults.lasting import KEPT, live_long

GRAIN = 256 * 1024
"""Bytes that are taken at a time, about."""


def test_runs_that_are_forgotten_leave_nothing(
    tmp_path: Path, prove: bool, figures: Figures
) -> None:
    """In the second half of many runs neither the file nor the memory grows by a tenth."""
    runs = 10_000 if prove else 3_000
    heard = finished(live_long, tmp_path, runs)
    memory, file = ([each[of] for each in heard] for of in (1, 2))
    figures(f"{runs:,} runs: memory {_mib(memory)}, file {_mib(file)}")
    for sizes in (memory, file):
        assert max(sizes[10:]) <= 1.1 * max(sizes[:10]) + GRAIN
    with StoreReader(tmp_path) as reader:
        assert list(verify(reader)) == []
        kept = restored(reader).runs
        assert KEPT <= len(kept) <= 1.1 * KEPT
        assert reader.histories() <= kept.keys()


def _mib(sizes: list[int]) -> str:
    half, end = max(sizes[:10]) / 2**20, max(sizes) / 2**20
    return f"{half:.1f} MiB at half, {end:.1f} MiB in the end"
