"""Crashes: a program whose process dies at one of its writes, and is started again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TypeVar

from dagger.store.contract import Store
from dagger.testing.loop import Killed, VirtualLoop
from dagger.testing.simulation import MONTH, name_of, noted, on_loop
from dagger.testing.stores import Disk, LaggingStore, MortalStore

T = TypeVar("T")

AHEAD = 1_000
"""Callbacks that a process which lingers may run after its last write."""


@dataclass
class Crash:
    """Lets the process of a program die as it begins its `crash_at`-th write, from 1.

    A write is a record or a snapshot. What was written before is kept, and a store over it
    is what the program is started with again, at the moment at which it died. With
    `lingering` the process goes on as far as it can without a disk before it is dead, and
    so does things that no record knows of; without, it is dead as soon as whoever writes
    waits for anything. With `times=2` the second process dies as well, at its own
    `crash_at`-th write.

    Dead is dead: nothing of it runs again, no `finally` and no `except`.
    """

    crash_at: int
    """The write at which it dies, from 1."""
    lingering: bool = False
    """Whether it goes on as far as it can without a disk."""
    times: int = 1
    """How many processes die so."""
    seed: int | None = 0
    """Of the order in which tasks have their turns; None for the usual one."""
    happened: int = field(default=0, init=False, repr=False)
    """How many processes have died; 0 if the program does not write that much."""

    def simulate(self, main: Callable[[Store], Awaitable[T]], *, limit: float = MONTH) -> T:
        """What `main` returns in the life in which it gets to its end.

        `main` is the program of one process: it is given the store and run on virtual time,
        as by `simulate`. Raises what `main` raises, and SimulationStuck.
        """
        disk, began, self.happened = Disk(), 0.0, 0
        with noted(f"this was {self}: its simulate({name_of(main)}) does the same again"):
            while True:
                seed = None if self.seed is None else f"{self.seed}, life {self.happened}"
                loop = VirtualLoop(seed, start=began, until=limit)
                store = self._store(disk, loop)
                try:
                    return on_loop(loop, seed, partial(main, store))
                except Killed:
                    self.happened += 1
                    began = loop.time()
                    store.bury()

    def _store(self, disk: Disk, loop: VirtualLoop) -> LaggingStore:
        """The store of the next life."""
        if self.happened == self.times:
            return LaggingStore(disk)
        die = partial(loop.kill, AHEAD if self.lingering else 0)
        return MortalStore(disk, self.crash_at, die)


def explore_crashes(
    check: Callable[[Crash], object], *, times: int = 1, seed: int | None = 0
) -> int:
    """Call `check` with a crash at each write of its program: how many writes that were.

    For each there is one crash at once, and one that lingers. `check` has the program
    simulated by the crash it is given, and looks at what came of it. It is over once no
    process has died. Raises the first failure, with a note that tells the crash.
    """
    for crash_at in count(1):
        crashes = [Crash(crash_at, lingering, times, seed) for lingering in (False, True)]
        for crash in crashes:
            with noted(f"the check was given {crash}"):
                check(crash)
        if not any(crash.happened for crash in crashes):
            return crash_at - 1
    raise AssertionError  # there is no last number
