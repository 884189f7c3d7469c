"""What follows from a schedule's id and a slot."""

from __future__ import annotations

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from dagger.rules.occurrence import jitter, run_id
from dagger.rules.recurrence import LAST
from dagger.words.payload import string
from tests.rules.whens import START, at

IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
SLOTS = st.integers(0, LAST - 1)


def test_a_run_id_can_be_read() -> None:
    """It is the schedule's id and the slot in UTC."""
    assert run_id("nightly", at("2026-03-01 08:00")) == "nightly@2026-03-01T08:00:00Z"
    assert run_id("nightly", 0) == "nightly@1970-01-01T00:00:00Z"
    assert run_id("nightly", LAST - 1) == "nightly@8999-12-31T23:59:59Z"


@given(IDS, IDS, SLOTS, SLOTS)
def test_a_run_id_is_of_one_slot(one: str, other: str, first: int, second: int) -> None:
    """It is fit for a run id, and no two schedules or slots share one."""
    names = {(each, slot): run_id(each, slot) for each in (one, other) for slot in (first, second)}
    assert len(set(names.values())) == len(names)
    for name in names.values():
        assert string(name, "a run id")


@given(IDS, SLOTS, st.just(0.0) | st.floats(1e-6, 1e9))
def test_jitter_is_below_the_most(schedule_id: str, slot: int, most: float) -> None:
    """It is from 0 to below the most that it may be, and 0 if that is 0."""
    late = jitter(schedule_id, slot, most)
    assert 0 <= late < most or (late, most) == (0, 0)


def test_jitter_is_spread() -> None:
    """Over many slots each tenth of the range gets its share; other schedules differ."""
    tenths = [int(jitter("nightly", START + slot, 10)) for slot in range(10_000)]
    assert all(800 < tenths.count(each) < 1200 for each in range(10))
    assert jitter("nightly", START, 1) != jitter("daily", START, 1)


def test_jitter_is_the_same_in_every_process() -> None:
    """Another interpreter, with other hashes, comes to the same jitter."""
    program = f"from dagger.rules.occurrence import jitter; print(jitter('nightly', {START}, 60))"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    assert float(ran.stdout) == jitter("nightly", START, 60)
