"""Schedules to try rules on."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from dagger.rules.recurrence import Cron, Interval, Moment, When

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"
ZONES = (BERLIN, NEW_YORK, LORD_HOWE)
"""Where clocks are changed by an hour, twice, and by half an hour."""

START = round(datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC")).timestamp())
DAY = 86_400
YEAR = 365 * DAY


def at(text: str, zone: str = "UTC", *, fold: int = 0) -> int:
    """The instant at which clocks of a zone show a time, the second time for `fold=1`."""
    shown = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return round(shown.timestamp())


def shown(slot: float, zone: str) -> str:
    """What clocks of a zone show at an instant, and their offset."""
    return datetime.fromtimestamp(slot, ZoneInfo(zone)).strftime("%m-%d %H:%M %z")


def field(least: int, most: int) -> st.SearchStrategy[str]:
    """A field of a cron expression for numbers in a range."""
    number = st.integers(least, most)
    step = st.integers(1, most).map(lambda step: f"*/{step}")
    several = st.lists(number, min_size=1, max_size=4).map(lambda each: ",".join(map(str, each)))
    span = st.tuples(number, number).map(lambda each: f"{min(each)}-{max(each)}")
    return st.just("*") | step | several | span


MINUTES, HOURS = field(0, 59), field(0, 23)
DAYS = st.sampled_from(
    [
        "* * *",
        "* * SUN",
        "*/2 * *",
        "1,29 * *",
        "L * *",
        "LW * *",
        "* 3-4,10-11 *",
        "1 * MON",
        "* * 0#1",
    ]
)
EXPRESSIONS = st.tuples(MINUTES, HOURS, DAYS).map(" ".join)
EXPRESSIONS_WITH_SECONDS = st.tuples(st.sampled_from(["0", "*/30", "5,17"]), EXPRESSIONS).map(
    " ".join
)
CRONS = st.builds(Cron, EXPRESSIONS | EXPRESSIONS_WITH_SECONDS, st.sampled_from(ZONES))
WHENS: st.SearchStrategy[When] = (
    st.builds(Moment, st.integers(START, START + YEAR))
    | st.builds(Interval, st.integers(1, 40 * DAY), st.integers(START - YEAR, START + YEAR))
    | CRONS
)
CHANGES = tuple(
    at(text, zone)
    for zone, texts in (
        (BERLIN, ("2026-03-29 01:00", "2026-10-25 02:30")),
        (NEW_YORK, ("2026-03-08 01:00", "2026-11-01 01:30")),
        (LORD_HOWE, ("2026-04-05 01:00", "2026-10-04 01:30")),
    )
    for text in texts
)
"""Instants near which clocks are changed in 2026."""

INSTANTS = st.integers(START, START + YEAR) | st.builds(
    int.__add__, st.sampled_from(CHANGES), st.integers(-2 * 3600, 3 * 3600)
)
