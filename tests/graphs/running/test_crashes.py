"""Crashes: wherever a process dies in a run of a graph, the next one comes to the same end."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from dagger import Config, Store
from dagger.graphs import Graphs
from dagger.graphs.running import keeping
from dagger.testing import Crash, simulated
from tests.conftest import Figures
from tests.crashing import crashed
from tests.graphs.running.pipeline import END_STATE, Outside, pipeline, seen_through

CONFIG = Config(snapshot_every_records=7)


async def day(outside: Outside, store: Store) -> dict[str, Any]:
    """One run to its end, by one process; what came of it."""
    graphs = Graphs(pipeline(outside))
    async with simulated(*graphs.agents, store=store, config=CONFIG) as executor:
        report = await seen_through(executor, graphs)
        return {"status": report.status, "state": report.state, "visits": report.visits}


@pytest.mark.parametrize("condensed", [500, 2], ids=["replies", "condensed"])
def test_a_crash_at_any_write_changes_nothing(
    condensed: int, monkeypatch: pytest.MonkeyPatch, figures: Figures
) -> None:
    """Cut at any write of a run with a loop, a join, a question and a graph within, and gone on
    with: the same end, and each effect that has a key once, or once more where it was cut off.
    """
    monkeypatch.setattr(keeping, "REPLIES", condensed)
    undisturbed = Crash(10**9).simulate(partial(day, Outside()))
    assert undisturbed["state"] == END_STATE

    def check(crash: Crash) -> None:
        outside = Outside()
        assert crash.simulate(partial(day, outside)) == undisturbed
        assert outside.keys() == {"begin", "left", "inner"}
        assert sum(outside.values()) <= 3 + crash.happened, outside

    points = crashed(check, every=5)
    figures(f"a graph, condensed after {condensed}: died at {points} writes; 0 lost, 0 twice")
