"""Tools: functions that are called by name, with arguments that are checked."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Annotated, Any, NotRequired, TypedDict

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field, create_model

from dagger import (
    Context,
    DefinitionError,
    ExecutionError,
    Executor,
    Flow,
    Flows,
    SerializationError,
    ToolNotFound,
    ToolRefused,
    ToolRegistry,
    agent,
    step,
    tool,
    tools,
)


class Colour(Enum):
    """What pydantic knows more of than JSON does."""

    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    """A dataclass, which arguments are made into and results out of."""

    x: int
    y: int


class Place(BaseModel):
    """A model with another one in it."""

    name: str
    at: Point


class Query(TypedDict):
    """Plain data with names."""

    text: str
    limit: NotRequired[int]


mine = ToolRegistry()
"""Those of this file: what other tests see in `tools` is their own."""


@tool(registry=mine)
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


@tool(name="look-up", description="Look something up.", registry=mine)
async def look_up(query: Query, ctx: Context, colour: Colour = Colour.RED) -> Point:
    """Say how long a query is, and its limit."""
    return Point(len(query["text"]), query.get("limit", 0) if colour is Colour.RED else -1)


@tool(registry=mine)
def move(place: Place, by: Point) -> Place:
    """Move a place."""
    return Place(name=place.name, at=Point(place.at.x + by.x, place.at.y + by.y))


def schema_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The schema that a function has as a tool."""
    return {**tool(registry=ToolRegistry())(function).schema}


def test_a_tool_is_the_function_that_it_was() -> None:
    """It can be called and tested as what it is, and says what it is for."""
    assert add(2, 3) == 5
    assert (add.name, add.description) == ("add", "Add two numbers.")
    assert (look_up.name, look_up.description) == ("look-up", "Look something up.")
    assert "test_tools.py:" in add.where
    assert repr(add) == "<tool 'add'>"


def test_the_schema_is_that_of_the_signature() -> None:
    """Parameters with a default are optional and show it; `ctx` is none of them."""
    assert add.schema == {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer", "default": 1}},
        "required": ["a"],
        "additionalProperties": False,
    }
    assert [*look_up.schema["properties"]] == ["query", "colour"]
    assert look_up.schema["required"] == ["query"]


def test_the_schema_stands_by_itself() -> None:
    """Definitions of models and dataclasses are where the references to them lead."""
    Draft202012Validator.check_schema(move.schema)
    holds = Draft202012Validator(move.schema).is_valid
    assert holds({"place": {"name": "here", "at": {"x": 1, "y": 2}}, "by": {"x": 0, "y": 0}})
    assert not holds({"place": {"name": "here", "at": {"x": 1, "y": "2!"}}, "by": {"x": 0, "y": 0}})


def test_equal_names_of_unlike_types_are_told_apart() -> None:
    """Two parameters may have different classes of one name in them."""

    def pair(kind: type) -> Any:
        inner = create_model("Inner", value=(kind, ...))
        return create_model("Outer", inner=(inner, ...))

    def both(first: Any, second: Any) -> None:
        """Take one of each."""

    both.__annotations__ |= {"first": pair(int), "second": pair(str)}
    holds = Draft202012Validator(schema_of(both)).is_valid
    assert holds({"first": {"inner": {"value": 1}}, "second": {"inner": {"value": "1"}}})
    assert not holds({"first": {"inner": {"value": 1}}, "second": {"inner": {"value": 1}}})


def test_what_pydantic_says_of_a_parameter_is_in_the_schema() -> None:
    """Bounds and descriptions of Annotated parameters are shown."""

    def wait(seconds: Annotated[int, Field(ge=1, description="How long.")], on: date) -> None:
        """Wait."""

    properties = schema_of(wait)["properties"]
    assert properties["seconds"] == {"type": "integer", "minimum": 1, "description": "How long."}
    assert properties["on"] == {"type": "string", "format": "date"}


def test_a_default_that_is_no_value_of_its_type_is_not_shown() -> None:
    """Nobody is told to give what would be refused."""
    mark = object()

    def find(text: str = "", mark: Any = mark, kind: Any = 5) -> None:
        """Find something."""

    find.__defaults__ = (None, mark, 5)
    properties = schema_of(find)["properties"]
    assert properties == {"text": {"type": "string"}, "mark": {}, "kind": {"default": 5}}


def test_a_default_is_shown_as_it_would_be_given() -> None:
    """One that is no JSON data is written as its type writes it."""

    class Size(Enum):
        SMALL = "small"

    def order(
        size: Any = Size.SMALL, on: Any = date(2026, 1, 2), tags: Any = frozenset("a")
    ) -> None:
        """Order something."""

    order.__annotations__ |= {"size": Size, "on": date, "tags": frozenset[str]}
    properties = schema_of(order)["properties"]
    shown = {name: each.get("default") for name, each in properties.items()}
    assert shown == {"size": "small", "on": "2026-01-02", "tags": ["a"]}


def test_tools_are_listed_as_plain_data() -> None:
    """Name, description and schema, in order of names, and a copy each time."""
    registry = ToolRegistry([move, add])
    listed = registry.list()
    assert [each["name"] for each in listed] == ["add", "move"]
    assert listed[0] == {"name": "add", "description": "Add two numbers.", "schema": add.schema}
    assert json.loads(json.dumps(listed)) == listed
    listed[0]["schema"].clear()
    assert registry.list()[0]["schema"] == add.schema


async def test_a_tool_is_called_by_its_name() -> None:
    """With arguments as they are given, and defaults for the rest."""
    assert await mine.invoke("add", a=2) == 3
    assert await mine.invoke("add", a=2, b=5) == 7
    assert await mine.get("add").invoke({"a": 2}) == 3


async def test_types_are_built_and_results_are_plain() -> None:
    """The function gets what its annotations say, and its caller what JSON can say."""
    place = {"name": "here", "at": {"x": 1, "y": 2}}
    moved = {"name": "here", "at": {"x": 2, "y": 4}}
    assert await mine.invoke("move", place=place, by={"x": 1, "y": 2}) == moved
    assert await mine.invoke("move", place=Place(**place), by=Point(1, 2)) == moved  # type: ignore[arg-type]
    found = await mine.invoke("look-up", query={"text": "abc", "limit": 7}, ctx=1, colour="red")
    assert found == {"x": 3, "y": 7}


async def test_without_annotations_results_are_plain_too() -> None:
    """A dataclass that nobody announced is opened as well."""

    def where():  # type: ignore[no-untyped-def]
        return [Point(1, 2)]

    assert await tool(where).invoke({}) == [{"x": 1, "y": 2}]


@pytest.mark.parametrize(
    ("name", "arguments", "path", "rule", "words"),
    [
        ("add", {"a": "2"}, "$.a", "type", "input of tool 'add' at $.a breaks 'type'"),
        ("add", {}, "$", "required", "'a' is missing"),
        ("add", {"a": 1, "bb": 2}, "$", "additionalProperties", "'bb' is taken; did you mean 'b'?"),
        ("move", {"place": {"name": "x", "at": {"x": 1}}, "by": {}}, "$.place.at", "required", "y"),
        ("look-up", {"query": {"text": "a"}, "colour": "green"}, "$.colour", "enum", "green"),
        ("look-up", {"query": {"text": "a", "limit": "1"}}, "$.query.limit", "type", "integer"),
    ],
)
async def test_wrong_arguments_are_refused(
    name: str, arguments: dict[str, Any], path: str, rule: str, words: str
) -> None:
    """The error names the tool, the path and the rule, and says what is wrong."""
    with pytest.raises(ToolRefused) as caught:
        await mine.invoke(name, ctx=1, **arguments)
    error = caught.value
    assert (error.tool, error.path, error.rule, error.direction) == (name, path, rule, "input")
    assert words in str(error)


async def test_what_is_no_json_is_refused() -> None:
    """On its way in and on its way out, with its path."""

    @tool
    def odd(what: Any) -> Any:
        return {"it": {what}}

    with pytest.raises(SerializationError, match=r"arguments of tool 'odd' at \$\.what: set"):
        await odd.invoke({"what": {1}})
    with pytest.raises(SerializationError, match=r"from tool 'odd' at \$\.it: set"):
        await odd.invoke({"what": 1})


async def test_a_result_that_is_not_what_was_said_is_refused() -> None:
    """A tool that breaks its own annotation is told from one that was called wrongly."""

    @tool
    def count() -> int:
        return "many"  # type: ignore[return-value]

    with pytest.raises(ToolRefused, match=r"output of tool 'count' at \$ breaks 'type'"):
        await tools.invoke("count")


async def test_a_name_that_nobody_has_is_an_error_with_the_nearest() -> None:
    """Whoever misspells a name is told which was meant, and which there are."""
    registry = ToolRegistry([add, move])
    with pytest.raises(ToolNotFound, match=r"no tool 'ad'; known: 'add', 'move'; .* 'add'\?"):
        await registry.invoke("ad")
    with pytest.raises(ToolNotFound, match=r"no tool 'weather'; known: 'add', 'move'$"):
        registry.get("weather")


async def test_a_tool_that_asks_for_ctx_has_to_be_given_it() -> None:
    """The error says how; a tool that does not ask may be given it all the same."""
    with pytest.raises(ExecutionError, match=r"'look-up' asks for ctx.*ctx=ctx"):
        await mine.invoke("look-up", query={"text": "a"})
    assert await mine.invoke("add", a=1, ctx=object()) == 2


async def test_plain_functions_run_in_a_thread() -> None:
    """So that they do not block the loop; async ones stay on it."""

    @tool
    def thread() -> int:
        return threading.get_ident()

    @tool
    async def loop() -> int:
        return threading.get_ident()

    assert await tools.invoke("thread") != threading.get_ident()
    assert await tools.invoke("loop") == threading.get_ident()


async def test_what_a_tool_raises_is_raised() -> None:
    """Nothing is wrapped around it."""

    @tool
    def fail() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        await tools.invoke("fail")


async def test_other_names_are_passed_where_they_are_asked_for() -> None:
    """`**arguments` takes what has no parameter, and the schema says so."""

    @tool
    def collect(first: int, **more: Any) -> list[str]:
        return [*more]

    assert "additionalProperties" not in collect.schema
    assert await tools.invoke("collect", first=1, name="x", other=2) == ["name", "other"]


def spreading(*many: int) -> None:
    """Takes arguments without names."""


def yielding() -> Iterator[int]:
    """Gives many values."""
    yield 1


async def streaming() -> AsyncIterator[int]:
    """Gives many values."""
    yield 1


def unknown(what: Any) -> None:
    """Its annotation is spoilt below."""


unknown.__annotations__["what"] = "Missing"


async def test_name_and_description_may_be_said_in_order() -> None:
    """`@tool("add", "Adds two numbers.")` is what it is with the names of the parameters."""
    registry = ToolRegistry()

    @tool("sum-of", "Adds two numbers.", registry=registry)
    def add(a: int, b: int) -> int:
        return a + b

    assert (add.name, add.description) == ("sum-of", "Adds two numbers.")
    assert await registry.invoke("sum-of", a=1, b=2) == 3


@pytest.mark.parametrize(
    ("target", "options", "words"),
    [
        (spreading, {}, "'many' cannot be filled"),
        (yielding, {}, "cannot yield"),
        (streaming, {}, "cannot yield"),
        (unknown, {}, "'what', 'Missing', cannot be resolved"),
        (lambda: 1, {}, "a tool's name is of 1 to 64 letters"),
        (unknown, {"name": "two words"}, "not 'two words'"),
        ("add", {}, "did you mean @tool"),
    ],
)
def test_what_cannot_be_a_tool_is_refused(target: Any, options: Any, words: str) -> None:
    """When it is decorated, with function, file and line where there are any."""
    with pytest.raises(DefinitionError, match=words) as caught:
        tool(**options)(target)
    assert not callable(target) or "test_tools.py:" in str(caught.value)


def test_decorated_tools_are_held_weakly() -> None:
    """One that its module has let go of is not found; a registry made of tools holds them."""

    def make() -> ToolRegistry:
        @tool
        def passing() -> None:
            """Here for a while."""

        return ToolRegistry([passing])

    registry = make()
    assert "passing" in [*tools]
    assert [*registry] == ["passing"]
    del registry
    gc.collect()
    assert "passing" not in [*tools]


def test_two_tools_of_one_name_in_one_file_are_refused() -> None:
    """The one that is defined anew replaces itself, another one is an error."""
    registry = ToolRegistry()

    def define() -> Any:
        @tool(name="same", registry=registry)
        def first() -> None:
            """One of this name."""

        return first

    kept = [define(), define()]
    assert registry.get("same") is kept[1]
    with pytest.raises(DefinitionError, match=r"a tool named 'same' exists already.*@tool\(name"):

        @tool(name="same", registry=registry)
        def second() -> None:
            """Another of this name."""

    registry.clear()
    assert [*registry] == []


async def test_agents_use_tools() -> None:
    """A handler awaits them, and passes its context on."""

    @tool
    async def whose(ctx: Context) -> str:
        return ctx.channel

    @agent(subscribe="start", publish="answers")
    async def ask(payload: int, ctx: Context) -> Any:
        return [await mine.invoke("add", a=payload), await tools.invoke("whose", ctx=ctx)]

    async with Executor([ask]) as executor:
        report = await executor.run("start", 2)
    assert report.outputs == {"answers": [[3, "start"]]}


async def test_steps_of_flows_use_tools() -> None:
    """What a step function calls is a tool like in any other place."""

    @step
    async def adding(a: int) -> Any:
        return await mine.invoke("add", a=a)

    flows = Flows(
        Flow("sums", output="${{ steps.sum.output }}").step("sum", adding, with_={"a": 4})
    )
    async with Executor(flows.agents) as executor:
        report = await flows.run(executor, "sums")
    assert report.output == 5
