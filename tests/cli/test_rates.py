"""Rates: of late, not of always."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger.cli.rates import WINDOW, Rates


@given(
    steps=st.lists(st.floats(0.01, 10), min_size=1, max_size=20),
    rate=st.integers(0, 1_000_000),
)
def test_a_steady_pace_is_seen_as_it_is(steps: list[float], rate: int) -> None:
    """What always goes at one pace has that rate, however often one looks."""
    rates, seconds = Rates(), 0.0
    for step in steps:
        seconds += step
        seen = rates.at(seconds, {"a": round(rate * seconds)})
        assert seen["a"] == pytest.approx(rate, rel=0.01, abs=200)


def test_what_stops_comes_to_nothing() -> None:
    """After the window has passed, a rate no longer remembers better times."""
    rates = Rates()
    assert rates.at(1.0, {"a": 100})["a"] == 100
    assert rates.at(1.0 + WINDOW / 2, {"a": 100})["a"] == 50
    assert rates.at(1.0 + WINDOW, {"a": 100})["a"] == 0


def test_who_comes_late_counts_from_nothing() -> None:
    """A name that was not there before had a count of 0."""
    rates = Rates()
    rates.at(1.0, {})
    assert rates.at(2.0, {"a": 30})["a"] == 15


def test_no_time_is_no_rate() -> None:
    """At the very start all rates are 0."""
    assert Rates().at(0.0, {"a": 7}) == {"a": 0.0}
