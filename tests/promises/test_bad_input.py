"""Bad input: a payload that is not what was agreed is refused, with its path."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, TypedDict

import pydantic
import pytest

from dagger import Agent, Context, SerializationError, ValidationError, agent
from dagger.views.report import Report
from tests.promises.conftest import MakeExecutor

PERSON = {
    "type": "object",
    "required": ["name", "age"],
    "properties": {
        "name": {"type": "string", "maxLength": 5},
        "age": {"type": "integer", "minimum": 0},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
}


@agent(subscribe="start", publish="people")
async def pass_on(payload: Any) -> Any:
    """Publish what comes in, whatever it is."""
    return payload


async def outcome(make_executor: MakeExecutor, reader: Agent, payload: Any) -> Report:
    """The report of one payload on its way to an agent."""
    async with make_executor([pass_on, reader]) as executor:
        return await executor.run("start", payload)


BREACHES = [
    ({"name": "Eve", "age": -1}, "$.age", "minimum"),
    ({"name": "Eve", "age": "1"}, "$.age", "type"),
    ({"name": "Eve"}, "$", "required"),
    ({"name": "Eve", "age": 1, "tags": ["a", "b", 3]}, "$.tags[2]", "type"),
    ([], "$", "type"),
    ({"name": "far too long", "age": 1}, "$.name", "maxLength"),
]


@pytest.mark.parametrize(("payload", "path", "rule"), BREACHES)
async def test_input_that_breaks_the_schema_is_rejected(
    make_executor: MakeExecutor, payload: Any, path: str, rule: str
) -> None:
    """Such a delivery is never handled nor retried: it is a dead letter with path and rule."""

    @agent(subscribe="people", input_schema=PERSON)
    async def reader() -> None:
        raise AssertionError("never called")

    report = await outcome(make_executor, reader, payload)
    (letter,) = report.dead_letters
    assert report.agents["reader"].dispositions == {"rejected": 1}
    assert report.retries == 0
    assert report.status == "failed"
    assert (letter.disposition, letter.attempts) == ("rejected", 0)
    assert letter.payload == payload
    assert (letter.failure.type, letter.failure.path) == ("ValidationError", path)
    for part in ("'reader'", "'people'", path, repr(rule)):
        assert part in letter.failure.message


async def test_it_is_rejected_for_that_agent_only(make_executor: MakeExecutor) -> None:
    """Others that accept the same message handle it."""
    heard: list[Any] = []

    @agent(subscribe="people", input_schema=PERSON, on_failure="continue")
    async def strict(payload: Any) -> None:
        raise AssertionError("never called")

    @agent(subscribe="people")
    async def lenient(payload: Any) -> None:
        heard.append(payload)

    async with make_executor([pass_on, strict, lenient]) as executor:
        report = await executor.run("start", 7)
    assert heard == [7]
    assert report.status == "completed"
    assert report.dead_letters_total == 1


async def test_a_rejected_message_frees_the_queue_and_the_key(make_executor: MakeExecutor) -> None:
    """Bad input takes neither a worker nor a key from what comes after it."""
    heard: list[Any] = []

    @agent(subscribe="start", publish="people", publish_each=True)
    async def several() -> list[Any]:
        return [{"name": "Eve", "age": age} for age in (1, "x", 2, -1, 3)]

    @agent(
        subscribe="people",
        input_schema=PERSON,
        key="name",
        capacity=1,
        overflow="block",
        concurrency=2,
    )
    async def reader(payload: Any) -> None:
        heard.append(payload["age"])

    async with make_executor([several, reader]) as executor:
        report = await executor.run("start", {})
    assert heard == [1, 2, 3]
    assert report.agents["reader"].dispositions == {"ok": 3, "rejected": 2}


@pytest.mark.parametrize(("payload", "path", "rule"), BREACHES)
async def test_output_that_breaks_its_schema_is_a_failed_attempt(
    make_executor: MakeExecutor, payload: Any, path: str, rule: str
) -> None:
    """An agent that promises more than it returns fails, and is retried like any other."""

    @agent(subscribe="start", publish="people", output_schema=PERSON, max_attempts=2)
    async def writer(payload: Any) -> Any:
        return payload

    async with make_executor([writer]) as executor:
        report = await executor.run("start", payload)
    (letter,) = report.dead_letters
    assert report.agents["writer"].dispositions == {"dead": 1}
    assert report.retries == 1
    assert (letter.failure.type, letter.failure.path) == ("ValidationError", path)
    assert letter.failure.message.startswith("output of agent 'writer' on channel 'people'")
    assert repr(rule) in letter.failure.message
    assert report.outputs == {}


async def test_each_channel_has_a_schema_of_its_own(make_executor: MakeExecutor) -> None:
    """With a mapping in `publish=`, what is published is checked against its own channel's."""
    problems: list[ValidationError] = []

    @agent(subscribe="start", publish={"people": PERSON, "ages": {"type": "integer"}, "any": None})
    async def writer(ctx: Context) -> None:
        ctx.publish("any", {"whatever": True})
        ctx.publish("ages", 5)
        for channel, value in (("people", 5), ("ages", "5")):
            try:
                ctx.publish(channel, value)
            except ValidationError as error:
                problems.append(error)

    async with make_executor([writer]) as executor:
        report = await executor.run("start", {})
    assert report.outputs == {"any": [{"whatever": True}], "ages": [5]}
    assert [(each.channel, each.agent, each.path, each.rule) for each in problems] == [
        ("people", "writer", "$", "type"),
        ("ages", "writer", "$", "type"),
    ]


async def test_a_channel_may_have_a_schema(make_executor: MakeExecutor) -> None:
    """What a channel declares holds for every publisher, from inside and from outside."""
    executor = make_executor([pass_on], config={"max_attempts": 1})
    executor.channel("people", schema=PERSON)
    executor.channel("start", schema={"type": ["integer", "object"]})
    async with executor:
        with pytest.raises(ValidationError) as caught:
            await executor.run("start", "text")
        report = await executor.run("start", 5)
        fine = await executor.run("start", {"name": "Eve", "age": 3})
    assert (caught.value.channel, caught.value.rule) == ("start", "type")
    assert report.agents["pass_on"].dispositions == {"dead": 1}
    assert fine.outputs == {"people": [{"name": "Eve", "age": 3}]}


async def test_a_long_value_is_cut(make_executor: MakeExecutor) -> None:
    """An error repeats at most 200 characters of the value that it is about."""

    @agent(subscribe="people", input_schema=PERSON)
    async def reader() -> None:
        raise AssertionError("never called")

    report = await outcome(make_executor, reader, {"name": "x" * 1_000_000, "age": 1})
    assert report.error is not None
    assert report.error.path == "$.name"
    assert "x" * 150 in report.error.message
    assert "x" * 201 not in report.error.message
    assert len(report.error.message) < 1000


# -- annotated types -----------------------------------------------------------------------


class Model(pydantic.BaseModel):
    name: str
    age: int = pydantic.Field(ge=0)


@dataclass
class Data:
    name: str
    age: int = 3


class Row(TypedDict):
    name: str
    age: int


async def test_a_pydantic_model_is_built_and_dumped(make_executor: MakeExecutor) -> None:
    """A handler that asks for a model gets one, and may return one."""

    @agent(subscribe="start", publish="out")
    async def older(payload: Model) -> Model:
        assert isinstance(payload, Model)
        return Model(name=payload.name, age=payload.age + 1)

    async with make_executor([older]) as executor:
        report = await executor.run("start", {"name": "Eve", "age": 1})
        bad = await executor.run("start", {"name": "Eve", "age": -1})
    assert report.outputs == {"out": [{"name": "Eve", "age": 2}]}
    assert bad.agents["older"].dispositions == {"rejected": 1}
    assert bad.error is not None
    assert bad.error.path == "$.age"


async def test_a_dataclass_is_built_and_dumped(make_executor: MakeExecutor) -> None:
    """A handler that asks for a dataclass gets one, with its defaults, and may return one."""

    @agent(subscribe="start", publish="out", publish_each=True)
    async def twins(payload: Data) -> list[Data]:
        assert isinstance(payload, Data)
        return [payload, Data(payload.name, payload.age + 1)]

    async with make_executor([twins]) as executor:
        report = await executor.run("start", {"name": "Eve"})
        bad = await executor.run("start", {"nom": "Eve"})
    assert report.outputs == {"out": [{"name": "Eve", "age": 3}, {"name": "Eve", "age": 4}]}
    assert bad.agents["twins"].dispositions == {"rejected": 1}


async def test_a_typed_dict_is_checked(make_executor: MakeExecutor) -> None:
    """A TypedDict is a schema; what the handler gets is a plain dict."""

    @agent(subscribe="start", publish="out")
    async def same(payload: Row) -> Row:
        assert type(payload) is dict
        return payload

    async with make_executor([same]) as executor:
        report = await executor.run("start", {"name": "Eve", "age": 1})
        bad = await executor.run("start", {"name": "Eve", "age": "1"})
    assert report.outputs == {"out": [{"name": "Eve", "age": 1}]}
    assert bad.error is not None
    assert bad.error.path == "$.age"


async def test_a_wrong_return_is_a_failed_attempt(make_executor: MakeExecutor) -> None:
    """A value that is not what the return annotation says is never published."""

    @agent(subscribe="start", publish="out", max_attempts=1)
    async def liar(payload: Any) -> Row:
        return {"name": payload, "age": "old"}  # type: ignore[typeddict-item]

    async with make_executor([liar]) as executor:
        report = await executor.run("start", "Eve")
    assert report.agents["liar"].dispositions == {"dead": 1}
    assert report.error is not None
    assert report.error.path == "$.age"


# -- what is not JSON ----------------------------------------------------------------------


def nested(depth: int) -> Any:
    """A list in a list in a list ..."""
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


def hostile() -> Iterator[Any]:
    """Payloads that cannot be messages, with the path and a word of the rule."""
    cycle: dict[str, Any] = {}
    cycle["self"] = cycle
    yield pytest.param(nested(65), "$" + "[0]" * 64, "deep", id="depth")
    yield pytest.param(cycle, "$" + ".self" * 64, "deep", id="cycle")
    yield pytest.param({"a": [1.0, float("nan")]}, "$.a[1]", "nan", id="nan")
    yield pytest.param({"a": float("-inf")}, "$.a", "inf", id="inf")
    yield pytest.param({"a": b"bytes"}, "$.a", "bytes", id="bytes")
    yield pytest.param([{1, 2}], "$[0]", "set", id="set")
    yield pytest.param({"a": "\ud800"}, "$.a", "surrogate", id="surrogate")
    yield pytest.param({"\udfff": 1}, "$", "surrogate", id="surrogate-key")
    yield pytest.param({"a": [10**24]}, "$.a[0]", "64 bits", id="integer")
    yield pytest.param({"a": -(2**63) - 1}, "$.a", "64 bits", id="negative")
    yield pytest.param({"a": {1: 2}}, "$.a", "key", id="key")
    yield pytest.param({"a": object()}, "$.a", "object", id="object")
    yield pytest.param({"a": complex(1)}, "$.a", "complex", id="complex")
    yield pytest.param({"big": "x" * 5000}, "$", "more than the 4096 allowed", id="size")


@pytest.mark.parametrize(("payload", "path", "rule"), list(hostile()))
async def test_what_is_not_json_is_refused_from_outside(
    make_executor: MakeExecutor, payload: Any, path: str, rule: str
) -> None:
    """Such a payload opens no run and enters none; the error has its path and the rule."""
    config = {"max_payload_bytes": 4096}
    async with make_executor([pass_on], config=config) as executor:
        with pytest.raises(SerializationError) as caught:
            await executor.run("start", payload)
        assert executor.runs() == []
        live = await executor.start("start", 1)
        async with live:
            with pytest.raises(SerializationError) as inside:
                await live.publish("start", payload)
        report = await live.result()
    for error in (caught.value, inside.value):
        assert error.path.startswith(path)
        assert rule in error.problem
        assert error.producer == "outside"
    assert report.messages == 2


@pytest.mark.parametrize(("payload", "path", "rule"), list(hostile()))
async def test_what_is_not_json_is_refused_from_a_handler(
    make_executor: MakeExecutor, payload: Any, path: str, rule: str
) -> None:
    """However a handler publishes it, its attempt fails, and the error names the producer."""

    @agent(subscribe="start", publish="people", max_attempts=1)
    async def returning() -> Any:
        return payload

    @agent(subscribe="start", publish="people", max_attempts=1)
    async def publishing(ctx: Context) -> None:
        ctx.publish("people", payload)

    @agent(subscribe="start", publish="people", max_attempts=1)
    async def yielding() -> AsyncIterator[Any]:
        yield 1
        yield payload

    @agent(subscribe="start", publish="people", max_attempts=1, publish_each=True)
    async def several() -> list[Any]:
        return [1, payload]

    producers = [returning, publishing, yielding, several]
    async with make_executor(producers, config={"max_payload_bytes": 4096}) as executor:
        report = await executor.run("start", {})
    assert report.dispositions == {"dead": 4}
    assert report.outputs == {}
    for letter in report.dead_letters:
        assert letter.failure.type == "SerializationError"
        assert letter.failure.path is not None
        assert letter.failure.path.startswith(path)
        assert rule in letter.failure.message
        assert f"from {letter.agent}" in letter.failure.message


def extreme() -> Iterator[Any]:
    """Payloads that are large or odd, and JSON all the same."""
    yield pytest.param(nested(64), id="depth")
    yield pytest.param({"s": "ü" * 1_000_000}, id="long-string")
    yield pytest.param(["x" * 1000] * 10_000, id="10-megabytes")
    yield pytest.param([2**64 - 1, -(2**63), 1e308, 5e-324, -0.0], id="numbers")
    yield pytest.param({"": {"a.b": [None, True, "\x00\U0010ffff"]}}, id="names")
    yield pytest.param({str(at): at for at in range(20_000)}, id="many-keys")
    yield pytest.param(None, id="null")


@pytest.mark.parametrize("payload", list(extreme()))
async def test_what_is_json_arrives_as_it_was(make_executor: MakeExecutor, payload: Any) -> None:
    """Anything that JSON can say within the limits goes through agents unchanged."""

    @agent(subscribe="people", publish="out", input_schema={"type": ["object", "array", "null"]})
    async def reader(ctx: Context, payload: Any) -> None:
        ctx.publish("out", payload)

    @agent(subscribe="start", publish="people")
    async def sender(ctx: Context, payload: Any) -> None:
        ctx.publish("people", payload)

    async with make_executor([sender, reader]) as executor:
        report = await executor.run("start", payload)
    assert report.status == "completed"
    assert report.outputs == {"out": [payload]}
