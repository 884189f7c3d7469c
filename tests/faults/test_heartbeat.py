"""Snapshots are made while the loop goes on."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import Figures
from tests.crash.processes import finished
from tests.faults.beating import beat

STALL = 0.01


def test_no_snapshot_stalls_the_loop(tmp_path: Path, prove: bool, figures: Figures) -> None:
    """However big a run is, copying it takes less than 10 ms at a time."""
    keys, pending = (100_000, 10_000) if prove else (10_000, 1_000)
    [(_, longest)] = finished(beat, tmp_path, keys, pending, STALL)
    figures(f"{keys:,} keys and {pending:,} pending: {1e3 * longest:.1f} ms at most")
    assert longest < STALL
