"""Schedules: what is to be run when, and how far each has got."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from dagger.words.effects import Publication

if TYPE_CHECKING:
    from dagger.state.state import State
    from dagger.words.records import Scheduled, ScheduleHeld, SlotsDone, Unscheduled


class Schedule(NamedTuple):
    """One schedule: a row of a snapshot, as it stands here."""

    id: str
    when: dict[str, Any]
    first: Publication
    policy: dict[str, Any]
    overlap: str
    limits: dict[str, Any]
    made: float
    """When it was said as it is, epoch seconds."""
    last: float
    """The newest slot that was dealt with, or from when on slots are its."""
    held: bool = False
    run: str = ""
    """The id of its latest run."""
    fired: int = 0
    skipped: int = 0
    waiting: tuple[int, ...] = ()
    """Slots that wait for the end of the run before."""


def scheduled(state: State, record: Scheduled) -> None:
    """It is there; one of that id goes on counting."""
    said = Schedule(*record[:6], record.at, record.last)
    known = state.schedules.get(record.id, said)
    state.schedules[record.id] = said._replace(
        held=known.held, run=known.run, fired=known.fired, skipped=known.skipped
    )


def unscheduled(state: State, record: Unscheduled) -> None:
    """It is gone; its runs are not."""
    del state.schedules[record.id]


def held(state: State, record: ScheduleHeld) -> None:
    """It rests, or goes on."""
    state.schedules[record.id] = state.schedules[record.id]._replace(held=record.held)


def slots_done(state: State, record: SlotsDone) -> None:
    """It has got so far."""
    known = state.schedules[record.id]
    state.schedules[record.id] = known._replace(
        last=record.last,
        run=record.run or known.run,
        fired=known.fired + bool(record.run),
        skipped=known.skipped + record.skipped,
        waiting=record.waiting,
    )
