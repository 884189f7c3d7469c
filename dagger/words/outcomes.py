"""The closed sets: how a delivery, a run and a task can stand and end."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Disposition(IntEnum):
    """How a delivery ends: exactly one of these, once."""

    OK = 0
    JOINED = 1
    DUPLICATE = 2
    SUPERSEDED = 3
    REJECTED = 4
    """Bad input: it broke the agent's input schema."""
    DEAD = 5
    """Failed for good."""
    DROPPED = 6
    """Pushed out of a full queue."""
    EXPIRED = 7
    CANCELLED = 8
    DISCARDED = 9
    """Its channel or agent was removed."""


DISPOSITIONS = tuple(each.name.lower() for each in Disposition)
"""Names by number, for reports and pictures."""

DEAD_LETTER = frozenset({Disposition.REJECTED, Disposition.DEAD})
"""The dispositions that put a message among the dead letters."""


class RunStatus(StrEnum):
    """Where a run stands: the first four are open, the rest are ends."""

    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    FAILED = "failed"
    STALLED = "stalled"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    OVER_BUDGET = "over_budget"

    @property
    def ended(self) -> bool:
        return self not in OPEN


OPEN = frozenset({RunStatus.RUNNING, RunStatus.WAITING, RunStatus.PAUSED, RunStatus.CANCELLING})


class TaskStatus(StrEnum):
    """Where a task stands; `TRANSITIONS` says where it may go."""

    PENDING = "Pending"
    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"
    FAILED = "Failed"


TRANSITIONS: dict[TaskStatus, frozenset[TaskStatus]] = {
    TaskStatus.PENDING: frozenset(
        {TaskStatus.IN_PROGRESS, TaskStatus.COMPLETED, TaskStatus.FAILED}
    ),
    TaskStatus.IN_PROGRESS: frozenset(
        {TaskStatus.PENDING, TaskStatus.COMPLETED, TaskStatus.FAILED}
    ),
    TaskStatus.COMPLETED: frozenset(),
    TaskStatus.FAILED: frozenset({TaskStatus.PENDING}),
}


class Overflow(StrEnum):
    """What a full queue does with one more message."""

    DROP_OLDEST = "drop_oldest"
    BLOCK = "block"
    REJECT = "reject"


class OnFailure(StrEnum):
    """What a dead delivery does to its run."""

    FAIL = "fail"
    """The rest goes on; the run ends `failed`."""
    STOP = "stop"
    """The run is cancelled at once and ends `failed`."""
    CONTINUE = "continue"
    """The run's status stays untouched."""
