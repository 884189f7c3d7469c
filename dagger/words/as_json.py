"""Records as JSON, for people and other programs, and back without loss."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from dagger.words.effects import Publication
from dagger.words.payload import decode, encode
from dagger.words.records import EFFECTS, RECORDS, Failure, Flow, Record, Remembered

_KINDS: dict[str, type[Any]] = {each.__name__: each for each in RECORDS}
_EFFECTS: dict[str, type[Any]] = {each.__name__: each for each in EFFECTS}

_PAYLOADS = frozenset({"payload", "value", "question", "data", "schema", "default"})
"""Fields whose bytes are an encoded payload; those of any other are told in base64."""

_BYTES = frozenset({"part", "mark", "items"})

_NESTED: dict[str, type[Any]] = {
    "first": Publication,
    "publication": Publication,
    "failure": Failure,
    "stream": Flow,
}


def to_json(record: Record) -> dict[str, Any]:
    """A record as plain JSON data: its kind under "record", and its fields by name."""
    return {"record": type(record).__name__, **_fields(record)}


def from_json(row: Mapping[str, Any]) -> Record:
    """The record that `to_json` was given. Raises ValueError for what is none."""
    kind = _KINDS.get(str(row.get("record")))
    if kind is None:
        raise ValueError(f"no record is called {row.get('record')!r}")
    record: Record = _made(kind, {name: each for name, each in row.items() if name != "record"})
    return record


def _fields(value: Any) -> dict[str, Any]:
    """But for what a message was checked against: whoever reads it will not believe that."""
    return {
        name: _told(name, each)
        for name, each in value._asdict().items()
        if each != b"" and not (type(value) is Publication and name == "checked")
    }


def _told(name: str, value: Any) -> Any:
    if isinstance(value, bytes):
        if name in _PAYLOADS:
            return decode(value)
        return b64encode(value).decode()
    if name == "kept":
        return [_fields(each) for each in value]
    if name == "effects":
        return [{"effect": type(each).__name__, **_fields(each)} for each in value]
    if hasattr(value, "_asdict"):
        return _fields(value)
    return list(value) if isinstance(value, tuple) else value


def _made(kind: type[Any], fields: Mapping[str, Any]) -> Any:
    unknown = fields.keys() - set(kind._fields)
    if unknown:
        raise ValueError(f"{kind.__name__} has no {', '.join(sorted(unknown))}")
    given = {name: _meant(name, each) for name, each in fields.items()}
    nothing = dict.fromkeys(_PAYLOADS.intersection(kind._fields), b"")  # where there was none
    try:
        return kind(**nothing | given)
    except TypeError as error:
        raise ValueError(f"{kind.__name__}: {error}") from error


def _meant(name: str, value: Any) -> Any:
    if name in _PAYLOADS:
        return encode(value)
    if name in _BYTES:
        return b64decode(value)
    if name == "kept":
        return tuple(_made(Remembered, each) for each in value)
    if name == "effects":
        return tuple(_effect(each) for each in value)
    if name in _NESTED and value is not None:
        return _made(_NESTED[name], value)
    return _tuples(value)


def _effect(row: Mapping[str, Any]) -> Any:
    kind = _EFFECTS.get(str(row.get("effect")))
    if kind is None:
        raise ValueError(f"no effect is called {row.get('effect')!r}")
    return _made(kind, {name: each for name, each in row.items() if name != "effect"})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value
