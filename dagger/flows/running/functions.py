"""A step function as an agent: its arguments are the payload, its result is the reply."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from dagger.authoring.agent import Agent
from dagger.authoring.context import Context
from dagger.authoring.making import make
from dagger.authoring.options import AgentOptions
from dagger.authoring.signature import underlying
from dagger.flows.functions import CONTEXT, KEY, StepFunction
from dagger.rules.derive import BuildError, Derived, built, derive
from dagger.rules.schema import Schema, schema
from dagger.rules.violation import Violation
from dagger.words.effects import IDEMPOTENCY_KEY
from dagger.words.errors import ArgumentsRefused, DefinitionError


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


class _Parameter:
    """One parameter: what it has to be, and how its value is made."""

    __slots__ = ("build", "schema")

    def __init__(self, derived: Derived, where: str) -> None:
        plain = derived.schema is True
        self.schema: Schema | None = None if plain else schema(derived.schema, where)
        self.build = derived.build


class _Call:
    """Calls one step function with the payload."""

    def __init__(self, function: StepFunction) -> None:
        self._function = function
        self.is_async = inspect.iscoroutinefunction(underlying(function.function))
        known = _annotations(function)
        names = (*function.required, *function.optional)
        self._parameters = {
            name: _Parameter(derive(known[name], function.where), function.where)
            for name in names
            if name in known
        }
        returned = derive(known.get("return", Any), function.where, "serialization")
        self._returned = _Parameter(returned, function.where)

    async def awaited(self, payload: Any, ctx: Context) -> Any:
        return self._result(await self._function.function(**self._given(payload, ctx)))

    def plain(self, payload: Any, ctx: Context) -> Any:
        return self._result(self._function.function(**self._given(payload, ctx)))

    def _given(self, payload: Any, ctx: Context) -> dict[str, Any]:
        """The arguments as the function wants them. Raises ArgumentsRefused."""
        function = self._function
        given = dict(payload) if isinstance(payload, Mapping) else {}
        missing = [name for name in function.required if name not in given]
        if missing:
            raise self._refused("$", "required", f"{missing[0]!r} is missing", payload)
        for name, parameter in self._parameters.items():
            if name in given:
                given[name] = self._checked(parameter, given[name], f"$.{name}", "input")
        if function.takes_context:
            given[CONTEXT] = ctx
        if function.takes_key:
            known = ctx.message.headers.get(IDEMPOTENCY_KEY, ctx.node_id)
            given[KEY] = known.removeprefix(f"{ctx.channel}/")
        return given

    def _result(self, value: Any) -> Any:
        """The result as plain data. Raises ArgumentsRefused."""
        returned = self._returned
        if returned.build is not None:
            return returned.build(value)
        if returned.schema is not None:
            self._check(returned.schema, value, "$", "output")
        return value

    def _checked(self, parameter: _Parameter, value: Any, path: str, direction: str) -> Any:
        if parameter.schema is not None:
            self._check(parameter.schema, value, path, direction)
        if parameter.build is None:
            return value
        try:
            return built(parameter.build, value)
        except BuildError as error:
            raise self._of(error.violation, path, direction) from error

    def _check(self, wanted: Schema, value: Any, path: str, direction: str) -> None:
        if not wanted.is_valid(value):
            found = wanted.violation(value)
            if found is not None:
                raise self._of(found, path, direction)

    def _of(self, found: Violation, path: str, direction: str) -> ArgumentsRefused:
        inner = f"{path}{found.path.removeprefix('$')}"
        return self._refused(inner, found.rule, found.problem, found.value, direction)

    def _refused(
        self, path: str, rule: str, problem: str, value: Any, direction: str = "input"
    ) -> ArgumentsRefused:
        shown = value if isinstance(value, str) else repr(value)
        name = self._function.name
        return ArgumentsRefused(path, rule, problem, shown, agent=name, direction=direction)


def _annotations(function: StepFunction) -> Mapping[str, Any]:
    """What the annotations of a function stand for. Raises DefinitionError."""
    plain = underlying(function.function)
    names: dict[str, Any] = dict(getattr(plain, "__globals__", {}))
    names.update(function.names)
    found: dict[str, Any] = {}
    for name, annotation in getattr(plain, "__annotations__", {}).items():
        try:
            found[name] = eval(annotation, names) if isinstance(annotation, str) else annotation
        except Exception as error:
            problem = f"the annotation {annotation!r} of {name!r} cannot be resolved ({error})"
            raise DefinitionError(problem, function.where) from error
    return found
