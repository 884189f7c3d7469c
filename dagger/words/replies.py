"""Replies: how a request ends, as it is kept, and as whoever asked is told.

    [1, value]                                what was replied
    [0, ["nobody"]]                           no agent heard it
    [0, ["unsent", failure]]                  it could not be sent
    [0, ["late", seconds]]                    there was no reply in time
    [0, ["ended", agent, disposition]]        it was not handled
    [0, ["failed", agent, failure]]           who handled it failed for good
    [0, problem]                              as it was kept before there were these

What is kept is enough to build the same error again, in another process too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgpack

from dagger.words.errors import (
    NoResponder,
    RequestDropped,
    RequestFailed,
    RequestRefused,
    RequestTimeout,
    ResponderFailed,
    ScatterFailed,
    SerializationError,
)
from dagger.words.outcomes import DEAD_LETTER, DISPOSITIONS
from dagger.words.payload import encode
from dagger.words.records import LATE, Failure


def replied(value: Any, producer: str) -> bytes:
    """A reply. Raises SerializationError."""
    try:
        return encode([1, value], producer)
    except SerializationError as error:
        inner = "$" + error.path.removeprefix("$[1]")
        raise SerializationError(inner, error.problem, producer) from None


def unheard() -> bytes:
    """No agent hears the request."""
    return _refused("nobody")


def unsent(failure: Failure) -> bytes:
    """The request could not be sent."""
    return _refused("unsent", failure)


def overdue(seconds: float) -> bytes:
    """No reply has come within so many seconds."""
    return _refused("late", seconds)


def unanswered(agent: str, disposition: int, failure: Failure | None) -> bytes:
    """The delivery to `agent` has ended so, without a reply."""
    if disposition in DEAD_LETTER and failure is not None:
        return _refused("failed", agent, failure)
    return _refused("ended", agent, DISPOSITIONS[disposition])


def _refused(*why: Any) -> bytes:
    # The text of an error may hold half a surrogate pair.
    refusal: bytes = msgpack.packb((0, why), unicode_errors="surrogatepass")
    return refusal


def opened(channel: str, blob: bytes) -> Any:
    """The value that was replied on `channel`; raises the RequestFailed that was kept instead."""
    good, told = msgpack.unpackb(blob, unicode_errors="surrogatepass")
    if good:
        return told
    match told:
        case ["nobody"]:
            raise NoResponder(channel)
        case ["unsent", [kind, message, path, causes, trace]]:
            raise RequestRefused(channel, Failure(kind, message, path, tuple(causes), trace))
        case ["late", seconds]:
            raise RequestTimeout(channel, seconds)
        case ["ended", agent, disposition]:
            raise RequestDropped(channel, agent, disposition)
        case ["failed", agent, [kind, message, path, causes, trace]]:
            failure = Failure(kind, message, path, tuple(causes), trace)
            raise ResponderFailed(channel, agent, failure)
    raise RequestFailed(channel, str(told))


def landed(channel: str, blob: bytes) -> tuple[Any, RequestFailed | None]:
    """The value of a reply, or why there is none."""
    try:
        return opened(channel, blob), None
    except RequestFailed as error:
        return None, error


def came_to(
    channel: str, key: str, kept: Mapping[tuple[str, str], Any] | None, blob: bytes
) -> tuple[Any, RequestFailed | None]:
    """What became of the request of a key, by the reply and by what else is `kept` of it: one that
    was cancelled since its time was over is late.
    """
    value, error = landed(channel, blob)
    late = (kept or {}).get((LATE, key))
    if late is not None and isinstance(error, RequestDropped):
        return landed(channel, late.value)
    return value, error


def gathered(channel: str, blobs: Sequence[bytes]) -> list[Any]:
    """The values of several requests, in their order. Raises ScatterFailed."""
    results: list[Any] = []
    failures: dict[int, RequestFailed] = {}
    for place, blob in enumerate(blobs):
        try:
            results.append(opened(channel, blob))
        except RequestFailed as error:
            results.append(None)
            failures[place] = error
    if failures:
        raise ScatterFailed(channel, results, failures) from next(iter(failures.values()))
    return results
