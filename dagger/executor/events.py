"""What watchers are told: frozen, small, and complete in themselves."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from dagger.views.questions import OpenQuestion
from dagger.words.effects import Publication
from dagger.words.payload import decode
from dagger.words.records import Failure


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one delivery: usually of an invocation, else how it ended without one."""

    run_id: str
    """The run it is of."""
    node_id: str
    """The invocation: its node in the tree."""
    agent: str
    """Whose it is."""
    channel: str
    """Where the message came from."""
    message_id: str
    """The message that was handled."""
    status: str
    """The disposition: "ok", "dead", "rejected", "dropped", "cancelled", ..."""
    attempts: int
    """Attempts made; 0 where the handler was never called."""
    started: float
    """Epoch seconds, as is `ended`."""
    ended: float
    """When it ended so."""
    error: Failure | None
    """Why it failed; None if it did not."""
    publications: tuple[Publication, ...]
    """What it published as it settled."""
    duplicate_of: str = ""
    """Of a "duplicate": the node whose publications these are; "" for any other."""
    request: str = ""
    """What whoever asked knows a request by; "" where the message was none."""

    @property
    def outputs(self) -> list[tuple[str, Any]]:
        """What it published: (channel, payload), freshly decoded."""
        return [(each.channel, decode(each.payload)) for each in self.publications]


@dataclass(frozen=True, slots=True)
class LogLine:
    """Something a handler said with `ctx.log`."""

    run_id: str
    """The run it is of."""
    node_id: str
    """The invocation that said it."""
    agent: str
    """Whose it is."""
    level: int
    """As in `logging`: 20 is INFO."""
    text: str
    """What it said."""
    at: float
    """Epoch seconds."""
    channel: str = ""
    """Where the message that it handles came from."""
    attempt: int = 1
    """The attempt that said it, from 1."""
    request: str = ""
    """What whoever asked knows a request by; "" where the message was none."""

    def __str__(self) -> str:
        return f"{logging.getLevelName(self.level)} {self.node_id}: {self.text}"


@dataclass(frozen=True, slots=True)
class Emission:
    """An item of a stream: a message that a handler published before it was done."""

    run_id: str
    """The run it is of."""
    node_id: str
    """The invocation: one stream each."""
    agent: str
    """Whose stream it is."""
    channel: str
    """Where it was published."""
    message_id: str
    """The id of the message."""
    attempt: int
    """The attempt that said it, from 1."""
    index: int
    """0, 1, 2, ... within an attempt, over all channels."""
    restarted: bool
    """True if an earlier attempt had said something else there: that, and what followed, is
    void."""
    payload: bytes
    """The payload, encoded; `value` decodes it."""
    at: float
    """Epoch seconds."""

    @property
    def value(self) -> Any:
        """What it says, freshly decoded."""
        return decode(self.payload)


@dataclass(frozen=True, slots=True)
class Retraction:
    """An invocation has ended ok with fewer items than an earlier attempt of it had streamed."""

    run_id: str
    """The run it is of."""
    node_id: str
    """The invocation: one stream each."""
    agent: str
    """Whose stream it is."""
    index: int
    """Items from here on are void."""
    count: int
    """How many that are."""
    at: float
    """Epoch seconds."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A question has been answered, or has become overdue."""

    run_id: str
    """The run it is of."""
    node_id: str
    """The invocation that asked."""
    question: str
    """Its id (see OpenQuestion)."""
    payload: bytes | None
    """The answer, encoded; None where nobody gave one in time, and there is no default."""
    by: str
    """Who answered, where that is known: "autopilot" where the default was taken."""
    at: float
    """Epoch seconds."""

    @property
    def value(self) -> Any:
        """The answer, freshly decoded."""
        return None if self.payload is None else decode(self.payload)


@dataclass(frozen=True, slots=True)
class Missed:
    """How many events this watcher did not get: it came late, or was too slow."""

    count: int
    """So many."""


Event = Outcome | LogLine | Emission | Retraction | OpenQuestion | Answered | Missed
