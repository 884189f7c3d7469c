"""The execution tree in columns: who caused what, one row for each delivery that ended.

A row is 41 bytes in one `bytearray`, with names as numbers, so that a run of a
million invocations can be kept. Whoever looks makes objects of it: see
`dagger.views.tree`.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Any, NamedTuple

from dagger.words.effects import make
from dagger.words.records import Failure

_ROW = Struct("<5IBI2d")
"""Delivery, parent, place, channel, agent, disposition, attempts, started, ended.

Rows are kept on disk as they are packed here: see `dagger.state.parts`.
"""

_DELIVERY = Struct(f"<I{_ROW.size - 4}x")
"""A row, of which only the delivery is read."""

_PIECE = 1_500 * _ROW.size
"""How much `raw` gives at a time: less than a store would keep apart."""

_pack = _ROW.pack

_NONE: dict[Any, Any] = {}
"""Shared by all trees that have nothing to say, and never changed: most runs are small."""


class Node(NamedTuple):
    """One delivery and how it ended."""

    delivery: int
    parent: int
    """The invocation that published the message; 0 for the outside world."""
    place: int
    """The message's place among what its parent published."""
    channel: str
    agent: str
    disposition: int
    attempts: int
    """0 where the handler was never called."""
    started: float
    """Epoch seconds."""
    ended: float
    failure: Failure | None
    tokens: int
    notes: tuple[str, ...] = ()
    """What else is to be said of it, such as a default that was taken for an answer."""
    lead: int = 0
    """Of a part of a join, the delivery that it was handled with; 0 for none."""
    cost: int = 0
    """In billionths."""


_Said = tuple[
    dict[int, Failure], dict[int, int], dict[int, tuple[str, ...]], dict[int, int], dict[int, int]
]
"""Failures, tokens, notes, leads and costs by delivery."""


class Names:
    """Names as small numbers, in the order in which they were first met.

    Shared by the trees of all runs, for there are few agents and channels and many
    runs. It only grows, as the channels of a state do.
    """

    __slots__ = ("known", "numbers")

    def __init__(self) -> None:
        self.known: list[str] = []  # by number
        self.numbers: dict[str, int] = {}

    def number(self, name: str) -> int:
        """The number of a name; a new one gets the next."""
        number = self.numbers.setdefault(name, len(self.known))
        if number == len(self.known):
            self.known.append(name)
        return number


class Tree:
    """The rows of one run in the order of settling: the last `keep`.

    Older rows go, a fifth of all at a time, with their failures and tokens, and are
    counted in `forgotten`. The outside world is no row.
    """

    __slots__ = (
        "_cut_at",
        "_names",
        "_rows",
        "costs",
        "failures",
        "gone",
        "keep",
        "leads",
        "notes",
        "tokens",
    )

    def __init__(self, keep: int = 100_000, names: Names | None = None) -> None:
        if keep < 1:
            raise ValueError(f"keep={keep}: a tree keeps at least one row")
        self.keep = keep
        self._names = names if names is not None else Names()
        self.gone = 0  # rows that were cut
        self.failures: dict[int, Failure] = _NONE
        self.tokens: dict[int, int] = _NONE
        self.notes: dict[int, tuple[str, ...]] = _NONE
        self.leads: dict[int, int] = _NONE
        self.costs: dict[int, int] = _NONE
        self._rows = bytearray()
        self._cut_at = (keep + keep // 4) * _ROW.size

    def add(
        self,
        delivery: int,
        parent: int,
        place: int,
        channel: str,
        agent: str,
        disposition: int,
        attempts: int,
        started: float,
        ended: float,
    ) -> None:
        """Append the row of a delivery that has just ended; called once for each."""
        numbers, rows = self._names.numbers, self._rows
        try:
            on, by = numbers[channel], numbers[agent]
        except KeyError:
            on, by = self._names.number(channel), self._names.number(agent)
        rows += _pack(delivery, parent, place, on, by, disposition, attempts, started, ended)
        if len(rows) > self._cut_at:
            self._trim()

    def take_back(self, delivery: int) -> None:
        """Forget the row of a delivery that goes on after all, and why it had ended; O(kept)."""
        self.failures.pop(delivery, None)
        for at, (number,) in enumerate(_DELIVERY.iter_unpack(bytes(self._rows))):
            if number == delivery:
                del self._rows[at * _ROW.size : (at + 1) * _ROW.size]
                return
        self.gone -= 1  # its row was cut

    def fail(self, delivery: int, failure: Failure) -> None:
        """Say why a delivery ended badly, before or right after its row is added."""
        if self.failures is _NONE:
            self.failures = {}
        self.failures[delivery] = failure

    def spend(self, delivery: int, tokens: int, cost: int = 0) -> None:
        """Add to what a delivery has spent so far; it may still be open."""
        if self.tokens is _NONE:
            self.tokens = {}
        self.tokens[delivery] = self.tokens.get(delivery, 0) + tokens
        if cost:
            if self.costs is _NONE:
                self.costs = {}
            self.costs[delivery] = self.costs.get(delivery, 0) + cost

    def note(self, delivery: int, text: str) -> None:
        """Say something of a delivery; it may still be open."""
        if self.notes is _NONE:
            self.notes = {}
        self.notes[delivery] = (*self.notes.get(delivery, ()), text)

    def join(self, delivery: int, lead: int) -> None:
        """Say with which other one a delivery was handled."""
        if self.leads is _NONE:
            self.leads = {}
        self.leads[delivery] = lead

    @property
    def forgotten(self) -> int:
        """How many rows have gone, or go with the next cut."""
        return self.gone + max(0, len(self._rows) // _ROW.size - self.keep)

    @property
    def told(self) -> bool:
        """Whether anything was ever said of any delivery: also of one that is still open."""
        return bool(self._rows or self.failures or self.tokens or self.notes)

    def __len__(self) -> int:
        return min(self.keep, len(self._rows) // _ROW.size)

    def _kept(self) -> bytes:
        return bytes(self._rows[max(0, len(self._rows) - self.keep * _ROW.size) :])

    def nodes(self) -> Iterator[Node]:
        """The kept rows as they are at this call, whenever they are read."""
        return self._read(self._kept(), self._said())

    def node(self, delivery: int) -> Node | None:
        """The row of one delivery, or None if it is open, forgotten or unknown; O(kept)."""
        rows = self._kept()
        for index, (number,) in enumerate(_DELIVERY.iter_unpack(rows)):
            if number == delivery:
                row = rows[index * _ROW.size : (index + 1) * _ROW.size]
                return next(self._read(row, self._said()))
        return None

    def copy(self) -> Tree:
        """An independent tree of the same rows: later ones in one are not in the other.

        It is a copy of memory: 100,000 rows take a millisecond.
        """
        other = Tree(self.keep, self._names)
        other.gone = self.gone
        other._rows = self._rows.copy()
        other.failures, other.tokens, other.notes, other.leads, other.costs = self._said()
        return other

    def raw(self) -> Iterator[bytes]:
        """The rows as they are packed, some thousand at a time. Add none meanwhile."""
        for at in range(0, len(self._rows), _PIECE):
            yield bytes(self._rows[at : at + _PIECE])

    def extend(self, rows: bytes) -> None:
        """Append rows that are packed already, with the numbers of this tree's names."""
        self._rows += rows

    def _read(
        self,
        rows: bytes,
        said: _Said,
    ) -> Iterator[Node]:
        names, (failures, tokens, notes, leads, costs) = self._names.known, said
        for number, parent, place, on, by, *rest in _ROW.iter_unpack(rows):
            more = failures.get(number), tokens.get(number, 0), notes.get(number, ())
            fields = (number, parent, place, names[on], names[by], *rest, *more)
            yield make(Node, (*fields, leads.get(number, 0), costs.get(number, 0)))

    def _all_said(self) -> tuple[dict[int, Any], ...]:
        return self.failures, self.tokens, self.notes, self.leads, self.costs

    def _said(self) -> _Said:
        """What is said of deliveries besides their rows, as it is now."""
        failures, tokens = self.failures.copy(), self.tokens.copy()
        return failures, tokens, self.notes.copy(), self.leads.copy(), self.costs.copy()

    def _trim(self) -> None:
        """Forget all but the last `keep` rows; its cost is spread over a quarter of `keep`."""
        surplus = len(self._rows) - self.keep * _ROW.size
        if surplus <= 0:
            return
        said = [each for each in self._all_said() if each]
        if said:
            for (delivery,) in _DELIVERY.iter_unpack(self._rows[:surplus]):
                for each in said:
                    each.pop(delivery, None)
        del self._rows[:surplus]
        self.gone += surplus // _ROW.size


def renamed(rows: bytes, names: list[int]) -> bytes:
    """Packed rows in which each number of a name is the one that `names` has in its place."""
    return b"".join(
        _pack(delivery, parent, place, names[on], names[by], *rest)
        for delivery, parent, place, on, by, *rest in _ROW.iter_unpack(rows)
    )
