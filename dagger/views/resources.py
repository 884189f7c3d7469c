"""Resources: what there is of them, who has how much, and who waits for what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from dagger.views.waiting import Waiting


class Usage(NamedTuple):
    """One resource, or what an agent may take of it."""

    total: float
    """What there is of it."""
    used: float
    """What invocations have of it now."""
    waiting: int
    """Invocations that wait because there is not enough of it."""

    @property
    def free(self) -> float:
        """What nobody has."""
        return self.total - self.used


class Allocation(NamedTuple):
    """What one invocation has while its handler runs."""

    node_id: str
    """The invocation."""
    agent: str
    """Whose it is."""
    amounts: Mapping[str, float]
    """By resource; also the places of limits that it takes, one each."""
    since: float
    """Epoch seconds."""


@dataclass(frozen=True, slots=True)
class ResourceUsage:
    """How things stand at one instant, over all runs of an executor."""

    pool: Mapping[str, Usage]
    """By resource; quotas as "agent: resource". What no agent needs is not there."""
    allocations: tuple[Allocation, ...]
    """Longest running first."""
    waiting: tuple[Waiting, ...]
    """Who waits for its turn, in no order between different needs."""

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain JSON data."""
        return {
            "pool": {name: {**each._asdict(), "free": each.free} for name, each in
                     self.pool.items()},
            "allocations": [allocation_to_dict(each) for each in self.allocations],
            "waiting": [each._asdict() for each in self.waiting],
        }  # fmt: skip


def allocation_to_dict(allocation: Allocation) -> dict[str, Any]:
    """One allocation as plain JSON data."""
    return {**allocation._asdict(), "amounts": dict(allocation.amounts)}
