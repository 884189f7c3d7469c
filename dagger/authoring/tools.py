"""`@tool`: functions that are called by name, with a schema of what they take.

Whoever chooses among them, a model as a rule, is shown `tools.list()` and says a name and
arguments; `await tools.invoke(name, **arguments)` checks those, calls, and gives plain data back.
Tools know nothing of agents: any handler, step or node may use them.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any, TypedDict, overload

import anyio.to_thread

from dagger.authoring.arguments import CONTEXT, Arguments, Parameters, parameters_of
from dagger.authoring.by_name import ByName
from dagger.authoring.signature import place_of, underlying
from dagger.rules.nearest import nearest
from dagger.rules.violation import Violation
from dagger.words.errors import DefinitionError, ExecutionError, ToolNotFound, ToolRefused
from dagger.words.payload import plain


class ToolInfo(TypedDict):
    """A tool as it is shown to whoever chooses among several."""

    name: str
    """What it is called by."""
    description: str
    """What it is for."""
    schema: dict[str, Any]
    """The JSON Schema of its arguments: an object, with a property for each of them."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Tool:
    """A function with a name and a schema of its arguments. Data: making it starts nothing.

    Calling it calls the function, so that it can be tested as the function it is.
    """

    name: str
    """What it is called by."""
    description: str
    """What it is for: its docstring, where nothing else is said."""
    function: Callable[..., Any]
    """The function that is called."""
    schema: Mapping[str, Any]
    """The JSON Schema of its arguments, as an object; not to be changed."""
    takes_context: bool
    """Whether it asks for `ctx`."""
    where: str
    """Where the function is: "function (file:line)"."""
    _arguments: Arguments

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<tool {self.name!r}>"

    async def invoke(self, arguments: Mapping[str, Any], ctx: Any = None) -> Any:
        """What the function makes of arguments, as plain data; `ctx` is for a tool that asks.

        A plain function runs in a thread. Raises ToolRefused where the arguments, or what comes
        out, are not what the annotations say, ExecutionError where the tool asks for a `ctx` that
        is not there, SerializationError for what is not JSON, and whatever the function raises.
        """
        given = self._arguments.built(plain(arguments, f"the arguments of tool {self.name!r}"))
        if self.takes_context:
            given[CONTEXT] = self._context(ctx)
        call = partial(self.function, **given)
        if inspect.iscoroutinefunction(underlying(self.function)):
            value = await call()
        else:
            value = await anyio.to_thread.run_sync(call, abandon_on_cancel=True)
        return plain(self._arguments.result(value), f"tool {self.name!r}")

    def _context(self, ctx: Any) -> Any:
        if ctx is None:
            problem = (
                f"tool {self.name!r} asks for ctx; pass on what your handler is given, ctx=ctx"
            )
            raise ExecutionError(problem)
        return ctx


class ToolRegistry:
    """Tools by name.

    `tools` is the default one, which `@tool` fills: there tools are held weakly, so one that its
    module has let go of is not found. `ToolRegistry([search, add])` has these alone, and holds
    them.
    """

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self._known: ByName[Tool] = ByName("tool", "@tool")
        self._held = [*tools]
        for each in self._held:
            self.add(each)

    def add(self, tool: Tool) -> None:
        """Make a tool findable as long as somebody holds it; defined anew it replaces itself.

        Raises DefinitionError if another tool of the same file has its name.
        """
        self._known.add(tool)

    def get(self, name: str) -> Tool:
        """The tool of a name.

        Raises ToolNotFound, with the nearest name, and DefinitionError if tools of several
        files have it.
        """
        found = self._known.get(name)
        if found is None:
            near = nearest(name, self)
            raise ToolNotFound(name, tuple(self), f"did you mean {near!r}?" if near else "")
        return found

    async def invoke(self, name: str, /, *, ctx: Any = None, **arguments: Any) -> Any:
        """Call a tool by its name; what it comes to is plain data.

        The arguments are checked against the schema of the tool. A plain function runs in a
        thread; cancelled, it is left to itself. `ctx` is for a tool that asks for it.

        Raises ToolNotFound, ToolRefused (naming tool, path and rule), ExecutionError where a `ctx`
        is missing, SerializationError for what is not JSON, and whatever the tool raises.
        """
        return await self.get(name).invoke(arguments, ctx)

    def list(self) -> list[ToolInfo]:
        """Name, description and schema of each tool, in order of names, as plain data."""
        return [_info(self.get(name)) for name in self]

    def clear(self) -> None:
        """Forget all."""
        self._held.clear()
        self._known.clear()

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)


tools = ToolRegistry()
"""The default registry: every decorated tool is in it."""


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...


@overload
def tool(
    name: str | None = None,
    description: str | None = None,
    *,
    registry: ToolRegistry = tools,
) -> Callable[[Callable[..., Any]], Tool]: ...


def tool(
    name: Callable[..., Any] | str | None = None,
    description: str | None = None,
    *,
    registry: ToolRegistry = tools,
) -> Any:
    """Make a tool of a function, `async def` or `def`, that `tools.invoke` calls by name.

    Its parameters are the arguments, and their annotations say what those have to be; one with a
    default may be left out, and one named `ctx` is the context, and no argument. `name` and
    `description` are otherwise those of the function; `registry` is where it is found.

    Raises DefinitionError or SchemaError, naming function, file and line.
    """
    # Annotations may use the local names of whoever decorates.
    names = dict(sys._getframe(1).f_locals)

    def decorate(target: Callable[..., Any]) -> Tool:
        made = _make(target, called, description, names)
        registry.add(made)
        return made

    called = None if callable(name) else name
    return decorate(name) if callable(name) else decorate


_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""What the interfaces of models take for the name of a tool."""


def _make(
    target: Callable[..., Any], name: str | None, description: str | None, names: Mapping[str, Any]
) -> Tool:
    if not callable(target):
        hint = f"; did you mean @tool(name={target!r})?" if isinstance(target, str) else ""
        raise DefinitionError(f"@tool is for functions, not {target!r}{hint}", None)
    where = place_of(target)
    plain_function = underlying(target)
    if inspect.isgeneratorfunction(plain_function) or inspect.isasyncgenfunction(plain_function):
        raise DefinitionError("a tool returns one value, so it cannot yield", where)
    called = name if name is not None else getattr(target, "__name__", type(target).__name__)
    if not isinstance(called, str) or not _NAME.fullmatch(called):
        problem = f"a tool's name is of 1 to 64 letters, digits, `_`, `-` and `.`, not {called!r}"
        raise DefinitionError(f"{problem}; give one with @tool(name=...)", where)
    parameters = parameters_of(target, (CONTEXT,), where)
    arguments = _arguments(target, called, parameters, names, where)
    return Tool(
        name=called,
        description=description if description is not None else inspect.getdoc(target) or "",
        function=target,
        schema=arguments.source(),
        takes_context=CONTEXT in parameters.asked,
        where=where,
        _arguments=arguments,
    )


def _arguments(
    target: Callable[..., Any],
    called: str,
    parameters: Parameters,
    names: Mapping[str, Any],
    where: str,
) -> Arguments:
    def refused(found: Violation, direction: str) -> ToolRefused:
        return ToolRefused(called, *found, direction=direction)

    return Arguments(target, parameters, names, where, refused)


def _info(each: Tool) -> ToolInfo:
    return ToolInfo(name=each.name, description=each.description, schema=deepcopy({**each.schema}))
