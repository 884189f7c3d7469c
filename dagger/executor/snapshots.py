"""Snapshots: the state at one journal position, copied between the turns of the loop.

The world is copied at once. The runs that records have touched since the snapshot before
are copied one after the other; one that is about to change is copied first. So all copies
are of one position, whatever happens meanwhile, and the loop waits for one run at most.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from dagger.state.snapshot import RunCopy, copy_run, copy_world
from dagger.words.errors import DatabaseError
from dagger.words.records import WIRING, Record, RunsForgotten, run_of

if TYPE_CHECKING:
    from dagger.executor.engine import Engine
    from dagger.state.state import State

TURN = 0.002
"""Seconds of copying before others get a turn."""


logger = logging.getLogger("dagger")


class Copying:
    """The copies of one position, while the state goes on."""

    def __init__(
        self, state: State, touched: set[int], kept: set[int], monotonic: Callable[[], float]
    ) -> None:
        self._state = state
        self._monotonic = monotonic
        self.position = state.position
        self.world = copy_world(state)
        self.runs: dict[int, RunCopy] = {}
        self.ids: dict[int, str] = {}
        self._left = {number for number in touched if number in state.runs}
        self.gone = kept - state.runs.keys()

    def apply(self, record: Record) -> None:
        """Apply a record to the state, after what it changes has been copied."""
        changed = record.runs if type(record) is RunsForgotten else (run_of(record),)
        for run in changed:
            if run in self._left:
                self._copy(run)
        self._state.apply(record)

    def _copy(self, run: int) -> None:
        self._left.discard(run)
        self.ids[run] = self._state.runs[run].id
        self.runs[run] = copy_run(self._state.runs[run])

    async def finish(self) -> None:
        """Copy what is left, a little at a time."""
        while self._left:
            until = self._monotonic() + TURN
            while self._left and self._monotonic() < until:
                self._copy(self._left.pop())
            await anyio.lowlevel.checkpoint()


class Snapshots:
    """When snapshots are made, and how; `serve` is run by the supervisor."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._store = engine.store
        self._records = engine.config.snapshot_every_records
        self._seconds = engine.config.snapshot_every_seconds
        self._latest = self._tried = engine.store.saved()
        self._kept = engine.store.kept()  # runs that the latest snapshot may hold
        self._unsaved: set[int] = set()  # runs that a failed snapshot would have held
        self._due = anyio.Event()
        self._stopped = False
        self._lock = anyio.Lock()

    def look(self) -> None:
        """Records have become durable: there may be enough of them."""
        if self._store.durable - self._tried >= self._records:
            self._due.set()

    async def serve(self) -> None:
        """Make snapshots whenever they are due, until `stop`."""
        while not self._stopped:
            with anyio.move_on_after(self._seconds, shield=True):
                await self._due.wait()
            if not self._stopped:
                self._due = anyio.Event()
                await self.take()

    def stop(self) -> None:
        """No more are made, unless somebody asks for one."""
        self._stopped = True
        self._due.set()

    async def take(self) -> None:
        """Make a snapshot, if anything was recorded since the last one."""
        async with self._lock:
            engine, store = self._engine, self._store
            if engine.state.position == self._latest or store.trouble is not None:
                return
            touched = self._unsaved = self._unsaved | store.touched()
            copying = Copying(engine.state, touched, self._kept, engine.monotonic)
            with engine.applying(copying.apply):
                await copying.finish()
            self._tried = copying.position
            self._kept |= copying.runs.keys()
            try:
                await self._save(copying)
            except DatabaseError as error:
                logger.warning("a snapshot was not made: %s", error)
            else:
                self._latest = copying.position
                self._kept -= copying.gone
                self._unsaved = set()

    async def _save(self, copying: Copying) -> None:
        parts = {WIRING: copying.world.pieces()}
        parts |= {number: run.pieces() for number, run in sorted(copying.runs.items())}
        await self._store.save(copying.position, parts, copying.ids, copying.gone)
