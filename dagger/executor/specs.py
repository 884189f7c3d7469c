"""Small things that are handed to an executor, and that it hands back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, cast

from dagger.authoring.publishing import Sending
from dagger.words.budget import BILLION, MOST
from dagger.words.errors import ConfigError

if TYPE_CHECKING:
    from dagger.words.config import Config


@dataclass(frozen=True, slots=True)
class EventDriven:
    """A workflow as data: publish `payload` on `channel`, and see what follows."""

    channel: str
    """Where it begins."""
    payload: Any
    """The first message: plain JSON data."""


class Receipt(NamedTuple):
    """What `executor.publish` returns once the message is kept."""

    run_id: str
    """The run that the message is in: its own, unless it said another."""
    message_id: str
    """The id of the message."""


class Limits(TypedDict, total=False):
    """What bounds one run; the config's apply where none is given."""

    timeout: float | None
    """Seconds of active time."""
    deadline: float | None
    """Wall time, epoch seconds."""
    cleanup_timeout: float | None
    """Seconds that cleaning up may take once it is cancelled or timed out."""
    max_messages: int | None
    """Messages that it may publish."""
    max_tokens: int | None
    """Tokens that its handlers may spend."""
    max_cost: float | None
    """Cost that they may spend, in whatever currency you count in."""
    max_concurrent: int | None
    """Handlers of it that run at once."""
    priority: int | None
    """How urgent all of it is, where invocations wait for their turn; may be negative."""


class Opening(Limits, Sending, total=False):
    """Limits of a run, and how its first message is sent."""


class Asking(Sending, total=False):
    """Limits of a run that begins with a request, and how that is sent; its `timeout` is how
    long the reply is waited for.
    """

    deadline: float | None
    """Wall time, epoch seconds."""
    cleanup_timeout: float | None
    max_messages: int | None
    max_tokens: int | None
    max_cost: float | None
    max_concurrent: int | None
    priority: int | None


def default_limits(config: Config) -> dict[str, Any]:
    """The limits that the config sets for every run."""
    limits = {
        "timeout": config.timeout,
        "max_messages": config.max_messages,
        "max_tokens": config.max_tokens,
        "max_cost": config.max_cost,
    }
    return {name: value for name, value in limits.items() if value is not None}


def limits_of(defaults: dict[str, Any], given: Opening) -> dict[str, Any]:
    """The limits of one run. Raises ConfigError for one that is unknown or out of range."""
    limits, named = dict(defaults), cast("dict[str, Any]", given)
    for name, value in named.items():
        if name in Sending.__annotations__:
            continue
        if name not in Limits.__annotations__:
            known = ", ".join(Limits.__annotations__)
            raise ConfigError(name, f"no such limit of a run; known: {known}")
        if value is None:
            continue
        if name in ("priority", "max_concurrent"):
            limits[name] = _whole(name, value)
            continue
        most = MOST // BILLION if name == "max_cost" else MOST
        if type(value) not in (int, float) or not 0 < value < most:
            raise ConfigError(name, f"a limit is a number above 0, not {value!r}")
        limits[name] = value
    return limits


def _whole(name: str, value: Any) -> int:
    """A limit that is a whole number: a priority any one, a count one above 0."""
    if type(value) is not int or not -MOST < value < MOST:
        raise ConfigError(name, f"it is a whole number, not {value!r}")
    if name != "priority" and value < 1:
        raise ConfigError(name, f"it is at least 1, not {value!r}")
    return value
