"""Terms: what turns of one agent need, worked out when it is hired.

Bounds of keys and of runs are made when somebody needs them, and let go of when nobody does.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from dagger.executor.keys import value_of
from dagger.executor.policies.places import Places
from dagger.executor.policies.rates import Rate
from dagger.rules.turns import Bound, Flow, Needs, Turns
from dagger.words.errors import DefinitionError
from dagger.words.policies import ConcurrencyKey, RateLimit

if TYPE_CHECKING:
    from dagger.authoring.agent import Agent
    from dagger.authoring.invocation import Invocation
    from dagger.executor.engine import Engine
    from dagger.executor.policies.ticket import Ticket
    from dagger.state.run import Run

Name = tuple[Hashable, ...]
"""Of a bound that is made for a key or a run."""


class Lasting:
    """Bounds by name, as long as anybody has, or wants, something of them."""

    def __init__(self) -> None:
        self._known: dict[Name, Bound] = {}
        self._names: dict[Bound, Name] = {}

    def get(self, name: Name, make: Callable[[], Bound]) -> Bound:
        """The bound of that name; `make` makes it."""
        bound = self._known.get(name)
        if bound is None:
            bound = self._known[name] = make()
            self._names[bound] = name
        return bound

    def let_go(self, needs: Needs) -> None:
        """Forget those that nobody has or wants anything of."""
        for bound, _ in needs:
            if bound in self._names and bound.idle:
                del self._known[self._names.pop(bound)]


class Keyed(NamedTuple):
    """A limit by key, and the name under which it counts."""

    limit: ConcurrencyKey | RateLimit
    name: str


def _name(agent: str, place: int) -> str:
    """Under which an agent's limit counts that has no name of its own."""
    return f"agent {agent!r}" if not place else f"agent {agent!r}, number {place + 1}"


class Terms:
    """What one agent's turns need in one executor."""

    def __init__(
        self, engine: Engine, agent: Agent, turns: Turns[Ticket], lasting: Lasting
    ) -> None:
        self._engine = engine
        self._turns = turns
        self._lasting = lasting
        self.agent = agent
        self._keyed = [
            Keyed(each, each.name or _name(agent.name, place))
            for place, each in enumerate(_limits(agent))
        ]
        self.policed = engine.config.max_concurrent is not None or agent.has_policies
        self.places: Bound = Places(f"places of agent {agent.name!r}", agent.concurrency)
        self._shared: Needs = (
            *engine.policing.everybody,
            *engine.policing.pool.needs(agent.name, agent.resources),
        )
        self._usual: Needs = ((self.places, 1), *self._shared)

    def flow(self, invocation: Invocation) -> Flow:
        """The flow that a turn of it belongs to. Raises what the function of a key raises."""
        run = invocation.run
        source = self.agent.name, run.number
        if not self._keyed and not run.limits:  # its bounds are there for good
            key = self, run.number
            return self._turns.flow(key) or Flow(key, source, self._usual)
        keys = tuple([self._key(each, invocation) for each in self._keyed])
        known = self._turns.flow((self, run.number, keys))
        if known is not None:
            return known
        return Flow((self, run.number, keys), source, self._needs(run, keys), lasts=False)

    def priority(self, invocation: Invocation) -> int:
        """How urgent it is: the agent's word, and the run's. Raises what a function raises."""
        rule, run = self.agent.priority, invocation.run
        own = rule if isinstance(rule, int) else int(value_of(rule, invocation, "priority"))
        return own + int(run.limits.get("priority", 0)) if run.limits else own

    def _key(self, keyed: Keyed, invocation: Invocation) -> str:
        rule = keyed.limit.key
        return "" if rule is None else str(value_of(rule, invocation, "key"))

    def _needs(self, run: Run, keys: tuple[str, ...]) -> Needs:
        keyed = tuple(
            (self._bound(each, key), 1) for each, key in zip(self._keyed, keys, strict=True)
        )
        most = run.limits.get("max_concurrent") if run.limits else None
        of_run: Needs = ()
        if most is not None:
            label = f"max_concurrent of run {run.id!r}"
            name = ("run", run.number)
            of_run = ((self._lasting.get(name, partial(Bound, label, int(most))), 1),)
        return (*keyed, (self.places, 1), *of_run, *self._shared)

    def _bound(self, keyed: Keyed, key: str) -> Bound:
        limit, name = keyed
        what = f"{name} = {key!r}" if limit.key is not None else name
        what = what if limit.name else f"of {what}"
        make: Callable[[], Bound]
        if isinstance(limit, RateLimit):
            make = partial(Rate, self._engine, f"rate limit {what}", name, key)
        else:
            make = partial(Bound, f"concurrency key {what}", limit.limit)
        bound = self._lasting.get((type(limit).__name__, name, key), make)
        # One that is there may be from an agent that this one has replaced.
        if isinstance(bound, Rate) and isinstance(limit, RateLimit):
            bound.hold_to(limit)
        elif isinstance(limit, ConcurrencyKey):
            bound.total = limit.limit
        return bound


def check_names(agents: Iterable[Agent]) -> None:
    """Raise DefinitionError where agents say different limits under one name."""
    known: dict[tuple[str, str], tuple[str, str]] = {}
    for agent in agents:
        for limit in _limits(agent):
            kind, said = type(limit).__name__, _said(limit)
            if limit.name is None:
                continue
            other, before = known.setdefault((kind, limit.name), (agent.name, said))
            if said != before:
                raise DefinitionError(
                    f"{kind}(name={limit.name!r}) is {said} here and {before} of agent {other!r}; "
                    "what counts together has one limit",
                    f"agent {agent.name!r}",
                )


def _limits(agent: Agent) -> tuple[ConcurrencyKey | RateLimit, ...]:
    return (*agent.concurrency_key, *agent.rate_limit)


def _said(limit: ConcurrencyKey | RateLimit) -> str:
    """How many."""
    if isinstance(limit, ConcurrencyKey):
        return f"limit={limit.limit}"
    return f"{limit.count:g} per {limit.per:g} s, burst={limit.holds}"
