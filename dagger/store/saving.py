"""A snapshot on its way to the disk: encoded in a thread, written by the writer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import anyio

from dagger.store import outline
from dagger.store.contract import Parts
from dagger.store.outline import MARK, Payloads, Use, outlined
from dagger.store.payloads import keep, let_go
from dagger.store.posting import poster
from dagger.store.rows import (
    Databases,
    chunks,
    drop_history,
    drop_id,
    drop_part,
    put_id,
    put_snapshot,
)
from dagger.words.records import WIRING

if TYPE_CHECKING:
    import lmdb

BUSY = 0.0005
"""Seconds for which the encoding thread works, and then"""
YIELD = 0.0002
"""seconds for which it lets the others run: they would wait longer for the interpreter."""


class Saving:
    """One snapshot; `over` is set on the loop when it is written, or has failed."""

    def __init__(
        self, position: int, parts: Parts, ids: Mapping[int, str], gone: Collection[int]
    ) -> None:
        self.after = position
        self.size = 0
        self.over = anyio.Event()
        self.error: Exception | None = None
        self._parts = parts
        self._ids = ids
        self._gone = gone
        self._rows: list[tuple[bytes, bytes]] = []
        self._uses: dict[int, Payloads] = {}  # large payloads of each part
        self._tell = poster(self.over.set)

    def start(self, ready: Callable[[Saving], None]) -> None:
        """Encode it in a thread, which calls `ready` in the end."""
        threading.Thread(
            target=self._encode, args=(ready,), name="dagger snapshot", daemon=True
        ).start()

    def _encode(self, ready: Callable[[Saving], None]) -> None:
        try:
            for number, pieces in self._parts.items():
                uses: Payloads = {}
                whole = b"".join(_outline(_taking_turns(pieces), uses))
                if uses:
                    whole = MARK + whole
                    self._uses[number] = uses
                self.size += len(whole) + sum(map(len, uses.values()))
                self._rows.extend(chunks(number, whole))
        except Exception as error:
            self.done(error)
        else:
            ready(self)

    def write(self, txn: lmdb.Transaction[bytes], db: Databases) -> None:
        """Put the new parts in the place of the old ones."""
        for part in (*self._parts, *self._gone):
            drop_part(txn, db, part)
        for number, payloads in self._uses.items():
            keep(txn, db, [Use(number, 0, *each) for each in payloads.items()])
        if WIRING in self._parts:
            let_go(txn, db, WIRING, self.after, self._uses.get(WIRING, {}))
        for run in self._gone:
            let_go(txn, db, run, self.after)
            drop_history(txn, db, run)
            drop_id(txn, db, run)
        for run, run_id in self._ids.items():
            put_id(txn, db, run, run_id)
        txn.cursor(db["state"]).putmulti(self._rows)
        put_snapshot(txn, db, self.after)

    def done(self, error: Exception | None) -> None:
        self.error = error
        self._tell()


def _outline(pieces: Iterable[bytes], uses: Payloads) -> Iterator[bytes]:
    """The pieces without large payloads: those are put into `uses`."""
    for piece in pieces:
        if len(piece) > outline.LARGE:
            piece, found = outlined(piece)
            uses |= found
        yield piece


def _taking_turns(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces, with pauses in which others have the interpreter."""
    until = time.perf_counter() + BUSY
    for piece in pieces:
        yield piece
        if time.perf_counter() > until:
            time.sleep(YIELD)  # noqa: TID251 - in a thread of ours
            until = time.perf_counter() + BUSY
