"""One run as JSON lines, and back: to look at, to keep, to carry into another store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from dagger.state.snapshot import copy_run
from dagger.state.state import State
from dagger.words.as_json import from_json, to_json
from dagger.words.errors import DatabaseError

if TYPE_CHECKING:
    from dagger.state.queues import Envelope
    from dagger.state.run import Keep, Run
    from dagger.store.contract import Source

FORMAT = 1


def exported(source: Source, number: int) -> Iterator[dict[str, Any]]:
    """Plain data for each line: what it is, then each record with its position, in order.

    The records are those of the run, and those that say who heard what meanwhile.
    """
    yield {"dagger": "run", "format": FORMAT, "run": number}
    for position, record in source.history(number):
        yield {"position": position, **to_json(record)}


class Imported(NamedTuple):
    """A run that was read from lines, and is in no store yet."""

    id: str
    part: bytes
    """The run as a part of a snapshot, which can be loaded into any state."""
    agents: tuple[str, ...]
    """The agents that what is pending in it is for."""


def imported(rows: Iterable[Mapping[str, Any]], keep: Keep | None = None) -> Imported:
    """The run that lines are of. Raises DatabaseError for what is no export, with its line."""
    state = State(keep)
    number, line = 0, 0
    for line, row in enumerate(rows, 1):
        try:
            if line == 1:
                number = _head(row)
                continue
            fields = {name: each for name, each in row.items() if name != "position"}
            state.apply(from_json(fields))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DatabaseError(f"line {line} is not of an exported run: {error!r}") from error
    run = state.runs.get(number)
    if run is None:
        raise DatabaseError(f"nothing in these {line} lines opens a run")
    _doubt(run)
    return Imported(run.id, copy_run(run).alone(state.names), _waited_for(run))


def _doubt(run: Run) -> None:
    """Nothing that is pending counts as checked: lines may say what they like."""
    doubted: dict[tuple[int, int], Envelope] = {}  # one for all who heard the same message
    for each in run.deliveries.values():
        old = each.envelope
        new = old._replace(publication=old.publication._replace(checked=0))
        each.envelope = doubted.setdefault((old.parent, old.place), new)


def _head(row: Mapping[str, Any]) -> int:
    if row.get("dagger") != "run" or row.get("format") != FORMAT:
        raise ValueError("it does not say that it is a run of format 1")
    return int(row["run"])


def _waited_for(run: Run) -> tuple[str, ...]:
    return tuple(sorted({each.queue.subscriber.name for each in run.deliveries.values()}))
