"""Which runs use which large payloads, worked out anew from all that refers to them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, chain, groupby
from typing import TYPE_CHECKING

from dagger.store.block import BadBlock, decode
from dagger.store.outline import MARK, digest, references
from dagger.store.payloads import note
from dagger.store.rows import OF_PART, Databases
from dagger.store.seal import SEAL

if TYPE_CHECKING:
    import lmdb


def renew_uses(txn: lmdb.Transaction[bytes], db: Databases) -> None:
    """Write down who uses what, and let go of what nobody uses or has changed. What is broken
    uses nothing.
    """
    payloads = txn.cursor(db["payloads"])
    sound = {known: digest(payload) == known for known, payload in payloads}
    found: dict[tuple[int, bytes], int] = {}
    for run, position, known in chain(_of_parts(txn, db), _of_records(txn, db)):
        if sound.get(known):
            found[run, known] = max(position, found.get((run, known), 0))
    txn.drop(db["uses"], delete=False)
    for (run, known), position in found.items():
        note(txn, db, run, known, position)
    for known in sound.keys() - {known for _, known in found}:
        txn.delete(known, db=db["payloads"])


def _of_parts(txn: lmdb.Transaction[bytes], db: Databases) -> Iterator[tuple[int, int, bytes]]:
    rows = txn.cursor(db["state"])
    for part, chunks in groupby(rows, key=lambda row: OF_PART.unpack(row[0])[0]):
        whole = b"".join(value[SEAL:] for _, value in chunks)
        if whole.startswith(MARK):
            yield from _referred(part, 0, whole[len(MARK) :])


def _of_records(txn: lmdb.Transaction[bytes], db: Databases) -> Iterator[tuple[int, int, bytes]]:
    for _, value in chain(txn.cursor(db["history"]), txn.cursor(db["journal"])):
        try:
            block = decode(value)
        except BadBlock:
            continue
        ends = accumulate(block.lengths)
        for run, offset, length, end in zip(
            block.runs, block.offsets, block.lengths, ends, strict=True
        ):
            yield from _referred(run, block.first + offset, block.body[end - length : end])


def _referred(run: int, position: int, outline: bytes) -> Iterator[tuple[int, int, bytes]]:
    try:
        for known in references(outline):
            yield run, position, known
    except ValueError:
        return
