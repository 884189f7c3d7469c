"""Requests as a handler makes them: what goes out, under which key, for how long."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from dagger.authoring.publishing import published_by
from dagger.words.effects import FROM_OUTSIDE, REPLY_TO, Publication
from dagger.words.errors import ExecutionError

if TYPE_CHECKING:
    from dagger.authoring.invocation import Invocation


class Request(NamedTuple):
    """One request, named within its invocation."""

    key: str
    publication: Publication
    timeout: float | None
    """Seconds, by the wall clock; None to wait as long as it takes."""
    stops: bool = False
    """Whether who handles it is stopped when that is over, and waited for."""


def made(
    held: Invocation,
    channel: str,
    payload: Any,
    key: str,
    timeout: float | None = None,
    headers: Mapping[str, str] | None = None,
    message_key: str | None = None,
) -> Request:
    """A request of an invocation, ready to be published.

    Raises ChannelUndeclared, SerializationError, ValidationError or ExecutionError.
    """
    ready = published_by(held, channel, payload, key=message_key, headers=headers)
    reply_to = (REPLY_TO, f"{held.delivery.number}/{key}")
    return Request(key, ready._replace(headers=(*ready.headers, reply_to)), patience(timeout))


def renamed(request: Request, key: str) -> Request:
    """The same request under another key."""
    publication = request.publication
    headers = tuple(
        (name, f"{value.partition('/')[0]}/{key}" if name == REPLY_TO else value)
        for name, value in publication.headers
    )
    return request._replace(key=key, publication=publication._replace(headers=headers))


def asking(first: Publication) -> Publication:
    """The first message of a run, as a request of the outside world."""
    return first._replace(headers=(*first.headers, FROM_OUTSIDE))


def patience(timeout: Any) -> float | None:
    """`timeout=` of a request as it was given. Raises ExecutionError for what is none."""
    if timeout is None:
        return None
    number = isinstance(timeout, (int, float)) and not isinstance(timeout, bool)
    if not number or not isfinite(timeout) or timeout <= 0:
        raise ExecutionError(
            f"timeout= of a request is a number of seconds above 0, or None, not {timeout!r}"
        )
    return float(timeout)


def at_once(limit: int | None, count: int) -> int:
    """How many of `count` requests may be in flight. Raises ExecutionError."""
    if limit is None:
        return count
    if type(limit) is not int or limit < 1:
        raise ExecutionError(f"limit= is a whole number of requests, 1 or more, not {limit!r}")
    return limit
