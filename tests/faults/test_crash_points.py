"""A process that ends at any call which changes its store leaves one that the next goes on with."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Figures
from tests.crash.disks import DEAD
from tests.crash.processes import finished, running
from tests.faults.days import Days
from tests.faults.workload import day, last_day, recorded_day
from tests.state.meaning import differences

POINTS = 12
"""How many of them are tried, unless all are."""


class Undisturbed:
    """The day as it is when no process ends before its time."""

    def __init__(self, path: Path) -> None:
        days = Days()
        heard = finished(recorded_day, path / "store", (), path / "trace")
        days.take(heard)
        self.outcome: dict[str, Any] = days.outcome(path / "store")
        self.calls: int = dict(each for each in heard if len(each) == 2)["calls"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """One such day."""
    return Undisturbed(tmp_path_factory.mktemp("undisturbed"))


@pytest.mark.parametrize("torn", [False, True], ids=["clean", "torn"])
def test_every_call_may_be_the_last(
    undisturbed: Undisturbed, tmp_path: Path, torn: bool, prove: bool, figures: Figures
) -> None:
    """Ended at its k-th write, sync or rename, for every k, a day is finished by the next."""
    step = 1 if prove else 2 * undisturbed.calls // POINTS
    points = range(1 + torn, undisturbed.calls + 1, step)
    live = partial(_live, undisturbed, tmp_path, torn)
    with ThreadPoolExecutor(3) as pool:
        ended = sum(pool.map(live, points))
    assert ended > len(points) / 3  # what one commit takes depends on chance, and so their number
    how = "amid a write" if torn else "instead of a call"
    figures(
        f"a day of {undisturbed.calls} calls ended {how} at {ended} points; "
        "0 lost, 0 corrupt, 0 refused to start"
    )


def _live(undisturbed: Undisturbed, folder: Path, torn: bool, last: int) -> bool:
    """A day that ends at a call, and the rest of it; whether that call was reached."""
    path, days = folder / str(last), Days()
    with running(last_day, path, (), last, torn) as child:
        code = child.ended()
    assert code in (0, DEAD)
    days.take(child.heard)
    days.look(path)
    days.take(finished(day, path, days.done))
    assert not list(differences(days.outcome(path), undisturbed.outcome))
    return code == DEAD
