"""Schedules as people see them: when, what, and how far each has got."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from dagger.rules.misfire import Policy, due
from dagger.rules.recurrence import Cron, Interval, When, from_data
from dagger.words.payload import decode

if TYPE_CHECKING:
    from dagger.state.schedules import Schedule


class ScheduleInfo(NamedTuple):
    """One schedule. Times are epoch seconds."""

    id: str
    """What it is shown, paused and removed by."""
    channel: str
    """Where its runs begin."""
    payload: Any
    """The first message of each run."""
    when: str
    """"every 5m", "at 2026-03-01T08:00:00Z", or a cron expression with its timezone."""
    misfire: str
    """What becomes of slots that were missed: "one", "all" or "none"."""
    overlap: str
    """What a slot does while the run before is open."""
    jitter: float
    """Seconds by which a slot may be late on purpose."""
    held: bool
    """Whether it is paused."""
    made: float
    """When it was made."""
    last: float | None
    """The newest slot that was dealt with; None if none was yet."""
    next: float | None
    """The slot that comes next; None if it is over."""
    fired: int
    """Runs that it has started."""
    skipped: int
    """Slots that started none: missed, or the run before was still open."""
    waiting: int
    """Slots that wait for the end of the run before."""
    run: str
    """The id of its latest run; "" if there was none."""

    def to_dict(self) -> dict[str, Any]:
        """It as plain JSON data."""
        return self._asdict()


def schedule_info(schedule: Schedule, now: float) -> ScheduleInfo:
    """A schedule as it stands."""
    when, policy = from_data(schedule.when), Policy(**schedule.policy)
    found = due(schedule.id, when, policy, schedule.last, now)
    coming = found.slots[0] if found.slots else found.next
    return ScheduleInfo(
        id=schedule.id,
        channel=schedule.first.channel,
        payload=decode(schedule.first.payload),
        when=wording(when),
        misfire=str(policy.misfire),
        overlap=schedule.overlap,
        jitter=policy.jitter,
        held=schedule.held,
        made=schedule.made,
        last=schedule.last if schedule.fired or schedule.skipped or schedule.waiting else None,
        next=None if coming is None else float(coming),
        fired=schedule.fired,
        skipped=schedule.skipped,
        waiting=len(schedule.waiting),
        run=schedule.run,
    )


def wording(when: When) -> str:
    """When it is, as it could have been written."""
    if isinstance(when, Cron):
        return f"{when.expression} ({when.timezone})"
    if isinstance(when, Interval):
        return f"every {_length(when.every)}"
    return f"at {datetime.fromtimestamp(when.at, UTC):%Y-%m-%dT%H:%M:%SZ}"


_UNITS = (("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def _length(seconds: int) -> str:
    """A number of seconds as "1h30m"."""
    parts = []
    for unit, size in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)
