"""A process that ends at any of its writes leaves a store that the next one goes on with."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PROVE, Figures
from tests.crash.books import Shown, contents, examine
from tests.crash.disks import DEAD
from tests.crash.processes import finished, running
from tests.crash.workload import last_day, whole_day

RUNS, ITEMS, STEP = (2, 4, 1) if PROVE else (1, 2, 2)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the same work comes to in a process that does not end before its time."""
    path, shown = tmp_path_factory.mktemp("undisturbed"), Shown()
    shown.take(finished(whole_day, path, RUNS, ITEMS))
    return contents(examine(path, shown))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_every_write_may_be_the_last(
    undisturbed: dict[str, Any], tmp_path: Path, after: bool, figures: Figures
) -> None:
    """Ended before or right after its k-th write, for every k, a run is finished by the next; where
    no proof is wanted, for every other one.
    """
    for last in count(1, STEP):
        path, shown = tmp_path / str(last), Shown()
        if _dies(path, shown, last, after) == 0:
            break
        shown.take(finished(whole_day, path, RUNS, ITEMS))
        assert contents(examine(path, shown)) == undisturbed
    assert last > 5
    when, tried = "right after" if after else "before", len(range(1, last, STEP))
    figures(f"ended {when} each of {tried} transactions; 0 lost")


def test_a_few_writes_are_enough_to_get_on(undisturbed: dict[str, Any], tmp_path: Path) -> None:
    """Processes of which each lives for five writes get everything done in the end."""
    shown = Shown()
    codes: list[int] = []
    while 0 not in codes:
        codes.append(_dies(tmp_path, shown, 5, after=True))
        assert len(codes) < 200
    assert contents(examine(tmp_path, shown)) == undisturbed
    assert len(codes) > 2


def _dies(path: Path, shown: Shown, last: int, after: bool) -> int:
    """Work up to a write, and see that all is well: the exit code."""
    with running(last_day, path, RUNS, ITEMS, last, after) as child:
        code = child.ended()
    assert code in (0, DEAD)
    shown.take(child.heard)
    examine(path, shown)
    return code
