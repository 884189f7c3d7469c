"""The arguments of `http.request`, looked through before anything is sent.

Pure, and without httpx. What is said of an argument never quotes its value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from dagger.flows.builtins.texts import NAME, Malformed, encoded, entries, in_words, named

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

MAX_BYTES = 10 * 1024 * 1024
"""Bytes of a response that are taken where the step says nothing."""

ABSENT: Final = object()
"""In place of a body as JSON that is not there, since `null` is one."""

_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\ud7ff\ue000-\U0010ffff]*")

_FRAMING = frozenset({"content-length", "transfer-encoding", "upgrade"})
"""Headers that say how the request is sent, which is not for the step to say."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of one request, as a step gives them."""

    url: Any
    method: Any = "GET"
    params: Mapping[str, Any] | None = None
    headers: Mapping[str, Any] | None = None
    json: Any = ABSENT
    form: Mapping[str, Any] | None = None
    body: str | None = None
    max_bytes: int | None = None
    idempotency_key: str = ""


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a request as bytes, with its content type; without one it is sent bare."""

    content: bytes
    kind: str = ""


def method_of(method: Any) -> str:
    """The method in capitals. Raises Malformed."""
    found = str(method).upper()
    if found not in METHODS:
        raise Malformed(f"the method must be one of {', '.join(METHODS)}")
    return found


def query_of(params: Mapping[str, Any] | None) -> str:
    """Parameters as a query: a list gives one for each value, and null none. Raises Malformed."""
    return urlencode([*_pairs("params", params)])


def headers_of(headers: Mapping[str, Any] | None) -> dict[str, str]:
    """Headers as texts; null leaves one out. Raises Malformed."""
    found: dict[str, str] = {}
    for name, value in entries("headers", headers):
        if value is None:
            continue
        header = f"the header {named(name)}"
        text = in_words(header, value).strip()
        if not NAME.fullmatch(name) or not _VALUE.fullmatch(text):
            raise Malformed(f"{header} has a character that no header can have")
        if name.lower() in _FRAMING:
            raise Malformed(f"{header} is set when the request is sent: leave it out")
        found[name] = text
    return found


def body_of(asked: Arguments) -> Body | None:
    """The one body of a request, or none. Raises Malformed."""
    if (asked.json is not ABSENT) + (asked.form is not None) + (asked.body is not None) > 1:
        raise Malformed("json, form and body exclude each other: give one of them")
    if asked.json is not ABSENT:
        return Body(encoded("json", _json(asked.json)), "application/json")
    if asked.form is not None:
        pairs = urlencode([*_pairs("form", asked.form)])
        return Body(pairs.encode(), "application/x-www-form-urlencoded")
    return None if asked.body is None else Body(encoded("body", in_words("body", asked.body)))


def limit_of(max_bytes: Any) -> int:
    """Bytes of a response that are taken. Raises Malformed."""
    if max_bytes is None:
        return MAX_BYTES
    if type(max_bytes) is not int or max_bytes < 1:
        raise Malformed("max_bytes must be a whole number of at least 1")
    return max_bytes


def _pairs(what: str, given: Any) -> Iterator[tuple[str, bytes]]:
    """Name and value of each field, as many as there are values."""
    for name, value in entries(what, given):
        several = isinstance(value, Sequence) and not isinstance(value, str | bytes)
        for each in value if several else [value]:
            if each is not None:
                field = f"{named(name)} of {what}"
                yield name, encoded(field, in_words(field, each))


def _json(value: Any) -> str:
    try:
        return _COMPACT.encode(value)
    except (TypeError, ValueError, RecursionError):
        raise Malformed("json holds what JSON cannot say") from None


def _plain(value: Any) -> Any:
    """What is a mapping or a list, but for its type."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return list(value)
    raise TypeError


_COMPACT = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain
)
