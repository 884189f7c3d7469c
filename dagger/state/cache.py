"""One cache: namespaces of keys, each with an immutable entry, as a fold of writes.

Whether a write is allowed is decided before it becomes one; applying it never
fails, whatever another invocation has made of the key meanwhile (see `changed`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgpack

from dagger.words.effects import CacheWrite
from dagger.words.payload import decode, encode
from dagger.words.versions import WrittenByNewer

_EMPTY_LIST = encode([])
_ZERO = encode(0)
_ARRAY_HEADS = frozenset({*range(0x90, 0xA0), 0xDC, 0xDD})
"""First bytes of a msgpack array (github.com/msgpack/msgpack/blob/master/spec.md)."""
_NUMBER_HEADS = frozenset({*range(0x80), *range(0xE0, 0x100), *range(0xCA, 0xD4)})
"""First bytes of a msgpack integer or float."""


class Link:
    """One appended item and the items before it: lists grow without being copied."""

    __slots__ = ("blob", "previous")

    def __init__(self, blob: bytes, previous: Link | None) -> None:
        self.blob = blob
        self.previous = previous


class Entry(NamedTuple):
    """What a key holds; it never changes, a write puts another one in its place."""

    version: int
    """Grows with every write of the key, also over a delete; never 0."""
    blob: bytes
    """The encoded value; for a list, the items it was set with."""
    last: Link | None = None
    """The items appended since, latest first."""

    @property
    def is_list(self) -> bool:
        return self.blob[0] in _ARRAY_HEADS

    @property
    def is_number(self) -> bool:
        return self.blob[0] in _NUMBER_HEADS

    def value(self) -> Any:
        """The value, decoded afresh: what a caller does to it changes nothing here."""
        if self.last is None:
            return decode(self.blob)
        blobs: list[bytes] = []
        link: Link | None = self.last
        while link is not None:
            blobs.append(link.blob)
            link = link.previous
        blobs.append(msgpack.Packer().pack_array_header(len(blobs)))
        blobs.reverse()
        return decode(self.blob) + decode(b"".join(blobs))


class Cache:
    """The entries of one cache at one journal position."""

    __slots__ = ("_namespaces", "writes")

    def __init__(self) -> None:
        self._namespaces: dict[str, dict[str, Entry]] = {}
        self.writes = 0  # ever applied; the latest entry's version

    def apply(self, write: CacheWrite) -> None:
        """Make one decided write true, in constant time. See `changed` for the rules."""
        entry = changed(self.entry(write.namespace, write.key), write, self.writes + 1)
        self.writes += 1
        if entry is not None:
            self.put(write.namespace, write.key, entry)
        else:
            self._remove(write.namespace, write.key)

    def put(self, namespace: str, key: str, entry: Entry) -> None:
        """Make the key hold this."""
        self._namespaces.setdefault(namespace, {})[key] = entry

    def _remove(self, namespace: str, key: str) -> None:
        entries = self._namespaces.get(namespace, {})
        entries.pop(key, None)
        if not entries:
            self._namespaces.pop(namespace, None)

    def __contains__(self, namespace: str) -> bool:
        return namespace in self._namespaces

    def entry(self, namespace: str, key: str) -> Entry | None:
        """What the key holds, or None where it is absent."""
        entries = self._namespaces.get(namespace)
        return None if entries is None else entries.get(key)

    def keys(self, namespace: str) -> list[str]:
        """The keys of a namespace, in the order in which they came; none if it is absent."""
        return list(self._namespaces.get(namespace, ()))

    def namespaces(self) -> list[str]:
        """The namespaces that hold at least one key, in the order in which they came."""
        return list(self._namespaces)

    def entries(self) -> Iterator[tuple[str, str, Entry]]:
        """Namespace, key and entry of all, as they came. Change nothing meanwhile."""
        for namespace, entries in self._namespaces.items():
            for key, entry in entries.items():
                yield namespace, key, entry

    def copy(self) -> Cache:
        """An independent cache of the same entries: later writes to one miss the other."""
        other = Cache()
        other._namespaces = {name: entries.copy() for name, entries in self._namespaces.items()}
        other.writes = self.writes
        return other


def changed(entry: Entry | None, write: CacheWrite, version: int) -> Entry | None:
    """What a key that holds `entry` holds after `write`; None for nothing.

    Total, because another invocation may have changed the key since the write was
    decided: an append to what is no list starts a list, an increment of what is no
    number starts from 0. A sum beyond 64 bits goes on as a float, and a float stays
    finite. Raises ValueError for an unknown `op`.
    """
    match write.op:
        case "set":
            return Entry(version, write.value)
        case "append" if entry is not None and entry.is_list:
            return Entry(version, entry.blob, Link(write.value, entry.last))
        case "append":
            return Entry(version, _EMPTY_LIST, Link(write.value, None))
        case "increment":
            start = entry.blob if entry is not None and entry.is_number else _ZERO
            return Entry(version, encode(_sum(decode(start), decode(write.value))))
        case "delete":
            return None
    raise WrittenByNewer(f"unknown cache operation {write.op!r}")


def _sum(left: float, right: float) -> float:
    """A sum that can always be encoded."""
    total = left + right
    if isinstance(total, int) and -(2**63) <= total < 2**64:
        return total
    return max(-sys.float_info.max, min(sys.float_info.max, float(total)))
