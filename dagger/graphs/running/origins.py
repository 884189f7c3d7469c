"""Origins: what an executor is told of the agents that a graph has become."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dagger.authoring.coordinating import CoordinatorContext
from dagger.authoring.origin import Origin
from dagger.graphs.graph import Graph
from dagger.graphs.library import Library
from dagger.graphs.model import Definition
from dagger.graphs.restoring import check
from dagger.graphs.running.changing import begun_under, difference, misfit
from dagger.graphs.running.context import NodeContext
from dagger.graphs.running.coordinator import is_checkpoint
from dagger.graphs.shape import plain_of
from dagger.rules.nearest import meant
from dagger.words.errors import DefinitionError, ValidationError
from dagger.words.payload import plain

if TYPE_CHECKING:
    from dagger.authoring.context import Context
    from dagger.authoring.invocation import Invocation
    from dagger.state.queues import Delivery


class NodeOrigin(Origin):
    """Of the agents that call nodes."""

    def context(self, invocation: Invocation) -> Context:
        return NodeContext(invocation)


class GraphOrigin(Origin):
    """Of the coordinator."""

    def __init__(
        self,
        graph: Graph,
        definition: Definition,
        data: Mapping[str, Any],
        digest: str,
        library: Library,
        accept_changes: bool,
    ) -> None:
        super().__init__(digest)
        self._graph = graph
        self._definition = definition
        self._library = library
        self._name = definition.name
        self._data = data
        self._accept_changes = accept_changes

    def context(self, invocation: Invocation) -> Context:
        return CoordinatorContext(invocation)

    def receive(self, payload: Any, run_id: str) -> Any:
        """The state that a run begins with, checked, with defaults for what is not given.

        Raises ValidationError, and CheckpointRefused for what is none.
        """
        if is_checkpoint(payload):
            check(payload[0], self._graph, self._definition, self._library)
            return payload
        given = self._state(payload)
        return {**given, **self._graph.shape.given(given)}

    def begins_with(self, payload: Any, run_id: str, *, received: bool) -> Any:
        """What is not known before a run has begun: defaults that are others each time; of what
        an agent has sent, all that `receive` says.
        """
        payload = payload if received else self.receive(payload, run_id)
        return payload if is_checkpoint(payload) else payload | self._graph.shape.fresh(payload)

    @property
    def changes(self) -> bool:
        """Whether there are such defaults."""
        return any(self._graph.shape.changing())

    def _state(self, payload: Any) -> dict[str, Any]:
        """What is given of a state, checked."""
        try:
            given = {} if payload is None else plain(plain_of(payload))
        except DefinitionError:
            problem = "a run begins with a state: keys and their values"
            raise self._refused("$", "type", problem, payload) from None
        shape = self._graph.shape
        for key in given:
            if not shape.has(key):
                problem = f"the state has no key {key!r}{meant(key, shape.fields or ())}"
                raise self._refused(f"$.{key}", "additionalProperties", problem, given[key])
        for key, found in shape.misfits(given):
            raise self._refused(found.path, found.rule, found.problem, given.get(key, given))
        return given

    def _refused(self, path: str, rule: str, problem: str, value: Any) -> ValidationError:
        shown, name = json.dumps(value, default=repr), self._name
        return ValidationError(path, rule, problem, shown, agent=name, channel=name)

    def obstacle(self, delivery: Delivery) -> str:
        """Why a run that was begun under another definition cannot go on here."""
        begun = begun_under(delivery)
        if begun is None or begun[0] == self.definition:
            return ""
        problem, hint = "", "put it back, or go on with Graphs(accept_changes=True)"
        if self._accept_changes:
            run = delivery.queue.run
            if delivery.number == 1:
                problem = misfit(run, self._graph, self._definition, self._library)
            if not problem:
                return ""
            problem, hint = f": {problem}", "put that back, or cancel the run and begin another one"
        changed = f"graph {self._name!r} has changed since the run began{problem}; {hint}"
        return f"{changed}\n{difference(begun[1], self._data)}"
