"""Records: one fact each. All state is a fold of them, live and after a crash.

A record says what was decided, never what should be decided: drops, ends and
retries are named in it, so that applying it needs no clock, no policy and no
user code. Runs are named by their number in the journal, deliveries by their
number in the run; number 0 of a run is the outside world.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgpack

from dagger.words.effects import CacheWrite, Effect, Publication, Reply, TaskWrite


class Failure(NamedTuple):
    """Why an attempt failed: plain text only, so that it can be kept."""

    type: str
    message: str
    path: str = ""
    """JSON path, where the failure is about a payload."""
    causes: tuple[str, ...] = ()
    """`type: message` of each cause, nearest first."""
    trace: str = ""
    """Where it was raised: "file:line in function"."""


ABANDONED = "Abandoned"
"""The failure type of an invocation that ignored its cancellation and was given up."""


class AgentAdded(NamedTuple):
    name: str
    subscriptions: tuple[str, ...]
    hears_itself: bool
    at: float


class AgentRemoved(NamedTuple):
    """It hears nothing more; running deliveries settle as they will."""

    name: str
    at: float


class ChannelOpened(NamedTuple):
    name: str
    at: float


class ChannelShut(NamedTuple):
    """Nothing can be published on it until it is opened again."""

    name: str
    at: float


class RunOpened(NamedTuple):
    run: int
    id: str
    limits: dict[str, Any]
    """Those that are set: max_messages, max_tokens, timeout (s), deadline (epoch s)."""
    first: Publication
    at: float


class Published(NamedTuple):
    """A publication from outside into an open run."""

    run: int
    publication: Publication
    dropped: tuple[int, ...]
    blame: bool
    """True if what it drops makes the run fail."""
    at: float


class Settled(NamedTuple):
    """The end of one delivery: acknowledged, and every effect applied with it."""

    run: int
    delivery: int
    disposition: int
    attempt: int
    """Attempts made, 0 where the handler was never called."""
    started: float
    """When the last attempt started, epoch seconds."""
    ended: float
    failure: Failure | None
    effects: tuple[Effect, ...]
    dropped: tuple[int, ...]
    """Deliveries that these effects push out of full queues, oldest first."""
    blame: bool
    """True if this end, or what it drops, makes the run fail."""


class Swept(NamedTuple):
    """Deliveries that end together without being handled: cancelled or discarded."""

    run: int
    deliveries: tuple[int, ...]
    disposition: int
    at: float


class AttemptFailed(NamedTuple):
    """A failed attempt that will be tried again at `due` (epoch seconds)."""

    run: int
    delivery: int
    attempt: int
    started: float
    ended: float
    failure: Failure
    due: float


class Kept(NamedTuple):
    """The answer of a step, sleep, question or request: kept across attempts."""

    run: int
    delivery: int
    name: str
    key: str
    value: bytes
    at: float


class Asked(NamedTuple):
    """A question put to people; its answer comes as Kept under ("ask", name)."""

    run: int
    delivery: int
    name: str
    question: bytes
    at: float


class Requested(NamedTuple):
    """A request published at once; its reply comes as an effect of who answers."""

    run: int
    delivery: int
    key: str
    publication: Publication
    place: int
    dropped: tuple[int, ...]
    blame: bool
    at: float


class Spent(NamedTuple):
    run: int
    delivery: int
    tokens: int


class Emitted(NamedTuple):
    """A value streamed to watchers before the invocation settles."""

    run: int
    delivery: int
    place: int
    payload: bytes
    at: float


class Logged(NamedTuple):
    run: int
    delivery: int
    level: int
    """A number of the standard logging module."""
    text: str
    at: float


class Wrote(NamedTuple):
    """Cache and task changes that take effect at once: leases, and writes from outside."""

    run: int
    """0 for the shared cache."""
    effects: tuple[Effect, ...]


class RunCancelling(NamedTuple):
    """From here on the run only winds down, towards the terminal `status`."""

    run: int
    status: str
    reason: str
    at: float


class RunEnded(NamedTuple):
    run: int
    status: str
    reason: str
    at: float


class RunsForgotten(NamedTuple):
    """Ended runs are no longer kept."""

    runs: tuple[int, ...]


class LetterDiscarded(NamedTuple):
    """A dead letter is no longer kept; it stays counted."""

    run: int
    delivery: int


Record = (
    AgentAdded
    | AgentRemoved
    | ChannelOpened
    | ChannelShut
    | RunOpened
    | Published
    | Settled
    | Swept
    | AttemptFailed
    | Kept
    | Asked
    | Requested
    | Spent
    | Emitted
    | Logged
    | Wrote
    | RunCancelling
    | RunEnded
    | RunsForgotten
    | LetterDiscarded
)

# The position in these tables is the number on disk: append, never reorder.
RECORDS: tuple[type[Any], ...] = (
    AgentAdded,
    AgentRemoved,
    ChannelOpened,
    ChannelShut,
    RunOpened,
    Published,
    Settled,
    Swept,
    AttemptFailed,
    Kept,
    Asked,
    Requested,
    Spent,
    Emitted,
    Logged,
    Wrote,
    RunCancelling,
    RunEnded,
    RunsForgotten,
    LetterDiscarded,
)
EFFECTS: tuple[type[Any], ...] = (Publication, CacheWrite, TaskWrite, Reply)

_record_number = {kind: number for number, kind in enumerate(RECORDS)}
_effect_number = {kind: number for number, kind in enumerate(EFFECTS)}


def pack(record: Record) -> bytes:
    """The bytes of one record: its number and its fields, msgpack."""
    row = (_record_number[type(record)], *(_flat(value) for value in record))
    try:
        blob: bytes = msgpack.packb(row)
    except UnicodeEncodeError:  # the text of an error may hold half a surrogate pair
        blob = msgpack.packb(row, unicode_errors="surrogatepass")
    return blob


def unpack(blob: bytes) -> Record:
    """The record that `pack` was given, but for what is live only.

    Raises ValueError for an unknown number.
    """
    number, *fields = msgpack.unpackb(blob, use_list=False, unicode_errors="surrogatepass")
    if not 0 <= number < len(RECORDS):
        raise ValueError(f"unknown record number {number}: written by a newer version?")
    kind = RECORDS[number]
    mend = _MEND.get(kind)
    record: Record = kind(*(mend(fields) if mend else fields))
    return record


def _flat(value: Any) -> Any:
    """Effects get their number in front; everything else is packed as it is."""
    if type(value) is tuple and value and type(value[0]) in _effect_number:
        return tuple((_effect_number[type(each)], *each) for each in value)
    return value


def _publication(channel: str, payload: bytes, _checked: int, *rest: Any) -> Publication:
    """Schemas are numbered anew in every process, so that no number is taken over."""
    return Publication(channel, payload, 0, *rest)


_EFFECT: tuple[Callable[..., Effect], ...] = (_publication, *EFFECTS[1:])


def _effects(rows: tuple[Any, ...]) -> tuple[Effect, ...]:
    return tuple(_EFFECT[number](*fields) for number, *fields in rows)


def _opened(fields: list[Any]) -> list[Any]:
    fields[3] = _publication(*fields[3])
    return fields


def _published(fields: list[Any]) -> list[Any]:
    fields[1] = _publication(*fields[1])
    return fields


def _settled(fields: list[Any]) -> list[Any]:
    if fields[6] is not None:
        fields[6] = Failure(*fields[6])
    fields[7] = _effects(fields[7])
    return fields


def _attempted(fields: list[Any]) -> list[Any]:
    fields[5] = Failure(*fields[5])
    return fields


def _wrote(fields: list[Any]) -> list[Any]:
    fields[1] = _effects(fields[1])
    return fields


_MEND: dict[type[Any], Callable[[list[Any]], list[Any]]] = {
    RunOpened: _opened,
    Published: _published,
    Settled: _settled,
    AttemptFailed: _attempted,
    Requested: _opened,
    Wrote: _wrote,
}
