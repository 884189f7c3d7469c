"""The key of a message for an agent with `key=`."""

from __future__ import annotations

from dagger.authoring.invocation import Invocation


def key_of(invocation: Invocation) -> str:
    """What the agent's `key=` makes of the payload; the message's own key where it has one.

    `key=` is a function of the payload, or the path of a field in it ("customer.id").
    Raises what the function raises, and LookupError for a field that is not there.
    """
    key = invocation.agent.key
    if callable(key):
        return str(key(invocation.payload))
    own = invocation.delivery.envelope.publication.key
    return own if own is not None else str(_field(invocation.data, str(key)))


def _field(value: object, path: str) -> object:
    for part in path.split("."):
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]  # type: ignore[index]
        except (LookupError, TypeError, ValueError):
            kind = type(value).__name__
            raise LookupError(f"key={path!r}: there is no {part!r} in this {kind}") from None
    return value
