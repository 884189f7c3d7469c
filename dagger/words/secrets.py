"""Secrets: texts that are in no record, and so in no journal, report, tree or log line.

Where one would be written, in whichever of its forms, `***` stands instead. That is done to what
is about to become true (see `Engine.commit`), and not to what is said of it later: nothing behind
it has to take care. Before it, whoever cuts a text hides what is secret in it first (`hidden`): of
a secret that was cut nobody would know the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar
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


def hidden(value: T) -> T:
    """A value without anything that is secret in this process; to be asked before it is cut."""
    for each in tuple(_known):
        secrets = each()
        if secrets is not None:
            value = secrets.masked(value)
    return value


class Secrets:
    """Texts to be hidden. They are never let go of: what is known late may be written later."""

    __slots__ = ("__weakref__", "_added", "_blobs", "_long", "_short")

    def __init__(self) -> None:
        self._added: set[str] = set()
        self._long: list[str] = []  # the longest first: one may be a part of another
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
            self._long = sorted([*self._long, text], key=len, reverse=True)
        self._blobs.append(text.encode("utf-8", "surrogatepass"))

    def __bool__(self) -> bool:
        return bool(self._blobs)

    def masked(self, value: Any) -> Any:
        """A value without secrets: a text, the bytes of a payload, or tuples and mappings of
        them. What has none is returned as it is. Keys of mappings are `named`.
        """
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, bytes):
            return self._blob(value)
        if isinstance(value, tuple):
            found = [self.masked(each) for each in value]
            if all(one is other for one, other in zip(found, value, strict=True)):
                return value
            return tuple.__new__(type(value), found)
        if isinstance(value, list):
            return [self.masked(each) for each in value]
        if isinstance(value, Mapping):
            return {self.named(key): self.masked(each) for key, each in value.items()}
        return value

    def named(self, name: Any) -> Any:
        """A key or a name without secrets, but for those that are a plain word of few small
        letters: what programs call things by is more likely meant.
        """
        if not isinstance(name, str):
            return name
        if name in self._short and not _WORD.fullmatch(name):
            return MASK
        for each in self._long:
            if each in name and not _WORD.fullmatch(each):
                name = name.replace(each, MASK)
        return name

    def _text(self, text: str) -> str:
        if text in self._short:
            return MASK
        for each in self._long:
            if each in text:
                text = text.replace(each, MASK)
        return text

    def _blob(self, blob: bytes) -> bytes:
        if not any(each in blob for each in self._blobs):
            return blob
        try:
            value = msgpack.unpackb(blob, strict_map_key=False, unicode_errors="surrogatepass")
        except ValueError:
            return blob  # no payload: of what was encoded otherwise nothing is a text
        masked: bytes = msgpack.packb(self.masked(value), unicode_errors="surrogatepass")
        return masked


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
