"""The closed sets: how a delivery, a run and a task can stand and end."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Disposition(IntEnum):
    """How a delivery ends: exactly one of these, once."""

    OK = 0
    """Handled and settled."""
    JOINED = 1
    """Handled together with another one: a part of a join."""
    DUPLICATE = 2
    """Its idempotency key was handled already: it got that result."""
    SUPERSEDED = 3
    """A later one of its debounce or throttle is handled in its place."""
    REJECTED = 4
    """Bad input: it broke the agent's input schema."""
    DEAD = 5
    """Failed for good."""
    DROPPED = 6
    """Pushed out of a full queue."""
    EXPIRED = 7
    """Nobody took it within its `ttl`."""
    CANCELLED = 8
    """It, or its run, was cancelled; or it came after the first, of `first_of`."""
    DISCARDED = 9
    """Its channel or agent was removed."""


DISPOSITIONS = tuple(each.name.lower() for each in Disposition)
"""Names by number, for reports and pictures."""

DEAD_LETTER = frozenset({Disposition.REJECTED, Disposition.DEAD})
"""The dispositions that put a message among the dead letters."""


class RunStatus(StrEnum):
    """Where a run stands: the first four are open, the rest are ends."""

    RUNNING = "running"
    """Something can move."""
    WAITING = "waiting"
    """All that is left waits for people."""
    PAUSED = "paused"
    """Nothing is begun until it is resumed."""
    CANCELLING = "cancelling"
    """It winds down."""
    COMPLETED = "completed"
    """Everything was handled, or was allowed to fail."""
    FAILED = "failed"
    """A delivery failed whose agent says that this matters, or a message was lost to a policy that
    nobody wrote down.
    """
    STALLED = "stalled"
    """A task was left in progress, or a join lacks a part that cannot come any more."""
    CANCELLED = "cancelled"
    """From outside, or with the executor."""
    TIMED_OUT = "timed_out"
    """Its timeout or deadline passed."""
    OVER_BUDGET = "over_budget"
    """More was wanted or spent than it may."""

    @property
    def ended(self) -> bool:
        return self not in OPEN


OPEN = frozenset({RunStatus.RUNNING, RunStatus.WAITING, RunStatus.PAUSED, RunStatus.CANCELLING})


class TaskStatus(StrEnum):
    """Where a task stands; `TRANSITIONS` says where it may go."""

    PENDING = "Pending"
    """Nobody has it in hand."""
    IN_PROGRESS = "InProgress"
    """An invocation has claimed it."""
    COMPLETED = "Completed"
    """It is done."""
    FAILED = "Failed"
    """It was given up, or its attempts are used up."""


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
    """The oldest pending ones make way, and are counted."""
    BLOCK = "block"
    """Who publishes waits until there is room."""
    REJECT = "reject"
    """The publisher's attempt fails with ChannelFull."""


class OnFailure(StrEnum):
    """What a dead delivery does to its run."""

    FAIL = "fail"
    """The rest goes on; the run ends `failed`."""
    STOP = "stop"
    """The run is cancelled at once and ends `failed`."""
    CONTINUE = "continue"
    """The run's status stays untouched."""
