"""The whole of what an executor knows, and the one function that changes it.

`State.apply(record)` looks the record's kind up in a table and runs its fold.
Live work, recovery and tests all go through it. An unknown record, or one that
names a run that is not there, raises before anything has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from dagger.state import letters, lives, messages, repeats, schedules, streaming, tokens, waits
from dagger.state.budgets import Account
from dagger.state.cache import Cache
from dagger.state.plain import Reading
from dagger.state.queues import (
    ARRIVED,
    PENDING,
    Channel,
    Delivery,
    Lane,
    Route,
    Subscriber,
    new_tally,
)
from dagger.state.repeats import Repeats
from dagger.state.run import Keep, Run
from dagger.state.schedules import Schedule
from dagger.state.tokens import Tokens
from dagger.state.tree import Names
from dagger.words.effects import (
    make,
)
from dagger.words.records import (
    AgentAdded,
    AgentRemoved,
    Asked,
    AttemptFailed,
    BatchDue,
    ChannelOpened,
    ChannelShut,
    CommandTaken,
    Condensed,
    Emitted,
    Kept,
    KeyClaimed,
    KeysForgotten,
    LetterDiscarded,
    Logged,
    Published,
    Quieted,
    Record,
    Redriven,
    Requested,
    Restarted,
    Retracted,
    RunCancelling,
    RunEnded,
    RunForked,
    RunOpened,
    RunPaused,
    RunResumed,
    RunsForgotten,
    Scheduled,
    ScheduleHeld,
    Settled,
    SlotsDone,
    Spent,
    Streamed,
    Swept,
    TokenTaken,
    Unscheduled,
    WaitOver,
    Waits,
    Wrote,
)

_Wire = tuple[tuple[Subscriber, ...], bool, bool]
"""Who subscribes to a channel, whether it is closed, and whether joins have to do with it."""


class State:
    """Agents, channels, runs and the shared cache, at exactly one journal position."""

    def __init__(self, keep: Keep | None = None) -> None:
        self.keep = keep or Keep()
        self.position = 0  # records applied
        self.lined_up = True  # whether what arrives is put into its queue at once
        # The executor's: told of each delivery that waits for a time, or may expire.
        self.timekeeper: Callable[[Delivery], None] | None = None
        # And this one of each message that brings a budget.
        self.allotted: Callable[[Run, Account], None] | None = None
        self.wiring = 0  # grows whenever routes have to be made anew
        self.scoping: frozenset[str] = frozenset()  # channels whose messages open scopes
        self._wires: dict[str, _Wire] = {}
        self._hearers: dict[str, list[Subscriber]] = {}  # by channel
        self._wired = -1  # the wiring that those were worked out for
        self.next_run = 0  # number of the latest run
        self.subscribers: dict[str, Subscriber] = {}
        self.codes = b""  # what the agents are: see `codes`; replaced, not changed
        self.channels: dict[str, Channel] = {}
        self.runs: dict[int, Run] = {}
        self.run_numbers: dict[str, int] = {}
        self.open_runs = 0
        self.backlog = 0  # bytes that the outside has brought into open runs
        self.shared = Cache()
        self.commands = 0  # number of the latest command of another process
        self.schedules: dict[str, Schedule] = {}
        self.repeats = Repeats()
        self.tokens = Tokens()
        self.names = Names()

    def apply(self, record: Record) -> None:
        """Make one fact true. Raises KeyError for a record of an unknown kind."""
        _FOLDS[type(record)](self, record)
        self.position += 1

    def replay(self, records: Iterable[Record]) -> None:
        """Apply many, one after the other, of which nobody takes anything meanwhile.

        What arrives and is settled again stands in no queue; what is left is put there. Runs
        are plain as long as they can be (see `plain`), which is a shorter way to the same state.
        """
        folds, position = _FOLDS, self.position
        reading = Reading(self)
        taken, settled = reading.taken, reading.settled
        self.lined_up = False
        try:
            for record in records:
                if type(record) is Settled:  # as most are
                    settled(record)
                elif not taken(record):
                    folds[type(record)](self, record)
                position += 1
        finally:
            reading.finish()
            self.position = position
            self._line_up()

    def _line_up(self) -> None:
        self.lined_up = True
        for run in self.runs.values():
            for delivery in run.deliveries.values():
                if delivery.stage == ARRIVED:
                    delivery.stage = PENDING
                    delivery.queue.push(delivery)

    def lane(self, run: Run, name: str) -> Lane:
        """Where messages of channel `name` go in this run, as the agents are now."""
        lane = run.lanes.get(name)
        if lane is None:
            lane = run.lanes[name] = Lane()
        if lane.wiring != self.wiring:
            self._wire(run, lane, name)
        return lane

    def _wire(self, run: Run, lane: Lane, name: str) -> None:
        """Routes for the agents of now; who comes back goes on with its counts."""
        hearers, lane.closed, lane.joins = self.heard(name)
        lane.wiring = self.wiring
        if not hearers and not lane.routes:
            return  # a channel that nobody hears: most runs have one, for their outputs
        known = lane.tallies() if lane.retired or lane.routes else {}
        routes = []
        for each in hearers:
            tally = known.pop(each.name, None) or new_tally()
            routes.append(make(Route, (each, run.queue(each), tally)))
        lane.routes = tuple(routes)
        lane.retired = tuple(known.items())

    def rewired(self) -> None:
        """Who hears what has changed: routes are made anew when they are needed."""
        self.wiring += 1
        joins = (each.join for each in self.subscribers.values() if each.subscriptions)
        self.scoping = frozenset(each.scope for each in joins if each is not None and each.scope)

    def reaches(self, one: str, other: str) -> bool:
        """Whether what one agent publishes may, by way of others, come to another."""
        known, new = set[str](), {one}
        while new:
            known |= new
            sent = {channel for name in new for channel in self.subscribers[name].publishes}
            heard = {
                each.name
                for each in self.subscribers.values()
                if "*" in sent or not sent.isdisjoint(each.subscriptions)
            }
            if other in heard:
                return True
            new = heard - known
        return False

    def heard(self, name: str) -> _Wire:
        """Who subscribes to a channel, as things are now."""
        if self._wired != self.wiring:
            self._wires, self._hearers, self._wired = {}, self._heard_by(), self.wiring
        found = self._wires.get(name)
        if found is None:
            hearers = self._hearers.get(name, ())
            closed = name in self.channels and self.channels[name].closed
            joins = name in self.scoping or any(each.join is not None for each in hearers)
            found = self._wires[name] = tuple(hearers), closed, joins
        return found

    def _heard_by(self) -> dict[str, list[Subscriber]]:
        """By channel those who subscribe to it: an agent may hear very many."""
        found: dict[str, list[Subscriber]] = {}
        for each in self.subscribers.values():
            for name in dict.fromkeys(each.subscriptions):
                found.setdefault(name, []).append(each)
        return found


_FOLDS: dict[type[Any], Callable[[State, Any], None]] = {
    AgentAdded: lives.agent_added,
    AgentRemoved: lives.agent_removed,
    ChannelOpened: lives.channel_opened,
    ChannelShut: lives.channel_shut,
    RunOpened: lives.run_opened,
    Published: messages.published,
    Settled: messages.settled,
    Swept: messages.swept,
    AttemptFailed: waits.attempt_failed,
    Kept: waits.kept,
    Asked: waits.asked,
    Requested: messages.requested,
    Spent: waits.spent,
    Emitted: waits.seen,
    Logged: waits.seen,
    Wrote: messages.wrote,
    RunCancelling: lives.run_cancelling,
    RunEnded: lives.run_ended,
    RunsForgotten: lives.runs_forgotten,
    LetterDiscarded: letters.letter_discarded,
    Restarted: waits.restarted,
    RunPaused: lives.run_paused,
    RunResumed: lives.run_resumed,
    CommandTaken: lives.command_taken,
    RunForked: lives.run_forked,
    Scheduled: schedules.scheduled,
    Unscheduled: schedules.unscheduled,
    ScheduleHeld: schedules.held,
    SlotsDone: schedules.slots_done,
    Quieted: messages.quieted,
    BatchDue: messages.batch_due,
    Redriven: letters.redriven,
    KeyClaimed: repeats.key_claimed,
    KeysForgotten: repeats.keys_forgotten,
    Streamed: streaming.streamed,
    Retracted: streaming.retracted,
    TokenTaken: tokens.token_taken,
    Waits: waits.waits,
    WaitOver: waits.wait_over,
    Condensed: waits.condensed,
}
