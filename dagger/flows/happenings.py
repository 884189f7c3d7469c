"""What the machine of a flow is told, and what it wants done.

Steps are named by their ids. An `item` is the number of an item of a step with `foreach`, from 0;
it is None where the step as a whole is meant.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class StepStatus(StrEnum):
    """Where a step stands: the first four are open, the rest are ends."""

    PENDING = "pending"
    """It waits for what it needs."""
    READY = "ready"
    """It may run; nobody has said yet whether it does."""
    RUNNING = "running"
    """It was begun, some of its items at least."""
    RESCUING = "rescuing"
    """It has failed, and its rescue steps run."""
    SUCCEEDED = "succeeded"
    """It has an output: its own, or that of its rescue steps."""
    FAILED = "failed"
    """It has failed for good, and nothing has rescued it."""
    SKIPPED = "skipped"
    """It was not to run, or has failed under on_error: skip."""
    BLOCKED = "blocked"
    """It could not run, since a step that it needs has failed."""
    CANCELLED = "cancelled"
    """It was stopped, or never started, since the flow ends."""

    @property
    def ended(self) -> bool:
        """Whether it is an end."""
        return self in ENDS


ENDS = frozenset(
    {
        StepStatus.SUCCEEDED,
        StepStatus.FAILED,
        StepStatus.SKIPPED,
        StepStatus.BLOCKED,
        StepStatus.CANCELLED,
    }
)


class FlowStatus(StrEnum):
    """Where a flow stands: while it is `failing` or `cancelling`, only what runs is waited for."""

    RUNNING = "running"
    """Steps run, or may."""
    FAILING = "failing"
    """A step has failed, by which the flow will fail."""
    CANCELLING = "cancelling"
    """It was cancelled, or has no time left; what runs is stopped."""
    SUCCEEDED = "succeeded"
    """All steps have ended, none by which it would fail, and it has its output."""
    FAILED = "failed"
    """A step has failed that may not, or what its output should be cannot be worked out."""
    CANCELLED = "cancelled"
    """It was cancelled, or had no time left."""


# -- events ---------------------------------------------------------------------------


class Begun(NamedTuple):
    """The flow begins; told once, before all else."""


class Running(NamedTuple):
    """A step that is ready has been found to run, and does."""

    step: str


class Expanded(NamedTuple):
    """A step that is ready is to run once for each of `items` items."""

    step: str
    items: int


class Skipped(NamedTuple):
    """A step that is ready is not to run: its `when` is false."""

    step: str
    reason: str = "when is false"


class Succeeded(NamedTuple):
    """A step, or one of its items, is done."""

    step: str
    item: int | None = None


class Failed(NamedTuple):
    """A step, or one of its items, has failed for good."""

    step: str
    item: int | None = None


class Stopped(NamedTuple):
    """A step, or one of its items, was stopped before it was done."""

    step: str
    item: int | None = None


class Cancelled(NamedTuple):
    """The flow is to end: it was cancelled, or its time is over."""

    reason: str = "the flow was cancelled"


Event = Begun | Running | Expanded | Skipped | Succeeded | Failed | Stopped | Cancelled


# -- commands -------------------------------------------------------------------------


class Start(NamedTuple):
    """Begin with a step: see whether it runs, and say `Running`, `Expanded` or `Skipped`, or
    `Failed` where that cannot be said. With `item`: run this item of it.
    """

    step: str
    item: int | None = None


class Stop(NamedTuple):
    """Stop a step that is ready or runs, or an item of it; say how it ended, or `Stopped`."""

    step: str
    item: int | None = None


class Ended(NamedTuple):
    """A step has ended, by this status; told once of each."""

    step: str
    status: StepStatus
    reason: str = ""
    """Why, where it neither succeeded nor failed by itself."""


class Finish(NamedTuple):
    """The flow has ended; the last command there is."""

    status: FlowStatus


Command = Start | Stop | Ended | Finish
