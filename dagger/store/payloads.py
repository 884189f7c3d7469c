"""Large payloads, and the runs that use them: one that no run uses any more is let go.

A run uses what its records and its part refer to, until it is gone and so are its blocks.
Run 0 is the world, which uses what its part refers to; WORLD uses what was written outside
of runs, as long as it is in the journal. See `rows` for where it stands.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from dagger.store.outline import MissingPayload, Use, digest
from dagger.store.rows import POSITION, RUN, Databases, used_key, user_key
from dagger.words.records import WIRING, WORLD

if TYPE_CHECKING:
    import lmdb

    from dagger.store.environment import Environment

RECENT = 8
"""Payloads that one reading has at hand: messages of the same one follow each other."""

LENGTH = len(used_key(0, digest(b"")))
"""Bytes of a key that says who uses what."""


class PayloadReader:
    """Reads payloads by their digests; those that were read last are kept at hand."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._recent: dict[bytes, bytes] = {}

    def payload(self, known: bytes) -> bytes:
        """The payload of a digest. Raises MissingPayload."""
        found = self._recent.pop(known, None)
        if found is None:
            found = self._read(known)
        self._recent[known] = found
        if len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]
        return found

    def _read(self, known: bytes) -> bytes:
        with self._environment.reading() as txn:
            found = txn.get(known, db=self._environment.db["payloads"])
        if found is None:
            raise MissingPayload(f"the payload {known.hex()[:16]} is missing")
        if digest(found) != known:
            raise MissingPayload(f"the payload {known.hex()[:16]} has changed")
        return found


def keep(txn: lmdb.Transaction[bytes], db: Databases, uses: Iterable[Use]) -> None:
    """Write payloads that are not there yet, and who uses them."""
    for run, position, known, payload in uses:
        txn.put(known, payload, overwrite=False, db=db["payloads"])
        note(txn, db, run, known, position)


def note(
    txn: lmdb.Transaction[bytes], db: Databases, run: int, known: bytes, position: int
) -> None:
    """Write down that a run uses a payload."""
    txn.put(user_key(known, run), b"", db=db["uses"])
    txn.put(used_key(run, known), POSITION.pack(position), db=db["uses"])


def let_go(
    txn: lmdb.Transaction[bytes], db: Databases, run: int, last: int, but: Iterable[bytes] = ()
) -> None:
    """A run uses nothing any more of what records up to `last` used, but for some digests."""
    start, kept = used_key(run, b""), set(but)
    cursor = txn.cursor(db["uses"])
    there = cursor.set_range(start)
    while there and cursor.key().startswith(start):
        known = cursor.key()[len(start) :]
        if known in kept or POSITION.unpack(cursor.value())[0] > last:
            there = cursor.next()
            continue
        txn.delete(used_key(run, known), db=db["uses"])
        txn.delete(user_key(known, run), db=db["uses"])
        if not _used(txn, db, known):
            txn.delete(known, db=db["payloads"])
        there = cursor.set_range(start + known)


def _used(txn: lmdb.Transaction[bytes], db: Databases, known: bytes) -> bool:
    """Whether anybody uses a payload."""
    start = user_key(known, 0)[: -RUN.size]
    cursor = txn.cursor(db["uses"])
    return cursor.set_range(start) and cursor.key().startswith(start)


class Strange(NamedTuple):
    """A payload, or the use of one, that cannot be."""

    run: int
    """0 where it is of no run."""
    digest: bytes
    problem: str


def strange(txn: lmdb.Transaction[bytes], db: Databases, runs: Container[int]) -> Iterator[Strange]:
    """What is wrong with payloads and their uses, where there are only these runs."""
    uses, payloads = txn.cursor(db["uses"]), txn.cursor(db["payloads"])
    known = {key: digest(value) == key for key, value in payloads}
    keys = [key for key, _ in uses if len(key) == LENGTH]
    by_run = {(RUN.unpack(key[1:5])[0], key[5:]) for key in keys if key[:1] == b"r"}
    by_digest = {(RUN.unpack(key[-4:])[0], key[1:-4]) for key in keys if key[:1] == b"d"}
    for run, each in sorted(by_run | by_digest):
        if run not in runs and run not in (WIRING, WORLD):
            yield Strange(run, each, "it is of a run that is not there")
        elif each not in known:
            yield Strange(run, each, "it is used and missing")
        elif not known[each]:
            yield Strange(run, each, "it has changed")
        elif (run, each) not in by_run or (run, each) not in by_digest:
            yield Strange(run, each, "its use is known in one of two places only")
    for each in sorted(known.keys() - {each for _, each in by_run | by_digest}):
        yield Strange(0, each, "nobody uses it")
