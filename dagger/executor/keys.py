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
        if isinstance(value, list):
            value = value[int(part)]
        elif isinstance(value, dict):
            value = value[part]
        else:
            raise LookupError(f"key={path!r}: there is no {part!r} in a {type(value).__name__}")
    return value
