"""After a power cut everything that was acknowledged is there, whatever else got to the disk."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.conftest import Figures
from tests.crash.processes import finished
from tests.faults.cuts import Disk, Entry, read_trace
from tests.faults.days import Days
from tests.faults.shim import Kind
from tests.faults.workload import recorded_day
from tests.state.meaning import differences

STORE = Path("in", "there")
"""In a folder that is there, and that an image is made of."""

CUTS = 5
"""Power cuts of one day."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the day comes to with no power cut."""
    path, days = tmp_path_factory.mktemp("undisturbed"), Days()
    days.take(finished(recorded_day, path / STORE, (), path / "trace", path / "in"))
    return days.outcome(path / STORE)


def test_what_was_acknowledged_survives_power_cuts(
    undisturbed: dict[str, Any], tmp_path: Path, prove: bool, figures: Figures
) -> None:
    """Cut off at any moment, again and again, a day is finished as if nothing had happened."""
    cuts = 160 if prove else 10
    day = partial(_a_day, undisturbed, tmp_path)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(day, range(cuts // CUTS)))
    figures(f"{cuts} disk images; 0 acknowledged lost, 0 unreadable")


def _a_day(undisturbed: dict[str, Any], folder: Path, seed: int) -> None:
    """Each image is seen through to the end of the day, and that is what the next cut is of."""
    random, days = Random(seed), Days()
    root = folder / f"{seed}.0"
    root.mkdir()
    for cut in range(1, CUTS + 1):
        disk, trace = Disk(root), folder / f"{seed}.{cut}.trace"
        whole = Days(days.heard)
        whole.take(finished(recorded_day, root / STORE, days.done, trace, root))
        assert not list(differences(whole.outcome(root / STORE), undisturbed))
        root = folder / f"{seed}.{cut}"
        days.take(_cut(disk, read_trace(trace), root, random))
        days.look(root / STORE)


def _cut(disk: Disk, trace: list[Entry], path: Path, random: Random) -> list[tuple[Any, ...]]:
    """Cut the power at some moment: what was said by then."""
    moment = random.randrange(len(trace))
    for entry in trace[:moment]:
        disk.take(entry)
    disk.take(trace[moment], over=False)
    disk.cut(path, random)
    for file in path.rglob("*"):
        if file.name in MAPPED:
            random.choice(MAPPED_AFTERWARDS)(file, random)
    return [pickle.loads(entry.data) for entry in trace[:moment] if entry.kind == Kind.MARK]


MAPPED = {"lock.mdb", "hands"}
"""Files that are written to through memory, of which nobody hears."""

MAPPED_AFTERWARDS: list[Callable[[Path, Random], object]] = [
    lambda file, random: None,
    lambda file, random: file.unlink(),
    lambda file, random: file.write_bytes(b""),
    lambda file, random: file.write_bytes(bytes(file.stat().st_size)),
    lambda file, random: file.write_bytes(random.randbytes(file.stat().st_size)),
]
