"""Schemas that follow from annotations, and the values that are built."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import inspect
import socket
import subprocess
import sys
import uuid
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Collection,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from pathlib import Path
from typing import Annotated, Any, ForwardRef, Literal, NotRequired, Optional, TypedDict

import pydantic
import pytest
import typing_extensions

from dagger.rules.derive import BuildError, Derived, built, derive, element
from dagger.rules.schema import schema
from dagger.words.errors import DefinitionError

HERE = "planner (agents.py:12)"
INTEGER = {"type": "integer"}
TEXT = {"type": "string"}


class Point(TypedDict):
    """A TypedDict of plain values."""

    x: int
    label: NotRequired[str]


class Shape(Point, total=False):
    """One that extends another and holds it."""

    corners: list[Point]


class Meeting(TypedDict):
    """A TypedDict whose values JSON cannot say."""

    when: datetime.date
    where: Annotated[Point | None, "a place"]
    notes: NotRequired[str]


class Nested(TypedDict):
    """A TypedDict that holds itself."""

    inside: list[Nested]


class Branch(typing_extensions.TypedDict):
    """One that holds itself and is of typing_extensions."""

    children: list[Branch]


class Strict(typing_extensions.TypedDict):
    """One with settings for pydantic."""

    __pydantic_config__ = pydantic.ConfigDict(extra="forbid")  # type: ignore[misc]
    x: int


class Colour(enum.Enum):
    """An enumeration."""

    RED = "red"


class Level(enum.StrEnum):
    """An enumeration of strings."""

    LOW = "low"


@dataclasses.dataclass
class Visit:
    """A dataclass."""

    who: str
    day: datetime.date = datetime.date(2000, 1, 1)


class Topic(pydantic.BaseModel):
    """A model with an alias and a rule of its own."""

    title: str = pydantic.Field(alias="name")
    votes: list[int] = []

    @pydantic.field_validator("votes")
    @classmethod
    def _not_thirteen(cls, votes: list[int]) -> list[int]:
        if 13 in votes:
            raise ValueError("13 is no vote")
        return votes

    @pydantic.model_validator(mode="after")
    def _explode(self) -> Topic:
        if self.title == "bomb":
            raise KeyError("boom")
        return self


class Unfinished(pydantic.BaseModel):
    """A model that names something undefined."""

    other: Nowhere  # type: ignore[name-defined]  # noqa: F821


class Opaque:
    """A class that says nothing about JSON."""


def build_of(derived: Derived) -> Callable[[Any], Any]:
    """The build of an annotation that needs one."""
    assert derived.build is not None
    return derived.build


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (Any, True),
        (object, True),
        (inspect.Parameter.empty, True),
        (None, {"type": "null"}),
        (type(None), {"type": "null"}),
        (bool, {"type": "boolean"}),
        (int, INTEGER),
        (float, {"type": "number"}),
        (str, TEXT),
        (list, {"type": "array"}),
        (dict, {"type": "object"}),
        (list[Any], {"type": "array"}),
        (list[int], {"type": "array", "items": INTEGER}),
        (Sequence[str], {"type": "array", "items": TEXT}),
        (Iterable[list[str]], {"type": "array", "items": {"type": "array", "items": TEXT}}),
        (Collection, {"type": "array"}),
        (dict[str, Any], {"type": "object"}),
        (dict[str, int], {"type": "object", "additionalProperties": INTEGER}),
        (Mapping[str, bool], {"type": "object", "additionalProperties": {"type": "boolean"}}),
        (Optional[int], {"type": ["integer", "null"]}),  # noqa: UP045
        (int | str, {"type": ["integer", "string"]}),
        (int | Any, True),
        (list[int] | None, {"anyOf": [{"type": "array", "items": INTEGER}, {"type": "null"}]}),
        (Literal["a", 1, None, True], {"enum": ["a", 1, None, True]}),
        (
            Point,
            {
                "title": "Point",
                "type": "object",
                "properties": {"x": INTEGER, "label": TEXT},
                "required": ["x"],
            },
        ),
    ],
)
def test_plain_annotations_need_no_building(annotation: Any, expected: Any) -> None:
    """What JSON says by itself has a schema and is passed on as it was decoded."""
    assert derive(annotation, HERE) == Derived(expected, None)
    assert derive(annotation, HERE, "serialization") == Derived(expected, None)
    schema(expected, HERE)


def test_plain_typed_dicts_inherit_and_nest() -> None:
    """A TypedDict has the keys of its bases, and may hold others."""
    derived = derive(Shape, HERE)
    made = schema(derived.schema, HERE)
    assert derived.build is None
    assert made.is_valid({"x": 1, "corners": [{"x": 2, "label": "b"}]})
    assert not made.is_valid({"corners": []})
    assert not made.is_valid({"x": 1, "corners": [{"label": "b"}]})


@pytest.mark.parametrize(
    ("annotation", "plain", "expected"),
    [
        (Visit, {"who": "Ada", "day": "2024-02-29"}, Visit("Ada", datetime.date(2024, 2, 29))),
        (list[Visit], [{"who": "Ada"}], [Visit("Ada")]),
        (dict[str, Visit], {"a": {"who": "Ada"}}, {"a": Visit("Ada")}),
        (Visit | None, None, None),
        (Topic, {"name": "a", "votes": [1]}, Topic(name="a", votes=[1])),
        (
            Meeting,
            {"when": "2024-02-29", "where": {"x": 1}},
            {"when": datetime.date(2024, 2, 29), "where": {"x": 1}},
        ),
        (
            list[Meeting] | None,
            [{"when": "2024-02-29", "where": None, "notes": "-"}],
            [{"when": datetime.date(2024, 2, 29), "where": None, "notes": "-"}],
        ),
        (Branch, {"children": [{"children": []}]}, {"children": [{"children": []}]}),
        (Strict, {"x": 1}, {"x": 1}),
        (Colour, "red", Colour.RED),
        (Literal[Level.LOW], "low", Level.LOW),
        (datetime.datetime, "2024-02-29T12:00:00", datetime.datetime(2024, 2, 29, 12)),
        (datetime.timedelta, "PT90S", datetime.timedelta(seconds=90)),
        (uuid.UUID, "12345678123456781234567812345678", uuid.UUID("12345678" * 4)),
        (decimal.Decimal, "1.50", decimal.Decimal("1.50")),
        (Path, "a/b", Path("a/b")),
        (bytes, "abc", b"abc"),
        (tuple[int, str], [1, "a"], (1, "a")),
        (set[int], [1, 2], {1, 2}),
        (dict[int, str], {"1": "a"}, {1: "a"}),
        (Annotated[int, pydantic.Field(ge=1)], 1, 1),
    ],
)
def test_other_values_are_built(annotation: Any, plain: Any, expected: Any) -> None:
    """An annotated value is built from plain data that fits its schema."""
    derived = derive(annotation, HERE)
    assert schema(derived.schema, HERE).is_valid(plain)
    value = built(build_of(derived), plain)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (Topic, Topic(name="a"), {"name": "a", "votes": []}),
        (list[Visit], [Visit("Ada")], [{"who": "Ada", "day": "2000-01-01"}]),
        (set[Colour], {Colour.RED}, ["red"]),
        (Meeting, {"when": datetime.date(2024, 2, 29)}, {"when": "2024-02-29"}),
        (Topic, {"name": "not a model", "votes": []}, {"name": "not a model", "votes": []}),
    ],
)
def test_returned_values_become_plain(annotation: Any, value: Any, expected: Any) -> None:
    """In mode "serialization" the annotated value becomes the plain data of its schema."""
    assert built(build_of(derive(annotation, HERE, "serialization")), value) == expected


def test_the_two_modes_differ_where_defaults_are() -> None:
    """A field with a default may be missing on the way in and is there on the way out."""
    came: Any = derive(Visit, HERE).schema
    went: Any = derive(Visit, HERE, "serialization").schema
    assert came["required"] == ["who"]
    assert schema(went, HERE).is_valid({"who": "Ada", "day": "2000-01-01"})


@pytest.mark.parametrize("annotation", [Topic, Visit, list[Visit], Meeting, Branch])
def test_what_is_returned_can_be_received(annotation: Any) -> None:
    """A value sent by one annotation fits, and is built by, the same one."""
    plain: Any = {
        Topic: {"name": "a", "votes": []},
        Visit: {"who": "Ada", "day": "2000-01-01"},
        Meeting: {"when": "2000-01-01", "where": {"x": 1}},
        Branch: {"children": []},
    }.get(annotation, [])
    came, went = derive(annotation, HERE), derive(annotation, HERE, "serialization")
    sent = built(build_of(went), built(build_of(came), plain))
    assert sent == plain
    assert schema(went.schema, HERE).is_valid(sent)
    assert schema(came.schema, HERE).is_valid(sent)


@pytest.mark.parametrize(
    ("annotation", "plain", "expected"),
    [
        (Topic, {"name": "a", "votes": [1, 13]}, ("$.votes", "value_error", "[1, 13]")),
        (list[Topic], [{"name": "a"}, {}], ("$[1]", "required", "{}")),
        (dict[str, Topic | int], {"a b": {"name": 1}}, ('$["a b"].name', "string_type", "1")),
        (Strict, {"x": 1, "y": 2}, ("$.y", "additionalProperties", "2")),
        (Topic, {"name": "bomb"}, ("$", "KeyError", '{"name": "bomb"}')),
        (list[datetime.date], ["2024-02-30"], ("$[0]", "date_from_datetime_parsing", None)),
    ],
)
def test_a_failed_build_is_a_violation(annotation: Any, plain: Any, expected: Any) -> None:
    """It has a JSON path, a rule, a problem and the value, and keeps its cause."""
    path, rule, shown = expected
    with pytest.raises(BuildError) as caught:
        built(build_of(derive(annotation, HERE)), plain)
    violation = caught.value.violation
    assert (violation.path, violation.rule) == (path, rule)
    assert violation.problem
    assert shown is None or violation.value == shown
    assert caught.value.__cause__ is not None


def test_what_cannot_be_dumped_is_a_violation() -> None:
    """A returned value without a plain form fails like any other build."""
    dump = build_of(derive(list[Visit], HERE, "serialization"))
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(BuildError):
        built(dump, circle)


@pytest.mark.parametrize(
    ("annotation", "sentence"),
    [
        ("Nowhere", "the annotation Nowhere names something that is not defined"),
        (list["Nowhere"], "names something that is not defined"),  # type: ignore[name-defined]  # noqa: F821
        (ForwardRef("Nowhere"), "names something that is not defined"),
        (Unfinished, "Unfinished'> names something that is not defined"),
        (object(), "is not JSON data"),
        (socket.socket, "the annotation <class 'socket.socket'> is not JSON data"),
        (Opaque, "use builtins, a TypedDict, a dataclass, a pydantic model, or Any"),
        (Callable[[int], int], "is not JSON data"),
        (AsyncIterator[int], "is not JSON data"),
        (len, "is not JSON data (it is a function)"),
        (3, "the annotation 3 is not JSON data"),
        ([int], "is not JSON data"),
    ],
)
def test_what_is_no_annotation_of_data_is_refused(annotation: Any, sentence: str) -> None:
    """It is refused in a sentence that names the place."""
    with pytest.raises(DefinitionError) as caught:
        derive(annotation, HERE)
    assert str(caught.value).startswith(f"{HERE}: ")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="pydantic takes it from Python 3.12 on")
def test_a_typed_dict_that_holds_itself_is_refused_by_name() -> None:
    """Where it cannot be served, the error says what to use instead."""
    with pytest.raises(DefinitionError, match="must be one of typing_extensions"):
        derive(Nested, HERE)


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (list[int], int),
        (list, Any),
        (Sequence[str], str),
        (tuple[int, ...], int),
        (tuple, Any),
        (tuple[int, str], None),
        (Iterator[Topic], Topic),
        (Iterable[int], int),
        (Generator[int, None, str], int),
        (AsyncIterator[int], int),
        (AsyncGenerator[Topic, None], Topic),
        (AsyncGenerator, Any),
        (list[int] | None, int),
        (Optional[list[int]], int),  # noqa: UP045
        (list[int] | dict[str, int], None),
        (dict[str, int], None),
        (str, None),
        (int, None),
        (Any, None),
    ],
)
def test_the_element_of_a_collection(annotation: Any, expected: Any) -> None:
    """Lists, sequences, even tuples and streams have an element type; others have none."""
    assert element(annotation) is expected


def test_plain_annotations_load_nothing() -> None:
    """Neither pydantic nor a validator is imported for annotations that JSON covers."""
    program = """
import sys
from typing import Any, Literal, TypedDict
import dagger.rules.compat, dagger.rules.retry, dagger.rules.schema
from dagger.rules.derive import derive, element

class Point(TypedDict):
    x: int

for annotation in (dict[str, Any], list[Point] | None, Literal["a"], float):
    assert derive(annotation, "here").build is None
    element(annotation)
heavy = {"pydantic", "jsonschema", "jsonschema_rs", "referencing", "typing_extensions"}
assert heavy.isdisjoint(sys.modules), heavy & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", program], check=True)
