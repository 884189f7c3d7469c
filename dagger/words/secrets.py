"""Secrets: texts that are in no record, and so in no journal, report, tree or log line.

Where one would be written, in whichever of its forms, `***` stands instead. That is done to what
is about to become true (see `Engine.commit`), and not to what is said of it later: nothing behind
it has to take care. Before it, whoever cuts a text hides what is secret in it first (`hidden`): of
a secret that was cut nobody would know the rest.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar, cast
from weakref import ref

import msgpack

from dagger.words.forms import FEW, forms
from dagger.words.needles import Needles

MASK = "***"

WHOLE = FEW
"""Characters below which a secret is hidden only where it is a whole text: it might be a part of
many others.
"""

_WORD = re.compile("[a-z_]{1,15}")

_known: set[ref[Secrets]] = set()
"""All that there are in this process, and have something to hide."""

T = TypeVar("T")


LATELY = 100
"""Holders that have let go last, whose texts are still hidden: what is known late may be written
later.
"""


class Secrets:
    """Texts to be hidden: for good, or for as long as somebody holds them, and a while longer."""

    __slots__ = (
        *("__weakref__", "_blobs", "_counts", "_forms", "_held", "_holders", "_late", "_long"),
        "_short",
    )

    def __init__(self) -> None:
        self._holders = Counter[str]()  # how many hold a text
        self._held: dict[Hashable, set[str]] = {}  # by who holds them; None for good
        self._late: deque[set[str]] = deque()
        self._forms: dict[str, tuple[str, ...]] = {}  # of each text that is held
        self._counts = Counter[str]()  # of how many texts something is a form
        self._long = Needles[str]()
        self._blobs = Needles[bytes]()  # the same, as they are in payloads
        self._short: dict[str, bytes] = {}

    def add(self, value: Any, holder: Hashable = None) -> None:
        """Hide a text from now on, in all of its forms, until its holder lets go; of other values
        the texts in them, and numbers as they are written.
        """
        held = self._held.setdefault(holder, set())
        for text in _texts(value):
            if text not in held:
                held.add(text)
                self._hold(text)
        if self._holders:
            _known.add(ref(self, _known.discard))

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
        self._forms[text] = forms(text)
        for form in self._forms[text]:
            self._counts[form] += 1
            if self._counts[form] == 1:
                self._hide(form)

    def _release(self, text: str) -> None:
        self._holders[text] -= 1
        if self._holders[text]:
            return
        del self._holders[text]
        for form in self._forms.pop(text):
            self._counts[form] -= 1
            if not self._counts[form]:
                del self._counts[form]
                self._show(form)

    def _hide(self, form: str) -> None:
        if len(form) < WHOLE:
            self._short[form] = _blob(form)
        else:
            self._long.add(form)
            self._blobs.add(_blob(form))

    def _show(self, form: str) -> None:
        if len(form) < WHOLE:
            del self._short[form]
        else:
            self._long.remove(form)
            self._blobs.remove(_blob(form))

    def __bool__(self) -> bool:
        return bool(self._holders)

    def masked(self, value: T) -> T:
        """A value without these secrets (see `masked`)."""
        return masked(value, (self,))

    def within(self, text: str) -> list[str]:
        """Those that are a part of a text, or all of it."""
        return [text] if text in self._short else self._long.within(text)

    def inside(self, blob: bytes) -> list[str]:
        """Those that may be in the texts of a payload."""
        long = [each.decode("utf-8", "surrogatepass") for each in self._blobs.within(blob)]
        return [*long, *(text for text, each in self._short.items() if each in blob)]


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
