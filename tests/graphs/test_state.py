"""The state of a graph: its shape, its reducers, and that nobody shares a value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from dagger.graphs.merging import merge, remove, update
from dagger.graphs.reducers import add, append, last, reducer
from dagger.graphs.shape import Shape, plain_of
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
