"""From a value to a publication: made plain, encoded once, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dagger.rules.schema import Schema
from dagger.rules.violation import Violation
from dagger.words.effects import REPLY_TO, Publication, make
from dagger.words.errors import ValidationError
from dagger.words.message import Message
from dagger.words.payload import MAX_BYTES, encoded


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
    return make(Publication, (channel, blob, checked, None, None, (), "", "", version))


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


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _pairs(headers: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    """Headers as text, without the one by which requests are told: only they have it."""
    pairs = [(str(name), str(value)) for name, value in (headers or {}).items()]
    return tuple(pair for pair in pairs if pair[0] != REPLY_TO)


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
