"""When the clocks of a timezone are changed, and which instant a wall time is.

An instant is a whole number of seconds since the epoch. A wall time is what a clock
of the zone shows, as the seconds between 1970-01-01T00:00 and that on such a clock:
it is an instant plus the zone's offset from UTC at that instant.
"""

from __future__ import annotations

import difflib
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache, partial

from dagger.words.errors import ScheduleError

DAY = 86_400
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_BLOCK = 366 * DAY
"""Seconds that are looked through for changes at a time."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Instants from `start` to before `end`, in which the zone's offset is the same."""

    start: int
    end: int
    offset: int
    """Seconds that its clocks are ahead of UTC,"""
    before: int
    """and that they were ahead just before `start`: the same where nothing was changed."""


def zone(name: str) -> tzinfo:
    """The timezone of an IANA name such as "Europe/Berlin". Raises ScheduleError."""
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, TypeError, OSError):  # OSError: "Europe" is a folder
        raise ScheduleError(f"timezone {name!r}", _no_zone(name)) from None


def stretches(name: str, start: int, end: int, *, backwards: bool = False) -> Iterator[Stretch]:
    """The stretches that share an instant with `start` to before `end`, in order of time.

    They are given whole, and the last one first if `backwards`. A zone is taken to
    change its offset at most once a day.
    """
    blocks = range(start // _BLOCK, -(-end // _BLOCK))
    for number in reversed(blocks) if backwards else blocks:
        block = _block(name, number)
        for each in reversed(block) if backwards else block:
            if each.start < end and start < each.end:
                yield each


def instant(name: str, wall: int) -> int:
    """The first instant at which clocks show `wall`; where they never do since they are
    put forward over it, the instant at which that happens.
    """
    return next(
        max(each.start, wall - each.offset)
        for each in stretches(name, wall - 2 * DAY, wall + 2 * DAY)
        if wall < each.end + each.offset
    )


@lru_cache(maxsize=1024)
def _block(name: str, number: int) -> tuple[Stretch, ...]:
    offset = partial(_offset, zone(name))
    first, last = number * _BLOCK, (number + 1) * _BLOCK
    starts, offsets = [first], [offset(first - 1), offset(first)]
    for day in range(first, last, DAY):
        if offset(day + DAY - 1) != offsets[-1]:
            starts.append(_change(offset, day, offsets[-1]))
            offsets.append(offset(starts[-1]))
    ends = [*starts[1:], last]
    return tuple(map(Stretch, starts, ends, offsets[1:], offsets))


def _change(offset: partial[int], day: int, old: int) -> int:
    """The first instant of a day at which the offset is no longer the old one."""
    return day + bisect_left(range(day, day + DAY), True, key=lambda at: offset(at) != old)


def _offset(zone: tzinfo, at: int) -> int:
    ahead = (EPOCH + timedelta(seconds=at)).astimezone(zone).utcoffset()
    assert ahead is not None  # it is aware
    return round(ahead.total_seconds())


def _no_zone(name: object) -> str:
    from zoneinfo import available_timezones

    known = sorted(available_timezones())
    if not known:
        return "this machine knows no timezones at all; install the package tzdata"
    nearest = difflib.get_close_matches(str(name), known, n=1)
    hint = f"the nearest known one is {nearest[0]!r}" if nearest else "such as 'Europe/Berlin'"
    return f"no timezone of that name is known here; write an IANA name, {hint}"
