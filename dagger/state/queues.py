"""Deliveries and the queues they wait in: one queue for each run and agent.

What is a fact (a delivery exists, a delivery has ended) changes through records.
What is only a lease (a worker has taken it, a timer holds it) changes through
`Subscriber.take`, `Queue.park` and `Queue.again`: after a crash a lease is simply
gone, and the delivery is pending again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from dagger.words.effects import Publication
from dagger.words.ids import node_id
from dagger.words.joins import Join
from dagger.words.outcomes import DISPOSITIONS
from dagger.words.records import BASE, LATE, Remembered

if TYPE_CHECKING:
    from dagger.state.run import Run
    from dagger.state.streams import Stream

# Where an unsettled delivery stands. Plain ints: they are compared on the hot path.
PENDING, RUNNING, WAITING, SETTLED, ARRIVED, HELD, UNLOADED = range(7)
STAGES = ("pending", "running", "waiting", "settled", "pending", "waiting", "waiting")
"""As they are told: who has arrived and is in no queue yet is pending to whoever asks, and
who is held until other parts have come is waiting, and so is who is unloaded while it waits.
"""

Scope = tuple[int, int, str]
"""A message by its parent, its place and its channel: all that descends from it. That of its
budget has no channel (see `state.budgets`).
"""


class Envelope(NamedTuple):
    """A published message as the state keeps it: its bytes, and where they came from."""

    publication: Publication
    parent: int
    """The delivery whose handling published it; 0 is the outside world."""
    place: int
    """Its position among what that delivery published."""
    agent: str
    """Who published it; "" is the outside world."""
    cause: tuple[int, int] | str | None
    """(parent, place) of the message that was being handled, or its id if it was given one."""
    at: float
    scopes: tuple[Scope, ...] = ()
    """Those that are open around it, outermost first."""


class Bond(NamedTuple):
    """What a delivery has to do with other parts of the same whole (see `state.joins`)."""

    lead: int
    """The delivery that they are handled with; 0 while they are held."""
    parts: tuple[Delivery, ...] = ()
    """Of a lead, the others."""
    scopes: tuple[Scope, ...] = ()
    """Of a lead, those that all of them belong to."""


class Answer(NamedTuple):
    """What an invocation was told once, and is told again in each of its attempts."""

    value: bytes
    digest: str = ""
    """Of what it was asked with; "" where that is not known."""
    failed: bool = False


SECOND_HAND = "duplicate"
"""The digest of a reply that a duplicate got: it is that of the first one."""

_OF_REQUESTS = frozenset({"request", "requested", "refused", "request due", LATE})

_ASKED = frozenset({"requested", "refused"})
"""Names under which it is kept that a request was published: one that failed is refused."""


class Delivery:
    """One message for one agent, until it ends in one disposition."""

    __slots__ = (
        "asked",
        "attempts",
        "awaits",
        "bells",
        "bond",
        "deaths",
        "due",
        "envelope",
        "kept",
        "number",
        "queue",
        "stage",
        "stream",
        "tally",
    )

    def __init__(self, number: int, envelope: Envelope, queue: Queue, tally: list[int]) -> None:
        self.number = number
        self.envelope = envelope
        self.queue = queue
        self.tally = tally
        self.stage = PENDING
        self.attempts = 0  # attempts that failed so far
        self.due = 0.0  # when the next attempt may start, epoch seconds
        self.deaths = 0  # times that the process died with it in hand
        self.asked = 0  # requests it has published, in all of its attempts
        self.kept: dict[tuple[str, str], Answer] | None = None  # by name and key
        # The executor's, while it waits: by name and key of what it waits for.
        self.bells: dict[tuple[str, str], list[Callable[[], None]]] | None = None
        self.awaits = False  # the executor's: nothing of it goes on until a reply comes
        self.bond: Bond | None = None  # of a join
        self.stream: Stream | None = None  # what it has emitted

    @property
    def node_id(self) -> str:
        """The id of the invocation that handles it."""
        return node_id(self.queue.subscriber.name, self.queue.run.id, self.number)

    @property
    def is_open(self) -> bool:
        """Whether it has not ended; one that is redriven is another one of the same number."""
        return self.queue.run.deliveries.get(self.number) is self

    def keep(self, name: str, key: str, answer: Answer) -> None:
        """Keep an answer, the first one, and tell whoever waits for it."""
        if self.kept is None:
            self.kept = {}
        if (name, key) not in self.kept:
            self.kept[name, key] = answer
            self.asked += name in _ASKED
            if name == BASE:
                self.asked += int(answer.digest)
        for bell in self.bells.get((name, key), ()) if self.bells else ():
            bell()

    def condense(self, key: str, value: bytes, left: frozenset[str]) -> None:
        """Keep a value that requests and their replies have come to, instead of them; `left` are
        the keys of those that have not. How many there were is kept with it.
        """
        before = self.kept or {}
        rest = {
            place: told
            for place, told in before.items()
            if (place[0] not in _OF_REQUESTS or place[1] in left) and place != (BASE, key)
        }
        counted = sum(name in _ASKED for name, _ in rest)
        counted += sum(int(told.digest) for (name, _), told in rest.items() if name == BASE)
        self.kept = {(BASE, key): Answer(value, str(self.asked - counted)), **rest}

    def remembered(self) -> tuple[Remembered, ...]:
        """What another attempt would not ask anew, in the order in which it was kept."""
        self.ask_again()
        kept = self.kept or {}
        return tuple(Remembered(*place, told.value, told.digest) for place, told in kept.items())

    def ask_again(self) -> None:
        """What failed is forgotten: the next attempt asks anew."""
        for (name, key), answer in list((self.kept or {}).items()):
            if self.kept and answer.failed:
                del self.kept[name, key]
                if name == "request":
                    self._withdraw(self.kept, key)

    def _withdraw(self, kept: dict[tuple[str, str], Answer], key: str) -> None:
        """A request of that key has failed: that it was published is still counted."""
        kept.pop(("request due", key), None)
        place = kept.pop(("requested", key), None)
        if place is not None:
            kept["refused", place.value.hex()] = place


class Keys:
    """Mutual exclusion by key, in order: who holds a key, and who is in line for it."""

    __slots__ = ("lines", "locks")

    def __init__(self) -> None:
        self.lines: dict[str, deque[Delivery]] = {}  # held key -> pending behind the holder
        self.locks: dict[int, str] = {}  # delivery in hand -> the key it holds

    def hold(self, delivery: Delivery, key: str) -> bool:
        """Give `key` to the delivery if it is free (or its own already), else queue it."""
        if self.locks.get(delivery.number) == key:
            return True
        line = self.lines.get(key)
        if line is None:
            self.lines[key] = deque()
            self.locks[delivery.number] = key
            return True
        line.append(delivery)
        return False

    def release(self, delivery: Delivery) -> Delivery | None:
        """Free the delivery's key; the heir, who holds it now, if somebody is in line."""
        key = self.locks.pop(delivery.number, None)
        if key is None:
            return None
        line = self.lines[key]
        while line:
            heir = line.popleft()
            if heir.stage != SETTLED:
                self.locks[heir.number] = key
                return heir
        del self.lines[key]
        return None


class Route(NamedTuple):
    """Where messages of one channel go for one agent of one run."""

    subscriber: Subscriber
    queue: Queue
    tally: list[int]


class Queue:
    """What one agent has yet to handle in one run."""

    __slots__ = ("aside", "depth", "keys", "listed", "pending", "retries", "run", "subscriber")

    def __init__(self, run: Run, subscriber: Subscriber) -> None:
        self.run = run
        self.subscriber = subscriber
        self.pending: deque[Delivery] = deque()  # may hold SETTLED ones, skipped when met
        self.retries: deque[Delivery] | None = None  # due again: taken first, never dropped
        self.depth = 0  # pending deliveries: what capacity counts
        self.listed = False  # whether the subscriber's rotation holds this queue
        self.keys: Keys | None = None  # made when the agent has `key=`
        # The executor's, once it keeps pending ones elsewhere: told of each that ends there.
        self.aside: Callable[[Delivery], None] | None = None

    def push(self, delivery: Delivery) -> None:
        """A new delivery: pending, last in line."""
        self.pending.append(delivery)
        self.depth += 1
        if not self.listed or self.subscriber.bell is not None:
            self.call()

    def again(self, delivery: Delivery) -> None:
        """A waiting delivery whose time has come: it goes first, and is never dropped."""
        delivery.stage = WAITING
        if self.retries is None:
            self.retries = deque()
        self.retries.append(delivery)
        self.call()

    def call(self) -> None:
        """There is something to take: join the rotation and wake a worker."""
        if self.run.paused:
            return  # whoever pauses a run takes its queues out of the rotation
        if not self.listed:
            self.listed = True
            self.subscriber.ready.append(self)
        if self.subscriber.bell is not None:
            self.subscriber.bell()

    def leave(self) -> None:
        """Out of the rotation: nothing is taken until somebody calls again."""
        if self.listed:
            ready = self.subscriber.ready
            ready.pop() if ready[-1] is self else ready.remove(self)  # the latest is often meant
            self.listed = False

    def next(self) -> Delivery | None:
        """The delivery that is first in line, leased to the caller; None if there is none."""
        retries = self.retries
        while retries:
            delivery = retries.popleft()
            if delivery.stage != SETTLED:
                delivery.stage = RUNNING
                return delivery
        pending = self.pending
        while pending:
            delivery = pending.popleft()
            if delivery.stage == PENDING:
                delivery.stage = RUNNING
                self.depth -= 1
                return delivery
        return None

    def hold(self, delivery: Delivery, key: str) -> bool:
        """Claim `key` for a delivery just taken; False puts it in line behind the holder."""
        if self.keys is None:
            self.keys = Keys()
        if self.keys.hold(delivery, key):
            return True
        delivery.stage = PENDING
        self.depth += 1
        return False

    def set_aside(self, delivery: Delivery, aside: Callable[[Delivery], None]) -> None:
        """A delivery just taken is pending again, but in no queue until somebody hands it over."""
        self.aside = aside
        delivery.stage = PENDING
        self.depth += 1

    def hand_over(self, delivery: Delivery) -> bool:
        """Lease what was set aside to a worker; False if it has ended meanwhile."""
        if delivery.stage != PENDING:
            return False
        delivery.stage = RUNNING
        self.depth -= 1
        return True

    def line_up(self, delivery: Delivery) -> None:
        """What was set aside is first in the queue again."""
        if delivery.stage == PENDING:
            self.pending.appendleft(delivery)
            self.call()

    def release(self, delivery: Delivery) -> None:
        """A settled delivery gives its key back; the next of that key goes first."""
        heir = self.keys.release(delivery) if self.keys is not None else None
        if heir is not None:
            self.depth -= 1
            self.again(heir)

    def oldest(self, count: int) -> list[Delivery]:
        """The `count` oldest pending deliveries: what `drop_oldest` drops first."""
        waiting: Iterable[Delivery] = self.pending
        if self.keys is not None or self.aside is not None:
            waiting = (each for each in self.run.deliveries.values() if each.queue is self)
        found: list[Delivery] = []
        for delivery in waiting:
            if len(found) == count:
                break
            if delivery.stage == PENDING:
                found.append(delivery)
        return found

    def trim(self) -> None:
        """Forget settled deliveries at the front, so that a deque cannot grow of them."""
        pending = self.pending
        while pending and pending[0].stage == SETTLED:
            pending.popleft()


class Subscriber:
    """A registered agent as the state knows it: what it hears, and who has work for it.

    `ready` is the rotation: every queue of it is served one delivery at a time, so
    that a big run cannot starve a small one. `bell` belongs to the executor and is
    set only while a worker is free.
    """

    __slots__ = (
        "bell",
        "cleans_up",
        "code",
        "hears_itself",
        "join",
        "name",
        "publishes",
        "ready",
        "subscriptions",
    )

    def __init__(
        self,
        name: str,
        subscriptions: tuple[str, ...],
        hears_itself: bool,
        code: str = "",
        join: Join | None = None,
        publishes: tuple[str, ...] = (),
        cleans_up: bool = False,
    ) -> None:
        self.name = name
        self.subscriptions = subscriptions
        self.hears_itself = hears_itself
        self.code = code  # its fingerprint; "" where none is known
        self.join = join
        self.publishes = publishes  # channels, or "*" for any
        self.cleans_up = cleans_up
        self.ready: deque[Queue] = deque()
        self.bell: Callable[[], None] | None = None

    def take(self) -> Delivery | None:
        """The next delivery, round-robin over runs, leased to the caller."""
        ready = self.ready
        while ready:
            queue = ready[0]
            delivery = queue.next()
            if delivery is None:
                ready.popleft()
                queue.listed = False
                continue
            if len(ready) > 1:
                ready.rotate(-1)
            return delivery
        return None

    @property
    def has_more(self) -> bool:
        """Whether there may be something to take: a queue is in the rotation until it is found
        to be empty.
        """
        ready = self.ready
        return len(ready) > 1 or (bool(ready) and bool(ready[0].depth or ready[0].retries))


class Channel:
    """A channel as the state knows it, over all runs."""

    __slots__ = ("closed", "created_at", "dropped", "forgotten", "name")

    def __init__(self, name: str, created_at: float) -> None:
        self.name = name
        self.created_at = created_at
        self.closed = False
        self.forgotten = 0  # messages of runs that are no longer kept
        self.dropped = 0


class Lane:
    """One channel of one run: where its messages go, and how many there were."""

    __slots__ = ("closed", "joins", "messages", "outputs", "retired", "routes", "wiring")

    def __init__(self) -> None:
        self.closed = False
        self.joins = False  # its messages are parts of something, or open a scope
        self.routes: tuple[Route, ...] = ()
        self.retired: tuple[tuple[str, list[int]], ...] = ()  # counts of who hears no more
        self.wiring = -1  # the state's wiring that this was worked out for
        self.messages = 0
        self.outputs = 0

    def tallies(self) -> dict[str, list[int]]:
        """The counts of each agent that hears, or has heard, this channel."""
        tallies = dict(self.retired)
        for subscriber, _, tally in self.routes:
            tallies[subscriber.name] = tally
        return tallies

    def retire(self) -> None:
        """Nothing goes anywhere any more; the counts stay."""
        if self.routes:
            now = [(each.subscriber.name, each.tally) for each in self.routes]
            self.retired = (*self.retired, *now)
            self.routes, self.wiring = (), -1


def new_tally() -> list[int]:
    """Counts of one agent and channel: delivered, then one for each disposition."""
    return [0] * (1 + len(DISPOSITIONS))
