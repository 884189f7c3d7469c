"""Payloads on their way in and out of bytes.

A payload is what JSON can say: null, booleans, 64-bit integers, finite floats,
strings that UTF-8 can carry, lists, and objects with string keys, nested at most
64 deep. Everything else is refused here, with its JSON path, before a validator
or a disk ever sees it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

import msgpack

from dagger.words.errors import SerializationError

MAX_DEPTH = 64
"""Nesting that is accepted; validators recurse natively and die on deeper input."""

MAX_BYTES = 64 * 1024 * 1024
"""Encoded size that is accepted, unless configured otherwise."""

_LEAF = frozenset({str, int, bool, type(None)})

_pack = msgpack.Packer().pack
# One packer for all: it is reset after each call, and packing plain values holds the
# interpreter lock throughout. Making one per message costs as much as the packing.


class _NotPlain(Exception):
    """The value is not made of plain JSON types; the slow path says why or mends it."""


def encoded(value: Any, producer: str | None = None, limit: int = MAX_BYTES) -> tuple[Any, bytes]:
    """The plain form of a payload (see `plain`), and its msgpack bytes.

    Raises SerializationError with the JSON path, the producer and the rule broken.
    """
    try:
        _check(value, MAX_DEPTH)
    except _NotPlain:
        value = _convert(value, "$", MAX_DEPTH, producer)
    try:
        blob: bytes = _pack(value)
    except (TypeError, ValueError, OverflowError, UnicodeEncodeError, RecursionError):
        _convert(value, "$", MAX_DEPTH, producer)  # it raises, and says why
        raise
    if len(blob) > limit:
        raise SerializationError(
            "$", f"{len(blob)} bytes encoded, more than the {limit} allowed", producer
        )
    return value, blob


def encode(value: Any, producer: str | None = None, limit: int = MAX_BYTES) -> bytes:
    """The bytes that `encoded` makes of a payload."""
    return encoded(value, producer, limit)[1]


decode: Callable[[bytes], Any] = msgpack.unpackb
"""A fresh value from what `encode` made; no two calls share anything mutable."""


def same(one: bytes, other: bytes) -> bool:
    """Whether two encoded payloads are the same JSON: keys may stand in any order, and
    `true` is not 1.
    """
    return one == other or canonical(one) == canonical(other)


def canonical(blob: bytes) -> str:
    """The text of an encoded payload that is the same for all that are the same JSON."""
    return _canonical(decode(blob))


_canonical = json.JSONEncoder(sort_keys=True).encode
# One for all: `json.dumps` makes another one for each call that wants its keys sorted.


def plain(value: Any, producer: str | None = None) -> Any:
    """The value itself if it is plain JSON data, else its plain form.

    Pydantic models, dataclasses, tuples, mappings and the like become plain data;
    what cannot (sets, bytes, NaN, cycles, anything deeper than 64) raises
    SerializationError with its JSON path.
    """
    try:
        _check(value, MAX_DEPTH)
    except _NotPlain:
        return _convert(value, "$", MAX_DEPTH, producer)
    return value


def string(value: Any, what: str) -> str:
    """`value` itself, which must be a string that UTF-8 can carry: a name, a key, an id.

    Raises SerializationError saying `what` it is.
    """
    if not isinstance(value, str):
        raise SerializationError("$", f"{type(value).__name__} is not a string", what)
    return _text(value, "$", what)


def _check(value: Any, depth: int) -> None:
    """Raise _NotPlain unless `value` is plain; says nothing about integers' size."""
    kind = type(value)
    if kind is dict:
        for key in value:
            if type(key) is not str:
                raise _NotPlain
        items = value.values()
    elif kind is list:
        items = value
    else:  # a scalar, which is no nesting of its own
        items, depth = (value,), depth + 1
        if kind not in _LEAF and kind is not float:
            raise _NotPlain
    if not depth:
        raise _NotPlain
    for item in items:
        kind = type(item)
        if kind in _LEAF:
            continue
        if kind is not float:
            _check(item, depth - 1)
        elif not isfinite(item):
            raise _NotPlain


def _convert(value: Any, path: str, depth: int, producer: str | None) -> Any:
    """A plain copy of `value`, or SerializationError naming `path`."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, path, producer)
    if isinstance(value, (int, float)):
        return _number(value, path, producer)
    if not depth:
        raise SerializationError(path, f"nested deeper than {MAX_DEPTH}", producer)
    value = _opened(value, path, producer)
    if value is None or isinstance(value, (str, int, float)):  # a root model's own value
        return _convert(value, path, depth, producer)
    if isinstance(value, Mapping):
        return {
            _key(key, path, producer): _convert(item, f"{path}.{key}", depth - 1, producer)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [
            _convert(item, f"{path}[{index}]", depth - 1, producer)
            for index, item in enumerate(value)
        ]
    raise SerializationError(
        path,
        f"{type(value).__name__} is not JSON; use null, booleans, numbers, strings, "
        "lists or objects",
        producer,
    )


def _opened(value: Any, path: str, producer: str | None) -> Any:
    """Models as they dump themselves, dataclasses one level open, the rest as it is."""
    dump = getattr(value, "model_dump", None)
    if dump is not None and not isinstance(value, type):
        try:
            return dump(mode="json", by_alias=True)
        except ValueError as error:
            raise SerializationError(
                path, f"{type(value).__name__} cannot be dumped: {error}", producer
            ) from error
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return value


def _text(value: str, path: str, producer: str | None) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise SerializationError(
            path, "a string with a lone surrogate cannot be encoded as UTF-8", producer
        ) from None
    return str(value)


def _number(value: float, path: str, producer: str | None) -> float:
    if isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            raise SerializationError(
                path, "the integer does not fit in 64 bits; send it as a string", producer
            )
        return int(value)
    if not isfinite(value):
        raise SerializationError(path, f"{value} is not a JSON number", producer)
    return float(value)


def _key(key: Any, path: str, producer: str | None) -> str:
    if not isinstance(key, str):
        raise SerializationError(
            path, f"the object key {key!r} is a {type(key).__name__}, not a string", producer
        )
    return _text(key, f"{path} (key)", producer)
