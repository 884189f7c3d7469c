"""Repeats: which idempotency keys have been handled, which are in flight, and who waits.

An agent handles what has the same idempotency key once, in whichever runs it comes: the
one thing besides the shared cache that runs know of each other. The first that is taken
claims the key. While it is in flight, others wait in line. Once it has settled ok, its
result is kept, for them and for all that come later; however else it ends, the key is free.

Claims and results are facts. A line is a lease: who stands in it is pending again after a
crash, and stands in it again once a worker has looked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from dagger.state.queues import WAITING, Delivery
from dagger.words.effects import Effect, Publication, Reply
from dagger.words.ids import node_id
from dagger.words.outcomes import Disposition

if TYPE_CHECKING:
    from dagger.state.state import State
    from dagger.words.records import KeyClaimed, KeysForgotten

Place = tuple[str, str]
"""An agent and an idempotency key: what is handled once."""

_OVERHEAD = 500
"""Bytes that a result takes besides its payloads, about."""


class First(NamedTuple):
    """What came of the first of an idempotency key: a row of a snapshot, as it stands here."""

    agent: str
    key: str
    node: str
    """The id of the invocation."""
    at: float
    """When it settled, epoch seconds."""
    publications: tuple[Publication, ...]
    reply: bytes = b""
    """To the request that it was; empty where it was none."""

    @property
    def place(self) -> Place:
        """What it was the first of."""
        return self.agent, self.key

    @property
    def run(self) -> str:
        """The id of the run that it was in."""
        return self.node[len(self.agent) + 1 :].rpartition(".")[0]

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        payloads = sum(_OVERHEAD + len(each.payload) for each in self.publications)
        return _OVERHEAD + len(self.reply) + payloads


class Keyed:
    """What deliveries of one run have to do with idempotency keys."""

    __slots__ = ("claims", "lined")

    def __init__(self) -> None:
        self.claims: dict[int, str] = {}  # delivery that is the first -> its key
        self.lined: dict[int, Place] = {}  # delivery that waits for the first -> what it is of


class Repeats:
    """The idempotency keys of all runs."""

    __slots__ = ("bytes", "done", "flights", "lines")

    def __init__(self) -> None:
        self.done: dict[Place, First] = {}  # oldest first
        self.bytes = 0  # of those, about
        self.flights: dict[Place, tuple[int, int]] = {}  # run and delivery of the first
        self.lines: dict[Place, dict[Delivery, None]] = {}  # who waits for it, in order

    def keep(self, first: First) -> None:
        """Keep what came of the first: the latest of its key counts."""
        self.forget(first.place)
        self.done[first.place] = first
        self.bytes += first.size

    def forget(self, place: Place) -> None:
        """Let go of what came of the first, if it is known."""
        first = self.done.pop(place, None)
        if first is not None:
            self.bytes -= first.size

    def beyond(self, count: int, size: int | None, since: float) -> Iterator[First]:
        """The oldest: those that are more than `count`, or than `size` bytes, together, or are
        not younger than `since`. Forget none meanwhile.
        """
        left, taken = len(self.done), self.bytes
        for first in self.done.values():
            if left <= count and (size is None or taken <= size) and first.at > since:
                return
            yield first
            left, taken = left - 1, taken - first.size

    # -- leases ----------------------------------------------------------------------

    def stand(self, delivery: Delivery, place: Place) -> None:
        """A delivery in hand waits, in nobody's hand, until its first one has ended."""
        delivery.stage = WAITING
        self.lines.setdefault(place, {})[delivery] = None
        delivery.queue.run.keying().lined[delivery.number] = place

    def leave(self, delivery: Delivery, place: Place) -> None:
        """It has ended while it waited."""
        line = self.lines[place]
        del line[delivery]
        if not line:
            del self.lines[place]

    def call(self, place: Place) -> None:
        """The first has ended: who waited for that is taken again, in order.

        All of them are, so that no end or pause of one of them keeps the others waiting:
        whoever is taken first claims the key if it is free, and the others stand in line anew.
        """
        for delivery in self.lines.pop(place, ()):
            keyed = delivery.queue.run.keying()
            del keyed.lined[delivery.number]
            delivery.queue.again(delivery)


# -- folds -----------------------------------------------------------------------------------


def key_claimed(state: State, record: KeyClaimed) -> None:
    """It is the first of its key."""
    run = state.runs[record.run]
    claimed(state, run.deliveries[record.delivery], record.key)


def claimed(state: State, delivery: Delivery, key: str) -> None:
    """A delivery is in flight, as the first of its key."""
    run, agent = delivery.queue.run, delivery.queue.subscriber.name
    run.keying().claims[delivery.number] = key
    state.repeats.flights[agent, key] = run.number, delivery.number


def keys_forgotten(state: State, record: KeysForgotten) -> None:
    """Whoever comes next with one of these keys is the first again."""
    for place in record.keys:
        state.repeats.forget(place)


def ended(
    state: State, delivery: Delivery, disposition: int, at: float, effects: tuple[Effect, ...]
) -> None:
    """A delivery ends: it waits for nobody, and of the first of a key the result is kept, if
    there is one; else the key is free.
    """
    run, repeats = delivery.queue.run, state.repeats
    keyed, agent = run.keying(), delivery.queue.subscriber.name
    waited_for = keyed.lined.pop(delivery.number, None)
    if waited_for is not None:
        repeats.leave(delivery, waited_for)
    key = keyed.claims.pop(delivery.number, None)
    if key is None:
        return
    if disposition == Disposition.OK:
        node = node_id(agent, run.id, delivery.number)
        repeats.keep(_first(agent, key, node, at, effects))
    repeats.flights.pop((agent, key), None)
    repeats.call((agent, key))


def _first(agent: str, key: str, node: str, at: float, effects: tuple[Effect, ...]) -> First:
    """What others get of it: messages and reply; what it wrote belongs to its own run."""
    publications = tuple(each for each in effects if type(each) is Publication)
    reply = next((each.value for each in effects if type(each) is Reply), b"")
    return First(agent, key, node, at, publications, reply)
