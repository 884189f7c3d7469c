"""What the agents of nodes do: find the state of a branch, call the node, and say where it goes."""

from __future__ import annotations

import inspect
from collections.abc import Generator
from typing import Any

from dagger.authoring.context import Context
from dagger.graphs.machine import Machine
from dagger.graphs.outcome import Outcome
from dagger.graphs.running.context import NodeContext
from dagger.graphs.running.hub import Hub, branch_at, machine_at
from dagger.graphs.running.nodes import Calling
from dagger.graphs.values import Seen

Turns = Generator[Any, Any, Any]
"""Gives what functions of the user return, and gets what that comes to."""


class Caller:
    """Calls the nodes of one graph: `awaited` and `undo` where functions are async, the others in
    threads.
    """

    def __init__(self, hub: Hub, calling: Calling) -> None:
        self._hub = hub
        self._calling = calling

    async def awaited(self, payload: Any, ctx: NodeContext) -> Any:
        machine = await self._hub.get((ctx.run_here, payload["of"]))
        return await _awaited(self._call(payload, ctx, machine))

    def plain(self, payload: Any, ctx: NodeContext) -> Any:
        machine = self._hub.get_in_thread((ctx.run_here, payload["of"]))
        return _through(self._call(payload, ctx, machine))

    async def undo(self, payload: Any, ctx: NodeContext) -> Any:
        machine = await self._hub.get((ctx.run_here, payload["of"]))
        return await _awaited(self._undo(payload, ctx, machine))

    def undo_plain(self, payload: Any, ctx: NodeContext) -> Any:
        machine = self._hub.get_in_thread((ctx.run_here, payload["of"]))
        return _through(self._undo(payload, ctx, machine))

    async def route(self, payload: Any, ctx: NodeContext) -> Any:
        """Only ask the router of a node."""
        machine = await self._hub.get((ctx.run_here, payload["of"]))
        return await _awaited(self._route(payload, ctx, machine))

    def _call(self, payload: Any, ctx: NodeContext, machine: Machine) -> Turns:
        """The function of a node, then its loop or its router."""
        calling = self._calling
        inner, branch = branch_at(machine, tuple(payload["at"]))
        node = inner.nodes[payload["node"]]
        returned = yield calling.begin(node, branch.view, ctx, inner.library.reducers)
        came = calling.came_to(node, returned, ctx, inner)
        decides = node.loop is not None or node.name in inner.definition.choices
        if came.outcome.to is not None or not decides:
            return reply(came.outcome, ctx)
        seen = came.seen(branch.view)
        again = yield calling.turns(node, payload["visit"], seen)
        if again:
            return reply(came.outcome._replace(again=True), ctx)
        said = yield calling.routed(node.name, seen)
        return reply(came.outcome._replace(chosen=calling.chosen(node.name, said)), ctx)

    def _route(self, payload: Any, ctx: NodeContext, machine: Machine) -> Turns:
        _, branch = branch_at(machine, tuple(payload["at"]))
        said = yield self._calling.routed(payload["node"], Seen(branch.view))
        return reply(Outcome(chosen=self._calling.chosen(payload["node"], said)), ctx)

    def _undo(self, payload: Any, ctx: NodeContext, machine: Machine) -> Turns:
        inner = machine_at(machine, tuple(payload["at"]))
        node = inner.nodes[payload["node"]]
        yield self._calling.undo(node, inner.view, ctx, payload["update"])


def reply(outcome: Outcome, ctx: Context) -> dict[str, Any]:
    """What whoever coordinates is told of an outcome."""
    return {**outcome.data(), "at": ctx.now()}


async def _awaited(turns: Turns) -> Any:
    value = None
    while True:
        try:
            found = turns.send(value)
        except StopIteration as end:
            return end.value
        value = await found if inspect.isawaitable(found) else found


def _through(turns: Turns) -> Any:
    value = None
    while True:
        try:
            value = turns.send(value)
        except StopIteration as end:
            return end.value
