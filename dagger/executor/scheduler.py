"""The scheduler: each slot of a schedule starts one run, whoever is there when it is due.

What is due is decided by `dagger.rules.misfire`, from the newest slot that was dealt with
and the time. That a slot was dealt with and the run that it starts are one transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import anyio

from dagger.executor.specs import default_limits
from dagger.rules.misfire import Policy, due
from dagger.rules.occurrence import run_id
from dagger.rules.recurrence import Interval, When, from_data, to_data
from dagger.rules.slots import next_slot
from dagger.views.schedules import wording
from dagger.words.errors import ScheduleError, ScheduleNotFound
from dagger.words.records import Scheduled, ScheduleHeld, SlotsDone, Unscheduled

if TYPE_CHECKING:
    from dagger.executor.engine import Engine
    from dagger.rules.misfire import Due
    from dagger.state.schedules import Schedule
    from dagger.words.effects import Publication

Overlap = Literal["skip", "queue", "cancel_old"]
"""What a slot does while the run of the slot before is still open: it is skipped, it waits
for its end, or it cancels it. Slots that were missed, and are caught up with, are not
skipped: they wait for each other.
"""

OVERLAPS: tuple[str, ...] = get_args(Overlap)


class Plan(NamedTuple):
    """What a schedule is to be."""

    id: str
    when: When
    first: Publication
    policy: Policy
    overlap: str
    limits: dict[str, Any]


class Scheduler:
    """The schedules of one executor; `serve` is run by the supervisor."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._schedules = engine.state.schedules
        self._stirred = anyio.Event()
        self.stopped = False

    def find(self, id: str) -> Schedule:
        """The schedule of that id. Raises ScheduleNotFound."""
        if id not in self._schedules:
            raise ScheduleNotFound(id, tuple(self._schedules))
        return self._schedules[id]

    def add(self, plan: Plan) -> None:
        """Let it be so from now on; one that is so already goes on. Raises ScheduleError."""
        if plan.overlap not in OVERLAPS:
            raise ScheduleError(f"overlap={plan.overlap!r}", f"known: {', '.join(OVERLAPS)}")
        now, known = self._engine.now(), self._schedules.get(plan.id)
        same = known is not None and _alike(from_data(known.when), plan.when)
        when = from_data(known.when) if known is not None and same else plan.when
        last = known.last if known is not None and same else now
        if not same and next_slot(when, now) is None:
            raise ScheduleError(wording(plan.when), "it is over: nothing of it is to come")
        policy = {
            "misfire": str(plan.policy.misfire),
            "grace": plan.policy.grace,
            "limit": plan.policy.limit,
            "jitter": plan.policy.jitter,
        }
        wanted = (plan.id, to_data(when), plan.first, policy, plan.overlap, plan.limits)
        if known is None or known[:6] != wanted:
            self._engine.commit(Scheduled(*wanted, last, now))
            self.stir()

    def remove(self, id: str) -> None:
        """There are no more slots of it; its runs go on. Raises ScheduleNotFound."""
        self._engine.commit(Unscheduled(self.find(id).id, self._engine.now()))
        self.stir()

    def hold(self, id: str, held: bool) -> None:
        """Fire nothing of it, or go on. Raises ScheduleNotFound."""
        if self.find(id).held is not held:
            self._engine.commit(ScheduleHeld(id, held, self._engine.now()))
            self.stir()

    def stir(self) -> None:
        """Something has changed: look again."""
        self._stirred.set()

    def ended(self, run: str) -> None:
        """A run has ended, for which a slot may wait."""
        if any(each.waiting and each.run == run for each in self._schedules.values()):
            self.stir()

    async def serve(self) -> None:
        """Fire what is due, until the executor stops."""
        engine = self._engine
        while not engine.closing:
            self._stirred = anyio.Event()
            moments = [await self._fire(id) for id in sorted(self._schedules)]
            wake = min((each for each in moments if each is not None), default=None)
            timer = None if wake is None else engine.timers.at(wake, self._stirred.set)
            await self._stirred.wait()
            if timer is not None:
                timer.cancel()

    async def _fire(self, id: str) -> float | None:
        """Deal with what is due of one schedule; when to look again, or None."""
        while (schedule := self._ready(id)) is not None:
            found = self._due(schedule)
            waiting = schedule.waiting and not self._is_open(schedule)
            if not waiting and found.last == schedule.last:
                return found.wake
            if self._engine.runs.crowded():
                await self._engine.runs.in_turn(lambda: None)
            elif waiting:
                slot, *rest = schedule.waiting
                self._start(schedule, slot, schedule.last, 0, tuple(rest))
            else:
                self._deal(schedule, found)
        return None

    def _ready(self, id: str) -> Schedule | None:
        """The schedule, if it may fire now, and there is somebody to hear it."""
        engine, schedule = self._engine, self._schedules.get(id)
        if schedule is None or schedule.held or engine.held or engine.closing:
            return None
        channel = schedule.first.channel
        heard = any(channel in crew.agent.subscribe for crew in engine.crews.values())
        return schedule if heard else None

    def _due(self, schedule: Schedule) -> Due:
        when, policy = from_data(schedule.when), Policy(**schedule.policy)
        return due(schedule.id, when, policy, schedule.last, self._engine.now())

    def _is_open(self, schedule: Schedule) -> bool:
        """Whether its latest run has not ended."""
        state = self._engine.state
        run = state.runs.get(state.run_numbers.get(schedule.run, 0))
        return run is not None and run.ended_at is None

    def _deal(self, schedule: Schedule, found: Due) -> None:
        """Deal with the first slot that is due, or with all if none is fired."""
        if not found.slots:
            self._done(schedule, found.last, "", found.skipped, schedule.waiting)
            return
        slot = found.slots[0]
        if not self._is_open(schedule):
            self._start(schedule, slot, slot, found.skipped, schedule.waiting)
            return
        late = self._engine.now() - schedule.policy["grace"] - schedule.policy["jitter"]
        match schedule.overlap:
            case "skip" if slot >= late:
                self._done(schedule, slot, "", found.skipped + 1, schedule.waiting)
            case "skip" | "queue":
                self._done(schedule, slot, "", found.skipped, (*schedule.waiting, slot))
            case "cancel_old":
                run = self._engine.runs.find(schedule.run).state
                self._engine.runs.cancel(run, f"the next slot of schedule {schedule.id!r} is due")
                self._start(schedule, slot, slot, found.skipped, schedule.waiting)

    def _start(
        self, schedule: Schedule, slot: int, last: float, skipped: int, waiting: tuple[int, ...]
    ) -> None:
        """Start the run of a slot, unless there is one already; and have that written down."""
        engine, id = self._engine, run_id(schedule.id, slot)
        with engine.store.together():
            if id not in engine.state.run_numbers:
                limits = default_limits(engine.config) | schedule.limits
                engine.runs.open(schedule.first, id, limits)
            self._done(schedule, last, id, skipped, waiting)

    def _done(
        self, schedule: Schedule, last: float, run: str, skipped: int, waiting: tuple[int, ...]
    ) -> None:
        now = self._engine.now()
        self._engine.commit(SlotsDone(schedule.id, last, run, skipped, waiting, now))


def _alike(one: When, other: When) -> bool:
    """Whether they have the same slots: an interval keeps those that it began with."""
    if isinstance(one, Interval) and isinstance(other, Interval):
        return one.every == other.every
    return one == other
