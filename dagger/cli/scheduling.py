"""Schedules in a store: read, made and changed by whoever owns it, or else here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio

from dagger.cli.aligned import aligned
from dagger.cli.sending import send
from dagger.cli.stores import opened
from dagger.cli.times import moment, recent
from dagger.cli.visiting import done_here
from dagger.state.loading import load_world
from dagger.state.state import State
from dagger.views.schedules import schedule_info
from dagger.views.wording import clean, one_line
from dagger.words.errors import ScheduleNotFound
from dagger.words.records import (
    WIRING,
    AgentAdded,
    AgentRemoved,
    ChannelOpened,
    ChannelShut,
    Scheduled,
    ScheduleHeld,
    SlotsDone,
    Unscheduled,
)

if TYPE_CHECKING:
    from dagger.executor.executor import Executor
    from dagger.store.reader import StoreReader
    from dagger.views.schedules import ScheduleInfo

TITLES = ("schedule", "when", "channel", "next", "last", "latest run", "fired", "skipped")

TEXTS = 6
"""Columns of text, which come first; the others are numbers."""

NAME = 60
"""Characters of an id that are shown."""

_TOLD = frozenset(
    {
        *(AgentAdded, AgentRemoved, ChannelOpened, ChannelShut),
        *(Scheduled, Unscheduled, ScheduleHeld, SlotsDone),
    }
)
"""Records that say which schedules and channels there are."""


class Known(NamedTuple):
    """What a store knows of schedules; `owned` is whether a process has it open."""

    schedules: dict[str, ScheduleInfo]
    channels: frozenset[str]
    owned: bool


def known(store: Path) -> Known:
    """The schedules of a store, by id, and its channels. Raises StoreTrouble, DatabaseError."""
    with opened(store) as reader, reader.still():
        state, owned = _state(reader), reader.owner() is not None
    now = time.time()
    found = {id: schedule_info(each, now) for id, each in sorted(state.schedules.items())}
    return Known(found, frozenset(state.channels), owned)


def _state(reader: StoreReader) -> State:
    """As much of the state as is about no run."""
    state, world = State(), reader.part(WIRING)
    if world is not None:
        load_world(state, world)
    state.replay(each for each in reader.read(reader.saved()) if type(each) in _TOLD)
    return state


class Wanted(NamedTuple):
    """A schedule that is to be there."""

    channel: str
    payload: Any
    when: str
    terms: dict[str, Any]


def schedule(store: Path, plan: Wanted) -> tuple[ScheduleInfo, bool]:
    """Let a schedule be there; it, and whether the store knows its channel.

    Raises Refused and others of Dagger's errors for what cannot be, StoreTrouble.
    """
    before = known(store)

    async def do(executor: Executor) -> None:
        await executor.schedule(plan.channel, plan.payload, plan.when, **plan.terms)

    _have_done(store, before.owned, do, "schedule", plan._asdict())
    return _find(known(store), plan.terms["id"]), plan.channel in before.channels


def change(store: Path, id: str, how: str) -> str:
    """Pause, resume or remove a schedule; what there is to say of it then.

    Raises ScheduleNotFound, Refused, StoreTrouble.
    """
    before = known(store)
    _find(before, id)

    async def do(executor: Executor) -> None:
        found = executor.schedules
        ways = {"pause": found.pause, "resume": found.resume, "remove": found.remove}
        await ways[how](id)

    _have_done(store, before.owned, do, "schedules", {"id": id, "change": how})
    info = known(store).schedules.get(id)
    return f"{clean(id)} · is removed" if info is None else told(info)


def _find(there: Known, id: str) -> ScheduleInfo:
    if id not in there.schedules:
        raise ScheduleNotFound(id, tuple(there.schedules))
    return there.schedules[id]


def _have_done(
    store: Path, owned: bool, do: Callable[[Executor], Any], verb: str, fields: dict[str, Any]
) -> None:
    """Have the owner do it, or do it here if there is none."""
    if owned or not done_here(store, do):
        with opened(store) as reader:
            anyio.run(send, reader, verb, "", fields)


def told(info: ScheduleInfo) -> str:
    """A schedule on one line: what it is called, when it is, and when next."""
    return f"{clean(info.id)} · {info.when} · {_next(info, moment, 'next ')}"


def table(found: Iterable[ScheduleInfo]) -> Iterator[str]:
    """The schedules below their titles, in columns."""
    now = time.time()
    for row in aligned([TITLES, *(tuple(_cells(each, now)) for each in found)], TEXTS):
        yield "  ".join(row).rstrip()


def _cells(info: ScheduleInfo, now: float) -> Iterator[str]:
    def short(at: float) -> str:
        return recent(at, now)

    yield one_line(info.id, NAME)
    yield info.when
    yield one_line(info.channel, NAME)
    yield _next(info, short)
    yield "·" if info.last is None else short(info.last)
    yield one_line(info.run, NAME) or "·"
    yield f"{info.fired:,}" if info.fired else "·"
    yield f"{info.skipped:,}" if info.skipped else "·"


def _next(info: ScheduleInfo, written: Callable[[float], str], before: str = "") -> str:
    if info.held:
        return "paused"
    return "over" if info.next is None else f"{before}{written(info.next)}"
