"""Secrets: texts that are in no record, and so in no journal, report, tree or log line.

Where one would be written, in whichever of its forms, `***` stands instead. That is done to what
is about to become true (see `Engine.commit`), and not to what is said of it later: nothing behind
it has to take care. Before it, whoever cuts a text hides what is secret in it first (`hidden`): of
a secret that was cut nobody would know the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar, cast
from weakref import ref

import msgpack

from dagger.words.forms import FEW, forms

MASK = "***"

WHOLE = FEW
"""Characters below which a secret is hidden only where it is a whole text: it might be a part of
many others.
"""

_WORD = re.compile("[a-z_]{1,15}")

_known: set[ref[Secrets]] = set()
"""All that there are in this process, and have something to hide."""

T = TypeVar("T")


class Secrets:
    """Texts to be hidden. They are never let go of: what is known late may be written later."""

    __slots__ = ("__weakref__", "_added", "_blobs", "_long", "_short")

    def __init__(self) -> None:
        self._added: set[str] = set()
        self._long: list[str] = []
        self._short: set[str] = set()
        self._blobs: list[bytes] = []

    def add(self, value: Any) -> None:
        """Hide a text from now on, in all of its forms; of other values the texts in them, and
        numbers as they are written.
        """
        for text in _texts(value):
            if text not in self._added:
                self._added.add(text)
                for form in forms(text):
                    self._hide(form)
        if self._added:
            _known.add(ref(self, _known.discard))

    def _hide(self, text: str) -> None:
        if text in self._short or text in self._long:
            return
        if len(text) < WHOLE:
            self._short.add(text)
        else:
            self._long.append(text)
        self._blobs.append(text.encode("utf-8", "surrogatepass"))

    def __bool__(self) -> bool:
        return bool(self._blobs)

    def masked(self, value: T) -> T:
        """A value without these secrets (see `masked`)."""
        return masked(value, (self,))

    def within(self, text: str) -> list[str]:
        """Those that are a part of a text, or all of it."""
        if text in self._short:
            return [text]
        return [each for each in self._long if each in text]

    def inside(self, blob: bytes) -> list[str]:
        """Those that may be in the texts of a payload."""
        return [each.decode("utf-8", "surrogatepass") for each in self._blobs if each in blob]


def hidden(value: T) -> T:
    """A value without anything that is secret in this process; to be asked before it is cut."""
    known = [each() for each in tuple(_known)]
    return masked(value, [each for each in known if each is not None])


def masked(value: T, secrets: Collection[Secrets]) -> T:
    """A value without any of these secrets: a text, the bytes of a payload, or lists, tuples and
    mappings of texts, whose keys are `named`. What has none is returned as it is.
    """
    if not secrets:
        return value
    found: Any
    if isinstance(value, bytes):
        found = _payload(value, secrets)
    else:
        within = partial(_within, secrets)
        found = _masked(value, within, _Names(within))
    return cast("T", found)


def named(name: T, secrets: Collection[Secrets]) -> T:
    """A key or a name without any of these secrets, but for those that are a plain word of few
    small letters: what programs call things by is more likely meant.
    """
    return cast("T", _named(name, partial(_within, secrets))) if name else name


Find = Callable[[str], list[str]]
"""Gives what is to be hidden of a text."""


def _within(secrets: Collection[Secrets], text: str) -> list[str]:
    return [each for all_of in secrets for each in all_of.within(text)]


def _payload(blob: bytes, secrets: Collection[Secrets]) -> bytes:
    inside = [each for all_of in secrets for each in all_of.inside(blob)]
    if not inside:
        return blob
    try:
        value = msgpack.unpackb(blob, strict_map_key=False, unicode_errors="surrogatepass")
    except ValueError:
        return blob  # no payload: of what was encoded otherwise nothing is a text

    long = [each for each in inside if len(each) >= WHOLE]
    short = {each for each in inside if len(each) < WHOLE}

    def within(text: str) -> list[str]:  # they are few, while texts are many
        return [text] if text in short else [each for each in long if each in text]

    told = _masked(value, within, _Names(within))
    found: bytes = msgpack.packb(told, unicode_errors="surrogatepass")
    return found


class _Names(dict[Any, Any]):
    """What becomes of keys, each of which is looked at once."""

    def __init__(self, within: Find) -> None:
        self._within = within

    def __missing__(self, key: Any) -> Any:
        self[key] = told = _named(key, self._within)
        return told


def _named(key: Any, within: Find) -> Any:
    found = within(key) if isinstance(key, str) else []
    secret = [each for each in found if not _WORD.fullmatch(each)]
    return _struck(key, secret) if secret else key


def _masked(value: Any, within: Find, names: _Names) -> Any:
    if isinstance(value, str):
        found = within(value)
        return _struck(value, found) if found else value
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, Mapping):
        return {names[key]: _masked(each, within, names) for key, each in value.items()}
    if isinstance(value, list):
        return [_masked(each, within, names) for each in value]
    if isinstance(value, tuple):
        inner = [_masked(each, within, names) for each in value]
        if all(one is other for one, other in zip(inner, value, strict=True)):
            return value
        return tuple.__new__(type(value), inner)
    return value


def _struck(text: str, parts: Collection[str]) -> str:
    """A text with a mask for each of these parts, or for all of those that overlap."""
    told: list[str] = []
    end = 0
    for start, stop in sorted(span for part in parts for span in _spans(text, part)):
        if start >= end:
            told += (text[end:start], MASK)
        end = max(end, stop)
    return "".join((*told, text[end:]))


def _spans(text: str, part: str) -> Iterator[tuple[int, int]]:
    start = text.find(part)
    while start >= 0:
        yield start, start + len(part)
        start = text.find(part, start + 1)


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        return [value] if value else []
    if isinstance(value, int | float) and not isinstance(value, bool):
        return [str(value)]
    if isinstance(value, Mapping):
        return [text for each in value.values() for text in _texts(each)]
    if isinstance(value, list | tuple):
        return [text for each in value for text in _texts(each)]
    return []
