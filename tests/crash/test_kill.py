"""Killed at any moment, a process loses nothing that it has shown, and does nothing twice."""

from __future__ import annotations

from collections import Counter
from itertools import count, cycle
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

import pytest

from tests.conftest import Figures
from tests.crash.books import Shown, contents, examine
from tests.crash.processes import Child, finished, running
from tests.crash.workload import whole_day


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the same work comes to if nobody kills anybody."""
    path, shown = tmp_path_factory.mktemp("undisturbed"), Shown()
    shown.take(finished(whole_day, path))
    return contents(examine(path, shown))


def test_a_kill_at_any_moment_loses_nothing(
    undisturbed: dict[str, Any], tmp_path: Path, prove: bool, figures: Figures
) -> None:
    """Killed and started again, over and over, all runs end as if nothing had happened."""
    begun, told = monotonic(), Counter[str]()
    kills = left = 500 if prove else 30
    for day, backend in zip(count(1), cycle(["asyncio", "trio"]), strict=False):
        print(f"day {day}, on {backend}")  # the day is the seed
        shown, path = Shown(), tmp_path / str(day)
        left -= _a_day(Random(day), path, backend, shown, left)
        assert contents(examine(path, shown)) == undisturbed
        assert shown.reports.keys() == undisturbed.keys()
        told.update(kept=len(shown.kept), outcomes=len(shown.outcomes), reports=len(undisturbed))
        if left <= 0:
            break
    figures(
        f"{kills} kills in {day} days of {len(undisturbed)} runs, {monotonic() - begun:.0f} s: "
        f"{told['kept']:,} messages acknowledged, {told['outcomes']:,} outcomes and "
        f"{told['reports']} reports shown; 0 lost, 0 doubled, 0 stuck, 0 findings"
    )


def _a_day(random: Random, path: Path, backend: str, shown: Shown, most: int) -> int:
    """The whole work over a store, with kills until it is done; how many there were."""
    for kills in range(most + 1):
        with running(whole_day, path, backend=backend) as child:
            if kills < most:
                _kill_sometime(child, random)
            else:
                assert child.ended() == 0
        shown.take(child.heard)
        examine(path, shown)
        if child.heard[-1:] == [("done",)]:
            break
    return kills


def _kill_sometime(child: Child, random: Random) -> None:
    """After so many words, or so many milliseconds."""
    if random.random() < 0.5:
        child.listen(count=random.randrange(200))
    else:
        child.listen(seconds=random.random() * 0.06)
    child.kill()
