"""A step function as an agent: its arguments are the payload, its result is the reply."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from dagger.authoring.agent import Agent
from dagger.authoring.arguments import CONTEXT
from dagger.authoring.context import Context
from dagger.authoring.making import make
from dagger.authoring.options import AgentOptions
from dagger.authoring.signature import underlying
from dagger.flows.functions import KEY, StepFunction, arguments_of
from dagger.words.effects import IDEMPOTENCY_KEY


def agent_of(function: StepFunction) -> Agent:
    """An agent that calls a step function. Raises DefinitionError for its annotations."""
    call = _Call(function)
    handler = call.awaited if call.is_async else call.plain
    options: AgentOptions = {
        "name": function.name,
        "description": function.description,
        "subscribe": function.name,
        "publish": "*",
    }
    return make(handler, {}, options)


class _Call:
    """Calls one step function with the payload."""

    def __init__(self, function: StepFunction) -> None:
        self._function = function
        self.is_async = inspect.iscoroutinefunction(underlying(function.function))
        self._arguments = arguments_of(function)

    async def awaited(self, payload: Any, ctx: Context) -> Any:
        return self._arguments.result(await self._function.function(**self._given(payload, ctx)))

    def plain(self, payload: Any, ctx: Context) -> Any:
        return self._arguments.result(self._function.function(**self._given(payload, ctx)))

    def _given(self, payload: Any, ctx: Context) -> dict[str, Any]:
        """The arguments as the function wants them. Raises ArgumentsRefused."""
        function = self._function
        given = self._arguments.built(payload if isinstance(payload, Mapping) else {})
        if function.takes_context:
            given[CONTEXT] = ctx
        if function.takes_key:
            known = ctx.message.headers.get(IDEMPOTENCY_KEY, ctx.node_id)
            given[KEY] = known.removeprefix(f"{ctx.channel}/")
        return given
