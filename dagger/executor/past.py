"""The past: a stream of events that begins behind a cursor, and misses none.

What is on disk is read there, as a fold of the records that counts what they mean; what
comes after is heard as by any watcher. Who reads so slowly that a watcher would miss
something looks it up in the store.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Self

import anyio.lowlevel

from dagger.executor.events import Event, Missed
from dagger.executor.recovery import saved, saved_run
from dagger.executor.watchers import Cursor, Watcher, as_text, told
from dagger.state.run import Keep
from dagger.state.state import State
from dagger.words.errors import ExecutionError

if TYPE_CHECKING:
    from dagger.executor.engine import Engine
    from dagger.state.run import Run
    from dagger.store.contract import Store
    from dagger.words.records import Record

TURN = 500
"""Records that are read before the others have a turn."""

LITTLE = Keep(outputs=0, dead_letters=0, nodes=1)
"""To tell what a record means takes the open deliveries, and nothing of what has ended."""

Told = tuple[Cursor, Event]


def watch(engine: Engine, run: Run | None, after: str) -> Follower:
    """Everything told of one run, or of all, behind a cursor. Raises ExecutionError."""
    store = engine.store
    if not store.lasting:
        raise ExecutionError(
            "watch(after=) reads what was before in a store, and there is none; give the "
            "executor a store, or watch from now on"
        )
    cursor = parsed(after)
    if cursor[0] > store.position:
        raise ExecutionError(
            f"there are {store.position} records in this store, and cursor {after!r} is behind "
            "more; it is one of another store"
        )
    past = Past(store, None if run is None else run.number, cursor)
    return Follower(engine.watchers.behind(run), past, cursor, lambda: engine.watchers.stopped)


def parsed(after: str) -> Cursor:
    """A cursor from its text, or from the number of a record. Raises ExecutionError."""
    found = re.fullmatch(r"(\d{1,18})(?:\.(\d{1,18}))?", str(after), re.ASCII)
    if found is None:
        raise ExecutionError(
            f"after= takes the cursor of a stream, or the number of a record, not {after!r}; "
            "'0' is the beginning"
        )
    return int(found[1]), int(found[2]) if found[2] else inf


class Past:
    """The records of a store, or of one run in it, and what each of them means."""

    def __init__(self, store: Store, run: int | None, after: Cursor) -> None:
        self._store = store
        self._run = run
        self._records: Iterator[tuple[int, Record]] | None = None
        self._state, self._position = self._begun(after[0])
        self.over = True  # whether all that there was to be read has been

    def _begun(self, position: int) -> tuple[State, int]:
        """The latest snapshot, if it is before that position, or else the very beginning."""
        while (found := self._store.saved()) < position:
            if self._run is None:
                state = saved(self._store, LITTLE)
            else:
                state = saved_run(self._store, self._run, LITTLE)
            if self._store.saved() == found:  # none was made meanwhile
                return state, found
        return State(LITTLE), 0

    def look(self) -> None:
        """There is more to be read: all that is on disk when that begins."""
        self.over = False

    def read(self) -> Iterator[Told]:
        """What the next records mean."""
        if self._records is None:
            self._records = self._behind(self._position)
        found = list(islice(self._records, TURN))
        for position, record in found:
            for number, (run, event) in enumerate(told(self._state, record), 1):
                if event is not None and self._run in (None, run.number):
                    yield (position, number), event
            self._state.apply(record)
            self._position = position
        if len(found) < TURN:
            self._records, self.over = None, True

    def _behind(self, position: int) -> Iterator[tuple[int, Record]]:
        if self._run is None:
            return self._store.everything(position)
        return self._store.history(self._run, position)


class Follower:
    """A stream that nothing is missing in, behind a cursor (see `watchers.Events`)."""

    def __init__(self, live: Watcher, past: Past, after: Cursor, ended: Callable[[], bool]) -> None:
        self._live = live
        self._ended = ended  # whether the store can be read no more
        self._past = past
        self._at = after
        self._read: deque[Told] = deque()

    @property
    def cursor(self) -> str:
        return as_text(self._at) if self._at[1] < inf else str(self._at[0])

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while True:
            if self._read:
                self._at, known = self._read.popleft()
                return known
            if not self._past.over:
                await self._look_up()
                continue
            event = await self._live.__anext__()
            if type(event) is Missed:
                self._past.look()
            elif self._live.at > self._at:
                self._at = self._live.at
                return event  # type: ignore[no-any-return]

    async def _look_up(self) -> None:
        """Read on in the store, as long as it is open: whoever goes on later misses nothing."""
        if self._ended():
            raise StopAsyncIteration
        self._read.extend(each for each in self._past.read() if each[0] > self._at)
        await anyio.lowlevel.checkpoint()
