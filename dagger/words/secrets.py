"""Secrets: texts that are in no record, and so in no journal, report, tree or log line.

Where one would be written, `***` stands instead. That is done to what is about to become true
(see `Engine.commit`), and not to what is said of it later: nothing behind it has to take care.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import msgpack

from dagger.words.needles import WIDTH, Needles

MASK = "***"

WHOLE = WIDTH
"""Characters below which a secret is hidden only where it is a whole text: it might be a part of
many others.
"""

LATELY = 100
"""Holders that have let go last, whose texts are still hidden: what is known late may be written
later.
"""


class Secrets:
    """Texts to be hidden: for good, or for as long as somebody holds them, and a while longer."""

    __slots__ = ("_blobs", "_held", "_holders", "_late", "_long", "_short")

    def __init__(self) -> None:
        self._holders = Counter[str]()  # how many hold a text
        self._held: dict[Hashable, set[str]] = {}  # by who holds them; None for good
        self._late: deque[set[str]] = deque()
        self._long = Needles[str]()
        self._blobs = Needles[bytes]()  # the same, as they are in payloads
        self._short: dict[str, bytes] = {}

    def add(self, value: Any, holder: Hashable = None) -> None:
        """Hide a text from now on, until its holder lets go; of other values the texts in them,
        and numbers as they are written.
        """
        held = self._held.setdefault(holder, set())
        for text in _texts(value):
            if text not in held:
                held.add(text)
                self._hold(text)

    def let_go(self, holder: Hashable) -> None:
        """What it alone holds need not be hidden any more, after a while."""
        held = self._held.pop(holder, None)
        if not held:
            return
        self._late.append(held)
        if len(self._late) > LATELY:
            for text in self._late.popleft():
                self._release(text)

    def _hold(self, text: str) -> None:
        self._holders[text] += 1
        if self._holders[text] > 1:
            return
        blob = _blob(text)
        if len(text) < WHOLE:
            self._short[text] = blob
        else:
            self._long.add(text)
            self._blobs.add(blob)

    def _release(self, text: str) -> None:
        self._holders[text] -= 1
        if self._holders[text]:
            return
        del self._holders[text]
        if len(text) < WHOLE:
            del self._short[text]
        else:
            self._long.remove(text)
            self._blobs.remove(_blob(text))

    def __bool__(self) -> bool:
        return bool(self._holders)

    def masked(self, value: Any) -> Any:
        """A value without secrets: a text, the bytes of a payload, or tuples and mappings of
        them. What has none is returned as it is.
        """
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, bytes):
            return self._payload(value)
        if isinstance(value, tuple):
            found = [self.masked(each) for each in value]
            if all(one is other for one, other in zip(found, value, strict=True)):
                return value
            return tuple.__new__(type(value), found)
        if isinstance(value, list):
            return [self.masked(each) for each in value]
        if isinstance(value, Mapping):
            return {self.masked(key): self.masked(each) for key, each in value.items()}
        return value

    def _text(self, text: str) -> str:
        if text in self._short:
            return MASK
        found = self._long.within(text)
        for each in sorted(found, key=_longest_first):  # one may be a part of another
            text = text.replace(each, MASK)
        return text

    def _payload(self, blob: bytes) -> bytes:
        if not self._blobs.within(blob) and not any(each in blob for each in self._short.values()):
            return blob
        try:
            value = msgpack.unpackb(blob, strict_map_key=False, unicode_errors="surrogatepass")
        except ValueError:
            return blob  # no payload: of what was encoded otherwise nothing is a text
        masked: bytes = msgpack.packb(self.masked(value), unicode_errors="surrogatepass")
        return masked


def _longest_first(text: str) -> tuple[int, str]:
    return -len(text), text


def _blob(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


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
