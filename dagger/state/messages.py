"""Folds of messages: published, delivered, settled, swept away.

Everything that happens often happens here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagger.state import budgets, repeats
from dagger.state.joins import arrive, close, close_whole, start, withdraw
from dagger.state.queues import (
    ARRIVED,
    PENDING,
    SETTLED,
    WAITING,
    Answer,
    Channel,
    Delivery,
    Envelope,
    Route,
    Scope,
)
from dagger.state.run import DeadLetter, Output, Run
from dagger.state.tasks import Tasks
from dagger.state.waits import answer, nobody_heard
from dagger.words.effects import (
    CacheWrite,
    Effect,
    Publication,
    RepeatOf,
    Reply,
    TaskWrite,
    is_request,
    make,
)
from dagger.words.outcomes import DEAD_LETTER, Disposition
from dagger.words.payload import encode
from dagger.words.records import (
    ABANDONED,
    BatchDue,
    Failure,
    Published,
    Quieted,
    Requested,
    Settled,
    Streamed,
    Swept,
    Wrote,
)

if TYPE_CHECKING:
    from dagger.state.state import State

_OK = int(Disposition.OK)
_JOINED = int(Disposition.JOINED)
_REJECTED = int(Disposition.REJECTED)
_DROPPED = int(Disposition.DROPPED)
_CANCELLED = int(Disposition.CANCELLED)
_DISCARDED = int(Disposition.DISCARDED)


def published(state: State, record: Published) -> None:
    """A message from outside."""
    run = state.runs[record.run]
    place = run.outside
    run.outside = place + 1
    if record.dropped:
        _drop(state, run, record.dropped, record.at)
    run.blamed += record.blame
    brought(state, run, record.publication)
    publish(state, run, record.publication, None, place, record.at)
    if run.joins is not None:
        close_scopes(state, run, record.at)


def brought(state: State, run: Run, publication: Publication) -> None:
    """Count what the outside brings in, as long as the run is open."""
    run.brought += len(publication.payload)
    state.backlog += len(publication.payload)


def publish(
    state: State,
    run: Run,
    publication: Publication,
    publisher: Delivery | None,
    place: int,
    at: float,
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
    run.bytes += len(publication.payload)
    heard = lane.routes and _deliver(
        state, run, lane.routes, publication, publisher, place, at, exempt, lane.joins
    )
    if not heard:
        lane.outputs += 1
        parent = 0 if publisher is None else publisher.number
        run.put_out(make(Output, (channel, publication.payload, parent, place)))
        if publication.headers and is_request(publication):
            nobody_heard(run, publication, place)


def _deliver(
    state: State,
    run: Run,
    routes: tuple[Route, ...],
    publication: Publication,
    publisher: Delivery | None,
    place: int,
    at: float,
    exempt: bool,
    special: bool,
) -> bool:
    """A delivery for each agent that is to hear the message; whether there is any.

    `special` says that parts of joins are among them, or that the message opens a scope.
    """
    source = None if publisher is None else publisher.queue.subscriber
    if special or publisher is None or publisher.bond is not None:
        envelope = _enveloped(state, publication, publisher, place, at, special)
    else:  # the same, without the call: the usual case
        above = publisher.envelope
        cause = above.publication.id or above[1:3]
        by = source.name  # type: ignore[union-attr]
        fields = (publication, publisher.number, place, by, cause, at, above.scopes)
        envelope = make(Envelope, fields)
    if publication.headers and (budget := budgets.budget_of(publication)) is not None:
        envelope = budgets.opened(state, run, envelope, budget)
    deliveries = run.deliveries
    before = number = run.next
    for subscriber, queue, tally in routes:
        if subscriber is source and not (subscriber.hears_itself or exempt):
            continue
        number += 1
        delivery = deliveries[number] = Delivery(number, envelope, queue, tally)
        tally[0] += 1
        if special and subscriber.join is not None:
            part_came(state, run, delivery, at)
            continue
        if envelope.scopes:
            run.joining().begun(delivery)
        if publication.timing is not None:
            _time(state, delivery, *publication.timing)
            continue
        if not state.lined_up:
            delivery.stage = ARRIVED
            continue
        # As `Queue.push`, without the call.
        queue.pending.append(delivery)
        queue.depth += 1
        if not queue.listed or subscriber.bell is not None:
            queue.call()
    run.next = number
    return number > before


def _enveloped(
    state: State,
    publication: Publication,
    publisher: Delivery | None,
    place: int,
    at: float,
    special: bool,
) -> Envelope:
    """The message with where it comes from, and what it descends from."""
    scopes: tuple[Scope, ...] = ()
    if publisher is None:
        parent, by, cause = 0, "", None
    else:
        above = publisher.envelope  # what was being handled
        parent, by = publisher.number, publisher.queue.subscriber.name
        cause = above.publication.id or above[1:3]
        scopes = above.scopes if publisher.bond is None else publisher.bond.scopes
    if special and publication.channel in state.scoping:
        scopes = (*scopes, (parent, place, publication.channel))
    envelope: Envelope = make(Envelope, (publication, parent, place, by, cause, at, scopes))
    return envelope


def part_came(state: State, run: Run, part: Delivery, at: float) -> None:
    """A part of a join takes its place among the others, or has come too late for them."""
    if not arrive(state, run, part):
        sweep(state, run, (part.number,), _CANCELLED, at)
    elif part.envelope.publication.timing is not None and state.timekeeper is not None:
        state.timekeeper(part)


def _time(state: State, delivery: Delivery, due: float, expires: float) -> None:
    """It waits until it is due, or may expire: who keeps the time is told."""
    if due:
        delivery.stage, delivery.due = WAITING, due
    elif state.lined_up:
        delivery.queue.push(delivery)
    else:
        delivery.stage = ARRIVED
    if state.timekeeper is not None:
        state.timekeeper(delivery)


def settled(state: State, record: Settled) -> None:
    """One delivery's end, and everything that its invocation held back."""
    # Unpacked once: this is the fold that everything goes through.
    (of, number, disposition, attempt, started, ended, failure, effects, dropped, blame) = record
    run = state.runs[of]
    delivery = run.deliveries.pop(number)
    _end(state, run, delivery, disposition, ended, effects)
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
        run.blamed += 1
    if failure is not None:
        _failed(run, delivery, record, failure)
    if queue.keys is not None:
        queue.release(delivery)
    if run.task_fold is not None:
        _tasks_settled(run.task_fold, record)
    if publication.headers and is_request(publication):
        answer(run, delivery, disposition, failure, effects)
    if delivery.bond is not None:
        _parts_ended(state, run, delivery, disposition, ended, record)
    place = 0
    for effect in effects:
        if type(effect) is Publication:
            publish(state, run, effect, delivery, place, ended)
            place += 1
        elif type(effect) is RepeatOf:
            run.tree.note(number, f"duplicate of {effect.first}")
        elif type(effect) is not Reply:
            write(state, run, effect)
    if run.joins is not None:
        _published(state, run, delivery, place, ended)


def _published(state: State, run: Run, publisher: Delivery, count: int, at: float) -> None:
    """Messages count in the budgets that their publisher draws on, which are scopes of joins."""
    if run.accounts is not None:
        budgets.published(run, publisher, count, at)
    close_scopes(state, run, at)


def _parts_ended(
    state: State,
    run: Run,
    lead: Delivery,
    disposition: int,
    at: float,
    record: Settled | None = None,
) -> None:
    """What a delivery was handled with ends with it; one that was rejected ends alone."""
    assert lead.bond is not None
    if disposition == _REJECTED:
        withdraw(state, run, lead)
        return
    for part in lead.bond.parts:
        if run.deliveries.pop(part.number, None) is None:
            continue
        _end(state, run, part, _JOINED, at)
        if is_request(part.envelope.publication):
            failure, effects = (record.failure, record.effects) if record else (None, ())
            answer(run, part, disposition, failure, effects)
        run.tree.join(part.number, lead.number)
        _grow(run, part, _JOINED, at)


def close_scopes(state: State, run: Run, at: float) -> None:
    """Scopes that have become quiet are closed; what is left in them is not handled."""
    joins = run.joining()
    while joins.empty:
        left = close(state, run)
        if left:
            sweep(state, run, tuple(each.number for each in left), _DISCARDED, at)


def quieted(state: State, record: Quieted) -> None:
    """The scope of the run itself is closed."""
    run = state.runs[record.run]
    left = close_whole(state, run)
    if left:
        sweep(state, run, tuple(each.number for each in left), _DISCARDED, record.at)
    close_scopes(state, run, record.at)


def batch_due(state: State, record: BatchDue) -> None:
    """What there is of a batch is handled."""
    run = state.runs[record.run]
    part = run.deliveries[record.delivery]
    join = part.queue.subscriber.join
    if join is not None:
        parts = run.joining().group(part, join).all()
        start(state, run.joining(), parts)


def _tasks_settled(tasks: Tasks, record: Settled) -> None:
    """What it claimed and did not complete stays in progress, or is pending again."""
    if record.disposition == _OK:
        tasks.settled(record.delivery)
    else:
        tasks.release(record.delivery, record.ended)


def _end(
    state: State,
    run: Run,
    delivery: Delivery,
    disposition: int,
    at: float,
    effects: tuple[Effect, ...] = (),
) -> None:
    """The bookkeeping of one ended delivery that every kind of end shares."""
    if run.joins is not None:
        run.joins.ended(delivery)
    if delivery.stage == PENDING:
        queue = delivery.queue
        queue.depth -= 1
        delivery.stage = SETTLED
        queue.trim()
        if queue.aside is not None:
            queue.aside(delivery)
    else:
        delivery.stage = SETTLED
    delivery.tally[1 + disposition] += 1
    if run.questions:
        run.questions.pop(delivery.number, None)
    if run.keyed is not None:
        repeats.ended(state, delivery, disposition, at, effects)


def _failed(run: Run, delivery: Delivery, record: Settled, failure: Failure) -> None:
    if run.failure is None:
        run.failure = failure
    run.tree.fail(delivery.number, failure)
    if failure.type == ABANDONED:
        run.abandoned += (delivery.node_id,)
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
                delivery.remembered(),
                record.blame,
                None if delivery.stream is None else delivery.stream.flow(),
            )
        )


def _drop(state: State, run: Run, numbers: tuple[int, ...], at: float) -> None:
    sweep(state, run, numbers, _DROPPED, at)
    run.dropped += len(numbers)


def sweep(state: State, run: Run, numbers: tuple[int, ...], disposition: int, at: float) -> None:
    """Deliveries that end without being handled, each with its node in the tree."""
    for number in numbers:
        if run.joins is not None and number not in run.deliveries:
            continue  # it has ended with those that it was to be handled with
        delivery = run.deliveries.pop(number)
        _end(state, run, delivery, disposition, at)
        queue, envelope = delivery.queue, delivery.envelope
        queue.release(delivery)
        if run.task_fold is not None:
            run.task_fold.release(number, at)
        if is_request(envelope.publication):
            answer(run, delivery, disposition)
        if disposition == _DROPPED:
            state.channels[envelope.publication.channel].dropped += 1
        _grow(run, delivery, disposition, at)
        if delivery.bond is not None:
            _parts_ended(state, run, delivery, disposition, at)


def _grow(run: Run, delivery: Delivery, disposition: int, at: float) -> None:
    """The tree's node of a delivery that ended without being handled."""
    envelope = delivery.envelope
    run.tree.add(
        delivery.number,
        envelope.parent,
        envelope.place,
        envelope.publication.channel,
        delivery.queue.subscriber.name,
        disposition,
        delivery.attempts,
        at,
        at,
    )


def swept(state: State, record: Swept) -> None:
    """Deliveries that end without being handled."""
    run = state.runs[record.run]
    sweep(state, run, record.deliveries, record.disposition, record.at)
    if run.joins is not None:
        close_scopes(state, run, record.at)


def write(state: State, run: Run | None, effect: Effect) -> None:
    """One change of a cache or of tasks; what is neither changes nothing here."""
    if isinstance(effect, CacheWrite):
        (state.shared if effect.shared or run is None else run.cache).apply(effect)
    elif isinstance(effect, TaskWrite) and run is not None:
        run.tasks.apply(effect)


def requested(state: State, record: Requested) -> None:
    """A request, published at once."""
    run = state.runs[record.run]
    delivery = run.deliveries[record.delivery]
    delivery.keep("requested", record.key, Answer(encode(record.place)))
    publish_now(state, run, delivery, record, exempt=True)


def publish_now(
    state: State, run: Run, publisher: Delivery, record: Requested | Streamed, exempt: bool = False
) -> None:
    """A message of an invocation that has not settled."""
    if record.dropped:
        _drop(state, run, record.dropped, record.at)
    run.blamed += record.blame
    publish(state, run, record.publication, publisher, record.place, record.at, exempt)
    if run.joins is not None:
        _published(state, run, publisher, 1, record.at)


def wrote(state: State, record: Wrote) -> None:
    """Changes that took effect at once."""
    run = state.runs[record.run] if record.run else None
    for effect in record.effects:
        write(state, run, effect)
