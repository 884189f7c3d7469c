"""Which wall times a cron expression names, in no timezone.

The library cronsim reads the expression and says which days match it. Its own walk
through time is not used: where clocks are changed by half an hour it leaves out
times, and others depending on where it set out. Wall times know no such changes, so
walking them is simple; `dagger.rules.slots` places them in time.

A wall time is the seconds from 1970-01-01T00:00 to it on one clock.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

from dagger.rules.zones import DAY
from dagger.words.errors import ScheduleError

FIRST_DAY = date(1970, 1, 1).toordinal()

_CALENDARS = range(date(2000, 1, 1).toordinal(), date(2028, 1, 1).toordinal())
"""Years enough that each of the fourteen calendars a year can have is among them."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """The wall times of a cron expression."""

    hours: tuple[int, ...]
    minutes: tuple[int, ...]
    seconds: tuple[int, ...]
    matches: Callable[[date], bool]
    """Whether it has times on a day: they are the same on all such days."""
    names_times: bool
    """Whether it names its times of day: no field of them starts with a star."""

    def walls(self, start: int, end: int, *, backwards: bool = False) -> Iterator[int]:
        """Its wall times from `start` to before `end`, the last first if `backwards`."""
        for day in self._days(start, end, backwards):
            yield from self._times(day, start, end, backwards)

    def count(self, start: int, end: int) -> int:
        """How many `walls` are, in time that grows with the days alone."""
        return sum(
            self._before(min(end - day, DAY)) - self._before(max(start - day, 0))
            for day in self._days(start, end, False)
        )

    def _before(self, time: int) -> int:
        """How many of its times of day are before one, given in seconds since midnight."""
        hour, minute, second = time // 3600, time % 3600 // 60, time % 60
        found = bisect_left(self.hours, hour) * len(self.minutes) * len(self.seconds)
        if hour in self.hours:
            found += bisect_left(self.minutes, minute) * len(self.seconds)
            if minute in self.minutes:
                found += bisect_left(self.seconds, second)
        return found

    def _days(self, start: int, end: int, backwards: bool) -> Iterator[int]:
        """The wall times at which the days that match begin."""
        days = range(start // DAY, -(-end // DAY)) if start < end else range(0)
        for day in reversed(days) if backwards else days:
            if self.matches(date.fromordinal(FIRST_DAY + day)):
                yield day * DAY

    def _times(self, day: int, start: int, end: int, backwards: bool) -> Iterator[int]:
        step = -1 if backwards else 1
        for hour in self.hours[::step]:
            for minute in self.minutes[::step]:
                at = day + hour * 3600 + minute * 60
                if start - 60 < at < end:
                    for second in self.seconds[::step]:
                        if start <= at + second < end:
                            yield at + second


@lru_cache(maxsize=1024)
def pattern(expression: str) -> Pattern:
    """What an expression of 5 fields, or of 6 with seconds in front, stands for.

    Raises ScheduleError for what is none, and for one that no day ever matches.
    """
    from cronsim import CronSim, CronSimError

    try:
        cron = CronSim(expression, datetime(2000, 1, 1))
    except (CronSimError, ValueError) as error:  # ValueError: a number of thousands of digits
        raise ScheduleError(repr(expression), _no_cron(str(error))) from None

    def matches(day: date) -> bool:
        return day.month in cron.months and cron.match_day(day)

    if not any(matches(date.fromordinal(day)) for day in _CALENDARS):
        problem = "no day of any year matches it; change its day, month or weekday"
        raise ScheduleError(repr(expression), problem)
    seconds, minutes, hours = (
        tuple(sorted(each)) for each in (cron.seconds, cron.minutes, cron.hours)
    )
    names_times = not any(each.startswith("*") for each in expression.split()[:-3])
    return Pattern(hours, minutes, seconds, matches, names_times)


def _no_cron(problem: str) -> str:
    return (
        f"this is no cron expression ({problem.lower()}); write minute, hour, day of the month, "
        "month and day of the week, such as '30 9 * * MON-FRI', with seconds in front if wanted"
    )
