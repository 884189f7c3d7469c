"""When something is to happen: once, at an interval, or as a cron expression says.

Each is a frozen value with a plain form for records (`to_data`, `from_data`), and is
read from what people write by `recurrence`. Its slots, the instants at which it is to
happen, are told by `dagger.rules.slots`; they are whole seconds since the epoch, in
the years 1970 to 8999.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from dagger.rules.cron import Pattern, pattern
from dagger.rules.zones import EPOCH, instant, zone
from dagger.words.errors import ScheduleError

LAST = round(datetime(9000, 1, 1, tzinfo=UTC).timestamp())
"""Before this instant all slots are."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Once, `at` an instant: seconds since the epoch."""

    at: int

    def __post_init__(self) -> None:
        _check_seconds("a moment", self.at, 0, LAST - 1)


@dataclass(frozen=True, slots=True)
class Interval:
    """Every so many seconds, first at `anchor` and then at `anchor + n * every`, exactly.

    This is real time: an interval of a day is 24 hours, also where a day has 23. What
    should happen at nine o'clock each day is a Cron.
    """

    every: int
    anchor: int = 0

    def __post_init__(self) -> None:
        _check_seconds("an interval", self.every, 1, LAST)
        _check_seconds("the anchor of an interval", self.anchor, 0, LAST - 1)


@dataclass(frozen=True, slots=True)
class Cron:
    """As a cron expression says, by the clocks of a timezone (an IANA name).

    `expression` has five fields (minute, hour, day of the month, month, day of the week)
    or six, with seconds in front. A field is a number, a range `1-5`, a list `1,3`, a
    step `*/15` or `1-30/2`, or a star; months and weekdays have English names of three
    letters. `L` is the last day of a month, `LW` its last weekday, `5L` its last Friday
    and `MON#1` its first Monday. Where both days are given, either matches, unless one
    of them starts with a star: as in Debian's cron.

    When clocks are changed:

    - An expression that names its times of day, so that no field of seconds, minutes or
      hours starts with a star, happens once for each of its times. What clocks skip
      when they are put forward happens at the instant of the change: once, however
      many times of it they skip, and also if a time of it is then. What they show
      twice when they are put back happens the first time only. So `30 2 * * *` happens
      once on each day, at 03:00 on the day that has no 02:30.
    - Any other goes by what clocks show, no more and no less: `*/15 * * * *` goes on
      every quarter of an hour, but for an hour that clocks skip there is nothing to do,
      and what they show twice happens twice.

    This is what Debian's cron does where clocks change by an hour; it holds in every
    zone, and with seconds in front as well.
    """

    expression: str
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        if not isinstance(self.expression, str):
            raise ScheduleError(repr(self.expression), "a cron expression is a text")
        object.__setattr__(self, "expression", " ".join(self.expression.split()))
        pattern(self.expression)
        zone(self.timezone)

    @property
    def pattern(self) -> Pattern:
        """The wall times of the expression."""
        return pattern(self.expression)


When = Moment | Interval | Cron

_KINDS: dict[str, type[Moment] | type[Interval] | type[Cron]] = {
    "moment": Moment,
    "interval": Interval,
    "cron": Cron,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def to_data(when: When) -> dict[str, Any]:
    """`when` as plain JSON data: its "kind", and its fields by name."""
    return {"kind": _NAMES[type(when)], **asdict(when)}


def from_data(data: Mapping[str, Any]) -> When:
    """The value that `to_data` was given. Raises ScheduleError for what is none."""
    fields = dict(data)
    kind = fields.pop("kind", None)
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ScheduleError(repr(data), f"no kind {kind!r}; known: {', '.join(_KINDS)}")
    try:
        return _KINDS[kind](**fields)
    except TypeError:
        known = ", ".join(_KINDS[kind].__dataclass_fields__)
        problem = f"a schedule of kind {kind!r} has the fields {known}, and no others"
        raise ScheduleError(repr(data), problem) from None


def recurrence(when: object, *, timezone: str = "UTC", anchor: float = 0.0) -> When:
    """What a time, an interval or a text stands for; a Moment, Interval or Cron is itself.

    - A `datetime` that knows its timezone is a moment; a fraction of a second is rounded
      up, so that nothing happens early.
    - A `timedelta` of whole seconds is an interval; `anchor`, in seconds since the epoch
      and rounded down, is its first slot.
    - A text is an interval ("every 5m", "every 1h30m"; units are w, d, h, m and s), a
      moment as ISO 8601 writes it ("2026-03-01T09:00:00+01:00", "2026-03-01 09:00") or
      a cron expression ("30 9 * * MON-FRI").

    `timezone`, an IANA name, is that of a cron expression, and of a moment in a text that
    does not say its own: one that clocks skip is the instant at which they are put
    forward, one that they show twice the first of the two.

    Raises ScheduleError for anything else; also for a bare number, which could be an
    instant as well as an interval, and for a datetime without a timezone.
    """
    if isinstance(when, Moment | Interval | Cron):
        return when
    if isinstance(when, datetime):
        return _moment(when)
    if isinstance(when, timedelta):
        return _interval(repr(when), when, anchor)
    if isinstance(when, str):
        return _from_text(" ".join(when.split()), timezone, anchor)
    raise ScheduleError(repr(when), _no_schedule(when))


def _from_text(text: str, timezone: str, anchor: float) -> When:
    if text.startswith("every"):
        return _interval(repr(text), _duration(text), anchor)
    if re.match(r"\d{4}-\d\d-\d\d($|[T ])", text):
        return _moment_in(text, timezone)
    if len(text.split()) in (5, 6):
        return Cron(text, timezone)
    raise ScheduleError(repr(text), _no_schedule(text))


_UNITS = ("weeks", "days", "hours", "minutes", "seconds")
_DURATION = re.compile(
    r"every (?=\d)" + "".join(rf"(?:(?P<{unit}>\d{{1,12}}){unit[0]} ?)?" for unit in _UNITS)
)


def _duration(text: str) -> timedelta:
    found = _DURATION.fullmatch(text)
    if found is None:
        problem = (
            "this is no interval; write whole numbers with the units w, d, h, m and s, the "
            "greatest first, such as 'every 5m' or 'every 1h30m'"
        )
        raise ScheduleError(repr(text), problem)
    try:
        return timedelta(**{unit: int(each) for unit, each in found.groupdict("0").items()})
    except OverflowError:
        raise ScheduleError(repr(text), "the interval is too long") from None


def _interval(given: str, every: timedelta, anchor: float) -> Interval:
    if every % timedelta(seconds=1) or every < timedelta(seconds=1):
        raise ScheduleError(given, "an interval is whole seconds, and at least one")
    return Interval(every // timedelta(seconds=1), math.floor(anchor))


def _moment(at: datetime) -> Moment:
    if at.utcoffset() is None:
        problem = "it does not say its timezone; give it one, such as tzinfo=UTC or a ZoneInfo"
        raise ScheduleError(repr(at), problem)
    return Moment(_rounded_up(at - EPOCH))


def _moment_in(text: str, timezone: str) -> Moment:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        problem = f"this is no moment ({error}); write such as '2026-03-01T09:00:00+01:00'"
        raise ScheduleError(repr(text), problem) from None
    if at.utcoffset() is not None:
        return _moment(at)
    wall = _rounded_up(at.replace(tzinfo=UTC) - EPOCH)
    _check_seconds("a moment", wall, 0, LAST - 1)
    return Moment(instant(timezone, wall))


def _rounded_up(since: timedelta) -> int:
    return -(-since // timedelta(seconds=1))


def _check_seconds(what: str, value: Any, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        problem = f"{what} is a whole number of seconds from {least} to {most}"
        raise ScheduleError(repr(value), problem)


def _no_schedule(given: object) -> str:
    number = isinstance(given, int | float) or (isinstance(given, str) and given.isdigit())
    which = "a bare number could be a moment or an interval" if number else "no such schedule"
    return (
        f"{which}; give a datetime, a timedelta, or a text such as 'every 5m', "
        "'2026-03-01T09:00:00+01:00' or a cron expression like '30 9 * * MON-FRI'"
    )
