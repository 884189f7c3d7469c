"""The call plan: how a handler is called, decided once, when it is decorated.

A handler names what it wants; the names are the table `PARAMETERS`. Whatever is
wrong with a signature is said here, with function, file and line.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from operator import attrgetter
from typing import Any

from dagger.words.errors import DefinitionError

PARAMETERS: Mapping[str, str] = {
    "payload": "payload",
    "message": "message",
    "ctx": "context",
    "channel": "channel",
    "node_id": "node_id",
    "cache": "cache",
    "executor": "executor",
}
"""What a handler may ask for, and the attribute of the invocation that holds it."""


class Kind(Enum):
    """How a handler runs."""

    COROUTINE = "async def"
    ASYNC_GENERATOR = "async def with yield"
    FUNCTION = "def"
    GENERATOR = "def with yield"

    @property
    def threaded(self) -> bool:
        """Plain functions run in a worker thread, so that they cannot block the loop."""
        return self in (Kind.FUNCTION, Kind.GENERATOR)

    @property
    def streams(self) -> bool:
        return self in (Kind.ASYNC_GENERATOR, Kind.GENERATOR)


@dataclass(frozen=True, slots=True)
class CallPlan:
    """How to call one handler: `call(invocation)` gives its coroutine, generator or value."""

    kind: Kind
    call: Callable[[Any], Any]
    parameters: tuple[str, ...]
    payload: Any
    """The payload parameter's annotation; `inspect.Parameter.empty` without one."""
    returns: Any
    """The return annotation; `inspect.Parameter.empty` without one."""
    where: str
    """"function (file:line)", for messages."""


def place_of(function: Any) -> str:
    """Where a handler is: "function (file:line)"."""
    plain = underlying(function)
    code = getattr(plain, "__code__", None)
    named = function if hasattr(function, "__qualname__") else plain  # partials, instances
    name = getattr(named, "__qualname__", repr(function)).replace("<locals>.", "")
    return f"{name} ({code.co_filename}:{code.co_firstlineno})" if code else name


def make_plan(function: Callable[..., Any], names: Mapping[str, Any]) -> CallPlan:
    """The plan for a handler; `names` are the local names its annotations may use.

    Raises DefinitionError for a parameter that is not in `PARAMETERS`, that is
    variadic or positional-only, and for an annotation that names nothing.
    """
    where = place_of(function)
    parameters = inspect.signature(function).parameters
    for parameter in parameters.values():
        _check(parameter, where)
    wanted = tuple(parameters)
    annotated = parameters.get("payload")
    return CallPlan(
        kind=_kind(function),
        call=_caller(function, wanted),
        parameters=wanted,
        payload=resolve(
            annotated.annotation if annotated else inspect.Parameter.empty,
            function,
            names,
            "the annotation of 'payload'",
            where,
        ),
        returns=resolve(
            inspect.signature(function).return_annotation,
            function,
            names,
            "the return annotation",
            where,
        ),
        where=where,
    )


def _check(parameter: inspect.Parameter, where: str) -> None:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        raise DefinitionError(
            f"a handler's parameters are given by name, so {parameter} cannot be filled; "
            f"name what you want of: {', '.join(PARAMETERS)}",
            where,
        )
    if parameter.kind is parameter.POSITIONAL_ONLY:
        raise DefinitionError(
            f"parameter {parameter.name!r} is positional-only, but parameters are given by name",
            where,
        )
    if parameter.name not in PARAMETERS:
        raise DefinitionError(
            f"unknown parameter {parameter.name!r}; a handler may ask for: {', '.join(PARAMETERS)}",
            where,
        )


def _kind(function: Callable[..., Any]) -> Kind:
    plain = underlying(function)
    if inspect.isasyncgenfunction(plain):
        return Kind.ASYNC_GENERATOR
    if inspect.iscoroutinefunction(plain):
        return Kind.COROUTINE
    if inspect.isgeneratorfunction(plain):
        return Kind.GENERATOR
    return Kind.FUNCTION


def underlying(function: Callable[..., Any]) -> Any:
    """The function under partials, bound methods and callable instances."""
    while hasattr(function, "func"):
        function = function.func
    if not inspect.isroutine(function) and not inspect.isclass(function):
        function = getattr(type(function), "__call__", function)  # noqa: B004 - the method itself
    return inspect.unwrap(getattr(function, "__func__", function))


def _caller(function: Callable[..., Any], wanted: tuple[str, ...]) -> Callable[[Any], Any]:
    """A function of the invocation alone: no name is looked up per message."""
    if not wanted:
        return lambda invocation: function()
    parameters = inspect.signature(function).parameters
    get = attrgetter(*(PARAMETERS[name] for name in wanted))
    if any(each.kind is each.KEYWORD_ONLY for each in parameters.values()):
        single = len(wanted) == 1
        return lambda invocation: function(
            **dict(zip(wanted, (get(invocation),) if single else get(invocation), strict=True))
        )
    if wanted == ("payload",):
        return lambda invocation: function(invocation.payload)
    if len(wanted) == 1:
        return lambda invocation: function(get(invocation))
    return lambda invocation: function(*get(invocation))


def resolve(
    annotation: Any, function: Callable[..., Any], names: Mapping[str, Any], what: str, where: str
) -> Any:
    """The object that an annotation written as a string stands for.

    `names` are local names that it may use, and `what` says whose it is. Raises DefinitionError.
    """
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, getattr(underlying(function), "__globals__", {}), dict(names))
    except Exception as error:
        raise DefinitionError(
            f"{what}, {annotation!r}, cannot be resolved ({error}); "
            "define or import the name before the handler",
            where,
        ) from error
