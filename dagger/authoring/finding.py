"""Finding a handler by its name: in its module, as a worker process does."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from dagger.authoring.agent import Agent
from dagger.words.errors import DefinitionError


def named(module: ModuleType | None, name: str) -> Any:
    """What is called so in a module; of an agent, its handler."""
    value = getattr(module, name, None)
    return value.handler if isinstance(value, Agent) else value


def check_found(agent: Agent) -> None:
    """Raise DefinitionError if a worker process would take another function for its handler.

    That can be told once the module is there: not while the handler is decorated.
    """
    at = agent.process
    if at is not None and named(sys.modules.get(at.module), at.name) is not agent.handler:
        problem = (
            f"a worker process would not find the handler: {at.name!r} in {at.module} is something "
            "else by now; give each function of run_in='process' a name of its own"
        )
        raise DefinitionError(problem, agent.where)
