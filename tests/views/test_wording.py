"""How numbers, durations and other people's text are written."""

from __future__ import annotations

import pytest
from hypothesis import given

from dagger.views.wording import clean, cut, duration, one_line, plural, times
from tests.views.drawn import any_text


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "0 µs"),
        (0.000043, "43 µs"),
        (0.00034, "340 µs"),
        (0.0034, "3.4 ms"),
        (0.00994, "9.9 ms"),
        (0.00996, "10 ms"),
        (0.42, "420 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 m 00 s"),
        (125.4, "2 m 05 s"),
        (3599.6, "1 h 00 m"),
        (11_220, "3 h 07 m"),
        (360_000_000, "100,000 h 00 m"),
    ],
)
def test_a_duration_reads_in_its_own_unit(seconds: float, written: str) -> None:
    """Two to four digits in the unit that fits, and never 60 of one where 1 of the next is."""
    assert duration(seconds) == written


def test_counts_are_grouped_and_have_their_noun() -> None:
    """Thousands are separated, one is singular, and once needs no count."""
    assert plural(1, "attempt") == "1 attempt"
    assert plural(1802, "attempt") == "1,802 attempts"
    assert times(1) == ""
    assert times(1802) == " \N{MULTIPLICATION SIGN} 1,802"


def test_cut_text_says_so() -> None:
    """Cut text ends in an ellipsis, within the limit; text that fits is left alone."""
    assert cut("abcdef", 6) == "abcdef"
    assert cut("abcdefg", 6) == "abcde…"


@given(any_text)
def test_clean_text_has_nothing_that_a_terminal_obeys(text: str) -> None:
    """Nothing but newlines is left of control characters, and the rest can be encoded."""
    cleaned = clean(text)
    assert all(each >= " " and not "\x7f" <= each <= "\x9f" for each in cleaned if each != "\n")
    assert cleaned.encode().decode() == cleaned
    assert clean(cleaned) == cleaned


@given(any_text)
def test_one_line_is_one_line(text: str) -> None:
    """One line has no line end and is no longer than asked for."""
    line = one_line(text, 10)
    assert len(line) <= 10
    assert len(line.splitlines()) <= 1
