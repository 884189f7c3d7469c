"""The whole of what an executor knows, and the one function that changes it.

`State.apply(record)` looks the record's kind up in a table and runs its fold.
Live work, recovery and tests all go through it. An unknown record, or one that
names a run that is not there, raises before anything has changed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from dagger.state.cache import Cache
from dagger.state.queues import (
    PENDING,
    SETTLED,
    WAITING,
    Channel,
    Delivery,
    Envelope,
    Lane,
    Route,
    Subscriber,
    new_tally,
)
from dagger.state.run import DeadLetter, Keep, Output, Question, Run
from dagger.state.tasks import Tasks
from dagger.state.tree import Names
from dagger.words.effects import (
    REPLY_TO,
    CacheWrite,
    Effect,
    Publication,
    Reply,
    TaskWrite,
    is_request,
    make,
)
from dagger.words.ids import node_id
from dagger.words.outcomes import DEAD_LETTER, Disposition, RunStatus
from dagger.words.payload import encode
from dagger.words.records import (
    ABANDONED,
    AgentAdded,
    AgentRemoved,
    Asked,
    AttemptFailed,
    ChannelOpened,
    ChannelShut,
    Emitted,
    Failure,
    Kept,
    LetterDiscarded,
    Logged,
    Published,
    Record,
    Requested,
    RunCancelling,
    RunEnded,
    RunOpened,
    RunsForgotten,
    Settled,
    Spent,
    Swept,
    Wrote,
)

_STATUS = {each.value: each for each in RunStatus}
_OK = int(Disposition.OK)
_DROPPED = int(Disposition.DROPPED)


class State:
    """Agents, channels, runs and the shared cache, at exactly one journal position."""

    def __init__(self, keep: Keep | None = None) -> None:
        self.keep = keep or Keep()
        self.position = 0  # records applied
        self.wiring = 0  # grows whenever routes have to be made anew
        self._wires: dict[str, tuple[tuple[Subscriber, ...], bool]] = {}
        self._wired = -1  # the wiring that those were worked out for
        self.next_run = 0  # number of the latest run
        self.subscribers: dict[str, Subscriber] = {}
        self.channels: dict[str, Channel] = {}
        self.runs: dict[int, Run] = {}
        self.run_numbers: dict[str, int] = {}
        self.open_runs = 0
        self.backlog = 0  # bytes that the outside has brought into open runs
        self.shared = Cache()
        self.names = Names()

    def apply(self, record: Record) -> None:
        """Make one fact true. Raises KeyError for a record of an unknown kind."""
        _FOLDS[type(record)](self, record)
        self.position += 1

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
        hearers, lane.closed = self._heard(name)
        lane.wiring = self.wiring
        if not hearers and not lane.routes:
            return  # a channel that nobody hears: most runs have one, for their outputs
        known = lane.tallies()
        routes = []
        for each in hearers:
            tally = known.pop(each.name, None) or new_tally()
            routes.append(make(Route, (each, run.queue(each), tally)))
        lane.routes = tuple(routes)
        lane.retired = tuple(known.items())

    def _heard(self, name: str) -> tuple[tuple[Subscriber, ...], bool]:
        """Who subscribes to a channel, and whether it is closed, as things are now."""
        if self._wired != self.wiring:
            self._wires, self._wired = {}, self.wiring
        found = self._wires.get(name)
        if found is None:
            hearers = [each for each in self.subscribers.values() if name in each.subscriptions]
            closed = name in self.channels and self.channels[name].closed
            found = self._wires[name] = tuple(hearers), closed
        return found


def _agent_added(state: State, record: AgentAdded) -> None:
    known = state.subscribers.get(record.name)
    if known is None:
        state.subscribers[record.name] = Subscriber(
            record.name, record.subscriptions, record.hears_itself
        )
    else:  # replaced: what is pending stays pending, for its successor
        known.subscriptions = record.subscriptions
        known.hears_itself = record.hears_itself
    state.wiring += 1


def _agent_removed(state: State, record: AgentRemoved) -> None:
    state.subscribers[record.name].subscriptions = ()  # one of its name would be its successor
    state.wiring += 1


def _channel_opened(state: State, record: ChannelOpened) -> None:
    channel = state.channels.get(record.name)
    if channel is None:
        state.channels[record.name] = Channel(record.name, record.at)
    else:
        channel.closed = False
        state.wiring += 1


def _channel_shut(state: State, record: ChannelShut) -> None:
    state.channels[record.name].closed = True
    state.wiring += 1


def _run_opened(state: State, record: RunOpened) -> None:
    first = record.first
    run = Run(
        record.run,
        record.id,
        first,
        record.limits,
        record.at,
        state.keep,
        state.names,
    )
    state.next_run = record.run
    state.runs[record.run] = run
    state.run_numbers[record.id] = record.run
    state.open_runs += 1
    run.outside = 1
    _brought(state, run, first)
    _publish(state, run, first, None, 0, record.at)


def _published(state: State, record: Published) -> None:
    run = state.runs[record.run]
    place = run.outside
    run.outside = place + 1
    if record.dropped:
        _drop(state, run, record.dropped, record.at)
    run.blamed |= record.blame
    _brought(state, run, record.publication)
    _publish(state, run, record.publication, None, place, record.at)


def _brought(state: State, run: Run, publication: Publication) -> None:
    run.brought += len(publication.payload)
    state.backlog += len(publication.payload)


def _publish(
    state: State,
    run: Run,
    publication: Publication,
    publisher: Delivery | None,
    place: int,
    at: float,
    *,
    exempt: bool = False,
) -> None:
    """One message: a delivery for each agent that hears it, or an output if none does.

    An agent does not hear itself, unless it says so or the message is a request.
    """
    channel = publication.channel
    lane = run.lanes.get(channel)
    if lane is None or lane.wiring != state.wiring:
        lane = state.lane(run, channel)
    if not lane.messages and channel not in state.channels:
        state.channels[channel] = Channel(channel, at)
    lane.messages += 1
    run.messages += 1
    if publisher is None:
        source = None
        envelope = make(Envelope, (publication, 0, place, "", None, at))
    else:
        source = publisher.queue.subscriber
        above = publisher.envelope  # what was being handled
        cause = above.publication.id or above[1:3]
        fields = (publication, publisher.number, place, source.name, cause, at)
        envelope = make(Envelope, fields)
    deliveries = run.deliveries
    before = number = run.next
    for subscriber, queue, tally in lane.routes:
        if subscriber is source and not (subscriber.hears_itself or exempt):
            continue
        number += 1
        delivery = deliveries[number] = Delivery(number, envelope, queue, tally)
        tally[0] += 1
        queue.push(delivery)
    run.next = number
    if number == before:
        lane.outputs += 1
        run.put_out(Output(publication.channel, publication.payload, envelope.parent, place))


def _settled(state: State, record: Settled) -> None:
    # Unpacked once: this is the fold that everything goes through.
    (of, number, disposition, attempt, started, ended, failure, effects, dropped, blame) = record
    run = state.runs[of]
    delivery = run.deliveries.pop(number)
    _end(run, delivery, disposition)
    queue, envelope = delivery.queue, delivery.envelope
    publication = envelope.publication
    tree = run.tree_fold
    if tree is None:
        tree = run.tree
    tree.add(
        number,
        envelope.parent,
        envelope.place,
        publication.channel,
        queue.subscriber.name,
        disposition,
        attempt,
        started,
        ended,
    )
    if dropped:
        _drop(state, run, dropped, ended)
    if blame:
        run.blamed = True
    if failure is not None:
        _failed(run, delivery, record, failure)
    if queue.keys is not None:
        queue.release(delivery)
    if run.task_fold is not None:
        _tasks_settled(run.task_fold, record)
    if publication.headers and is_request(publication):
        _reply(run, delivery, record)
    place = 0
    for effect in effects:
        if type(effect) is Publication:
            _publish(state, run, effect, delivery, place, ended)
            place += 1
        elif type(effect) is not Reply:
            _write(state, run, effect)


def _tasks_settled(tasks: Tasks, record: Settled) -> None:
    """What it claimed and did not complete stays in progress, or is pending again."""
    if record.disposition == _OK:
        tasks.settled(record.delivery)
    else:
        tasks.release(record.delivery, record.ended)


def _end(run: Run, delivery: Delivery, disposition: int) -> None:
    """The bookkeeping of one ended delivery that every kind of end shares."""
    if delivery.stage == PENDING:
        delivery.queue.depth -= 1
        delivery.stage = SETTLED
        delivery.queue.trim()
    else:
        delivery.stage = SETTLED
    delivery.tally[1 + disposition] += 1
    run.handled += 1
    if run.questions:
        number = delivery.number
        run.questions = {key: q for key, q in run.questions.items() if key[0] != number}


def _failed(run: Run, delivery: Delivery, record: Settled, failure: Failure) -> None:
    if run.failure is None:
        run.failure = failure
    run.tree.fail(delivery.number, failure)
    if failure.type == ABANDONED:
        run.abandoned += (node_id(delivery.queue.subscriber.name, run.id, delivery.number),)
    if record.disposition in DEAD_LETTER:
        run.bury(
            DeadLetter(
                delivery.number,
                delivery.envelope,
                delivery.queue.subscriber.name,
                record.disposition,
                record.attempt,
                failure,
                record.ended,
            )
        )


def _drop(state: State, run: Run, numbers: tuple[int, ...], at: float) -> None:
    _sweep(state, run, numbers, _DROPPED, at)
    run.dropped += len(numbers)


def _sweep(state: State, run: Run, numbers: tuple[int, ...], disposition: int, at: float) -> None:
    """Deliveries that end without being handled, each with its node in the tree."""
    for number in numbers:
        delivery = run.deliveries.pop(number)
        _end(run, delivery, disposition)
        queue, envelope = delivery.queue, delivery.envelope
        queue.release(delivery)
        if run.task_fold is not None:
            run.task_fold.release(number, at)
        if is_request(envelope.publication):
            _reply(run, delivery, None)
        channel = envelope.publication.channel
        if disposition == _DROPPED:
            state.channels[channel].dropped += 1
        run.tree.add(
            number,
            envelope.parent,
            envelope.place,
            channel,
            queue.subscriber.name,
            disposition,
            delivery.attempts,
            at,
            at,
        )


def _swept(state: State, record: Swept) -> None:
    _sweep(state, state.runs[record.run], record.deliveries, record.disposition, record.at)


def _attempt_failed(state: State, record: AttemptFailed) -> None:
    run = state.runs[record.run]
    delivery = run.deliveries[record.delivery]
    delivery.attempts = record.attempt
    delivery.due = record.due
    if delivery.stage == PENDING:  # replayed: no worker has taken it
        delivery.queue.depth -= 1
    delivery.stage = WAITING
    run.retries += 1
    if run.failure is None:
        run.failure = record.failure
    if run.task_fold is not None:
        run.task_fold.release(record.delivery, record.ended)


def _kept(state: State, record: Kept) -> None:
    run = state.runs[record.run]
    run.deliveries[record.delivery].keep(record.name, record.key, record.value)
    if run.questions and record.name == "ask":
        answered = record.delivery, record.key
        run.questions = {key: q for key, q in run.questions.items() if key != answered}


def _asked(state: State, record: Asked) -> None:
    run = state.runs[record.run]
    question = Question(record.delivery, record.name, record.question, record.at)
    run.questions = {**run.questions, (record.delivery, record.name): question}


def _requested(state: State, record: Requested) -> None:
    run = state.runs[record.run]
    delivery = run.deliveries[record.delivery]
    delivery.keep("requested", record.key, b"")
    if record.dropped:
        _drop(state, run, record.dropped, record.at)
    run.blamed |= record.blame
    _publish(state, run, record.publication, delivery, record.place, record.at, exempt=True)


def _reply(run: Run, delivery: Delivery, record: Settled | None) -> None:
    """Answer the request that `delivery` was, whatever became of it: nobody waits for ever.

    The answer is (1, value) or (0, problem). Of several hearers the first to end
    answers; an asker that has settled meanwhile has no use for it.
    """
    asker_number, _, key = dict(delivery.envelope.publication.headers)[REPLY_TO].partition("/")
    asker = run.deliveries.get(int(asker_number))
    if asker is None:
        return
    replies = [each for each in record.effects if type(each) is Reply] if record else []
    if replies:
        asker.keep("request", key, replies[0].value)
    else:
        name = delivery.queue.subscriber.name
        problem = record.failure.message if record and record.failure else "it was not handled"
        asker.keep("request", key, encode([0, f"agent {name!r}: {problem}"]))


def _spent(state: State, record: Spent) -> None:
    run = state.runs[record.run]
    run.tokens += record.tokens
    run.tree.spend(record.delivery, record.tokens)


def _seen(state: State, record: Emitted | Logged) -> None:
    """Only told to watchers: nothing of it is remembered here."""


def _wrote(state: State, record: Wrote) -> None:
    run = state.runs.get(record.run)
    for effect in record.effects:
        _write(state, run, effect)


def _write(state: State, run: Run | None, effect: Effect) -> None:
    if isinstance(effect, CacheWrite):
        (state.shared if effect.shared or run is None else run.cache).apply(effect)
    elif isinstance(effect, TaskWrite) and run is not None:
        run.tasks.apply(effect)


def _run_cancelling(state: State, record: RunCancelling) -> None:
    run = state.runs[record.run]
    run.status = RunStatus.CANCELLING
    run.target = _STATUS[record.status]
    run.reason = record.reason


def _run_ended(state: State, record: RunEnded) -> None:
    run = state.runs[record.run]
    run.status = _STATUS[record.status]
    run.reason = record.reason
    run.ended_at = record.at
    for lane in run.lanes.values():
        lane.retire()
    run.queues = {}
    state.open_runs -= 1
    state.backlog -= run.brought


def _runs_forgotten(state: State, record: RunsForgotten) -> None:
    for number in record.runs:
        run = state.runs.pop(number)
        del state.run_numbers[run.id]
        for name, lane in run.lanes.items():
            if lane.messages:
                state.channels[name].forgotten += lane.messages


def _letter_discarded(state: State, record: LetterDiscarded) -> None:
    run = state.runs[record.run]
    kept = [each for each in run.dead_letters or () if each.delivery != record.delivery]
    run.dead_letters = deque(kept, maxlen=run.keep.dead_letters)


_FOLDS: dict[type[Any], Callable[[State, Any], None]] = {
    AgentAdded: _agent_added,
    AgentRemoved: _agent_removed,
    ChannelOpened: _channel_opened,
    ChannelShut: _channel_shut,
    RunOpened: _run_opened,
    Published: _published,
    Settled: _settled,
    Swept: _swept,
    AttemptFailed: _attempt_failed,
    Kept: _kept,
    Asked: _asked,
    Requested: _requested,
    Spent: _spent,
    Emitted: _seen,
    Logged: _seen,
    Wrote: _wrote,
    RunCancelling: _run_cancelling,
    RunEnded: _run_ended,
    RunsForgotten: _runs_forgotten,
    LetterDiscarded: _letter_discarded,
}
