"""The rows of a store's journal: which databases there are, their keys, and how rows go.

    journal   position of its last record -> a block: what came since, and a little before
    history   run, position of its last record -> a block of that run's own records
    state     part, chunk -> some bytes of the latest snapshot, sealed
    ids       run id -> run; run -> run id; sealed
    meta      "format"; "snapshot" (its position), sealed
    payloads  digest (see `outline`) -> payload
    uses      "r", run, digest -> position of the latest record that uses it, 0 for a part
              "d", digest, run -> nothing

Keys are big-endian, so that they are in order. A block says itself which records it has.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from struct import Struct
from typing import TYPE_CHECKING, Any

from dagger.store.seal import seal, unseal

if TYPE_CHECKING:
    import lmdb

Databases = dict[str, Any]
"""Those of an environment, by name."""

NAMES = ("journal", "history", "state", "ids", "meta", "payloads", "uses")

POSITION = Struct(">Q")
RUN = Struct(">I")
OF_RUN = Struct(">IQ")
"""Run, and position of the last record."""
OF_PART = Struct(">IH")
"""Part, and number of the chunk."""

CHUNKS = Struct(">H")
"""Number of the chunks of a part: what seals each of them besides its key."""

CHUNK = 1024 * 1024
"""Bytes of a part that are kept in one value."""

FORMAT = b"format"
"""The key of the store's format,"""

SNAPSHOT = b"snapshot"
"""and that of the position of the snapshot."""

LONG_ID = 256
"""Bytes of a run id beyond which its key is cut, and told apart by a digest."""


def id_key(run_id: str) -> bytes:
    """The key of a run id: keys are at most 511 bytes long."""
    encoded = run_id.encode()
    if len(encoded) > LONG_ID:
        encoded = encoded[:LONG_ID] + blake2b(encoded, digest_size=16).digest()
    return b"=" + encoded


def number_key(run: int) -> bytes:
    """The key under which a run's id is found."""
    return b"#" + RUN.pack(run)


def chunks(part: int, whole: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The rows that a part is kept in: never none, so that the part is there."""
    starts = range(0, max(1, len(whole)), CHUNK)
    for number, start in enumerate(starts):
        key = OF_PART.pack(part, number)
        yield key, seal(key + CHUNKS.pack(len(starts)), whole[start : start + CHUNK])


def id_rows(run: int, run_id: str) -> tuple[tuple[bytes, bytes], tuple[bytes, bytes]]:
    """The rows by which a run is found, and its id."""
    by_id, by_number = id_key(run_id), number_key(run)
    return (by_id, seal(by_id, RUN.pack(run))), (by_number, seal(by_number, run_id.encode()))


def used_key(run: int, digest: bytes) -> bytes:
    """The key under which it stands what a run uses."""
    return b"r" + RUN.pack(run) + digest


def user_key(digest: bytes, run: int) -> bytes:
    """The key under which it stands who uses a payload."""
    return b"d" + digest + RUN.pack(run)


def has_part(txn: lmdb.Transaction[bytes], db: Databases, part: int) -> bool:
    """Whether the snapshot has that part."""
    return txn.get(OF_PART.pack(part, 0), db=db["state"]) is not None


def put_snapshot(txn: lmdb.Transaction[bytes], db: Databases, position: int) -> None:
    """Let this be the position of the snapshot."""
    txn.put(SNAPSHOT, seal(SNAPSHOT, POSITION.pack(position)), db=db["meta"])


def put_id(txn: lmdb.Transaction[bytes], db: Databases, run: int, run_id: str) -> None:
    """Let a run be found by its id, and its id by the run."""
    for key, value in id_rows(run, run_id):
        txn.put(key, value, db=db["ids"])


def drop_part(txn: lmdb.Transaction[bytes], db: Databases, part: int) -> None:
    """Take a part out of the snapshot."""
    delete(txn.cursor(db["state"]), OF_PART.pack(part, 0), OF_PART.pack(part + 1, 0))


def drop_history(txn: lmdb.Transaction[bytes], db: Databases, run: int) -> None:
    """Take away all history of a run."""
    delete(txn.cursor(db["history"]), OF_RUN.pack(run, 0), OF_RUN.pack(run + 1, 0))


def drop_id(txn: lmdb.Transaction[bytes], db: Databases, run: int) -> None:
    """Let a run be found no more."""
    sealed = txn.pop(number_key(run), db=db["ids"])
    name = None if sealed is None else unseal(number_key(run), sealed)
    if name is not None:
        txn.delete(id_key(name.decode()), db=db["ids"])


def delete(cursor: lmdb.Cursor[bytes], start: bytes, stop: bytes) -> None:
    """Delete the rows from one key to before another."""
    there = cursor.set_range(start)
    while there and cursor.key() < stop:
        there = cursor.delete()
