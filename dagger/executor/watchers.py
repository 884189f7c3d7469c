"""Watchers: any number, each with bounded memory, each told what it missed.

A cursor says where a stream stands: behind which record, and which of its events.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, Self
from weakref import ref

import anyio

from dagger.executor.events import (
    Answered,
    Emission,
    Event,
    LogLine,
    Missed,
    Outcome,
    Retraction,
)
from dagger.state.run import Question
from dagger.views.questions import open_question, question_id
from dagger.words.effects import Effect, Publication, RepeatOf, request_key
from dagger.words.ids import message_id, node_id
from dagger.words.outcomes import DISPOSITIONS, Disposition
from dagger.words.records import (
    Asked,
    Failure,
    Kept,
    Logged,
    Published,
    Record,
    Requested,
    Retracted,
    RunEnded,
    Settled,
    Streamed,
    Swept,
)

if TYPE_CHECKING:
    from dagger.executor.gate import Gate
    from dagger.state.queues import Delivery
    from dagger.state.run import Run
    from dagger.state.state import State
    from dagger.store.contract import Store

Cursor = tuple[int, float]
"""The position of a record in the journal, and how many of its events have been read."""

NOWHERE: Cursor = (0, 0)


def as_text(cursor: Cursor) -> str:
    """A cursor for people to keep: "<record>.<event>"; "" where there is no journal."""
    return f"{cursor[0]}.{cursor[1]}" if cursor[0] else ""


class Events(Protocol):
    """A stream of events: read it with `async for`; it ends with its run, or the executor."""

    @property
    def cursor(self) -> str:
        """Behind the event that was read last: `watch(after=cursor)` goes on there, also in
        another process. "" as long as there is none, and without a store.
        """

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> Event: ...


class Watcher:
    """One reader's stream of events: it keeps the latest, and counts what fell out.

    Read it with `async for`. Where events are gone, Missed stands for them. Tasks that
    read one stream together share its events: each goes to one of them.
    """

    __slots__ = ("__weakref__", "_arrived", "_buffer", "_closed", "_missed", "_only", "at", "run")

    def __init__(self, run: Run | None, only: type[Any] | None, size: int, missed: int) -> None:
        self.run = run
        self._missed = missed
        self._only = only
        self._buffer: deque[tuple[Cursor, Event]] = deque(maxlen=size)
        self._arrived: anyio.Event | None = None
        self._closed = False
        self.at = NOWHERE  # behind the event that was read last

    @property
    def cursor(self) -> str:
        return as_text(self.at)

    @property
    def closed(self) -> bool:
        """Whether nothing more comes."""
        return self._closed

    def put(self, event: Event, at: Cursor = NOWHERE) -> None:
        if self._only is not None and type(event) is not self._only:
            return
        if len(self._buffer) == self._buffer.maxlen:
            self._missed += 1
        self._buffer.append((at, event))
        self._wake()

    def close(self) -> None:
        """Nothing more comes; what is buffered is still read."""
        self._closed = True
        self._wake()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        while not (self._missed or self._buffer):
            if self._closed:
                raise StopAsyncIteration
            if self._arrived is None:
                self._arrived = anyio.Event()
            await self._arrived.wait()
        if self._missed:
            missed, self._missed = self._missed, 0
            return Missed(missed)
        self.at, event = self._buffer.popleft()
        return event

    def _wake(self) -> None:
        arrived, self._arrived = self._arrived, None
        if arrived is not None:
            arrived.set()


class Watchers:
    """Who watches which run, or all of them. A stream that nobody holds is forgotten."""

    def __init__(self, state: State, store: Store, gate: Gate, size: int) -> None:
        self._state = state
        self._store = store
        self._after = gate.after
        self._size = size
        self._watchers: dict[ref[Watcher], None] = {}  # in the order in which they came
        self.stopped = False
        self.any = False

    def outcomes(self, run: Run | None) -> AsyncIterator[Outcome | Missed]:
        """The outcomes of one run, or of all, from now on."""
        return self._follow(run, Outcome, run.handled if run else 0)

    def watch(self, run: Run | None) -> Watcher:
        """Everything told of one run, or of all, from now on."""
        return self._follow(run, None, run.handled if run else 0)

    def behind(self, run: Run | None) -> Watcher:
        """The same for who looks up in the store what came before: Missed says from when on
        that is all there.
        """
        return self._follow(run, None, 0, lookup=True)

    def stop(self) -> None:
        """Every stream ends."""
        self.stopped = True
        for known in tuple(self._watchers):
            self._end(known)

    def _follow(
        self, run: Run | None, only: type[Any] | None, missed: int, lookup: bool = False
    ) -> Watcher:
        """Watching begins with the call, not with the first reading."""
        watcher = Watcher(run, only, self._size, missed)
        known = ref(watcher, self._forget)
        self._watchers[known] = None
        self.any = True
        if lookup:
            self._after(partial(_put, known, Missed(0), NOWHERE))
        if self.stopped:
            self._end(known)
        elif run is not None and run.ended_at is not None:
            self._after(partial(self._end, known))  # its end may not be on disk yet
        return watcher

    def _end(self, known: ref[Watcher]) -> None:
        watcher = known()
        if watcher is not None:
            watcher.close()
        self._forget(known)

    def _forget(self, known: ref[Watcher]) -> None:
        self._watchers.pop(known, None)
        self.any = bool(self._watchers)

    def events(self, record: Record) -> Told:
        """What a record will mean to watchers; asked before it is applied."""
        return told(self._state, record)

    def tell(self, events: Told) -> None:
        """Give events to whoever watches their run by now, once their record is durable."""
        position = self._store.position if self._store.lasting else 0
        for number, (run, event) in enumerate(events, 1):
            for known in tuple(self._watchers):
                watcher = known()
                if watcher is None or watcher.run not in (None, run):
                    continue
                if event is not None:
                    self._after(partial(_put, known, event, (position, number)))
                elif watcher.run is run:
                    self._after(partial(self._end, known))


def _put(known: ref[Watcher], event: Event, at: Cursor) -> None:
    watcher = known()
    if watcher is not None:
        watcher.put(event, at)


Told = tuple[tuple["Run", "Event | None"], ...]
"""Events with their runs; None stands for the end of a run."""


def told(state: State, record: Record) -> Told:
    """What a record means to whoever watches: asked before it is applied, while the
    deliveries that it ends are still there.
    """
    make = _MAKERS.get(type(record))
    return make(state, record) if make is not None else ()


def _outcome(
    run: Run,
    delivery: Delivery,
    disposition: int,
    attempts: int,
    times: tuple[float, float],
    error: Failure | None = None,
    effects: tuple[Effect, ...] = (),
) -> Outcome:
    envelope, agent = delivery.envelope, delivery.queue.subscriber.name
    return Outcome(
        run_id=run.id,
        node_id=node_id(agent, run.id, delivery.number),
        agent=agent,
        channel=envelope.publication.channel,
        message_id=envelope.publication.id or message_id(run.id, envelope.parent, envelope.place),
        status=DISPOSITIONS[disposition],
        attempts=attempts,
        started=times[0],
        ended=times[1],
        error=error,
        publications=tuple(each for each in effects if type(each) is Publication),
        duplicate_of=next((each.first for each in effects if type(each) is RepeatOf), ""),
        request=request_key(envelope.publication),
    )


def _ends(run: Run, numbers: tuple[int, ...], disposition: int, at: float) -> Told:
    """Deliveries that end without being handled."""
    return tuple(
        (run, _outcome(run, delivery, disposition, delivery.attempts, (at, at)))
        for delivery in (run.deliveries[number] for number in numbers)
    )


def _settled(state: State, record: Settled) -> Told:
    run = state.runs[record.run]
    outcome = _outcome(
        run,
        run.deliveries[record.delivery],
        record.disposition,
        record.attempt,
        (record.started, record.ended),
        record.failure,
        record.effects,
    )
    dropped = _ends(run, record.dropped, int(Disposition.DROPPED), record.ended)
    return (*dropped, (run, outcome))


def _published(state: State, record: Published | Requested) -> Told:
    run = state.runs[record.run]
    return _ends(run, record.dropped, int(Disposition.DROPPED), record.at)


def _swept(state: State, record: Swept) -> Told:
    return _ends(state.runs[record.run], record.deliveries, record.disposition, record.at)


def _speaker(
    state: State, record: Streamed | Retracted | Logged | Asked | Kept
) -> tuple[Run, str, str]:
    run = state.runs[record.run]
    agent = run.deliveries[record.delivery].queue.subscriber.name
    return run, agent, node_id(agent, run.id, record.delivery)


def _streamed(state: State, record: Streamed) -> Told:
    run, agent, node = _speaker(state, record)
    publication = record.publication
    emission = Emission(
        run_id=run.id,
        node_id=node,
        agent=agent,
        channel=publication.channel,
        message_id=message_id(run.id, record.delivery, record.place),
        attempt=record.attempt,
        index=record.item,
        restarted=record.restarted,
        payload=publication.payload,
        at=record.at,
    )
    dropped = _ends(run, record.dropped, int(Disposition.DROPPED), record.at)
    return (*dropped, (run, emission))


def _retracted(state: State, record: Retracted) -> Told:
    run, agent, node = _speaker(state, record)
    stream = run.deliveries[record.delivery].stream
    count = 0 if stream is None else stream.length - record.length
    return ((run, Retraction(run.id, node, agent, record.length, count, record.at)),)


def _logged(state: State, record: Logged) -> Told:
    run, agent, node = _speaker(state, record)
    delivery = run.deliveries[record.delivery]
    publication = delivery.envelope.publication
    line = LogLine(
        run_id=run.id,
        node_id=node,
        agent=agent,
        level=record.level,
        text=record.text,
        at=record.at,
        channel=publication.channel,
        attempt=delivery.attempts + 1,
        request=request_key(publication),
    )
    return ((run, line),)


def _asked(state: State, record: Asked) -> Told:
    run, agent, _ = _speaker(state, record)
    return ((run, open_question(run.id, agent, Question(*record[1:]))),)


def _kept(state: State, record: Kept) -> Told:
    if record.name != "ask":
        return ()
    run, _, node = _speaker(state, record)
    id = question_id(run.id, record.delivery, record.key)
    value = None if record.failed else record.value
    return ((run, Answered(run.id, node, id, value, record.by, record.at)),)


def _run_ended(state: State, record: RunEnded) -> Told:
    return ((state.runs[record.run], None),)


_MAKERS: dict[type[Any], Callable[[State, Any], Told]] = {
    Settled: _settled,
    Published: _published,
    Requested: _published,
    Swept: _swept,
    Streamed: _streamed,
    Retracted: _retracted,
    Logged: _logged,
    Asked: _asked,
    Kept: _kept,
    RunEnded: _run_ended,
}
