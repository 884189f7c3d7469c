"""Joins as an agent declares them, and the payloads that it gets by them."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import TYPE_CHECKING, Any

from dagger.rules.schema import Schema, schema
from dagger.state.joins import parts_of
from dagger.words.errors import DefinitionError
from dagger.words.joins import Join
from dagger.words.payload import decode

if TYPE_CHECKING:
    from dagger.state.queues import Delivery


def all_of(*channels: str) -> Join:
    """One message of each channel: the handler gets a dict of payloads by channel.

    Messages belong together if they descend from the same message on the agent's `scope=`
    channel (without one: from the run's first message), or, with `by="key"`, if they have
    the same key.
    """
    return Join("all", _named(channels, 2))


def first_of(*channels: str) -> Join:
    """The first message of any of the channels in a scope, or of a key; later ones are
    cancelled, and counted so.
    """
    return Join("first", _named(channels, 1))


def gather(channel: str) -> Join:
    """All messages that came by the time the scope closes: the handler gets a list.

    A scope closes when nothing that descends from its message is pending, running or
    waiting; that of the run when the run would end. If there was no message at all, the
    handler is not called.
    """
    return Join("gather", _named((channel,), 1))


def batch(channel: str, *, size: int = 0, within: float = 0.0) -> Join:
    """So many messages, or what there is `within` seconds after the first: a list.

    What is left when the run would end is handled as it is.
    """
    if type(size) is not int or size < 0 or not 0 <= within < inf or not (size or within):
        raise DefinitionError(
            f"batch() takes size= (a whole number) or within= (seconds), not {size!r}, {within!r}"
        )
    return Join("batch", _named((channel,), 1), size=size, within=float(within))


def _named(channels: tuple[str, ...], least: int) -> tuple[str, ...]:
    if len(dict.fromkeys(channels)) < max(least, len(channels)):
        many = "two or more channels, each once" if least > 1 else "channels, each once"
        raise DefinitionError(f"a join takes {many}, not {channels!r}")
    return channels


def completed(join: Join, scope: object, by: object, where: str) -> Join:
    """A join with what else its agent says of it. Raises DefinitionError."""
    if by not in (None, "key"):
        raise DefinitionError(f'by= is "key" (the key of the messages), not {by!r}', where)
    if scope is not None and (type(scope) is not str or not scope):
        raise DefinitionError(f"scope= is the name of a channel, not {scope!r}", where)
    if scope is not None and (by is not None or join.kind == "batch"):
        raise DefinitionError("a batch, or a join by key, has no scope", where)
    return join._replace(scope=scope or "", by_key=by is not None)


def part_schemas(join: Join, whole: Schema | None, where: str) -> Mapping[str, Schema | None]:
    """What a payload of each channel has to be, as far as the schema of the whole says so."""
    source = whole.source if whole is not None else {}
    if not isinstance(source, dict):
        return dict.fromkeys(join.channels)
    rest = {name: source[name] for name in ("$schema", "$defs", "definitions") if name in source}
    found: dict[str, Schema | None] = {}
    for channel in join.channels:
        match join.kind:
            case "first":
                part: Any = source
            case "all":
                part = source.get("properties", {}).get(channel)
            case _:
                part = source.get("items")
        merged = {**part, **rest} if isinstance(part, dict) else None
        found[channel] = schema(merged, where) if merged else None
    return found


def whole(delivery: Delivery, join: Join) -> Any:
    """The payload of a lead: those of all its parts, freshly decoded."""
    parts = parts_of(delivery)
    if join.kind == "first":
        return decode(delivery.envelope.publication.payload)
    if join.kind == "all":
        said = (each.envelope.publication for each in parts)
        return {each.channel: decode(each.payload) for each in said}
    return [decode(each.envelope.publication.payload) for each in parts]
