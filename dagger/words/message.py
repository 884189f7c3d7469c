"""A message: an immutable payload on its way."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from dagger.words.ids import new_id


@dataclass(frozen=True, slots=True)
class StreamItem:
    """Where a message that was emitted stands in the stream of its invocation."""

    node_id: str
    """The invocation: one stream each."""
    attempt: int
    """Which of its attempts has said this."""
    index: int
    """0, 1, 2, ... within an attempt, over all channels."""
    restarted: bool
    """True if it takes the place of what an earlier attempt had said at this index: what came
    from that on is void."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a handler may look at, and what anyone may hand to `publish`.

    Everything but `payload` and `source` is filled in where it is not given:
    `id`, `channel`, `run_id` and `parent_id` by the executor that publishes it.
    """

    payload: Any
    """Plain JSON data; a handler's own copy."""
    source: str = ""
    """The publisher's node id, or a name of the caller's choice."""
    channel: str = ""
    """Where it was published."""
    id: str = field(default_factory=new_id)
    """Unique; of what agents publish, the same in each attempt."""
    timestamp: float = field(default_factory=time.time)
    """Seconds since the epoch, when it was published."""
    run_id: str | None = None
    """The run it is in."""
    parent_id: str | None = None
    """The id of the message whose handling published this one."""
    task_id: str | None = None
    """The task that it is about, where its publisher said one."""
    key: str | None = None
    """Messages of one key are handled in order, one at a time, by a `key=` agent."""
    headers: dict[str, str] = field(default_factory=dict)
    """What travels beside the payload: texts by name."""
    stream: StreamItem | None = None
    """Its place in a stream; None for what was not emitted. Not for whoever publishes."""

    @classmethod
    def new(cls, source: str, payload: Any) -> Message:
        """A message from `source`, ready to be published."""
        return cls(payload=payload, source=source)

    @classmethod
    def with_task_id(cls, source: str, task_id: str, payload: Any) -> Message:
        """A message that belongs to a task."""
        return cls(payload=payload, source=source, task_id=task_id)
