"""Small things that are handed to an executor, and that it hands back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from dagger.words.errors import ConfigError

if TYPE_CHECKING:
    from dagger.words.config import Config


@dataclass(frozen=True, slots=True)
class EventDriven:
    """A workflow as data: publish `payload` on `channel`, and see what follows."""

    channel: str
    payload: Any


@dataclass(frozen=True, slots=True)
class Receipt:
    """What `executor.publish` returns once the message is kept."""

    run_id: str
    message_id: str


class Limits(TypedDict, total=False):
    """What bounds one run; the config's apply where none is given."""

    timeout: float | None
    """Seconds of active time."""
    deadline: float | None
    """Wall time, epoch seconds."""
    max_messages: int | None
    max_tokens: int | None


def limits_of(config: Config, given: Limits) -> dict[str, Any]:
    """The limits of a run that are set. Raises ConfigError for one unknown or out of range."""
    limits: dict[str, Any] = {
        "timeout": config.timeout,
        "deadline": None,
        "max_messages": config.max_messages,
        "max_tokens": config.max_tokens,
    }
    for name, value in given.items():
        if name not in limits:
            raise ConfigError(name, "no such limit of a run; known: " + ", ".join(limits))
        if value is not None:
            if not isinstance(value, int | float) or not value > 0:
                raise ConfigError(name, f"a limit is a number above 0, not {value!r}")
            limits[name] = value
    return {name: value for name, value in limits.items() if value is not None}
