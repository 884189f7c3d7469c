"""What the workers of a process have in hand, where it outlives the process.

A delivery under which a process died must be known afterwards, and writing each one to
disk would cost more than most handlers do. Memory that is shared with a file costs
nothing: what was stored before a `kill -9` is there after it. A power cut may take it, or
bring back something older: believe what is left behind of unsettled deliveries only.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from mmap import mmap
from pathlib import Path
from struct import Struct

PAIR = Struct("<QQ")
"""A slot: the number of a run and of a delivery, both from 1; one that holds a 0 is free.

Each number is stored whole, but a process may die between the two: between a freed slot
and a held one there is no third state to read.
"""

SLOTS = 4096
SIZE = SLOTS * PAIR.size
"""Bytes of the memory, and of the file."""

NOBODY = 0
"""The seat of those who find none free: what they hold is not left behind."""


class Hands:
    """Slots for what workers have in hand; over a bytearray, the twin in memory.

    `hold(seat, run, delivery)` says what the worker in that seat has in hand from now
    on. It is the one call per delivery, and so is bound to the memory beforehand.
    """

    hold: Callable[[int, int, int], None]

    def __init__(self, memory: mmap | bytearray) -> None:
        self.hold = partial(PAIR.pack_into, memory)
        self._memory = memory
        # A seat is an offset. The first slot is nobody's; low ones are given out first.
        self._seats = list(range(len(memory) - PAIR.size, NOBODY, -PAIR.size))

    def seat(self) -> int:
        """A seat of one's own for a new worker; NOBODY if all are taken."""
        return self._seats.pop() if self._seats else NOBODY

    def leave(self, seat: int) -> None:
        """Give a seat back, once, with nothing in hand any more."""
        self.free(seat)
        if seat != NOBODY:
            self._seats.append(seat)

    def free(self, seat: int) -> None:
        """Have nothing in hand."""
        self.hold(seat, 0, 0)

    def left_behind(self) -> tuple[tuple[int, int], ...]:
        """The (run, delivery) in hand, each once, in order.

        Asked before anything is held, that is what a former process died under.
        """
        pairs = PAIR.iter_unpack(self._memory[PAIR.size :])
        return tuple(sorted({(run, delivery) for run, delivery in pairs if run and delivery}))

    def clear(self) -> None:
        """Forget what is in hand, in all seats."""
        self._memory[:] = bytes(len(self._memory))

    def close(self) -> None:
        """Let go of the file, if there is one; nothing can be held afterwards."""
        if isinstance(self._memory, mmap):
            self._memory.close()


NO_HANDS = Hands(bytearray(PAIR.size))
"""Takes what is in hand where nobody will ask for it."""


def open_hands(path: Path) -> Hands:
    """The hands that the file `path` keeps; one of another size is made anew.

    Only the owner of the store may. Raises OSError if the file cannot be written.
    """
    with path.open("ab+") as file:
        if file.tell() != SIZE:
            file.truncate(0)
            # Written and not just made long: a hole that the disk has no room for would
            # kill the process when it first holds something there.
            file.write(bytes(SIZE))
            file.flush()
        return Hands(mmap(file.fileno(), SIZE))
