"""When clocks are changed."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger.rules.zones import Stretch, instant, stretches, zone
from dagger.words.errors import ScheduleError
from tests.rules.whens import BERLIN, INSTANTS, LORD_HOWE, NEW_YORK, START, YEAR, ZONES, at

HOUR = 3600


def changes(name: str, start: int, end: int) -> list[tuple[int, int, int]]:
    """Each change in between: the instant, and the offsets before and after."""
    found = stretches(name, start, end)
    return [
        (each.start, each.before, each.offset)
        for each in found
        if each.before != each.offset and start <= each.start
    ]


def test_the_changes_of_a_year() -> None:
    """They are found to the second, in three zones; UTC has none."""
    year = START, START + YEAR
    assert changes(BERLIN, *year) == [
        (at("2026-03-29 01:00"), HOUR, 2 * HOUR),
        (at("2026-10-25 01:00"), 2 * HOUR, HOUR),
    ]
    assert changes(NEW_YORK, *year) == [
        (at("2026-03-08 07:00"), -5 * HOUR, -4 * HOUR),
        (at("2026-11-01 06:00"), -4 * HOUR, -5 * HOUR),
    ]
    assert changes(LORD_HOWE, *year) == [
        (at("2026-04-04 15:00"), 11 * HOUR, 21 * HOUR // 2),
        (at("2026-10-03 15:30"), 21 * HOUR // 2, 11 * HOUR),
    ]
    assert changes("UTC", *year) == []


@given(st.sampled_from(sorted(available_timezones())), st.integers(0, START + 20 * YEAR))
def test_stretches_join(name: str, start: int) -> None:
    """In any zone each stretch begins where the one before ended, with its offset."""
    found = list(stretches(name, start, start + 3 * YEAR))
    assert found[0].start <= start < found[0].end
    assert found[-1].end >= start + 3 * YEAR
    for one, other in pairwise(found):
        assert (one.end, one.offset) == (other.start, other.before)
    assert list(stretches(name, start, start + 3 * YEAR, backwards=True)) == found[::-1]


@given(st.sampled_from(ZONES), INSTANTS)
def test_a_stretch_has_the_offset_of_each_of_its_instants(name: str, moment: int) -> None:
    """The stretch around an instant says what the timezone itself says of it."""
    (found,) = stretches(name, moment, moment + 1)
    offset = datetime.fromtimestamp(moment, ZoneInfo(name)).utcoffset()
    assert offset is not None
    assert isinstance(found, Stretch)
    assert found.offset == offset.total_seconds()


@given(st.sampled_from(ZONES), INSTANTS)
def test_a_wall_time_is_its_first_instant(name: str, moment: int) -> None:
    """What clocks show is an instant again: the first at which they show it."""
    shown = datetime.fromtimestamp(moment, ZoneInfo(name))
    wall = round(shown.replace(tzinfo=ZoneInfo("UTC"), fold=0).timestamp())
    assert instant(name, wall) == round(shown.replace(fold=0).timestamp())


def test_a_wall_time_after_those_shown_twice() -> None:
    """What clocks would have shown had they not been put back is an hour away."""
    assert instant(BERLIN, at("2026-10-25 03:00")) == at("2026-10-25 02:00")


def test_a_wall_time_that_is_skipped_is_the_change() -> None:
    """Half past two on the night that has none is when clocks are put forward to three."""
    assert instant(BERLIN, at("2026-03-29 02:30")) == at("2026-03-29 01:00")
    assert instant(LORD_HOWE, at("2026-10-04 02:10")) == at("2026-10-03 15:30")


@pytest.mark.parametrize("name", ["", "Europe", "Europe/Berln", "../UTC", "a\0b", None, 3])
def test_what_is_no_timezone_is_refused(name: str) -> None:
    """The error shows the name, and what one looks like."""
    with pytest.raises(ScheduleError, match="write an IANA name, ") as caught:
        zone(name)
    assert repr(name) in str(caught.value)


def test_a_misspelt_timezone_is_told_the_nearest() -> None:
    """The error names the timezone that was probably meant."""
    with pytest.raises(ScheduleError, match="the nearest known one is 'Europe/Berlin'"):
        zone("Europe/Berln")
