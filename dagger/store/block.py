"""Blocks: records on their way to disk and back, with position, run and checksum.

One block holds the records of one commit, or those of them that are of one run. All
integers are little-endian:

    offset  size    field
    0       1       format, now 1
    1       3       zero
    4       4       CRC-32 of everything behind it
    8       8       position of the first record
    16      4       n, the number of records
    20      4 n     position of each, less that of the first
    20+4n   4 n     run of each (see `dagger.words.records.run_of`)
    20+8n   4 n     length of each in bytes
    20+12n          the records (see `dagger.words.packing`), back to back

Runs stand beside the records so that those of one run are found without unpacking any.
Large payloads are not in a block, but kept apart (see `outline`).
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Container, Iterator, Sequence
from itertools import accumulate
from struct import Struct, error, pack
from sys import byteorder
from typing import NamedTuple
from zlib import crc32

from dagger.store import outline
from dagger.store.outline import MissingPayload, Use, outlined_record, resolver
from dagger.words.packing import unpack, unpack_all
from dagger.words.records import WIRING, Record

FORMAT = 1

LATEST = 16
"""The highest format that is believed: beyond it, a byte has changed."""

_HEAD = Struct("<B3xI")
_START = bytes([FORMAT, 0, 0, 0])
_COUNT = Struct("<QI")
_COLUMNS = _HEAD.size + _COUNT.size
_WIDTH = 4


class BadBlock(ValueError):
    """Bytes that are no block, or not the one that was written."""

    def __init__(self, problem: str, position: int | None = None, *, newer: bool = False) -> None:
        super().__init__(problem)
        self.position = position
        """Of the record that is to blame, where it is one."""
        self.newer = newer
        """Whether it is what was written, by a version that knows more."""


_BROKEN = (ValueError, TypeError, IndexError)
"""What unpacking raises."""

Payload = Callable[[bytes], bytes]
"""What a digest is of."""


def nowhere(digest: bytes) -> bytes:
    """The payload of a block that has none apart."""
    raise MissingPayload(f"the payload {digest.hex()[:16]} is not at hand")


class Block(NamedTuple):
    """Some records in order, packed."""

    first: int
    """Position of the first record."""
    offsets: Sequence[int]
    """Position of each, less that of the first."""
    runs: Sequence[int]
    lengths: Sequence[int]
    body: bytes
    uses: Sequence[Use] = ()
    """What its records refer to, and is written with it; not known of one that was read."""

    @property
    def last(self) -> int:
        """Position of the last record."""
        return self.first + self.offsets[-1]

    def records(self, payload: Payload = nowhere) -> Iterator[tuple[int, Record]]:
        """Each record with its position. Raises BadBlock; `payload` gives what is kept apart."""
        for offset, record in zip(self.offsets, self._unpacked(payload), strict=True):
            yield self.first + offset, record

    def behind(self, position: int, payload: Payload = nowhere) -> list[Record]:
        """The records behind a position. Raises BadBlock; `payload` gives what is kept apart."""
        behind = bisect_right(self.offsets, position - self.first)
        if not behind:
            return self._unpacked(payload)
        return self.at(range(behind, len(self.offsets)))._unpacked(payload)

    def _unpacked(self, payload: Payload) -> list[Record]:
        resolved = resolver(payload)
        try:
            found = unpack_all(self.body, resolved)
            if len(found) == len(self.offsets):
                return found
        except _BROKEN:
            pass
        raise self._broken(resolved)

    def _broken(self, resolved: Callable[[int, bytes], bytes]) -> BadBlock:
        """Which record cannot be read, and why: the block has its checksum, so that it is what
        was written, unless something is missing that is kept apart.
        """
        start = 0
        for offset, length in zip(self.offsets, self.lengths, strict=True):
            try:
                unpack(self.body[start : start + length], resolved)
            except _BROKEN as broken:
                problem = f"a record cannot be read: {broken}"
                newer = not isinstance(broken, MissingPayload)
                return BadBlock(problem, self.first + offset, newer=newer)
            start += length
        return BadBlock(f"{len(self.offsets)} records were to be there")

    def only(self, wanted: Container[int]) -> Block | None:
        """The records of the wanted runs; None if there are none."""
        chosen = [at for at, run in enumerate(self.runs) if run in wanted]
        if len(chosen) == len(self.runs):
            return self
        return self.at(chosen) if chosen else None

    def of_use(self, saved: int, kept: Container[int]) -> Block:
        """The records but for those that are only left over: what a snapshot holds, of runs
        that are gone and of no run. Their large payloads may be gone as well.
        """
        pairs = enumerate(zip(self.offsets, self.runs, strict=True))
        return self.at(
            [
                at
                for at, (offset, run) in pairs
                if self.first + offset > saved or run in kept or run == WIRING
            ]
        )

    def at(self, chosen: Sequence[int]) -> Block:
        """The records in these places of the block."""
        if not chosen:
            return Block(self.first, (), (), (), b"")
        return self._at(chosen, list(accumulate(self.lengths)))

    def apart(self, kept: Callable[[int], bool]) -> Iterator[tuple[int, Block]]:
        """Each run that is kept, and the block of its records: costs no more for many runs."""
        places: dict[int, list[int]] = {}
        for at, run in enumerate(self.runs):
            places.setdefault(run, []).append(at)
        if len(places) > 1:
            ends = list(accumulate(self.lengths))
            yield from ((run, self._at(places[run], ends)) for run in sorted(places) if kept(run))
        elif kept(self.runs[0]):
            yield self.runs[0], self

    def _at(self, chosen: Sequence[int], ends: Sequence[int]) -> Block:
        offsets = [self.offsets[at] for at in chosen]
        return Block(
            self.first + offsets[0],
            [each - offsets[0] for each in offsets],
            [self.runs[at] for at in chosen],
            [self.lengths[at] for at in chosen],
            b"".join([self.body[ends[at] - self.lengths[at] : ends[at]] for at in chosen]),
        )

    def encode(self) -> bytes:
        """The bytes of the block."""
        count = len(self.offsets)
        columns = pack(f"<{3 * count}I", *self.offsets, *self.runs, *self.lengths)
        rest = b"".join((_COUNT.pack(self.first, count), columns, self.body))
        return _HEAD.pack(FORMAT, crc32(rest)) + rest


def block(first: int, runs: Sequence[int], blobs: Sequence[bytes]) -> Block:
    """The block of packed records that follow each other from position `first` on."""
    uses: list[Use] = []
    lengths = list(map(len, blobs))
    if max(lengths, default=0) > outline.LARGE:
        blobs = [
            _outlined(uses, run, position, blob)
            for position, (run, blob) in enumerate(zip(runs, blobs, strict=True), first)
        ]
        lengths = list(map(len, blobs))
    return Block(first, range(len(blobs)), runs, lengths, b"".join(blobs), uses)


def _outlined(uses: list[Use], run: int, position: int, blob: bytes) -> bytes:
    if len(blob) <= outline.LARGE:
        return blob
    rest, payloads = outlined_record(blob)
    uses += [Use(run, position, *each) for each in payloads.items()]
    return rest


def decode(data: bytes) -> Block:
    """The block that was encoded. Raises BadBlock."""
    try:
        version, checksum = _HEAD.unpack_from(data)
        if version != FORMAT:
            raise _of_another_format(version, data)
        if crc32(memoryview(data)[_HEAD.size :]) != checksum:
            raise BadBlock("its checksum does not match")
        first, count = _COUNT.unpack_from(data, _HEAD.size)
    except error as short:
        raise BadBlock(f"it is cut short: {short}") from short
    size = _WIDTH * count
    offsets, runs, lengths = (_numbers(data, _COLUMNS + nth * size, size) for nth in range(3))
    return Block(first, offsets, runs, lengths, data[_COLUMNS + 3 * size :])


def _of_another_format(version: int, data: bytes) -> BadBlock:
    """Why: it is of a newer version, unless it is one of this format with a flipped bit."""
    flipped = (version ^ FORMAT).bit_count() == 1 and _is_block(_START + data[len(_START) :])
    if flipped or not FORMAT < version <= LATEST or any(data[1 : len(_START)]):
        return BadBlock("its first bytes have changed")
    return BadBlock(f"block format {version} is not known", newer=True)


def _is_block(data: bytes) -> bool:
    try:
        found = decode(data)
    except BadBlock:
        return False
    return sum(found.lengths) == len(found.body)


def _numbers(data: bytes, start: int, size: int) -> array[int]:
    """A column. Raises BadBlock if it is not there."""
    column = data[start : start + size]
    if len(column) != size:
        raise BadBlock("it is cut short: its columns are not there")
    found = array("I", column)
    if byteorder == "big":
        found.byteswap()
    return found
