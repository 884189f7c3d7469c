"""Which wall times a cron expression names."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from dagger.rules.cron import pattern
from dagger.words.errors import ScheduleError
from tests.rules.whens import DAY, EXPRESSIONS, EXPRESSIONS_WITH_SECONDS, START, YEAR

ANY = EXPRESSIONS | EXPRESSIONS_WITH_SECONDS
WALLS = st.integers(START, START + YEAR)
LENGTHS = st.integers(0, 3 * DAY)


@given(ANY, WALLS)
def test_wall_times_are_those_of_the_library(expression: str, start: int) -> None:
    """Where no clock is ever changed, cronsim itself names the same times."""
    theirs = CronSim(expression, datetime.fromtimestamp(start - 1, UTC))
    expected = [round(each.timestamp()) for each in islice(theirs, 5)]
    assert list(islice(pattern(expression).walls(start, start + 50 * YEAR), 5)) == expected


@given(ANY, WALLS, LENGTHS)
def test_wall_times_backwards_and_counted(expression: str, start: int, length: int) -> None:
    """Backwards they are the same ones, and as many as `count` says."""
    found = pattern(expression)
    walls = list(found.walls(start, start + length))
    assert list(found.walls(start, start + length, backwards=True)) == walls[::-1]
    assert found.count(start, start + length) == len(walls)


@pytest.mark.parametrize(
    ("expression", "names_times"),
    [
        ("30 2 * * *", True),
        ("0 30 2 * * *", True),
        ("0,30 1-4 * * MON", True),
        ("*/15 2 * * *", False),
        ("30 * * * *", False),
        ("30 */2 * * *", False),
        ("* 30 2 * * *", False),
    ],
)
def test_an_expression_names_its_times_or_does_not(expression: str, names_times: bool) -> None:
    """It does if no field of its time of day starts with a star."""
    assert pattern(expression).names_times is names_times


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("", "wrong number of fields"),
        ("* * * *", "wrong number of fields"),
        ("* * * * * * *", "wrong number of fields"),
        ("60 * * * *", "bad minute"),
        ("61 * * * * *", "bad second"),
        ("0 24 * * *", "bad hour"),
        ("0 0 * * FUN", "bad day-of-week"),
        ("0 0 30 2 *", "bad day-of-month"),
        ("*/0 * * * *", "bad minute"),
        ("@daily", "wrong number of fields"),
        ("9" * 5_000 + " * * * *", "no cron expression"),
        ("0 0 */20 * 1L", "no day of any year matches it"),
    ],
)
def test_what_is_no_expression_is_refused(expression: str, problem: str) -> None:
    """The error shows the expression, the field that is wrong and what one looks like."""
    with pytest.raises(ScheduleError) as caught:
        pattern(expression)
    assert problem in caught.value.problem
    assert len(str(caught.value)) < 600


@given(st.text("0159*,-/#LWMON? ", max_size=20) | st.text(max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text makes reading it fail in another way."""
    with suppress(ScheduleError):
        assert pattern(text).seconds
