"""At which instants a schedule is to happen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache
from itertools import groupby, pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from dagger.rules.recurrence import LAST, Cron, Interval, Moment, When
from dagger.rules.slots import count, newest_first, next_slot, slots
from tests.rules.whens import (
    BERLIN,
    DAY,
    EXPRESSIONS,
    INSTANTS,
    LORD_HOWE,
    NEW_YORK,
    START,
    WHENS,
    YEAR,
    ZONES,
    at,
    shown,
)

SANTIAGO = "America/Santiago"
"""Where clocks are changed at midnight."""

LENGTHS = st.integers(0, 3600) | st.integers(0, 2 * DAY)


def between(when: When, after: float, until: float) -> list[int]:
    """The slots as a list."""
    return list(slots(when, after, until))


def on(expression: str, zone: str, first: str, last: str) -> list[str]:
    """The slots of a cron expression from one local time up to another, as clocks show them."""
    found = slots(Cron(expression, zone), at(first, zone) - 1, at(last, zone))
    return [shown(slot, zone) for slot in found]


@given(WHENS, INSTANTS, LENGTHS, LENGTHS)
def test_slots_do_not_depend_on_where_the_asking_begins(
    when: When, a: int, first: int, second: int
) -> None:
    """Those up to b and those after b are together all of them, each once, in order."""
    b, c = a + first, a + first + second
    whole = between(when, a, c)
    assert between(when, a, b) + between(when, b, c) == whole
    assert all(one < other for one, other in pairwise([a, *whole]))
    assert all(slot <= c for slot in whole)


@given(WHENS, INSTANTS, LENGTHS)
def test_slots_backwards_and_counted(when: When, after: int, length: int) -> None:
    """The newest first, they are the same; and `count` knows how many without walking."""
    found = between(when, after, after + length)
    assert list(newest_first(when, after, after + length)) == found[::-1]
    assert count(when, after, after + length) == len(found)


@given(WHENS, INSTANTS)
def test_the_next_slot_is_the_first(when: When, after: int) -> None:
    """`next_slot` is the first of `slots`, also when asked just before it."""
    found = next_slot(when, after)
    assert found == next(slots(when, after, LAST), None)
    if found is not None:
        assert found > after
        assert next_slot(when, found - 1) == found
        assert next_slot(when, found - 0.25) == found


@given(WHENS, INSTANTS)
def test_nothing_is_before_its_beginning_or_after_its_end(when: When, instant: int) -> None:
    """Between an instant and itself or an earlier one there is no slot."""
    for until in (instant, instant - DAY):
        assert between(when, instant, until) == list(newest_first(when, instant, until)) == []
        assert count(when, instant, until) == 0


def test_a_moment_is_one_slot() -> None:
    """It is due once; after it there is nothing."""
    when = Moment(START)
    assert between(when, START - DAY, START + DAY) == [START]
    assert next_slot(when, START - 1) == START
    assert next_slot(when, START) is None


def test_an_interval_begins_at_its_anchor_and_does_not_drift() -> None:
    """Its slots are the anchor and whole intervals after it, and nothing before."""
    when = Interval(7 * 60, anchor=START)
    assert between(when, START - DAY, START + 900) == [START, START + 420, START + 840]
    assert next_slot(when, START + 420 * 10**6) == START + 420 * (10**6 + 1)


def test_an_old_interval_answers_at_once() -> None:
    """A slot a second for twenty years: what is next, last and how many is not walked to."""
    when = Interval(1, anchor=0)
    now = 20 * YEAR + 0.5
    assert next_slot(when, now) == 20 * YEAR + 1
    assert next(newest_first(when, 0, now)) == 20 * YEAR
    assert count(when, 0, now) == 20 * YEAR


def test_a_cron_expression_answers_at_once() -> None:
    """A slot a second for ten years is counted by the day."""
    when = Cron("* * * * * *", BERLIN)
    assert count(when, START, START + 10 * YEAR) == 10 * YEAR
    assert next(newest_first(when, START, START + 10 * YEAR)) == START + 10 * YEAR


def test_a_rare_day_is_found() -> None:
    """A leap day that is a Monday comes after forty years, where 2100 is no leap year."""
    assert next_slot(Cron("0 0 * 2 MON#5"), at("2072-03-01")) == at("2112-02-29")


def test_the_world_ends() -> None:
    """No slot is before 1970 or after 8999, whatever is asked."""
    for when in (Moment(LAST - 1), Interval(1), Cron("* * * * * *", BERLIN)):
        assert next_slot(when, LAST - 2) == LAST - 1
        assert next_slot(when, LAST - 1) is None
        assert next_slot(when, float("inf")) is None
    assert next_slot(Interval(1), float("-inf")) == 0
    assert next_slot(Cron("* * * * * *", NEW_YORK), -1e12) == 0


# What clocks skip, and what they show twice.


def test_a_time_that_clocks_skip_happens_at_the_change() -> None:
    """Daily at 02:30 in Berlin: at 03:00 on the night without a 02:30, never twice."""
    assert on("30 2 * * *", BERLIN, "2026-03-28", "2026-03-31") == [
        "03-28 02:30 +0100",
        "03-29 03:00 +0200",
        "03-30 02:30 +0200",
    ]


def test_a_time_that_clocks_show_twice_happens_the_first_time() -> None:
    """Daily at 02:30 in Berlin: once, in summer time, on the night that has two."""
    assert on("30 2 * * *", BERLIN, "2026-10-24", "2026-10-27") == [
        "10-24 02:30 +0200",
        "10-25 02:30 +0200",
        "10-26 02:30 +0100",
    ]
    second = at("2026-10-25 02:10", BERLIN, fold=1)
    assert next_slot(Cron("30 2 * * *", BERLIN), second) == at("2026-10-26 02:30", BERLIN)


def test_times_that_clocks_skip_together_happen_once() -> None:
    """Several that are skipped, and one at the change itself, are one slot."""
    assert on("0,20,40 2,3 * * *", BERLIN, "2026-03-29", "2026-03-30") == [
        "03-29 03:00 +0200",
        "03-29 03:20 +0200",
        "03-29 03:40 +0200",
    ]


def test_seconds_in_front_change_nothing_of_that() -> None:
    """`0 30 2 * * *` is `30 2 * * *`."""
    for first, last in (("2026-03-28", "2026-03-31"), ("2026-10-24", "2026-10-27")):
        with_seconds = on("0 30 2 * * *", BERLIN, first, last)
        assert with_seconds == on("30 2 * * *", BERLIN, first, last)


def test_every_hour_of_the_clock() -> None:
    """Hourly goes on hourly: there is no 02:00 to skip, and both of two happen."""
    assert on("0 * * * *", BERLIN, "2026-03-29 01:00", "2026-03-29 04:00") == [
        "03-29 01:00 +0100",
        "03-29 03:00 +0200",
        "03-29 04:00 +0200",
    ]
    assert on("0 * * * *", BERLIN, "2026-10-25 01:00", "2026-10-25 03:00") == [
        "10-25 01:00 +0200",
        "10-25 02:00 +0200",
        "10-25 02:00 +0100",
        "10-25 03:00 +0100",
    ]


def test_half_an_hour_is_changed_as_well() -> None:
    """On Lord Howe Island clocks go from 02:00 to 02:30, and back from 02:00 to 01:30."""
    assert on("10 2 * * *", LORD_HOWE, "2026-10-03", "2026-10-06") == [
        "10-03 02:10 +1030",
        "10-04 02:30 +1100",
        "10-05 02:10 +1100",
    ]
    assert on("45 1 * * *", LORD_HOWE, "2026-04-04", "2026-04-07") == [
        "04-04 01:45 +1100",
        "04-05 01:45 +1100",
        "04-06 01:45 +1030",
    ]
    assert on("45 * * * *", LORD_HOWE, "2026-04-05 01:00", "2026-04-05 03:00") == [
        "04-05 01:45 +1100",
        "04-05 01:45 +1030",
        "04-05 02:45 +1030",
    ]
    assert on("*/15 3 * * *", LORD_HOWE, "2026-10-04", "2026-10-05") == [
        "10-04 03:00 +1100",
        "10-04 03:15 +1100",
        "10-04 03:30 +1100",
        "10-04 03:45 +1100",
    ]


@cache
def times(zone: str) -> tuple[tuple[int, datetime], ...]:
    """Every five minutes of 2026, and what clocks of a zone show then."""
    clock = ZoneInfo(zone)
    first, last = (at(f"{year}-01-01", zone) for year in (2026, 2027))
    return tuple((each, datetime.fromtimestamp(each, clock)) for each in range(first, last, 300))


@cache
def days(zone: str) -> tuple[tuple[tuple[int, str], ...], ...]:
    """The same of each day, as the instant and a text like "23:59"."""
    told = groupby(times(zone), key=lambda each: each[1].date())
    return tuple(tuple((slot, f"{time:%H:%M}") for slot, time in day) for _, day in told)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    ("expression", "matches"),
    [
        ("*/15 * * * *", lambda time: time.minute % 15 == 0),
        ("0 * * * *", lambda time: time.minute == 0),
        ("50 * * * *", lambda time: time.minute == 50),
        ("*/10 2-3 * * *", lambda time: time.minute % 10 == 0 and time.hour in (2, 3)),
        ("5 */2 * * SUN", lambda time: (time.minute, time.hour % 2, time.weekday()) == (5, 0, 6)),
    ],
)
def test_a_year_by_the_clock(
    expression: str, matches: Callable[[datetime], bool], zone: str
) -> None:
    """An expression with stars happens at every instant of a year at which clocks match it."""
    year = times(zone)
    expected = [slot for slot, time in year if matches(time)]
    assert between(Cron(expression, zone), year[0][0] - 1, year[-1][0]) == expected


@pytest.mark.parametrize("zone", [*ZONES, SANTIAGO])
@pytest.mark.parametrize(
    "time", ["00:00", "00:30", "23:30", "01:45", "02:00", "02:10", "02:30", "03:00", "09:00"]
)
def test_a_year_of_days(time: str, zone: str) -> None:
    """A time of day happens once on every day: when clocks first show it or a later one."""
    expected = [next(slot for slot, local in day if local >= time) for day in days(zone)]
    hour, minute = map(int, time.split(":"))
    when = Cron(f"{minute} {hour} * * *", zone)
    assert between(when, expected[0] - 1, at("2027-01-01", zone) - 1) == expected
    assert len(expected) == 365


@given(EXPRESSIONS, st.sampled_from((BERLIN, NEW_YORK)), INSTANTS)
def test_where_clocks_change_by_an_hour_it_is_as_in_debian(
    expression: str, zone: str, after: int
) -> None:
    """The slots are those of cronsim, which follows Debian's cron."""
    theirs = CronSim(expression, datetime.fromtimestamp(after, ZoneInfo(zone)))
    told = (round(each.timestamp()) for each in theirs)
    expected = list(takewhile(lambda slot: slot <= after + DAY, told))
    assert between(Cron(expression, zone), after, after + DAY) == expected
