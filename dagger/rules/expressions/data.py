"""The values that expressions know: what JSON can say, and nothing of Python besides.

A mapping has keys and no attributes, so that a key may be called `items`, `keys` or
`__class__`. Any other object is refused where it is met.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from json import JSONEncoder
from math import isfinite
from types import NoneType
from typing import Any

from dagger.rules.expressions.limits import INTEGERS, Work, fits, flat
from dagger.rules.expressions.refusal import Missing, Refused, nearest

_KINDS: dict[type, str] = {
    NoneType: "null",
    bool: "boolean",
    int: "number",
    float: "number",
    str: "text",
    list: "list",
    tuple: "list",
    dict: "mapping",
}

_SUBCLASSES = ((str, "text"), (int, "number"), (float, "number"), (list | tuple, "list"))


def kind(value: Any) -> str:
    """Which of JSON's kinds a value is of: null, boolean, number, text, list or mapping.

    Raises Refused for what is of none.
    """
    known = _KINDS.get(type(value))
    if known is not None:
        return known
    if isinstance(value, Mapping):
        return "mapping"
    for base, name in _SUBCLASSES:
        if isinstance(value, base):
            return name
    raise Refused(f"a {type(value).__name__} is no value of JSON; put it into words before")


def a(value: Any) -> str:
    """A value's kind, as it is said in a sentence."""
    name = kind(value)
    return name if name == "null" else f"a {name}"


def number(made: Any) -> int | float:
    """A number that was made, or Refused if no message could carry it."""
    if isinstance(made, int) and INTEGERS[0] <= made <= INTEGERS[1]:
        return made
    if isinstance(made, float) and isfinite(made):
        return made
    raise Refused("this makes a number that no message can carry: too large, or not a real one")


def beginning(scope: Mapping[str, Any], name: str) -> Any:
    """What a name stands for. Raises Refused: nothing stands in for a wrong name."""
    if name in scope:
        return scope[name]
    raise Refused(f"no name {name!r} here; {nearest(name, scope)}")


def into(value: Any, key: Any, *, told: bool) -> Any:
    """What `value` has at `key`: of a mapping a key, of a list or a text a place, or a slice.

    `told` is whether an error may tell the key: one that was worked out may be a secret. Raises
    Missing where there is nothing, and Refused where there could be nothing; their sentences
    go on after the name of `value`.
    """
    if type(value) is dict and type(key) is str and key in value:  # nearly always
        return value[key]
    of = kind(value)
    if of == "mapping":
        return _entry(value, key, told)
    if of in ("list", "text"):
        return _place(value, key, told)
    if of == "null":
        raise Missing("is null and has nothing in it; default(..., value) stands in for it")
    raise Refused(f"is a {of} and has nothing in it")


def _entry(value: Mapping[Any, Any], key: Any, told: bool) -> Any:
    if not isinstance(key, str):
        raise Refused(f"is a mapping, whose keys are texts; {_key(key, told)} is none")
    if key in value:
        return value[key]
    if told:
        raise Missing(lambda: f"has no {key!r}; {nearest(key, value)}")
    raise Missing(f"has no {_key(key, told)}")


def _place(value: Any, key: Any, told: bool) -> Any:
    what = f"is {a(value)}"
    if type(key) is not int and not isinstance(key, slice):
        key = _key(key, told)
        raise Refused(f"{what}, whose places are whole numbers, such as [0]; {key} is none")
    try:
        return value[key]
    except IndexError:
        key = _key(key, told)
        raise Missing(f"{what} of {len(value)} and has nothing at {key}") from None
    except (TypeError, ValueError):
        raise Refused(f"{what}; a slice of it goes from one whole number to another") from None


def _key(key: Any, told: bool) -> str:
    return repr(key) if told else "the key that was worked out"


def same(left: Any, right: Any, work: Work) -> bool:
    """Whether two values are equal in JSON, however deep they are: true is no 1, but 1 is 1.0."""
    ahead: list[Iterator[tuple[Any, Any]]] = [iter([(left, right)])]
    while ahead:
        for one, other in ahead[-1]:
            work.spend(1)
            of = kind(one)
            if of != kind(other):
                return False
            if of in ("list", "mapping"):
                within = _pairs(one, other, of, work)
                if within is None:
                    return False
                ahead.append(within)
                break
            if of == "text":
                work.spend(len(one) // 100)
            if one != other:
                return False
        else:
            ahead.pop()
    return True


def _pairs(one: Any, other: Any, of: str, work: Work) -> Iterator[tuple[Any, Any]] | None:
    """What is in two lists or mappings, side by side; None if they are not of the same shape."""
    if of == "list":
        return zip(one, other, strict=True) if len(one) == len(other) else None
    work.spend(len(one))
    if one.keys() != other.keys():
        return None
    return ((each, other[key]) for key, each in one.items())


def as_text(value: Any) -> str:
    """A text as it is, and anything else as JSON. Raises Refused."""
    if isinstance(value, str):
        return value
    return as_json(value)


def as_json(value: Any) -> str:
    """The JSON of a value, on one line. Raises Refused for what is none, and for too much."""
    kind(value)
    flat(value)
    parts, length = [], 0
    try:
        for part in _JSON.iterencode(value):
            parts.append(part)
            length += len(part)
            fits(length)
    except (TypeError, ValueError):
        raise Refused("this holds something that is no value of JSON") from None
    return "".join(parts)


def _plain(value: Any) -> Any:
    kind(value)
    return dict(value)


_JSON = JSONEncoder(ensure_ascii=False, allow_nan=False, default=_plain)
