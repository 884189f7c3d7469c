"""How often the steps of a run were tried, and how long they took: from what became of the
messages that they were asked with.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from dagger.words.outcomes import Disposition

if TYPE_CHECKING:
    from dagger.state.run import Run

_DONE = frozenset({Disposition.OK, Disposition.JOINED, Disposition.DUPLICATE})


class StepRuns(NamedTuple):
    """What was made of a step, of all its items together. Times are epoch seconds."""

    started: float
    """When its first item was begun; what was tried again counts from its last attempt."""
    ended: float | None
    """When its last item ended; None while one is open."""
    attempts: int
    """All that were made, and those that are being made."""
    done: int
    """Items that are done; 1 for a step without items."""
    failed: int
    """Those that have ended otherwise."""
    open: int
    """Those that have not ended."""

    @property
    def tried_again(self) -> bool:
        """Whether there were more attempts than items."""
        return self.attempts > self.done + self.failed + self.open


def step_runs(run: Run) -> dict[str, StepRuns]:
    """By step, of those that were begun: as much of them as the run keeps nodes of."""
    above = f"{run.opening.channel}."
    found: dict[str, StepRuns] = {}
    for channel, each in (*_ended(run), *_open(run)):
        if channel.startswith(above):
            step = channel.removeprefix(above)
            known = found.get(step)
            found[step] = each if known is None else _both(known, each)
    return found


def _ended(run: Run) -> Iterator[tuple[str, StepRuns]]:
    for node in run.tree.nodes():
        done = int(node.disposition in _DONE)
        found = StepRuns(node.started, node.ended, node.attempts, done, 1 - done, 0)
        yield node.channel, found


def _open(run: Run) -> Iterator[tuple[str, StepRuns]]:
    for delivery in run.deliveries.values():
        envelope, attempts = delivery.envelope, delivery.attempts + 1
        yield envelope.publication.channel, StepRuns(envelope.at, None, attempts, 0, 0, 1)


def _both(one: StepRuns, other: StepRuns) -> StepRuns:
    return StepRuns(
        min(one.started, other.started),
        None if one.ended is None or other.ended is None else max(one.ended, other.ended),
        one.attempts + other.attempts,
        one.done + other.done,
        one.failed + other.failed,
        one.open + other.open,
    )
