"""Upcasting: messages that fitted an earlier version of a schema are handled by today's agents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio
import pydantic
import pytest

from dagger import Agent, DefinitionError, SchemaError, Store, agent
from dagger.views.report import Report
from tests.promises.conftest import MakeExecutor
from tests.waiting import deliveries, until


def version(number: int, *required: str) -> dict[str, Any]:
    """A version of a schema that is told by what it requires."""
    return {"version": number, "type": "object", "required": [*required]}


NAME, PARTS, FULL = version(1, "name"), version(2, "first", "last"), version(3, "first", "born")


def to_parts(payload: Any) -> Any:
    """From a whole name to its parts."""
    first, last = payload["name"].split()
    return {"first": first, "last": last}


def to_full(payload: Any) -> Any:
    """What is not known is null."""
    return {"first": payload["first"], "born": None}


STEPS = {1: to_parts, 2: to_full}


def writer(schema: Any) -> Agent:
    """An agent that publishes what it is given, checked against a schema."""

    @agent(name="writer", subscribe="start", publish="people", output_schema=schema)
    async def write(payload: Any) -> Any:
        return payload

    return write


def reader(schema: Any, upcast: Mapping[int, Any] | None, **options: Any) -> Agent:
    """An agent that publishes what it is given, of the version that it takes."""

    @agent(
        name="reader",
        subscribe="people",
        publish="read",
        input_schema=schema,
        upcast=upcast,
        max_attempts=1,
        **options,
    )
    async def read(payload: Any) -> Any:
        return payload

    return read


async def read(
    make_executor: MakeExecutor, payload: Any, sent: Any, taken: Any, upcast: Any, **options: Any
) -> Report:
    """The report of one payload, sent under one schema and taken under another."""
    async with make_executor([writer(sent), reader(taken, upcast, **options)]) as executor:
        return await executor.run("start", payload)


ANN = {"name": "Ann Lee"}
SENT = [
    (ANN, NAME, {"first": "Ann", "born": None}),
    ({"first": "Ann", "last": "Lee"}, PARTS, {"first": "Ann", "born": None}),
    ({"first": "Ann", "born": 1990}, FULL, {"first": "Ann", "born": 1990}),
    ({"first": "Ann", "born": 1990}, None, {"first": "Ann", "born": 1990}),
]


@pytest.mark.parametrize(("payload", "sent", "expected"), SENT, ids=["two", "one", "none", "open"])
async def test_an_older_message_is_made_into_a_newer_one(
    make_executor: MakeExecutor, payload: Any, sent: Any, expected: Any
) -> None:
    """Every step from its version on is applied, in order, before the input check; one of
    today's version, or of none, stays as it is.
    """
    report = await read(make_executor, payload, sent, FULL, STEPS)
    assert report.outputs == {"read": [expected]}


async def test_a_message_without_a_version_has_a_step_of_its_own(
    make_executor: MakeExecutor,
) -> None:
    """Where there is a step from 0, messages that no version was checked for take it."""

    def named(payload: Any) -> Any:
        return {"name": payload}

    report = await read(make_executor, "Ann Lee", None, FULL, {0: named, **STEPS})
    assert report.outputs == {"read": [{"first": "Ann", "born": None}]}


async def test_what_was_pending_is_upcast_after_a_deployment(
    make_executor: MakeExecutor, lasting: Store
) -> None:
    """A message that waited in a store while its reader moved on is of the version it was."""
    await left_open(make_executor, lasting)
    async with make_executor([writer(PARTS), reader(FULL, STEPS)], store=lasting) as executor:
        report = await executor.live("mine").result()
    assert report.outputs == {"read": [{"first": "Ann", "born": None}]}


async def left_open(make_executor: MakeExecutor, store: Store) -> None:
    """A message of version 1 that nobody has handled when its executor stops."""

    @agent(name="reader", subscribe="people", input_schema=NAME)
    async def wait() -> None:
        await anyio.sleep_forever()

    async with make_executor([writer(NAME), wait], store=store) as executor:
        await executor.start("start", ANN, run_id="mine")
        await until(lambda: bool(deliveries(executor, "reader")))


async def test_too_old_a_message_is_rejected(make_executor: MakeExecutor) -> None:
    """Where the steps begin later, the dead letter says from where they lead."""
    report = await read(make_executor, ANN, NAME, FULL, {2: to_full})
    (letter,) = report.dead_letters
    assert letter.disposition == "rejected"
    assert "no upcast from version 1; the oldest is from 2" in letter.failure.message
    assert letter.payload == ANN


async def test_a_step_that_raises_rejects_the_message(make_executor: MakeExecutor) -> None:
    """The dead letter names the step, and what it raised is the cause."""
    report = await read(make_executor, {"name": "Ann"}, NAME, FULL, STEPS)
    (letter,) = report.dead_letters
    assert (letter.disposition, letter.attempts) == ("rejected", 0)
    assert "the upcast from version 1 raised ValueError" in letter.failure.message
    assert letter.failure.causes[0].startswith("ValueError: not enough values")


@pytest.mark.parametrize("made", [{1, 2}, {"first": 1}, {"first": {"now"}, "born": 1}])
async def test_what_a_step_makes_is_checked(make_executor: MakeExecutor, made: Any) -> None:
    """What is not JSON, or breaks the input schema, is rejected."""
    report = await read(make_executor, ANN, NAME, version(2, "first", "born"), {1: lambda _: made})
    assert report.dispositions == {"ok": 1, "rejected": 1}


async def test_a_key_is_taken_of_the_newer_message(make_executor: MakeExecutor) -> None:
    """`key=` names fields of today's version."""
    report = await read(make_executor, ANN, NAME, FULL, STEPS, key="first")
    assert report.outputs == {"read": [{"first": "Ann", "born": None}]}


class Person(pydantic.BaseModel):
    """A model with a version."""

    model_config = pydantic.ConfigDict(json_schema_extra={"version": 2})

    first: str
    last: str


async def test_a_model_has_a_version(make_executor: MakeExecutor) -> None:
    """json_schema_extra of a pydantic model may say it; the handler gets the model."""
    seen: list[Any] = []

    @agent(subscribe="people", upcast={1: to_parts})
    async def meet(payload: Person) -> None:
        seen.append(payload)

    async with make_executor([writer(NAME), meet]) as executor:
        assert (await executor.run("start", ANN)).ok
    assert seen == [Person(first="Ann", last="Lee")]


async def test_a_channels_schema_has_a_version(make_executor: MakeExecutor) -> None:
    """What comes from outside is of the version of the channel's schema."""
    async with make_executor([reader(FULL, STEPS)]) as executor:
        executor.channel("people", schema=NAME)
        report = await executor.run("people", ANN)
    assert report.outputs == {"read": [{"first": "Ann", "born": None}]}


async def later(payload: Any) -> Any:
    """A step that would have to be awaited."""
    return payload


WRONG = [
    (FULL, [to_full], r"upcast= maps versions to functions"),
    (None, {1: to_full}, r'needs an input schema with a "version"'),
    ({"type": "object"}, {1: to_full}, r'needs an input schema with a "version"'),
    (FULL, {3: to_full}, r"begins at versions from 0 to 2, not at 3"),
    (FULL, {-1: to_full}, r"begins at versions from 0 to 2, not at -1"),
    (FULL, {True: to_full}, r"begins at versions from 0 to 2, not at True"),
    (FULL, {1: to_parts}, r"leads to version 3, and has no step from version 2"),
    (FULL, {2: "to_full"}, r"takes a plain function, not 'to_full'"),
    (FULL, {2: later}, r"takes a plain function"),
]


@pytest.mark.parametrize(("schema", "upcast", "problem"), WRONG)
def test_wrong_steps_are_refused(schema: Any, upcast: Any, problem: str) -> None:
    """What cannot lead to the input schema's version is said when the agent is decorated."""
    with pytest.raises(DefinitionError, match=problem):
        reader(schema, upcast)


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "1", True, None])
def test_a_version_is_a_whole_number(wrong: Any) -> None:
    """The keyword "version" of a schema is 1 or more."""
    with pytest.raises(SchemaError, match=r'"version" of a schema is a whole number from 1 on'):
        writer({"version": wrong})
