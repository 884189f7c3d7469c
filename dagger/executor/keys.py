"""The keys of a message: for an agent with `key=`, and its idempotency key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dagger.authoring.invocation import Invocation
from dagger.authoring.publishing import idempotency_key
from dagger.words.effects import IDEMPOTENCY_KEY


def key_of(invocation: Invocation) -> str:
    """What the agent's `key=` makes of the payload; the message's own key where it has one.

    `key=` is a function of the payload, or the path of a field in it ("customer.id").
    Raises what the function raises, and LookupError for a field that is not there.
    """
    key = invocation.agent.key
    if callable(key):
        return str(key(invocation.payload))
    own = invocation.delivery.envelope.publication.key
    return own if own is not None else str(_field(invocation.data, str(key), "key"))


def value_of(rule: Callable[[Any], Any] | str, invocation: Invocation, option: str) -> Any:
    """What a rule makes of the payload: a function of it, or the path of a field in it.

    Raises what the function raises, and LookupError for a field that is not there.
    """
    return rule(invocation.payload) if callable(rule) else _field(invocation.data, rule, option)


def idempotency_key_of(invocation: Invocation) -> str | None:
    """The idempotency key of what is handled: the message's own, or what the agent's
    `idempotency_key=` makes of the payload; None for none.

    What is handled together with others, in a join, has no message of its own. Raises what a
    function raises, and ExecutionError for what is no key.
    """
    agent, headers = invocation.agent, invocation.publication.headers
    if headers and agent.join is None:
        own = next((value for name, value in headers if name == IDEMPOTENCY_KEY), None)
        if own is not None:
            return own
    rule = agent.idempotency_key
    if rule is None:
        return None
    if callable(rule):
        made = rule(invocation.payload)
    else:
        try:
            made = _field(invocation.data, rule, "idempotency_key")
        except LookupError:
            return None
    return None if made is None else idempotency_key(made, f" of agent {agent.name!r}")


def _field(value: object, path: str, option: str) -> object:
    for part in path.split("."):
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]  # type: ignore[index]
        except (LookupError, TypeError, ValueError):
            kind = type(value).__name__
            raise LookupError(f"{option}={path!r}: there is no {part!r} in this {kind}") from None
    return value
