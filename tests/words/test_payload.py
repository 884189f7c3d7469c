"""What a payload may be, and how everything else is refused."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any, NamedTuple

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger.words.errors import SerializationError
from dagger.words.payload import MAX_DEPTH, decode, encode, plain

json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(),
    ),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
)


@dataclasses.dataclass
class Point:
    """A dataclass that may hold another."""

    x: int
    inner: Any = None


class Pair(NamedTuple):
    """A tuple with names."""

    left: int
    right: int


class Colour(enum.StrEnum):
    """A string with a name."""

    RED = "red"


class Topic(pydantic.BaseModel):
    """A model with something in it."""

    title: str
    parts: tuple[Any, ...] = ()


class Number(pydantic.RootModel[int]):
    """A model that is only a number."""


def nested(depth: int) -> Any:
    """Lists in each other, `depth` of them."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def refusal(value: Any) -> SerializationError:
    """The error that a payload is refused with on its way to bytes."""
    with pytest.raises(SerializationError) as caught:
        encode(plain(value, "parser"), producer="parser")
    assert caught.value.producer == "parser"
    assert "parser" in str(caught.value)
    return caught.value


@given(json_values)
def test_json_comes_back_equal(value: Any) -> None:
    """What JSON can say comes back from bytes equal to what went in."""
    assert decode(encode(plain(value))) == value


@given(json_values)
def test_plain_data_is_not_copied(value: Any) -> None:
    """A payload that is plain already is taken as it is."""
    assert plain(value) is value


def test_every_decoding_is_a_copy_of_its_own() -> None:
    """Two decodings of the same bytes share nothing that can be changed."""
    blob = encode({"list": [1]})
    first, second = decode(blob), decode(blob)
    first["list"].append(2)
    assert second == {"list": [1]}


@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: {"k": v}, lambda v: (v,)])
def test_sixty_four_levels_are_accepted(wrap: Any) -> None:
    """Lists, objects and tuples may be nested 64 deep, and no deeper."""
    value: Any = 1
    for _ in range(MAX_DEPTH):
        value = wrap(value)
    encode(plain(value))
    assert "nested deeper than 64" in refusal(wrap(value)).problem


def test_the_path_of_what_is_too_deep_is_named() -> None:
    """Level 65 is refused with the JSON path it is at."""
    assert refusal({"a": nested(MAX_DEPTH)}).path == "$.a" + "[0]" * (MAX_DEPTH - 1)


def test_a_value_that_holds_itself_is_refused() -> None:
    """Cycles through lists, objects and dataclasses are refused as too deep."""
    loop: list[Any] = []
    loop.append({"again": loop})
    point = Point(1)
    point.inner = point
    for value in (loop, point):
        assert "nested deeper" in refusal(value).problem


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_lacks_are_refused(number: float) -> None:
    """NaN and the infinities are refused with their path."""
    error = refusal({"a": [1.0, number]})
    assert error.path == "$.a[1]"
    assert "not a JSON number" in error.problem


@pytest.mark.parametrize("number", [-(2**63), 2**64 - 1])
def test_the_ends_of_sixty_four_bits_are_accepted(number: int) -> None:
    """The smallest signed and the largest unsigned 64-bit integer pass unchanged."""
    assert decode(encode(plain([number]))) == [number]


@pytest.mark.parametrize("number", [-(2**63) - 1, 2**64, int("1234567890" * 2 + "12345")])
def test_integers_beyond_sixty_four_bits_are_refused(number: int) -> None:
    """An integer that 64 bits cannot hold is refused with its path and a way out."""
    error = refusal({"n": number})
    assert error.path == "$.n"
    assert "send it as a string" in error.problem


@pytest.mark.parametrize("value", [b"raw", bytearray(b"raw"), {1, 2}, object(), 1j, int])
def test_what_is_not_json_is_refused_by_the_name_of_its_type(value: Any) -> None:
    """Bytes, sets and other objects are refused with their path and type."""
    error = refusal({"a": [value]})
    assert error.path == "$.a[0]"
    assert f"{type(value).__name__} is not JSON" in error.problem


def test_a_lone_surrogate_is_refused() -> None:
    """A string that UTF-8 cannot carry is refused, as value and as key."""
    assert refusal(["ok", "\ud800"]).path == "$[1]"
    assert "surrogate" in refusal({"\udfff": 1}).problem


@pytest.mark.parametrize("key", [1, None, True, (1, 2), 1.5])
def test_keys_must_be_strings(key: Any) -> None:
    """An object key that is not a string is refused, not converted."""
    error = refusal({"a": {key: 1}})
    assert error.path == "$.a"
    assert "not a string" in error.problem


def test_large_payloads_pass() -> None:
    """A payload of 10 MB in strings of 1 MB comes back equal."""
    value = {"parts": ["x" * 1_000_000] * 10}
    assert decode(encode(plain(value))) == value


def test_a_payload_beyond_the_limit_is_refused() -> None:
    """A payload larger than the limit is refused with both sizes."""
    with pytest.raises(SerializationError, match="1003 bytes encoded, more than the 1002 allowed"):
        encode("x" * 1000, limit=1002)
    encode("x" * 999, limit=1002)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, (2,)), [1, [2]]),
        (Pair(1, 2), [1, 2]),
        (Point(1, Point(2)), {"x": 1, "inner": {"x": 2, "inner": None}}),
        (Topic(title="t", parts=(1, Pair(2, 3))), {"title": "t", "parts": [1, [2, 3]]}),
        ({"n": Number(5)}, {"n": 5}),
        ([Colour.RED], ["red"]),
        ({Colour.RED: True}, {"red": True}),
    ],
)
def test_python_values_become_plain(value: Any, expected: Any) -> None:
    """Tuples, dataclasses, pydantic models and enumerations become the JSON they stand for."""
    assert decode(encode(plain(value))) == expected


def test_conversion_leaves_the_original_alone() -> None:
    """What is converted is a copy: later changes of the original do not show."""
    items = [1]
    made = plain((items,))
    items.append(2)
    assert made == [[1]]


def test_a_model_that_cannot_be_dumped_is_refused() -> None:
    """A model with something in it that is not JSON is refused with its path."""
    error = refusal({"topic": Topic(title="t", parts=(object(),))})
    assert error.path == "$.topic"
    assert "Topic cannot be dumped" in error.problem
