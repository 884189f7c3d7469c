"""Packing: records as bytes, and back.

A record is a msgpack array: the number of its kind, and its fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgpack

from dagger.words.effects import Effect, Publication, as_publication, make
from dagger.words.joins import Join
from dagger.words.records import (
    EFFECTS,
    RECORDS,
    AgentAdded,
    AttemptFailed,
    Failure,
    Flow,
    Published,
    Record,
    Redriven,
    Remembered,
    Requested,
    RunOpened,
    Scheduled,
    Settled,
    Streamed,
    Wrote,
)
from dagger.words.versions import WrittenByNewer

_record_number = {kind: number for number, kind in enumerate(RECORDS)}
_effect_number = {kind: number for number, kind in enumerate(EFFECTS)}

Resolved = Callable[[int, bytes], Any]
"""What stands for a msgpack extension, by its type and data."""


def rows(blob: bytes, resolved: Resolved = msgpack.ExtType) -> Iterator[Any]:
    """What was packed one behind the other, arrays as tuples. Raises ValueError."""
    unpacker = msgpack.Unpacker(
        use_list=False,
        unicode_errors="surrogatepass",
        max_buffer_size=0,
        strict_map_key=False,
        ext_hook=resolved,
    )
    unpacker.feed(blob)
    return iter(unpacker)


def packer() -> Callable[[Record], bytes]:
    """A function that packs records: each to its number and its fields, msgpack.

    Each thread needs one of its own. It raises TypeError or OverflowError for what
    cannot be packed.
    """
    pack: Callable[[tuple[Any, ...]], bytes] = msgpack.Packer().pack
    # The text of an error may hold half a surrogate pair.
    pack_any: Callable[[tuple[Any, ...]], bytes] = msgpack.Packer(
        unicode_errors="surrogatepass"
    ).pack
    numbers = _record_number

    def packed(record: Record) -> bytes:
        kind = type(record)
        if kind is Settled or kind is Wrote:
            effects = record.effects  # type: ignore[union-attr]
            # Without the call for the usual one: a message, or nothing.
            if effects and (len(effects) > 1 or type(effects[0]) is not Publication):
                record = _tagged(record)  # type: ignore[arg-type]
        try:
            return pack((numbers[kind], *record))
        except UnicodeEncodeError:
            return pack_any((numbers[kind], *record))

    return packed


def _tagged(record: Settled | Wrote) -> Settled | Wrote:
    """Effects that are not all messages have their number in front of their fields."""
    effects = record.effects
    for each in effects:
        if type(each) is not Publication:
            rows = tuple((_effect_number[type(one)], *one) for one in effects)
            return record._replace(effects=rows)  # type: ignore[arg-type]
    return record


def pack(record: Record) -> bytes:
    """The bytes of one record."""
    return packer()(record)


def unpack(blob: bytes, resolved: Resolved = msgpack.ExtType) -> Record:
    """The record that was packed. Raises ValueError for an unknown number."""
    return unpack_all(blob, resolved)[0]


def unpack_all(blob: bytes, resolved: Resolved = msgpack.ExtType) -> list[Record]:
    """The records that were packed one behind the other; `resolved` is for a store's references.

    Raises ValueError for an unknown number, and for what is no record.
    """
    settled, builders = _SETTLED, _BUILDERS
    found: list[Record] = []
    for row in rows(blob, resolved):
        number = row[0]
        if number == settled and row[7] is None:
            # As in `_settled`, without the call: most of what is unpacked is of this kind.
            _, run, delivery, end, attempt, started, ended, failure, effects, dropped, blame = row
            if effects:
                effects = _effects(effects)
            fields = (run, delivery, end, attempt, started, ended, failure, effects, dropped, blame)
            found.append(make(Settled, fields))
        elif number in builders:
            found.append(builders[number](row))
        else:
            raise WrittenByNewer(f"unknown record number {number}")
    return found


def _effects(rows: tuple[Any, ...]) -> tuple[Effect, ...]:
    if len(rows) == 1 and len(rows[0]) == _FIELDS:  # one message: the usual case
        return (make(Publication, rows[0]),)
    return tuple(map(_effect, rows))


def _effect(row: tuple[Any, ...]) -> Effect:
    """One effect: a message begins with its channel, any other with its number."""
    if type(row[0]) is str:
        return as_publication(row)
    if row[0] == _PUBLICATION:
        return as_publication(row[1:])
    effect: Effect = EFFECTS[row[0]](*row[1:])
    return effect


_FIELDS = len(Publication._fields)
_PUBLICATION = _effect_number[Publication]


def _settled(row: tuple[Any, ...]) -> Settled:
    _, run, delivery, end, attempt, started, ended, failure, effects, dropped, blame = row
    if failure is not None:
        failure = Failure(*failure)
    if effects:
        effects = _effects(effects)
    return make(
        Settled,
        (run, delivery, end, attempt, started, ended, failure, effects, dropped, blame),
    )


def _opened(row: tuple[Any, ...]) -> RunOpened:
    return RunOpened(row[1], row[2], row[3], as_publication(row[4]), row[5])


def _published(row: tuple[Any, ...]) -> Published:
    return Published(row[1], as_publication(row[2]), *row[3:])


def _agent(row: tuple[Any, ...]) -> AgentAdded:
    if len(row) > _JOIN and row[_JOIN] is not None:
        row = (*row[:_JOIN], Join(*row[_JOIN]), *row[_JOIN + 1 :])
    return AgentAdded(*row[1:])


_JOIN = 1 + AgentAdded._fields.index("join")


def _scheduled(row: tuple[Any, ...]) -> Scheduled:
    return Scheduled(row[1], row[2], as_publication(row[3]), *row[4:])


def _requested(row: tuple[Any, ...]) -> Requested:
    return Requested(row[1], row[2], row[3], as_publication(row[4]), *row[5:])


def _redriven(row: tuple[Any, ...]) -> Redriven:
    record = Redriven(*row[1:])
    kept = tuple(Remembered(*each) for each in record.kept)
    stream = record.stream and Flow(*record.stream)
    return record._replace(publication=as_publication(record.publication), kept=kept, stream=stream)


def _streamed(row: tuple[Any, ...]) -> Streamed:
    fields = (*row[1:6], as_publication(row[6]), *row[7:])
    return make(Streamed, fields) if len(fields) == _STREAMED else Streamed(*fields)


_STREAMED = len(Streamed._fields)


def _attempted(row: tuple[Any, ...]) -> AttemptFailed:
    return make(AttemptFailed, (*row[1:6], Failure(*row[6]), row[7]))


def _wrote(row: tuple[Any, ...]) -> Wrote:
    return Wrote(row[1], _effects(row[2]))


def _builder(kind: type[Any]) -> Callable[[tuple[Any, ...]], Any]:
    """Makes records that are nothing but their fields."""
    return lambda row: kind(*row[1:])


_SPECIAL: dict[type[Any], Callable[[tuple[Any, ...]], Any]] = {
    AgentAdded: _agent,
    RunOpened: _opened,
    Published: _published,
    Settled: _settled,
    AttemptFailed: _attempted,
    Requested: _requested,
    Redriven: _redriven,
    Scheduled: _scheduled,
    Streamed: _streamed,
    Wrote: _wrote,
}
_SETTLED = _record_number[Settled]
_BUILDERS = {
    number: _SPECIAL.get(kind) or _builder(kind) for kind, number in _record_number.items()
}
