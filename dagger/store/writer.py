"""The writer: one thread that makes durable what the loop appends, by group commit.

While one commit is on its way to the disk, records gather for the next. Snapshots are
written, and blocks that a snapshot has made superfluous are moved away, by the same
thread, which is the only one that writes. A snapshot has a transaction of its own: where
there is no room for it, there may be some for the records.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Protocol

from dagger.store.block import Block, block
from dagger.store.faults import plain
from dagger.store.saving import Saving

MOST_RECORDS = 4_096
"""Records of one block."""

MOST_BLOCKS = 16
"""Blocks of one commit."""

PATIENCE = (0.05, 1.0)
"""Seconds between two tries after a failed write: the first, and the longest."""

logger = logging.getLogger("dagger")


class Disk(Protocol):
    """Where a writer writes to."""

    def write(self, blocks: Sequence[Block], job: Saving | None) -> bool:
        """Write both in one transaction; whether there is tidying up left to do.

        Raises any Exception if nothing of it was written, or if nobody can know.
        """

    def recover(self) -> None:
        """Get ready to try again after a failure."""


class Writer:
    """The thread, and what passes between it and the loop.

    `add((run, blob, ...))` takes packed records from the loop, all of them or none.
    `written`, `bytes` and `problem` tell how far it is, and `told` is called after each
    change of them, in the writer's thread. What is behind `taken` is still with the loop.
    """

    def __init__(self, disk: Disk, position: int, told: Callable[[], None]) -> None:
        self._disk = disk
        self._told = told
        # Flat: run, blob, run, blob. Only ever extended at its end and cut at its front,
        # each in one step that no other thread can come between.
        self._pending: list[int | bytes] = []
        self.add = self._pending.extend
        self.written = self.taken = position
        self.bytes = 0  # of records written
        self.problem: Exception | None = None
        self._blocks: list[Block] = []  # taken, and not written yet
        self._size = 0  # bytes of those as they were taken
        self._groups: deque[tuple[int, int]] = deque()
        self._jobs: deque[Saving] = deque()
        self._bell: SimpleQueue[None] = SimpleQueue()
        self.asleep = False
        self.ended = False
        self._stopping = False
        self.tidying = True  # there may be something to tidy up
        self._failed = False  # the latest transaction
        self._thread = threading.Thread(target=self._serve, name="dagger writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def together(self, before: int, last: int) -> None:
        """What comes next, after position `before` and up to `last`, is of one transaction."""
        self._groups.append((before, last))

    def wake(self) -> None:
        """There is something to write."""
        self.asleep = False
        self._bell.put(None)

    def submit(self, job: Saving) -> None:
        self._jobs.append(job)
        if self.ended:
            self._turn_away()
        else:
            self.wake()

    def _turn_away(self) -> None:
        """Nothing is written any more: whoever has come for it all the same is told."""
        with suppress(IndexError):
            while True:
                self._jobs.popleft().done(self.problem or RuntimeError("the store was closed"))

    def stop(self) -> None:
        """End once everything is written, or right after the next failure."""
        self._stopping = True
        self.wake()

    # -- in the thread ---------------------------------------------------------------

    def _serve(self) -> None:
        delay = PATIENCE[0]
        while True:
            taken = self._tried(self._take)
            wanted = not taken or self._blocks or self._due()
            if not wanted and self._stopping:
                break  # what is to be tidied up waits for another time
            if not wanted and not self.tidying:
                self._rest()
            elif taken and self._write():
                delay = PATIENCE[0]
                self._save()
            elif self._stopping:
                break
            else:
                self._pause(delay)
                delay = min(2 * delay, PATIENCE[1])
        self.ended = True
        self._turn_away()
        self._told()

    def _take(self) -> None:
        """Make blocks of what has gathered; those that could not be written stay as they are."""
        pending = self._pending
        while pending and (len(self._blocks) < MOST_BLOCKS or self._amid_group()):
            some = pending[: 2 * MOST_RECORDS]
            runs, blobs = some[::2], some[1::2]
            first = (self._blocks[-1].last if self._blocks else self.written) + 1
            made = block(first, runs, blobs)  # type: ignore[arg-type]
            self._blocks.append(made)
            del pending[: len(some)]
            self._size += sum(map(len, blobs) if made.uses else made.lengths)  # type: ignore[arg-type]
            self.taken = made.last

    def _amid_group(self) -> bool:
        """Whether some of what belongs together was taken, and some was not."""
        groups = self._groups
        while groups and groups[0][1] <= self.taken:
            groups.popleft()
        return bool(groups) and groups[0][0] < self.taken

    def _due(self) -> Saving | None:
        """The next job, if all that it depends on is written."""
        return self._jobs[0] if self._jobs and self._jobs[0].after <= self.written else None

    def _write(self) -> bool:
        """Write the blocks, and tidy up; whether that went well."""
        if not self._tried(partial(self._commit, None)):
            return False
        if self.problem is not None:
            logger.warning("the store can write again")
            self.problem = None
        if self._blocks:
            self.written = self._blocks[-1].last
            self.bytes += self._size
            self._blocks, self._size = [], 0
        self._told()
        return True

    def _tried(self, attempt: Callable[[], None]) -> bool:
        """Whether it went well; if not, that is told. Nothing may end the thread: many wait for
        it, and there may be room again, on the disk as in memory.
        """
        try:
            attempt()
        except Exception as error:
            if self.problem is None:
                logger.warning("the store cannot write: %s; it tries again", plain(error))
            self.problem = error
            self._told()
            return False
        return True

    def _save(self) -> None:
        """Make the snapshot that is due, if one is. The journal goes on without one that fails."""
        job = self._due()
        if job is None:
            return
        try:
            self._commit(job)
        except Exception as error:
            self._jobs.popleft().done(error)
        else:
            self._jobs.popleft().done(None)
        self._told()

    def _commit(self, job: Saving | None) -> None:
        """One transaction."""
        if self._failed:
            self._disk.recover()
        self._failed = True
        self.tidying = self._disk.write(self._blocks, job)
        self._failed = False

    def _rest(self) -> None:
        """Sleep until somebody rings, unless somebody has come meanwhile."""
        self.asleep = True
        if self._pending or self._jobs or self._stopping:
            self.asleep = False
            return
        self._bell.get()
        self.asleep = False

    def _pause(self, seconds: float) -> None:
        """Wait a while before the next try, less if everything is to stop."""
        if self._stopping:
            return
        with suppress(Empty):
            while True:  # rings of the past say nothing
                self._bell.get_nowait()
        with suppress(Empty):
            self._bell.get(timeout=seconds)
