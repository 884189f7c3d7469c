"""From a value to a publication: made plain, encoded once, checked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from math import inf
from typing import TYPE_CHECKING, Any, TypedDict

from dagger.rules.schema import Schema
from dagger.rules.violation import Violation
from dagger.words.budget import Budget, written
from dagger.words.clock import epoch
from dagger.words.effects import (
    BUDGET,
    CLEANUP,
    IDEMPOTENCY_KEY,
    OURS,
    Publication,
    is_cleanup,
    make,
)
from dagger.words.errors import (
    ChannelUndeclared,
    ExecutionError,
    ValidationError,
    shortened,
)
from dagger.words.message import Message
from dagger.words.payload import MAX_BYTES, encoded

if TYPE_CHECKING:
    from dagger.authoring.invocation import Invocation


def publication(
    channel: str,
    value: Any,
    schema: Schema | None,
    agent: str | None,
    limit: int = MAX_BYTES,
    also: Schema | None = None,
) -> Publication:
    """A message for `channel`, ready to be applied.

    `value` is a payload, `schema` what `agent` (None: the outside) promises of it, and
    `also` what the channel itself declares. Raises SerializationError for what is not
    JSON and ValidationError for what breaks a schema, each with its JSON path.
    """
    value, blob = encoded(value, agent or "outside", limit)
    checked = version = 0
    if schema is not None:
        if not schema.is_valid(value):
            raise refusal(schema.violation(value), value, agent, channel, "output")
        checked, version = schema.number, schema.version
    if also is not None and also is not schema:
        if not also.is_valid(value):
            raise refusal(also.violation(value), value, agent, channel, "output")
        version = version or also.version
    return make(Publication, (channel, blob, checked, None, None, (), "", "", version, None))


def addressed(
    channel: str,
    value: Any,
    schema: Schema | None,
    agent: str | None,
    limit: int = MAX_BYTES,
    also: Schema | None = None,
    *,
    key: str | None = None,
    task_id: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Publication:
    """The same, of a payload or a Message, with a key, a task or headers of its own.

    What a Message says of itself counts where nothing else is given. One that was
    received is published anew, by whoever passes it on; and the ids of what agents
    publish are not given but derived.
    """
    if type(value) is not Message:
        ready = publication(channel, value, schema, agent, limit, also)
        if key is None and task_id is None and not headers:
            return ready
        return ready._replace(key=_text(key), task_id=_text(task_id), headers=_pairs(headers))
    ready = publication(channel, value.payload, schema, agent, limit, also)
    received = value.run_id is not None
    return ready._replace(
        key=_text(key or value.key),
        task_id=_text(task_id or value.task_id),
        headers=_pairs(headers or value.headers),
        source="" if received else str(value.source),
        id="" if received or agent is not None else str(value.id),
    )


def published_by(
    held: Invocation,
    channel: str,
    value: Any,
    *,
    key: str | None = None,
    task_id: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Publication:
    """The same, of an invocation, on a channel that its agent has declared.

    Raises ChannelUndeclared, SerializationError or ValidationError.
    """
    agent, host = held.agent, held.host
    if channel not in agent.publish and not agent.publish_any:
        raise ChannelUndeclared(channel, agent.name, tuple(agent.publish))
    ready = addressed(
        channel,
        value,
        agent.publish.get(channel),
        agent.name,
        host.max_payload_bytes,
        host.channel_schemas.get(channel),
        key=key,
        task_id=task_id,
        headers=headers,
    )
    cleans = held.publication.headers and is_cleanup(held.publication)
    return ready._replace(headers=(*ready.headers, CLEANUP)) if cleans else ready


class Timing(TypedDict, total=False):
    """When a message is delivered, and how long it is of use."""

    delay: float
    """Seconds until it is delivered."""
    at: datetime | float
    """The moment at which it is: a datetime with a timezone, or epoch seconds."""
    ttl: float
    """Seconds from then on in which it is to be taken; after that it has expired."""


class Sending(Timing, total=False):
    """How a message is sent."""

    idempotency_key: str | None
    """What it is known by: an agent handles what has one key once, in whichever runs it comes."""
    budget: Budget | None
    """What all that descends from it may spend."""


def sent(ready: Publication, sending: Sending, now: float) -> Publication:
    """The message as it is to be sent, of which `now` is the present. Raises ExecutionError."""
    key, budget = sending.get("idempotency_key"), sending.get("budget")
    ready = ready if budget is None else budgeted(ready, budget)
    return timed(ready if key is None else keyed(ready, key), sending, now)


def budgeted(ready: Publication, budget: object) -> Publication:
    """The message with a budget for all that descends from it. Raises ExecutionError."""
    if not isinstance(budget, Budget) or not written(budget):
        raise ExecutionError(
            "budget= is a Budget of tokens, cost, messages or seconds, such as "
            f"Budget(tokens=1_000), not {budget!r}"
        )
    return ready._replace(headers=(*ready.headers, (BUDGET, written(budget))))


KEY_LENGTH = 255
"""Characters of an idempotency key, at most."""


def keyed(ready: Publication, key: str) -> Publication:
    """The message under an idempotency key. Raises ExecutionError for what is none.

    What it was checked against does not count: whoever hears it has to look at it.
    """
    header = (IDEMPOTENCY_KEY, idempotency_key(key))
    return ready._replace(headers=(*ready.headers, header), checked=0)


def idempotency_key(value: object, of: str = "") -> str:
    """An idempotency key as it was given: a text, or a whole number, which is its digits.

    Raises ExecutionError, saying whose it is.
    """
    if type(value) is int:
        value = str(value)
    if isinstance(value, str) and 0 < len(value) <= KEY_LENGTH and value.isprintable():
        return str(value)
    raise ExecutionError(
        f"an idempotency key{of} is a text of 1 to {KEY_LENGTH} printable characters, or a whole "
        f"number, not {shortened(repr(value))}"
    )


def timed(ready: Publication, timing: Timing, now: float) -> Publication:
    """The message with its times, of which `now` is the present. Raises ExecutionError."""
    delay, at, ttl = (timing.get(name) for name in ("delay", "at", "ttl"))
    if delay is not None and at is not None:
        raise ExecutionError("a message is delivered after delay= or at=, and not both")
    due = 0.0
    if delay is not None:
        due = now + _seconds("delay", delay, 0)
    elif at is not None:
        due = epoch(at, "at")
    expires = 0.0 if ttl is None else max(now, due) + _seconds("ttl", ttl, MIN_TTL)
    return ready._replace(timing=(due, expires)) if due or expires else ready


MIN_TTL = 0.001
"""Seconds."""


def _seconds(name: str, value: object, least: float) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not least <= value < inf:  # type: ignore[operator]
        raise ExecutionError(f"{name}= is a number of seconds, at least {least:g}, not {value!r}")
    return float(value)  # type: ignore[arg-type]


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _pairs(headers: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    """Headers as text, without those of a message that was received and is passed on: what it
    replies to, what it is known by, and its place in a stream.
    """
    pairs = [(str(name), str(value)) for name, value in (headers or {}).items()]
    return tuple(pair for pair in pairs if pair[0] not in OURS)


def refusal(
    found: Violation | None, value: Any, agent: str | None, channel: str | None, direction: str
) -> ValidationError:
    """The error for a violation, naming agent, channel, path and rule."""
    if found is None:  # the explanation disagrees with the verdict: still a refusal
        found = Violation("$", "schema", "it does not fit", repr(value))
    return ValidationError(
        found.path,
        found.rule,
        found.problem,
        found.value,
        agent=agent,
        channel=channel,
        direction=direction,
    )
