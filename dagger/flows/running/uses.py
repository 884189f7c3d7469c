"""What the steps of flows use: step functions and agents by their names, given or registered."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import Any

from dagger.authoring.agent import Agent
from dagger.authoring.registry import Registry, registry
from dagger.flows.flow import Flow
from dagger.flows.functions import StepFunction, StepFunctions, step_functions
from dagger.flows.names import Names
from dagger.flows.references import used_by
from dagger.words.errors import AgentNotFound, DefinitionError

Given = StepFunction | Agent | ModuleType


class Uses:
    """What was given goes before what is registered."""

    def __init__(
        self,
        given: Iterable[Given] = (),
        *,
        functions: StepFunctions = step_functions,
        agents: Registry = registry,
    ) -> None:
        self._given: dict[str, StepFunction | Agent] = {}
        self._functions, self._agents = functions, agents
        for each in given:
            for found in _in(each):
                self._given[found.name] = found

    def find(self, name: str) -> StepFunction | Agent | None:
        """What is called so; None if nothing is. Raises DefinitionError if several things are."""
        found = self._given.get(name) or self._functions.get(name)
        if found is not None:
            return found
        try:
            return self._agents.get(name)
        except AgentNotFound:
            return None

    def names(self, flow: Flow) -> Names:
        """Those names that a flow may use, to check it with."""
        known = {name: self.find(name) for name in _all_used(flow)}
        registered = {name: self._alone(name) for name in self._functions}
        found = {**registered, **self._given, **known}
        return Names.of(
            [*self._agents, *(name for name, each in found.items() if isinstance(each, Agent))],
            [each for each in found.values() if isinstance(each, StepFunction)],
        )

    def _alone(self, name: str) -> StepFunction | None:
        """The step function that is registered so, unless there are several: who uses none of
        them need not mind.
        """
        try:
            return self._functions.get(name)
        except DefinitionError:
            return None


def _all_used(flow: Flow) -> Iterable[str]:
    return dict.fromkeys(name for each in flow.flows() for name in used_by(each))


def _in(given: Any) -> Iterable[StepFunction | Agent]:
    if isinstance(given, StepFunction | Agent):
        return [given]
    if isinstance(given, ModuleType):
        return [each for each in vars(given).values() if isinstance(each, StepFunction | Agent)]
    problem = "steps use functions decorated with @step, agents, and modules with them"
    raise DefinitionError(f"{problem}, not {given!r}", None)
