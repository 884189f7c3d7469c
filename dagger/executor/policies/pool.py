"""The pool: what there is of each resource, for all and for one agent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dagger.executor.machine import DETECTED
from dagger.rules.turns import Bound
from dagger.words.errors import ResourceUnavailable
from dagger.words.policies import ResourcePool

if TYPE_CHECKING:
    from dagger.authoring.agent import Agent
    from dagger.rules.turns import Needs
    from dagger.words.policies import Resources

UNIT = 1_000_000
"""Parts of one of a resource: sums of them are exact."""


class Pool:
    """The bounds of resources; each is made, and the machine asked, when it is first needed."""

    def __init__(self, pool: ResourcePool | None) -> None:
        self._pool = pool or ResourcePool()
        self._totals: dict[str, float] = {}
        self.bounds: dict[str, Bound] = {}
        self.quotas: dict[tuple[str, str], Bound] = {}

    def empty(self) -> Pool:
        """The same, of which nobody has anything."""
        pool = Pool(self._pool)
        pool._totals = self._totals
        return pool

    def total(self, name: str) -> float:
        """How much there is of a resource."""
        if name not in self._totals:
            said = self._pool.totals().get(name, 0.0)
            self._totals[name] = DETECTED[name]() if said is None else said
        return self._totals[name]

    def check(self, agent: Agent) -> None:
        """Raise ResourceUnavailable for an agent that needs more than there can ever be."""
        needed = agent.resources.amounts() if agent.resources is not None else {}
        quota = self._pool.quotas.get(agent.name)
        allowed = quota.amounts() if quota is not None else {}
        for name, amount in needed.items():
            if units(amount) > units(self.total(name)):
                raise ResourceUnavailable(agent.name, name, amount, self.total(name))
            if name in allowed and units(amount) > units(allowed[name]):
                raise ResourceUnavailable(agent.name, name, amount, allowed[name], quota=True)

    def needs(self, agent: str, resources: Resources | None) -> Needs:
        """What an agent's turns need: of its own quota first, then of the pool."""
        if resources is None:
            return ()
        amounts = {name: units(value) for name, value in resources.amounts().items()}
        quota = self._pool.quotas.get(agent)
        limited = quota.amounts() if quota is not None else {}
        own = ((self._quota(agent, name, limited[name]), amounts[name]) for name in limited
               if name in amounts)  # fmt: skip
        return (*own, *((self._bound(name), amount) for name, amount in amounts.items()))

    def rows(self) -> Iterator[tuple[str, Bound]]:
        """The bounds there are, by resource; quotas as "agent: resource"."""
        yield from self.bounds.items()
        for (agent, name), bound in self.quotas.items():
            yield f"{agent}: {name}", bound

    def _bound(self, name: str) -> Bound:
        if name not in self.bounds:
            self.bounds[name] = Bound(name, units(self.total(name)))
        return self.bounds[name]

    def _quota(self, agent: str, name: str, amount: float) -> Bound:
        if (agent, name) not in self.quotas:
            label = f"{name} (quota of agent {agent!r})"
            self.quotas[agent, name] = Bound(label, units(amount))
        return self.quotas[agent, name]


def units(amount: float) -> int:
    """An amount as a whole number of parts."""
    return round(amount * UNIT)
