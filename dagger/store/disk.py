"""What one commit writes; all of it runs in the writer's thread."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dagger.store.ballast import Ballast
from dagger.store.block import BadBlock, Block, decode
from dagger.store.environment import Environment
from dagger.store.payloads import keep, let_go
from dagger.store.rows import OF_RUN, POSITION, SNAPSHOT, Databases, has_part
from dagger.store.saving import Saving
from dagger.store.seal import unseal
from dagger.words.records import WIRING

if TYPE_CHECKING:
    import lmdb

logger = logging.getLogger("dagger")

TIDY = 1024 * 1024
"""Bytes of blocks that one commit moves into history, at most; more if it writes more."""

MINUTE = 60.0
"""Seconds between two looks for readers that were killed: what they read cannot be reused."""


class JournalDisk:
    """Writes blocks and snapshots, and tidies up a little each time."""

    def __init__(self, environment: Environment, ballast: Ballast) -> None:
        self._environment = environment
        self._ballast = ballast
        self._cleared = time.monotonic()
        self._tidied = POSITION.pack(0)  # before this key nothing is left to tidy up

    def write(self, blocks: Sequence[Block], saving: Saving | None) -> bool:
        """All of it in one transaction; whether there is more to tidy up."""
        if time.monotonic() - self._cleared > MINUTE:
            self._environment.clear_readers()
            self._cleared = time.monotonic()
        with self._ballast.at_hand():
            return self._commit(blocks, saving)

    def _commit(self, blocks: Sequence[Block], saving: Saving | None) -> bool:
        rows = [(POSITION.pack(each.last), each.encode()) for each in blocks]
        uses = [use for each in blocks for use in each.uses]
        need = sum(len(value) for _, value in rows) + sum(len(each.payload) for each in uses)
        room = 3 * need + 2 * TIDY + (saving.size if saving is not None else 0)
        with self._environment.writing(room) as txn:
            keep(txn, self._environment.db, uses)
            txn.cursor(self._environment.db["journal"]).putmulti(rows)
            if saving is not None:
                saving.write(txn, self._environment.db)
            return self._tidy(txn, max(TIDY, 2 * need))

    def recover(self) -> None:
        """Open the environment anew: after some failures LMDB refuses everything until then."""
        self._environment.again()

    def _tidy(self, txn: lmdb.Transaction[bytes], budget: int) -> bool:
        """Move blocks that the snapshot holds into the history of their runs; whether there
        are more. What was left of runs that are gone is let go.
        """
        db = self._environment.db
        sealed = txn.get(SNAPSHOT, db=db["meta"])
        saved = None if sealed is None else unseal(SNAPSHOT, sealed)
        cursor = txn.cursor(db["journal"])
        while saved is not None and cursor.set_range(self._tidied) and cursor.key() <= saved:
            if budget <= 0:
                return True
            key, value = cursor.item()
            budget -= len(value)
            try:
                block = decode(value)
            except BadBlock as broken:
                self._pass_over(key, broken)
                continue
            gone = move(txn, db, block)
            if txn.stat(db["uses"])["entries"]:
                for run in gone:
                    let_go(txn, db, run, block.last)
            cursor.set_key(key)  # what was put elsewhere may have moved it
            cursor.delete()
        return False

    def _pass_over(self, key: bytes, broken: BadBlock) -> None:
        """A damaged block stays where it is: the snapshot has all that it meant, and the work
        is not to stop for it.
        """
        self._tidied = key + b"\0"
        last = POSITION.unpack(key)[0]
        text = "the block of record %d in the journal is damaged (%s): it is left where it is"
        logger.error(text, last, broken)


def move(txn: lmdb.Transaction[bytes], db: Databases, block: Block) -> list[int]:
    """Put the records of a block into the histories of their runs; the runs that are gone, whose
    records are let go.
    """
    gone: list[int] = []

    def kept(run: int) -> bool:
        there = run == WIRING or has_part(txn, db, run)
        if not there:
            gone.append(run)
        return there

    for run, own in block.apart(kept):
        txn.put(OF_RUN.pack(run, own.last), own.encode(), db=db["history"])
    return gone
