"""Comparing: where what an invocation came to then differs from what it comes to now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from dagger.rules.violation import shown
from dagger.words.effects import CacheWrite, Effect, Publication, Reply, TaskWrite
from dagger.words.errors import shortened
from dagger.words.outcomes import Disposition
from dagger.words.payload import decode, same

if TYPE_CHECKING:
    from dagger.executor.recorded import Attempt
    from dagger.words.records import Failure, Settled

T = TypeVar("T")

OK, FAILED, REJECTED, ACCEPTED = "ok", "failed", "rejected", "accepted"

_ENDS = {
    int(Disposition.OK): OK,
    int(Disposition.DEAD): FAILED,
    int(Disposition.REJECTED): REJECTED,
}


class Made(NamedTuple):
    """What an invocation came to."""

    end: str
    """OK, FAILED or REJECTED; ACCEPTED where the handler was not called."""
    failure: Failure | None = None
    effects: tuple[Effect, ...] = ()
    claims: tuple[str, ...] = ()
    """Ids of the tasks it took."""
    requests: Mapping[str, Publication] = {}
    items: tuple[Publication, ...] = ()
    """What it streamed."""
    unknown: str = ""
    """What it asked for that is not in the record, in a sentence: it got no further."""


class Change(NamedTuple):
    """One thing that is not as it was."""

    what: str
    was: str
    now: str


def recorded(record: Settled, attempt: Attempt) -> Made:
    """What it came to then."""
    return Made(
        _ENDS[record.disposition],
        record.failure,
        record.effects,
        tuple(each.task.id for each in attempt.claims),
        attempt.requests,
        attempt.items,
    )


def compared(was: Made, now: Made) -> Iterator[Change]:
    """What is not as it was; of each kind of effect, the first."""
    for key in sorted(now.requests.keys() & was.requests.keys()):  # what got the old answer
        one, other = was.requests[key], now.requests[key]
        if not _same_message(one, other):
            yield Change(f"request {key}", _message(one), _message(other))
    if now.unknown:
        yield Change("end", _end(was), now.unknown)
    elif now.end == ACCEPTED:
        if was.end == REJECTED:
            yield Change("end", _end(was), ACCEPTED)
    elif was.end != now.end:
        yield Change("end", _end(was), _end(now))
    elif was.end == OK:
        yield from _effects(was, now)
    elif was.end == FAILED and was.failure and now.failure and was.failure.type != now.failure.type:
        yield Change("failure", _why(was.failure), _why(now.failure))


def _effects(was: Made, now: Made) -> Iterator[Change]:
    yield from _first("item", was.items, now.items, _same_message, _message)
    for kind, what, alike, told in _KINDS:
        ours, others = ([x for x in each.effects if type(x) is kind] for each in (was, now))
        yield from _first(what, ours, others, alike, told)
    yield from _first("claim", was.claims, now.claims, str.__eq__, str)


def _first(
    what: str,
    was: Sequence[T],
    now: Sequence[T],
    alike: Callable[[T, T], bool],
    told: Callable[[T], str],
) -> Iterator[Change]:
    """The first place at which two lists are not alike, if there is one."""
    for place, (one, other) in enumerate(zip_longest(was, now)):
        if one is None or other is None or not alike(one, other):
            here, there = ("none" if each is None else told(each) for each in (one, other))
            yield Change(f"{what} {place}", here, there)
            return


# -- of each kind --------------------------------------------------------------------


def _same_message(one: Publication, other: Publication) -> bool:
    return one.channel == other.channel and _same_value(one.payload, other.payload)


def _same_write(one: CacheWrite, other: CacheWrite) -> bool:
    return one._replace(value=b"") == other._replace(value=b"") and _same_value(
        one.value, other.value
    )


def _same_task(one: TaskWrite, other: TaskWrite) -> bool:
    """When it was asked for, and for whom, does not count."""
    one, other = (each._replace(holder=0, at=0.0) for each in (one, other))
    return one._replace(data=b"") == other._replace(data=b"") and _same_value(one.data, other.data)


def _same_reply(one: Reply, other: Reply) -> bool:
    return _same_value(one.value, other.value)


def _same_value(one: bytes, other: bytes) -> bool:
    return one == other or (bool(one and other) and same(one, other))


def _message(message: Publication) -> str:
    return f"{message.channel} {_value(message.payload)}"


def _write(write: CacheWrite) -> str:
    return f"{write.op} {write.namespace}.{write.key} {_value(write.value)}".rstrip()


def _task(write: TaskWrite) -> str:
    words = (write.op, write.task_id, write.task_type, write.status, _value(write.data))
    return " ".join(filter(None, words))


def _reply(reply: Reply) -> str:
    return _value(reply.value)


def _value(blob: bytes) -> str:
    return shown(decode(blob)) if blob else ""


_KINDS: tuple[tuple[Any, str, Callable[[Any, Any], bool], Callable[[Any], str]], ...] = (
    (Publication, "message", _same_message, _message),
    (CacheWrite, "cache write", _same_write, _write),
    (TaskWrite, "task write", _same_task, _task),
    (Reply, "reply", _same_reply, _reply),
)


def _end(made: Made) -> str:
    return made.end if made.failure is None else f"{made.end}, {_why(made.failure)}"


def _why(failure: Failure) -> str:
    return shortened(f"{failure.type}: {failure.message}")
