"""What the invocations of a run have streamed, read from its records: what of it is not void."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagger.words.records import Record, Retracted, Streamed

if TYPE_CHECKING:
    from dagger.words.effects import Publication


class Items:
    """The items of each invocation, in order."""

    def __init__(self) -> None:
        self._of: dict[int, list[Publication]] = {}

    def read(self, record: Record) -> None:
        """The next record of the run."""
        match record:
            case Streamed():
                items = self._of.setdefault(record.delivery, [])
                items[record.item :] = [record.publication]
            case Retracted():
                del self._of.get(record.delivery, [])[record.length :]

    def of(self, delivery: int) -> tuple[Publication, ...]:
        """Those of one invocation."""
        return tuple(self._of.get(delivery, ()))
