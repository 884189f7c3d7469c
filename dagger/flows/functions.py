"""`@step`: functions that a flow may use by their names."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict, Unpack, cast, overload
from weakref import WeakValueDictionary

from dagger.authoring.options import check_options
from dagger.authoring.signature import place_of
from dagger.flows.structure import complaint
from dagger.words.errors import DefinitionError

CONTEXT = "ctx"
"""The parameter that stands for the context, and for no argument."""

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


class StepFunctions:
    """Step functions by name, held weakly: one that its module has let go of is not found.

    Files that do not know each other may use one name: each of their functions works, only
    finding one by that name is refused.
    """

    def __init__(self) -> None:
        # name -> function and file -> step function
        self._known: dict[str, WeakValueDictionary[str, StepFunction]] = {}

    def add(self, made: StepFunction) -> None:
        """Make a step function findable. The same definition, run again, replaces itself.

        Raises DefinitionError if another function of the same file has the name.
        """
        homes = self._known.setdefault(made.name, WeakValueDictionary())
        for home, known in homes.items():
            if _file(known) == _file(made) and home != _home(made):
                problem = f"a step function named {made.name!r} exists already, from {known.where}"
                raise DefinitionError(f"{problem}; rename one with @step(name=...)", made.where)
        homes[_home(made)] = made

    def get(self, name: str) -> StepFunction | None:
        """The step function of a name; None if there is none.

        Raises DefinitionError if functions of several files have it.
        """
        found = [*self._known[name].values()] if name in self._known else []
        if len(found) > 1:
            problem = f"step functions of several files are named {name!r}"
            raise DefinitionError(f"{problem}, another one in {found[0].where}", found[1].where)
        return found[0] if found else None

    def clear(self) -> None:
        """Forget all."""
        self._known.clear()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(name for name, homes in self._known.items() if homes))


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
    _check(options, where)
    parameters = inspect.signature(target).parameters.values()
    for each in parameters:
        if each.kind in (each.POSITIONAL_ONLY, each.VAR_POSITIONAL):
            problem = f"arguments are given by name, so {each.name!r} cannot be filled"
            raise DefinitionError(problem, where)
    named = [each for each in parameters if each.kind is not each.VAR_KEYWORD]
    arguments = [each for each in named if each.name not in (CONTEXT, KEY)]
    asked = {each.name for each in named}
    name = options.pop("name", getattr(target, "__name__", type(target).__name__))
    description = options.pop("description", None)
    return StepFunction(
        name=name,
        description=description if description is not None else inspect.getdoc(target) or "",
        function=target,
        required=tuple(each.name for each in arguments if each.default is each.empty),
        optional=tuple(each.name for each in arguments if each.default is not each.empty),
        takes_any=any(each.kind is each.VAR_KEYWORD for each in parameters),
        takes_context=CONTEXT in asked,
        takes_key=KEY in asked,
        where=where,
        names=names,
        options=options,
    )


def _check(options: dict[str, Any], where: str) -> None:
    """Raise DefinitionError for an option that there is none of, or that says nothing sensible."""
    check_options(options, StepOptions.__annotations__, "@step", where)
    for name, value in options.items():
        grammar_name = "uses" if name == "name" else name
        if problem := complaint(grammar_name, value):
            raise DefinitionError(f"{name}= {problem}", where)


def _home(made: StepFunction) -> str:
    """Function and file: what is defined there anew is the same function."""
    return made.where.rpartition(":")[0]


def _file(made: StepFunction) -> str:
    return _home(made).rpartition(" (")[2]
