"""From a value to a publication: made plain, encoded once, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dagger.rules.schema import Schema
from dagger.rules.violation import Violation
from dagger.words.effects import Publication
from dagger.words.errors import ValidationError
from dagger.words.message import Message
from dagger.words.payload import MAX_BYTES, encode, plain


def publication(
    channel: str,
    value: Any,
    schema: Schema | None,
    *,
    producer: str,
    agent: str | None = None,
    limit: int = MAX_BYTES,
    key: str | None = None,
    task_id: str | None = None,
    headers: Mapping[str, str] | None = None,
    also: Schema | None = None,
) -> Publication:
    """A message for `channel`, ready to be applied.

    `value` is a payload or a Message, whose key, task and headers count where none
    are given; `also` is the schema that the channel itself declares. Raises
    SerializationError for what is not JSON and ValidationError for what breaks a
    schema, each with its JSON path.
    """
    source = given = ""
    if type(value) is Message:
        source, given = value.source, value.id
        key = key or value.key
        task_id = task_id or value.task_id
        headers = headers or value.headers
        value = value.payload
    value = plain(value, producer)
    blob = encode(value, producer=producer, limit=limit)
    checked = 0
    if schema is not None:
        if not schema.is_valid(value):
            raise refusal(schema.violation(value), value, agent, channel, "output")
        checked = schema.number
    if also is not None and also is not schema and not also.is_valid(value):
        raise refusal(also.violation(value), value, agent, channel, "output")
    if key is None and task_id is None and not headers and not source:
        return Publication(channel, blob, checked)
    return Publication(
        channel, blob, checked, key, task_id, tuple((headers or {}).items()), source, given
    )


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
