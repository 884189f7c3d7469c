"""The slots of a schedule: the instants at which it is to happen.

A slot is a whole number of seconds since the epoch, and each exists once. Which slots
there are depends on the schedule alone, never on where the asking begins: those after
a and up to b, and those after b and up to c, are those after a and up to c. Nothing
walks from the beginning: what an answer costs grows with the slots given or, of a cron
expression, with the days between them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from dagger.rules.cron import Pattern
from dagger.rules.recurrence import LAST, Cron, Interval, Moment, When
from dagger.rules.zones import Stretch, stretches


def slots(when: When, after: float, until: float) -> Iterator[int]:
    """The slots later than `after` and not later than `until`, in order."""
    start, end = _bounds(after, until)
    if isinstance(when, Cron):
        return _cron(when, start, end, backwards=False)
    return iter(_evenly(when, start, end))


def newest_first(when: When, after: float, until: float) -> Iterator[int]:
    """The same slots in the opposite order."""
    start, end = _bounds(after, until)
    if isinstance(when, Cron):
        return _cron(when, start, end, backwards=True)
    return reversed(_evenly(when, start, end))


def count(when: When, after: float, until: float) -> int:
    """How many they are."""
    start, end = _bounds(after, until)
    if not isinstance(when, Cron):
        return len(_evenly(when, start, end))
    pattern, total = when.pattern, 0
    for stretch in stretches(when.timezone, start, end):
        skipped, low, high = _walls(pattern, stretch, start, end)
        total += skipped + pattern.count(low, high)
    return total


def next_slot(when: When, after: float) -> int | None:
    """The first slot later than `after`; None if there is none."""
    return next(slots(when, after, LAST), None)


def _bounds(after: float, until: float) -> tuple[int, int]:
    """The first instant that counts, and the first that does not any more."""
    start, end = (math.floor(min(max(each, -1), LAST - 1)) + 1 for each in (after, until))
    return start, max(start, end)


def _evenly(when: Moment | Interval, start: int, end: int) -> Sequence[int]:
    if isinstance(when, Moment):
        return range(when.at, when.at + 1 if start <= when.at < end else when.at)
    steps = max(0, -(-(start - when.anchor) // when.every))
    return range(when.anchor + steps * when.every, end, when.every)


def _cron(cron: Cron, start: int, end: int, *, backwards: bool) -> Iterator[int]:
    pattern = cron.pattern
    for stretch in stretches(cron.timezone, start, end, backwards=backwards):
        skipped, low, high = _walls(pattern, stretch, start, end)
        if skipped and not backwards:
            yield stretch.start
        for wall in pattern.walls(low, high, backwards=backwards):
            yield wall - stretch.offset
        if skipped and backwards:
            yield stretch.start


def _walls(pattern: Pattern, stretch: Stretch, start: int, end: int) -> tuple[bool, int, int]:
    """Whether the change with which a stretch begins is a slot, since clocks skipped some,
    and from which wall time to before which one the wall times are slots, between
    `start` and `end`.
    """
    offset = stretch.offset
    low, high = max(stretch.start, start) + offset, min(stretch.end, end) + offset
    if not pattern.names_times:
        return False, low, high
    shown, put = stretch.start + stretch.before, stretch.start + offset
    skipped = start <= stretch.start and any(True for _ in pattern.walls(shown, put))
    return skipped, max(low, put + 1 if skipped else shown), high
