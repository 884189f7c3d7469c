"""What people write for when something is to happen."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger.rules.recurrence import (
    LAST,
    Cron,
    Interval,
    Moment,
    When,
    from_data,
    recurrence,
    to_data,
)
from dagger.words.errors import DefinitionError, ScheduleError
from tests.rules.whens import BERLIN, LORD_HOWE, NEW_YORK, WHENS, at

NINE = at("2026-03-01 09:00")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (Moment(NINE), Moment(NINE)),
        (Interval(60, anchor=5), Interval(60, anchor=5)),
        (Cron("0 9 * * *", BERLIN), Cron("0 9 * * *", BERLIN)),
        (datetime(2026, 3, 1, 9, tzinfo=UTC), Moment(NINE)),
        (datetime(2026, 3, 1, 10, tzinfo=ZoneInfo(BERLIN)), Moment(NINE)),
        (datetime(2026, 3, 1, 8, 59, 59, 1, tzinfo=UTC), Moment(NINE)),
        (timedelta(minutes=5), Interval(300)),
        (timedelta(days=2, seconds=1), Interval(172_801)),
        ("every 5m", Interval(300)),
        ("  every  1h30m ", Interval(5400)),
        ("every 1h 30m", Interval(5400)),
        ("every 2w3d4h5m6s", Interval(1_483_506)),
        ("every 90s", Interval(90)),
        ("2026-03-01T09:00:00Z", Moment(NINE)),
        ("2026-03-01T10:00:00+01:00", Moment(NINE)),
        ("2026-03-01T08:59:59.2Z", Moment(NINE)),
        ("2026-03-01T09:00", Moment(NINE)),
        ("2026-03-01 09:00:00", Moment(NINE)),
        ("2026-03-01", Moment(at("2026-03-01 00:00"))),
        ("0 9 * * *", Cron("0 9 * * *", "UTC")),
        (" */5  9-17 * * mon-fri ", Cron("*/5 9-17 * * mon-fri")),
        ("*/10 * * * * *", Cron("*/10 * * * * *")),
    ],
)
def test_a_schedule_can_be_written_in_many_ways(given: object, expected: When) -> None:
    """A datetime, a timedelta, a text and the value itself all say when."""
    assert recurrence(given) == expected


def test_a_timezone_is_for_texts_that_do_not_say_theirs() -> None:
    """Cron expressions and moments without an offset are in it; an offset says it already."""
    assert recurrence("0 9 * * *", timezone=NEW_YORK) == Cron("0 9 * * *", NEW_YORK)
    assert recurrence("2026-03-01T10:00", timezone=BERLIN) == Moment(NINE)
    assert recurrence("2026-03-01T09:00Z", timezone=BERLIN) == Moment(NINE)
    assert recurrence(Cron("0 9 * * *", BERLIN), timezone=NEW_YORK) == Cron("0 9 * * *", BERLIN)


def test_a_moment_that_clocks_skip_or_show_twice() -> None:
    """The first is when clocks are put forward, the second when they first show it."""
    skipped = recurrence("2026-03-29T02:30", timezone=BERLIN)
    assert skipped == Moment(at("2026-03-29 01:00"))
    assert recurrence("2026-10-25T02:30", timezone=BERLIN) == Moment(at("2026-10-25 00:30"))
    assert recurrence("2026-10-04T02:15", timezone=LORD_HOWE) == Moment(at("2026-10-03 15:30"))


def test_an_interval_begins_where_it_is_told() -> None:
    """`anchor` is its first slot, rounded down to a second."""
    assert recurrence(timedelta(hours=1), anchor=NINE + 0.9) == Interval(3600, anchor=NINE)
    assert recurrence("every 1h", anchor=NINE) == Interval(3600, anchor=NINE)


@given(WHENS)
def test_a_schedule_survives_being_kept(when: When) -> None:
    """Its plain form is JSON, and gives the same value again; so does pickling."""
    assert from_data(json.loads(json.dumps(to_data(when)))) == when
    assert pickle.loads(pickle.dumps(when)) == when
    assert len({when, from_data(to_data(when))}) == 1


def test_the_plain_form_can_be_read() -> None:
    """A record shows the kind and the fields by name."""
    assert to_data(Cron("0 9 * * *", BERLIN)) == {
        "kind": "cron",
        "expression": "0 9 * * *",
        "timezone": "Europe/Berlin",
    }
    assert to_data(Interval(60, 5)) == {"kind": "interval", "every": 60, "anchor": 5}
    assert to_data(Moment(NINE)) == {"kind": "moment", "at": NINE}


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({}, "no kind None; known: moment, interval, cron"),
        ({"kind": "lunar"}, "no kind 'lunar'; known: moment, interval, cron"),
        ({"kind": ["cron"]}, "no kind ['cron']; known"),
        ({"kind": "moment"}, "a schedule of kind 'moment' has the fields at, and no others"),
        (
            {"kind": "interval", "every": 5, "from": 3},
            "has the fields every, anchor, and no others",
        ),
        ({"kind": "interval", "every": 0}, "an interval is a whole number of seconds from 1"),
        ({"kind": "interval", "every": True}, "an interval is a whole number of seconds from 1"),
        ({"kind": "interval", "every": 5, "anchor": -1}, "the anchor of an interval is a whole"),
        ({"kind": "moment", "at": 2.5}, "a moment is a whole number of seconds from 0"),
        ({"kind": "moment", "at": LAST}, "a moment is a whole number of seconds from 0"),
        ({"kind": "cron", "expression": 5}, "a cron expression is a text"),
        ({"kind": "cron", "expression": "* * * *"}, "wrong number of fields"),
        ({"kind": "cron", "expression": "* * * * *", "timezone": "Moon"}, "no timezone of that"),
    ],
)
def test_what_is_not_kept_by_us_is_refused(data: dict[str, Any], problem: str) -> None:
    """An unknown kind, a field too many or too few, or one out of range is an error."""
    with pytest.raises(ScheduleError) as caught:
        from_data(data)
    assert problem in caught.value.problem


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (300, "a bare number could be a moment or an interval; give a datetime, a timedelta"),
        (1.5e9, "a bare number could be a moment or an interval"),
        ("300", "a bare number could be a moment or an interval"),
        (None, "no such schedule; give a datetime, a timedelta, or a text such as 'every 5m'"),
        ("", "no such schedule"),
        ("tomorrow", "no such schedule"),
        ("* * * *", "no such schedule"),
        ("soon or later or never again", "this is no cron expression (bad second)"),
        ("every", "this is no interval; write whole numbers with the units w, d, h, m and s"),
        ("every day", "this is no interval"),
        ("every 5", "this is no interval"),
        ("every 5M", "this is no interval"),
        ("every 1.5h", "this is no interval"),
        ("every 5m1h", "this is no interval"),
        ("every -5m", "this is no interval"),
        ("every 0s", "an interval is whole seconds, and at least one"),
        ("every 999999999999w", "the interval is too long"),
        (timedelta(seconds=1.5), "an interval is whole seconds, and at least one"),
        (timedelta(seconds=-5), "an interval is whole seconds, and at least one"),
        (timedelta(0), "an interval is whole seconds, and at least one"),
        (datetime(2026, 3, 1), "it does not say its timezone; give it one"),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=9))), "a moment is a whole number"),
        (datetime.max.replace(tzinfo=UTC), "a moment is a whole number of seconds from 0"),
        ("2026-02-30", "this is no moment (day is out of range for month)"),
        ("2026-03-01T25:00", "this is no moment (hour must be in 0..23)"),
        ("0001-01-01", "a moment is a whole number of seconds from 0"),
        ("9999-12-31T23:59", "a moment is a whole number of seconds from 0"),
    ],
)
def test_what_is_no_schedule_is_refused(given: object, problem: str) -> None:
    """The error shows what was given, what is wrong with it and what to write instead."""
    with pytest.raises(ScheduleError) as caught:
        recurrence(given)
    assert problem in caught.value.problem
    assert isinstance(caught.value, DefinitionError)


@given(st.text("every 0123456789wdhms-:TZ+.*", max_size=24))
def test_any_text_is_a_schedule_or_refused(text: str) -> None:
    """No text makes reading it fail in another way, and what is read can be kept."""
    try:
        when = recurrence(text, timezone=BERLIN)
    except ScheduleError:
        return
    assert from_data(to_data(when)) == when
