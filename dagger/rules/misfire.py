"""Which slots of a schedule are to be fired now, and what becomes of those missed.

Nobody looks at a schedule at every instant: the process was down, the machine asleep,
the clock was set. So what is due is worked out from two instants: the newest slot that
was dealt with before (`last`), and now. Every slot between them is dealt with at once,
which means fired or skipped, and counted; the newest of them is the next `last`.

A clock that jumps can neither repeat nor lose a slot by that. `last` is always a slot
(or when the schedule was made) and never "now". After a jump back nothing is due until
the clock has passed `last` again. After a jump ahead all slots up to there are due;
once the clock is set right nothing is due until it has passed them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from dagger.rules.occurrence import jitter
from dagger.rules.recurrence import When
from dagger.rules.slots import count, newest_first, next_slot, slots
from dagger.words.errors import ScheduleError


class Misfire(StrEnum):
    """Which of the slots that were missed are fired later."""

    ONE = "one"
    """The newest of them."""
    ALL = "all"
    """All of them, in order."""
    NONE = "none"
    """None of them."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How a schedule treats slots that come late, and how it spreads them. Durations are
    seconds. Raises ScheduleError.
    """

    misfire: Misfire = Misfire.ONE
    grace: float = 60.0
    """How late a slot may be fired and still be on time, beyond its jitter."""
    limit: int = 1000
    """Slots fired at once at most; of more, the oldest are skipped."""
    jitter: float = 0.0
    """Each slot is fired later by less than this, as `dagger.rules.occurrence` says."""

    def __post_init__(self) -> None:
        if self.misfire not in list(Misfire):
            raise ScheduleError(f"misfire={self.misfire!r}", f"known: {', '.join(Misfire)}")
        object.__setattr__(self, "misfire", Misfire(self.misfire))
        for name, least in (("grace", 0), ("limit", 1), ("jitter", 0)):
            _check(name, getattr(self, name), least)


@dataclass(frozen=True, slots=True)
class Due:
    """What to do about a schedule now."""

    slots: tuple[int, ...]
    """Slots to fire now, in order."""
    skipped: int
    """Slots that are not fired, now or later."""
    last: float
    """What to remember: the newest slot dealt with, or what it was before if none was."""
    next: int | None
    """The first slot that is still to come; None if there is none."""
    wake: float | None
    """When to ask again: the instant at which `next` is to be fired."""


def due(schedule_id: str, when: When, policy: Policy, last: float, now: float) -> Due:
    """What is due `now`, when all slots up to `last` were dealt with before.

    For a schedule on which nobody looked yet, `last` is when it was made: what was
    before that is none of its slots, so a moment in the past is never due.

    A slot is due once its jitter is over, and no sooner than the slots before it. It is
    on time until `grace` seconds after the longest jitter it could have had; then it is
    missed. All that are on time are fired, whatever the policy, and of the missed ones
    those that `misfire` says; but never more than `limit`, of which the newest are taken.

    Of `last` in the answer, keep it together with having fired `slots`: each slot is
    then dealt with once, however often and at whatever times this is asked.
    """
    until = _until(schedule_id, when, policy.jitter, last, now)
    newest = next(newest_first(when, last, until), None)
    reached = last if newest is None else newest
    fired = _fired(when, policy, last, until, now - policy.grace - policy.jitter)
    following = next_slot(when, reached)
    return Due(
        slots=fired,
        skipped=count(when, last, until) - len(fired),
        last=reached,
        next=following,
        wake=None
        if following is None
        else following + jitter(schedule_id, following, policy.jitter),
    )


def _until(schedule_id: str, when: When, most: float, last: float, now: float) -> float:
    """Now, or just before the first slot whose jitter is not over."""
    if most:
        for slot in slots(when, max(last, now - most), now):
            if slot + jitter(schedule_id, slot, most) > now:
                return slot - 1
    return now


def _fired(when: When, policy: Policy, last: float, until: float, late: float) -> tuple[int, ...]:
    """Of the slots after `last` and up to `until` those to fire; before `late` is missed."""
    fired: list[int] = []
    for slot in islice(newest_first(when, last, until), policy.limit):
        missed = slot < late
        if missed and policy.misfire is Misfire.NONE:
            break
        fired.append(slot)
        if missed and policy.misfire is Misfire.ONE:
            break
    return tuple(reversed(fired))


def _check(name: str, value: object, least: int) -> None:
    kinds = (int,) if name == "limit" else (int, float)
    if type(value) not in kinds or not least <= value < float("inf"):  # type: ignore[operator]
        what = "a whole number" if name == "limit" else "a number of seconds"
        raise ScheduleError(f"{name}={value!r}", f"must be {what} of at least {least}")
