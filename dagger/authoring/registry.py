"""Registries: where agents are found by name.

A registry is an object; `registry` is the default one, which `@agent` fills and
`executor.register("name")` looks in. Modules that do not know each other may use
one name: each of their agents works, only finding one by that name is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from dagger.words.errors import AgentNotFound, DuplicateAgent

if TYPE_CHECKING:
    from dagger.authoring.agent import Agent

Factory = Callable[[], "Agent"]


class Registry:
    """Agents and factories of agents by name.

    Agents are held weakly: one that its module or function has let go is not found.
    """

    def __init__(self) -> None:
        # name -> scope -> agent
        self._agents: dict[str, WeakValueDictionary[str, Agent]] = {}
        self._factories: dict[str, Factory] = {}

    def add(self, agent: Agent) -> None:
        """Make an agent findable. The same definition, run again, replaces itself.

        Raises DuplicateAgent if another handler of the same file and scope has the name.
        """
        scopes = self._agents.setdefault(agent.name, WeakValueDictionary())
        scope = _scope(agent)
        known = scopes.get(scope)
        if known is not None and _file(known) == _file(agent) and known.where != agent.where:
            raise DuplicateAgent(agent.name, agent.where, known.where)
        scopes[scope] = agent

    def add_factory(self, name: str, factory: Factory) -> None:
        """Make an agent findable that is made when it is asked for."""
        if name in self._factories:
            raise DuplicateAgent(name, "add_factory", "another factory")
        self._factories[name] = factory

    def get(self, name: str) -> Agent:
        """The agent of that name. Raises AgentNotFound, or DuplicateAgent if two have it."""
        if name in self._factories:
            return self._factories[name]()
        found = list(self._agents[name].values()) if name in self._agents else []
        if not found:
            raise AgentNotFound(name, tuple(self))
        if len(found) > 1:
            raise DuplicateAgent(name, found[-1].where, found[0].where)
        return found[0]

    def clear(self) -> None:
        """Forget all."""
        self._agents.clear()
        self._factories.clear()

    def __iter__(self) -> Iterator[str]:
        alive = (name for name, scopes in self._agents.items() if scopes)
        return iter(sorted({*alive, *self._factories}))


def _scope(agent: Agent) -> str:
    """Module and enclosing function: where two agents of one name would shadow each other."""
    module = getattr(agent.handler, "__module__", "")
    qualified = getattr(agent.handler, "__qualname__", "")
    return f"{module}:{qualified.rpartition('.')[0]}"


def _file(agent: Agent) -> str:
    return agent.where.rpartition(" (")[2].rpartition(":")[0]


registry = Registry()
"""The default registry: every decorated agent is in it."""
