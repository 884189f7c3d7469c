"""What `executor.schedules` is: schedules as they stand, paused, resumed and removed."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, cast

from dagger.authoring.publishing import addressed
from dagger.executor.scheduler import Overlap, Plan
from dagger.executor.specs import Limits, Opening, limits_of
from dagger.rules.misfire import Policy
from dagger.rules.recurrence import recurrence
from dagger.views.schedules import ScheduleInfo, schedule_info
from dagger.words.errors import ExecutionError
from dagger.words.payload import decode, string

if TYPE_CHECKING:
    from dagger.executor.engine import Engine
    from dagger.words.effects import Publication


class Terms(Limits, total=False):
    """All that a schedule can say besides what and when; the Limits are those of its runs."""

    id: str
    """What it is known by; if it is not given, it follows from what it says."""
    timezone: str
    """An IANA name, for cron expressions and for moments that do not say theirs; "UTC"."""
    misfire: str
    """Of slots that nobody was there for, "one" starts a run (the newest), "all" or "none"."""
    grace: float
    """Seconds that a slot may be late before it is missed; 60."""
    overlap: Overlap
    """While the run of the slot before is open a slot is left out ("skip"), waits for its end
    ("queue"), or cancels it ("cancel_old"); those that are caught up with wait under "skip" too.
    """
    jitter: float
    """Each slot comes up to so many seconds late, always by as much; 0."""


def add(engine: Engine, channel: str, payload: Any, when: object, terms: Terms) -> str:
    """Let a schedule be there; its id.

    Raises ScheduleError, ConfigError, ExecutionError, ChannelNotFound, ChannelClosed,
    SerializationError, ValidationError.
    """
    first = _first(engine, channel, payload)
    said: dict[str, Any] = {**terms}
    slots = recurrence(when, timezone=said.pop("timezone", "UTC"), anchor=engine.now())
    id, overlap = said.pop("id", None), said.pop("overlap", "skip")
    how = {name: said.pop(name) for name in ("misfire", "grace", "jitter") if name in said}
    if id is None:
        id = default_id(channel, first.payload, when)
    elif type(id) is not str or not string(id, "the id of a schedule"):
        raise ExecutionError(f"the id of a schedule is a text that is not empty, not {id!r}")
    bounds = limits_of({}, cast("Opening", said))
    engine.scheduler.add(Plan(id, slots, first, Policy(**how), overlap, bounds))
    return id


def default_id(channel: str, payload: bytes, when: object) -> str:
    """The id of a schedule that is given none: the same each time it is said."""
    said = repr((channel, payload, when)).encode()
    return f"{channel}-{blake2b(said, digest_size=4).hexdigest()}"


def _first(engine: Engine, channel: str, payload: Any) -> Publication:
    """The message; without agents nobody here knows of channels, nor what is taken there."""
    limit = engine.max_payload_bytes
    if not engine.crews:
        return addressed(channel, payload, None, None, limit)
    if channel in engine.doors:
        payload = engine.doors[channel].receive(payload, "")
    first = addressed(channel, payload, engine.channel_schema(channel), None, limit)
    value, agents = decode(first.payload), [crew.agent for crew in engine.crews.values()]
    refusals = [each.refuses(channel, value) for each in agents if channel in each.subscribe]
    if refusals and None not in refusals:
        raise next(filter(None, refusals))
    return first


class Schedules:
    """The schedules of an executor; with a store they outlive it.

    Every change is kept when its call returns. Each raises ScheduleNotFound.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def list(self) -> list[ScheduleInfo]:
        """All of them, by id."""
        now = self._engine.now()
        return [
            schedule_info(each, now) for _, each in sorted(self._engine.state.schedules.items())
        ]

    def show(self, id: str) -> ScheduleInfo:
        """One of them."""
        return schedule_info(self._engine.scheduler.find(id), self._engine.now())

    async def pause(self, id: str) -> None:
        """Start nothing until `resume`; what then was missed is up to `misfire`."""
        self._engine.scheduler.hold(id, True)
        await self._engine.kept()

    async def resume(self, id: str) -> None:
        """Go on."""
        self._engine.scheduler.hold(id, False)
        await self._engine.kept()

    async def remove(self, id: str) -> None:
        """There are no more slots of it; runs that it has started go on."""
        self._engine.scheduler.remove(id)
        await self._engine.kept()
