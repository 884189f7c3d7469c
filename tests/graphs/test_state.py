"""The state of a graph: its shape, its reducers, and that nobody shares a value."""

from __future__ import annotations

from dataclasses import dataclass, field, make_dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, NotRequired, Required, TypedDict
from uuid import UUID

import pytest
import typing_extensions
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from dagger.graphs.merging import merge, remove, update
from dagger.graphs.reducers import add, append, last, reducer
from dagger.graphs.shape import Shape, build, plain_of
from dagger.graphs.values import Seen, View
from dagger.words.errors import DefinitionError, MergeConflict, SerializationError, StateRefused

REDUCERS = {"log": append, "sum": add}
KEYS = st.sampled_from(["log", "sum", "a", "b"])
UPDATES = st.lists(st.tuples(KEYS, st.integers(0, 9)), max_size=5)


class Ticket(BaseModel):
    text: str
    score: int = 0


@dataclass
class Book:
    title: str
    pages: list[int] = field(default_factory=list)


class Typed(TypedDict, total=False):
    log: Annotated[list[str], "append"]
    count: int


class Qualified(TypedDict):
    """Keys of which somebody says whether they are there."""

    log: NotRequired[Annotated[list[str], "append"]]
    count: Required[int]
    name: Annotated[NotRequired[str], "last"]


class Extended(typing_extensions.TypedDict, total=False):
    """The same, of the package that pydantic wants before Python 3.12."""

    log: Annotated[list[str], "append"]
    count: typing_extensions.Required[int]
    name: Annotated[str, "last"]


class Colour(Enum):
    RED = "red"


class Mark(str, Enum):  # noqa: UP042  whose text is not its value
    GOOD = "good"


FIRST = UUID(int=1)


@dataclass
class Rich:
    """Defaults that are no JSON data, and are written as their types write them."""

    colour: Colour = Colour.RED
    mark: Mark = Mark.GOOD
    at: datetime = datetime(2026, 1, 2)
    ids: set[int] = field(default_factory=lambda: {1})
    id: UUID = FIRST
    path: Path = Path("/x")
    price: Decimal = Decimal("1.5")
    blob: bytes = b"xy"
    long: timedelta = timedelta(1)
    said: Any = Colour.RED
    none: Colour | None = None


class RichModel(BaseModel):
    """The same as a model."""

    colour: Colour = Colour.RED
    mark: Mark = Mark.GOOD
    at: datetime = datetime(2026, 1, 2)
    ids: set[int] = {1}
    id: UUID = FIRST
    path: Path = Path("/x")
    price: Decimal = Decimal("1.5")
    blob: bytes = b"xy"
    long: timedelta = timedelta(1)
    said: Any = Colour.RED
    none: Colour | None = None


RICH = {
    "colour": "red",
    "mark": "good",
    "at": "2026-01-02T00:00:00",
    "ids": [1],
    "id": "00000000-0000-0000-0000-000000000001",
    "path": "/x",
    "price": "1.5",
    "blob": "xy",
    "long": "P1D",
    "said": "red",
}


def test_values_are_copies() -> None:
    """Who reads a value may change it: nobody else sees that, in this branch or another."""
    base = View()
    update(base, [("k", {"inner": [1]})], "a", {})
    one, other = View(base), View(base)
    one.get("k")["inner"].append(2)
    Seen(other)["k"]["inner"].append(3)
    given: dict[str, list[str]] = {"x": []}
    update(one, [("m", given)], "b", {})
    given["x"].append("later")
    assert base.get("k") == one.get("k") == other.get("k") == {"inner": [1]}
    assert one.get("m") == {"x": []}


def test_a_branch_sees_its_own_changes_alone() -> None:
    """Siblings see what was there at the split and what they have changed themselves."""
    base = View()
    update(base, [("a", 1), ("b", 2)], "n", {})
    one, other = View(base), View(base)
    update(one, [("a", 3)], "one", {})
    remove(other, ["b"], "other", {})
    assert (one.plain(), other.plain()) == ({"a": 3, "b": 2}, {"a": 1})
    merge(base, [one, other], {})
    assert base.plain() == {"a": 3}


@given(UPDATES, st.lists(UPDATES, min_size=1, max_size=3))
def test_merging_is_updating_in_the_order_of_naming(before: Any, branches: Any) -> None:
    """With reducers, a join comes to the same as if the branches had run one after the other."""
    both = {**REDUCERS, "a": last, "b": last}
    base, plainly = View(), View()
    for view in (base, plainly):
        update(view, before, "before", both)
    views = [View(base) for _ in branches]
    for view, changes in zip(views, branches, strict=True):
        update(view, changes, "branch", both)
        update(plainly, changes, "branch", both)
    merge(base, views, both)
    assert base.plain() == plainly.plain()


@given(st.lists(UPDATES, min_size=2, max_size=3))
def test_a_conflict_is_a_key_that_several_have_set(branches: Any) -> None:
    """Without a reducer, different values of one key are refused, and equal ones are not."""
    base, sets = View(), [dict(each) for each in branches]
    values = {key: {str(each[key]) for each in sets if key in each} for key in "ab"}
    views = [View(base) for _ in branches]
    for number, (view, changes) in enumerate(zip(views, branches, strict=True)):
        update(view, changes, f"n{number}", REDUCERS)
    wrong = [key for key, found in values.items() if len(found) > 1]
    if not wrong:
        merge(base, views, REDUCERS)
        return
    with pytest.raises(MergeConflict) as caught:
        merge(base, views, REDUCERS)
    assert caught.value.key in wrong
    assert caught.value.first != caught.value.second


def test_reducers() -> None:
    """The built-in ones: the last, items behind a list, and the sum; others are functions."""
    assert last(1, 2) == 2
    assert append(None, 1) == [1]
    assert append([1], [2, 3]) == [1, 2, 3]
    assert add(None, 1) == 1
    assert add("a", "b") == "ab"
    assert reducer("larger", {"larger": max})(3, 5) == 5
    with pytest.raises(DefinitionError, match="no reducer 'smaller'"):
        reducer("smaller", {"larger": max})


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, object(), "\ud800", 2**70])
def test_what_is_no_json_is_refused(value: Any) -> None:
    """A value that cannot be written down is refused, and changes nothing."""
    view = View()
    with pytest.raises(SerializationError):
        update(view, [("ok", 1), ("bad", value)], "n", {})
    assert view.plain() == {}


@pytest.mark.parametrize("of", [Ticket, Book, Typed])
def test_a_shape_knows_its_keys(of: Any) -> None:
    """Of a model, a dataclass or a TypedDict: a key that there is none of is refused by name."""
    with pytest.raises(StateRefused) as caught:
        Shape(of, "g").check("tilte", 1, "n")
    assert (caught.value.node, caught.value.key) == ("n", "tilte")


def test_a_shape_knows_its_values() -> None:
    """A value of the wrong kind is refused; an update of a key with a reducer is up to that."""
    shape = Shape(Typed, "g")
    with pytest.raises(StateRefused, match="count"):
        shape.check("count", "three", "n")
    shape.check("count", 3, "n")
    shape.check("log", "one more", "n")
    assert shape.reducers() == {"log": "append"}


def test_an_update_may_be_a_model() -> None:
    """Of a pydantic model what was set is an update; of a dataclass every field."""
    assert plain_of(Ticket(text="t")) == {"text": "t"}
    assert plain_of(Book("b")) == {"title": "b", "pages": []}
    assert plain_of({"a": 1}) == {"a": 1}
    with pytest.raises(DefinitionError, match="a node returns"):
        plain_of(3)


def test_what_a_state_is_of() -> None:
    """A state is a dict, or of a type that has fields."""
    with pytest.raises(DefinitionError, match="the state of a graph is"):
        Shape(int, "g")


@pytest.mark.parametrize("of", [Qualified, Extended])
def test_a_typed_dict_may_say_what_is_there(of: Any) -> None:
    """Required, NotRequired and those of typing_extensions are no part of what a value is; keys
    of a TypedDict need not be there when a run begins.
    """
    shape = Shape(of, "g")
    assert shape.reducers() == {"log": "append", "name": "last"}
    assert not list(shape.misfits({}))
    shape.check("count", 3, "n")
    with pytest.raises(StateRefused, match="count"):
        shape.check("count", "three", "n")
    assert [key for key, _ in shape.misfits({"count": "three", "log": "no list"})] == [
        "log",
        "count",
    ]


@pytest.mark.parametrize("of", [Rich, RichModel])
def test_defaults_are_written_as_their_types_write_them(of: Any) -> None:
    """A default that is no JSON data is plain data in a state, of which the same value is built."""
    shape = Shape(of, "g")
    assert shape.given({}) == RICH
    assert shape.given({"colour": "red"}) == {k: v for k, v in RICH.items() if k != "colour"}
    made, wanted = build(of, RICH), of()
    assert (made.colour, made.mark, made.at, made.ids) == (
        *(wanted.colour, wanted.mark, wanted.at, wanted.ids),
    )


@pytest.mark.parametrize(
    ("kind", "default", "problem"),
    [
        (bytes, b"\xff", "is no JSON data: 'utf-8' codec can't decode"),
        (Any, object(), "is no JSON data: object is not JSON"),
        (float, float("nan"), "is no JSON data: nan is not a JSON number"),
        (int, "seven", 'does not fit: value is not of type "integer"'),
    ],
)
def test_a_default_that_cannot_be_is_refused(kind: Any, default: Any, problem: str) -> None:
    """What no run could begin with is said when the graph is made, with its key."""
    of = make_dataclass("Of", [("key", kind, default)])
    with pytest.raises(DefinitionError, match="the default of the key 'key' " + problem) as caught:
        Shape(of, "graph 'g'")
    assert caught.value.where == "graph 'g'"


def test_a_default_that_cannot_be_made_is_refused() -> None:
    """What a factory raises is told, with the key."""

    def fails() -> int:
        raise ValueError("not now")

    of = make_dataclass("Of", [("key", int, field(default_factory=fails))])
    with pytest.raises(DefinitionError, match="the key 'key' cannot be made: ValueError: not now"):
        Shape(of, "g")
