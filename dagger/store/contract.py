"""What a store promises; every implementation passes `tests/store/contract.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from dagger.words.records import Record


class Store(Protocol):
    """A journal: records in the order they were appended.

    `append` takes a record at once and never waits. A record is durable once
    `durable` has reached its position, which `flush` waits for; what is durable is
    always a prefix of what was appended. Positions count records, from 1.
    """

    @property
    def lasting(self) -> bool:
        """Whether open runs can go on with it another time."""

    @property
    def position(self) -> int:
        """The number of records appended."""

    @property
    def durable(self) -> int:
        """The number of records that survive the end of this process."""

    def append(self, record: Record) -> None:
        """Take the next record."""

    async def flush(self) -> None:
        """Return once everything appended before the call is durable."""

    def read(self, after: int = 0) -> Iterator[Record]:
        """The kept records behind position `after`, in order."""

    async def close(self) -> None:
        """Make everything durable and let go."""
