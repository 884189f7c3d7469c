"""`@step`: functions that a flow may use by their names."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict, Unpack, cast, overload
from weakref import WeakKeyDictionary

from dagger.authoring.arguments import CONTEXT, Arguments, parameters_of
from dagger.authoring.by_name import ByName
from dagger.authoring.options import check_options
from dagger.authoring.signature import place_of
from dagger.flows.grammar import complaint
from dagger.rules.retry import strategy
from dagger.rules.schema import Schema
from dagger.rules.violation import Violation
from dagger.words.errors import ArgumentsRefused, ConfigError, DefinitionError

KEY = "idempotency_key"
"""The parameter that stands for what the step is known by: the same in each attempt at it."""


class StepOptions(TypedDict, total=False):
    """What may be said of a step function; in a flow it holds where the step says nothing."""

    name: str
    description: str
    retry: str | Mapping[str, Any]
    timeout: float
    cache: float
    on_error: str
    priority: int
    idempotency_key: str
    resources: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class StepFunction:
    """A function with a name, by which flows use it. Data: making it starts nothing.

    Calling it calls the function, so that it can be tested as the function it is.
    """

    name: str
    """What a step says in `uses`."""
    description: str
    """What it is for: its docstring, where nothing else is said."""
    function: Callable[..., Any]
    """The function that is called."""
    required: tuple[str, ...]
    """Parameters without a default, which a step's `with` must give."""
    optional: tuple[str, ...]
    """Parameters with a default, which it may give."""
    takes_any: bool
    """Whether it takes arguments of other names as well (`**arguments`)."""
    takes_context: bool
    """Whether it asks for `ctx`, the context of its invocation."""
    takes_key: bool
    """Whether it asks for `idempotency_key`, what the step is known by."""
    where: str
    """Where the function is: "function (file:line)"."""
    names: Mapping[str, Any]
    """Local names that its annotations may use."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What is said of it with `@step(...)`, but for its name and description."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<step {self.name!r}>"


class StepFunctions(ByName[StepFunction]):
    """Step functions by name, held weakly: one that its module has let go of is not found.

    Files that do not know each other may use one name: each of their functions works, only
    finding one by that name is refused.
    """

    def __init__(self) -> None:
        super().__init__("step function", "@step")


step_functions = StepFunctions()
"""Where `@step` puts what it makes."""


@overload
def step(function: Callable[..., Any], /) -> StepFunction: ...


@overload
def step(**options: Unpack[StepOptions]) -> Callable[[Callable[..., Any]], StepFunction]: ...


def step(function: Callable[..., Any] | None = None, /, **options: Unpack[StepOptions]) -> Any:
    """Make a step function, `async def` or `def`, that flows use by its name.

    Its parameters are the arguments that a step gives it in `with`; one named `ctx` is the
    context of the invocation, and `idempotency_key` what the step is known by, the same each
    time it is tried. What it returns is the step's output. `name` and `description`
    are otherwise those of the function; the other options are as in a flow's grammar, and hold
    where a step says nothing.

    Raises DefinitionError, naming function, file and line.
    """
    names = dict(sys._getframe(1).f_locals)

    def decorate(target: Callable[..., Any]) -> StepFunction:
        made = make(target, cast("dict[str, Any]", options), names)
        step_functions.add(made)
        return made

    return decorate if function is None else decorate(function)


def make(
    target: Callable[..., Any], options: dict[str, Any], names: Mapping[str, Any]
) -> StepFunction:
    """A step function that nobody finds by its name. Raises DefinitionError."""
    where = place_of(target)
    if not callable(target):
        raise DefinitionError(f"@step is for functions, not {target!r}", None)
    options = dict(options)  # one decorator may make several
    _check(options, where)
    if inspect.isgeneratorfunction(target) or inspect.isasyncgenfunction(target):
        raise DefinitionError("it yields, and a step has one output: return it", where)
    parameters = parameters_of(target, (CONTEXT, KEY), where)
    name = options.pop("name", getattr(target, "__name__", type(target).__name__))
    description = options.pop("description", None)
    return StepFunction(
        name=name,
        description=description if description is not None else inspect.getdoc(target) or "",
        function=target,
        required=parameters.required,
        optional=tuple(parameters.defaults),
        takes_any=parameters.takes_any,
        takes_context=CONTEXT in parameters.asked,
        takes_key=KEY in parameters.asked,
        where=where,
        names=names,
        options=options,
    )


def arguments_of(function: StepFunction) -> Arguments:
    """What checks and builds the arguments of a step function, and refuses with ArgumentsRefused.

    Raises DefinitionError for its annotations.
    """
    name, target, where = function.name, function.function, function.where

    def refused(found: Violation, direction: str) -> ArgumentsRefused:
        return ArgumentsRefused(*found, agent=name, direction=direction)

    return Arguments(
        target, parameters_of(target, (CONTEXT, KEY), where), function.names, where, refused
    )


def schemas_of(function: StepFunction) -> Mapping[str, Schema]:
    """What each argument of a step function has to be, of those that cannot be anything.

    Raises DefinitionError for its annotations.
    """
    found = _schemas.get(function)
    if found is None:
        found = _schemas[function] = arguments_of(function).schemas()
    return found


_schemas: WeakKeyDictionary[StepFunction, Mapping[str, Schema]] = WeakKeyDictionary()


def _check(options: dict[str, Any], where: str) -> None:
    """Raise DefinitionError for an option that there is none of, or that says nothing sensible."""
    check_options(options, StepOptions.__annotations__, "@step", where)
    for name, value in options.items():
        grammar_name = "uses" if name == "name" else name
        if problem := complaint(grammar_name, value):
            raise DefinitionError(f"{name}= {problem}", where)
    if "retry" in options:
        try:
            strategy(options["retry"])
        except ConfigError as error:
            raise DefinitionError(f"{error.key}= {error.problem}", where) from None
