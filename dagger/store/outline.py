"""Outlines: records and parts without their large payloads, which are kept apart.

A payload of over LARGE bytes is written once, however many messages, outputs and values
hold it. In its place stands a reference, a msgpack extension:

    type    data
    1       BLAKE2b-256 of the payload: its digest
    2       a part (see `dagger.state.parts`) within a record, itself outlined

What is outlined can be put together again byte by byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any, NamedTuple

import msgpack

from dagger.words.packing import rows
from dagger.words.records import RECORDS, RunForked
from dagger.words.versions import WrittenByNewer

LARGE = 64 * 1024
"""Bytes; what is longer is kept apart."""

PAYLOAD, ROWS = 1, 2

_FORKED = RECORDS.index(RunForked)
_PART = 1 + RunForked._fields.index("part")
"""Where it is in the row of such a record."""

MARK = b"\xc1"
"""In front of the outline of a part of a snapshot; no msgpack begins with it."""

Payloads = dict[bytes, bytes]
"""What was taken out, by its digest."""


class MissingPayload(ValueError):
    """A payload that is referred to, and is not there or not what it was."""


class Use(NamedTuple):
    """A payload that is kept apart, and who refers to it."""

    run: int
    position: int
    """The record that does; 0 for a part."""
    digest: bytes
    payload: bytes


def digest(payload: bytes) -> bytes:
    """The 32 bytes by which a payload is known."""
    return blake2b(payload, digest_size=32).digest()


def outlined(whole: bytes) -> tuple[bytes, Payloads]:
    """Packed rows with references, and what they refer to; the same rows if there is nothing."""
    found: Payloads = {}
    if not _may_refer(whole):
        return whole, found
    outline = _packed(_referring(row, found) for row in rows(whole, _refuse))
    return (outline, found) if found else (whole, found)


def outlined_record(blob: bytes) -> tuple[bytes, Payloads]:
    """The same of one packed record; in the part that a fork begins with, too."""
    if not _may_refer(blob):
        return blob, {}
    (row,) = rows(blob, _refuse)
    if row[0] != _FORKED:
        return outlined(blob)
    part, found = outlined(row[_PART])
    if not found:
        return blob, found
    return _packed([(*row[:_PART], msgpack.ExtType(ROWS, part), *row[_PART + 1 :])]), found


def _may_refer(packed: bytes) -> bool:
    """Whether there may be a large payload in it: without one it need not be unpacked.

    One begins with the byte for bytes of more than 16 bits of length, and that length.
    """
    at = packed.find(_BIN32) if LARGE >= 2**16 else -1
    while at >= 0:
        size = int.from_bytes(packed[at + 1 : at + 5], "big")
        if LARGE < size <= len(packed) - at - 5:
            return True
        at = packed.find(_BIN32, at + 1)
    return LARGE < 2**16


_BIN32 = b"\xc6"


def _referring(value: Any, found: Payloads) -> Any:
    """The same value, with references."""
    if type(value) is tuple:
        return tuple([_referring(each, found) for each in value])
    if type(value) is not bytes or len(value) <= LARGE:
        return value
    found[known := digest(value)] = value
    return msgpack.ExtType(PAYLOAD, known)


def resolver(payload: Callable[[bytes], bytes]) -> Callable[[int, bytes], bytes]:
    """What stands for a reference: to be called with its type and data.

    `payload` gives what a digest is of. Raises WrittenByNewer for a type that is not known.
    """

    def resolved(kind: int, data: bytes) -> bytes:
        if kind == PAYLOAD:
            return payload(data)
        if kind == ROWS:
            return inlined(data, resolved)
        raise WrittenByNewer(f"unknown reference {kind}")

    return resolved


def inlined(outline: bytes, resolved: Callable[[int, bytes], bytes]) -> bytes:
    """The rows that were outlined. Raises what `resolved` does."""
    return _packed(rows(outline, resolved))


def references(outline: bytes) -> set[bytes]:
    """The digests of all that rows refer to."""
    found: set[bytes] = set()

    def noted(known: bytes) -> bytes:
        found.add(known)
        return b""

    for _ in rows(outline, resolver(noted)):
        pass
    return found


def _packed(values: Iterable[Any]) -> bytes:
    pack = msgpack.Packer(unicode_errors="surrogatepass").pack
    return b"".join([pack(each) for each in values])


def _refuse(kind: int, data: bytes) -> bytes:
    raise ValueError(f"a reference of type {kind} where none can be")
