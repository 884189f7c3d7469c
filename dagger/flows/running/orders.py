"""What the conductor of a flow wants done."""

from __future__ import annotations

from typing import Any, NamedTuple


class Send(NamedTuple):
    """Have a step carried out, an item of it, or what undoes it."""

    key: str
    """What its result is told by."""
    channel: str
    payload: Any
    idempotency_key: str | None = None
    message_key: str | None = None
    timeout: float | None = None
    """Seconds after which nobody waits for it any more; None for ever."""
    cleanup: bool = False
    """Whether it is carried out also when the run is cancelled."""
    stops: bool = False
    """Whether it is stopped when its time is over, and waited for: it may undo what it has done."""


class Halt(NamedTuple):
    """Have these end, by their keys."""

    keys: tuple[str, ...]


class Forget(NamedTuple):
    """What was done under an idempotency key is undone: it may be done again."""

    channel: str
    idempotency_key: str


class Tell(NamedTuple):
    """Tell of a step that has ended without being carried out."""

    text: str


Order = Send | Halt | Forget | Tell


def named(channel: str, key: str) -> str:
    """An idempotency key as it is sent: it is of one step, and not of all that use the same."""
    return f"{channel}/{key}"


def key_of(step: str, item: int | None) -> str:
    """What a step, or an item of it, is told by: "store", "store[3]"."""
    return step if item is None else f"{step}[{item}]"
