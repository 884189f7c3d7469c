"""What a store promises; every implementation passes `dagger.testing.store_suite`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from dagger.store.hands import Hands
from dagger.store.inbox import Inbox
from dagger.words.errors import DatabaseError
from dagger.words.records import Record

Parts = Mapping[int, Iterable[bytes]]
"""A snapshot, or what has changed of it: part 0 is the world, part n is run n. The bytes
of a part come in pieces, which are made as they are asked for, in any thread."""


class Source(Protocol):
    """What can be read of a store, by its owner or by anybody else."""

    def saved(self) -> int:
        """The position of the latest snapshot; 0 if there is none."""

    def kept(self) -> set[int]:
        """The runs that the latest snapshot holds."""

    def parts(self) -> Iterator[tuple[int, bytes]]:
        """All parts of the latest snapshot, the world first."""

    def part(self, number: int) -> bytes | None:
        """One part of the latest snapshot, if it is there."""

    def read(self, after: int = 0) -> Iterator[Record]:
        """The kept records behind position `after`, in order.

        What a snapshot holds may not be kept. Raises StoreCorrupt.
        """

    def history(self, run: int, after: int = 0) -> Iterator[tuple[int, Record]]:
        """Position and record of all that concerns one run behind a position, in order: its
        own records, and those that say who hears what. Costs in proportion to that run.
        """

    def everything(self, after: int = 0) -> Iterator[tuple[int, Record]]:
        """Position and record of all that is known behind a position, in order: of the runs
        that are kept, and of who hears what; since the snapshot of everything.
        """


class Store(Source, Protocol):
    """A journal, records in the order they were appended, and snapshots of what they mean.

    `append` takes a record at once and never waits. A record is durable once
    `durable` has reached its position, which `flush` waits for; what is durable is
    always a prefix of what was appended. Positions count records, from 1.

    One executor at a time opens it, and uses it from its event loop.
    """

    heard: Callable[[], None] | None
    """Called on the loop whenever `durable`, `trouble` or `clogged` may have changed."""

    hands: Hands
    """What workers have in hand, known to whoever opens the store next."""

    inbox: Inbox | None
    """Commands from other processes; None where no other process could send one."""

    @property
    def lasting(self) -> bool:
        """Whether open runs can go on with it another time."""

    @property
    def position(self) -> int:
        """The number of records appended."""

    @property
    def durable(self) -> int:
        """The number of records that survive the end of this process."""

    @property
    def trouble(self) -> DatabaseError | None:
        """Why nothing can be written at the moment; None while all is well."""

    @property
    def clogged(self) -> bool:
        """Whether so much waits to be written that no work should be taken."""

    async def open(self) -> None:
        """Become its owner. Raises LockError, NotAStore, DatabaseError."""

    def append(self, record: Record) -> None:
        """Take the next record."""

    def together(self) -> AbstractContextManager[None]:
        """What is appended within becomes durable together or not at all."""

    async def flush(self) -> None:
        """Return once everything appended before the call is durable.

        Raises OutcomeUnknown if writing it fails; it is tried again all the same.
        """

    def touched(self) -> set[int]:
        """The runs that records were appended for since the last call, and since the
        latest snapshot.
        """

    async def save(
        self, position: int, parts: Parts, ids: Mapping[int, str], gone: Collection[int]
    ) -> None:
        """Make a snapshot: these parts, and those of the one before that are not `gone`.

        `ids` has the run ids of these parts, so that a run can be found by its id.

        It holds everything up to `position`, and takes the place of the one before at
        once or not at all. The history of runs that are gone is deleted.
        """

    async def tidied(self) -> None:
        """Return once nothing is left to do of what snapshots have made superfluous."""

    async def close(self) -> None:
        """Make everything durable and let go. Raises OutcomeUnknown if that fails."""
