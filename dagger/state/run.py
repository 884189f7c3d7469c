"""One run: its deliveries, its counts, its memory, and what it leaves behind."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from dagger.state.budgets import Accounts
from dagger.state.cache import Cache
from dagger.state.joins import Joins, Whole
from dagger.state.queues import Delivery, Envelope, Lane, Queue, Subscriber
from dagger.state.repeats import Keyed
from dagger.state.tasks import Tasks
from dagger.state.tree import Names, Tree
from dagger.words.effects import Publication
from dagger.words.outcomes import RunStatus
from dagger.words.records import Failure, Flow, Remembered

_RUNNING, _COMPLETED = RunStatus.RUNNING, RunStatus.COMPLETED


class Keep(NamedTuple):
    """How many of each list a run keeps; what is beyond is only counted."""

    outputs: int = 1_000
    dead_letters: int = 1_000
    nodes: int = 100_000
    budgets: int = 1_000
    """Of messages: those that anything can still draw on are kept besides."""


class Output(NamedTuple):
    """A message that no agent heard: a result of the run."""

    channel: str
    payload: bytes
    parent: int
    place: int


class DeadLetter(NamedTuple):
    """A delivery that failed for good or was rejected, with the message that did it."""

    delivery: int
    envelope: Envelope
    agent: str
    disposition: int
    attempts: int
    failure: Failure
    at: float
    kept: tuple[Remembered, ...] = ()
    """The answers that it was given, should it go on after all."""
    blame: bool = False
    """Whether this end has made the run fail."""
    stream: Flow | None = None
    """What it had streamed."""


class Question(NamedTuple):
    """Something asked of people and not answered yet (see `words.records.Asked`)."""

    delivery: int
    name: str
    question: bytes
    at: float
    schema: bytes = b""
    to: str = ""
    due: float = 0.0
    default: bytes = b""
    action: str = ""
    guarded: bool = False


_OVERHEAD = 100
"""Bytes that a message or delivery takes besides its payload, about."""

_NOTHING: dict[Any, Any] = {}
"""Shared by all runs that ask nobody anything, and never changed."""


class Run:
    """All that one first message causes."""

    __slots__ = (
        "abandoned",
        "accounts",
        "bell",
        "blamed",
        "bounded",
        "brought",
        "bytes",
        "cache_fold",
        "changed",
        "codes",
        "cost",
        "dead_letters",
        "deliveries",
        "dropped",
        "ended_at",
        "failure",
        "forked",
        "id",
        "joins",
        "keep",
        "keyed",
        "lanes",
        "letters",
        "limits",
        "names",
        "next",
        "number",
        "obstacle",
        "on_hold",
        "opened_at",
        "opening",
        "outputs",
        "outside",
        "paused",
        "questions",
        "queues",
        "reason",
        "reply",
        "retries",
        "status",
        "target",
        "task_fold",
        "tokens",
        "tree_fold",
        "waited",
        "waits_told",
    )

    def __init__(
        self,
        number: int,
        id: str,
        opening: Publication,
        limits: dict[str, Any],
        at: float,
        keep: Keep,
        names: Names,
    ) -> None:
        self.number = number
        self.id = id
        self.opening = opening  # the first message: what "again" compares
        self.limits = limits
        self.opened_at = at
        self.forked: tuple[str, str] | None = None  # from which run, and at which message
        self.codes = b""  # what the agents were when it was begun, or last went on
        self.changed: tuple[str, ...] = ()  # agents that have become other code since it was begun
        self.ended_at: float | None = None
        self.status = _RUNNING
        self.target = _COMPLETED  # what a cancelling run will have been
        self.reason = ""
        self.on_hold = False  # paused by somebody, until somebody resumes it
        self.paused = False  # nothing is taken now: on hold, or there is an obstacle
        self.obstacle = ""  # what keeps this executor from going on with it
        self.deliveries: dict[int, Delivery] = {}  # unsettled, oldest first
        self.next = 0  # number of the latest delivery
        self.outside = 0  # messages published from outside
        self.brought = 0  # bytes of those
        self.bytes = 0  # of all payloads published in it
        self.retries = 0
        self.dropped = 0
        self.tokens = 0
        self.cost = 0  # in billionths
        self.bounded = bool(limits)  # it has limits, or budgets of messages
        self.accounts: Accounts | None = None  # made with the first budget of a message
        self.reply = b""  # to the request that it was begun with, see `words.replies`
        self.bell: Callable[[], None] | None = None  # the executor's, told of that
        self.blamed = 0  # how many things have made it fail
        self.abandoned: tuple[str, ...] = ()  # invocations that ignored their cancellation
        self.failure: Failure | None = None  # the first one
        self.queues: dict[str, Queue] = {}
        self.lanes: dict[str, Lane] = {}
        self.keep = keep
        self.names = names  # what the trees of all runs share
        self.outputs: list[Output] | None = None  # made with the first
        self.dead_letters: deque[DeadLetter] | None = None
        self.letters = 0  # dead letters ever
        self.questions: dict[int, dict[str, Question]] = _NOTHING  # by delivery and name
        self.joins: Joins | None = None  # made with the first part, or scope
        self.keyed: Keyed | None = None  # made with the first delivery of an idempotency key
        self.cache_fold: Cache | None = None
        self.task_fold: Tasks | None = None
        self.tree_fold: Tree | None = None
        self.waits_told: dict[int, tuple[str, float]] | None = None  # what for, and since when
        self.waited: dict[str, tuple[int, float]] = _NOTHING  # how many, for how long together

    @property
    def cache(self) -> Cache:
        """The run's cache, made when first asked for: most runs have none."""
        if self.cache_fold is None:
            self.cache_fold = Cache()
        return self.cache_fold

    @property
    def tasks(self) -> Tasks:
        """The run's tasks, made when first asked for: most runs have none."""
        if self.task_fold is None:
            self.task_fold = Tasks()
        return self.task_fold

    @property
    def tree(self) -> Tree:
        """The run's execution tree, made with its first node."""
        if self.tree_fold is None:
            self.tree_fold = Tree(self.keep.nodes, self.names)
        return self.tree_fold

    def accounting(self) -> Accounts:
        """The budgets of its messages, made with the first: most runs have none."""
        if self.accounts is None:
            self.accounts, self.bounded = Accounts(self.keep.budgets), True
        return self.accounts

    def joining(self) -> Joins:
        """The run's joins, made when first asked for: most runs have none."""
        if self.joins is None:
            self.joins = Joins()
        return self.joins

    def keying(self) -> Keyed:
        """What its deliveries have to do with idempotency keys, made when first asked for."""
        if self.keyed is None:
            self.keyed = Keyed()
        return self.keyed

    @property
    def unfilled(self) -> tuple[str, ...]:
        """Joins that never became whole, told to people."""
        return self.joins.unfilled if self.joins is not None else ()

    @property
    def won(self) -> tuple[Whole, ...]:
        """Joins of which one part was enough, and has come."""
        by_shared = self.joins.groups.items() if self.joins is not None else ()
        return tuple(
            (name, shared)
            for shared, groups in by_shared
            for name, group in groups.items()
            if group.won
        )

    @property
    def waits(self) -> dict[int, tuple[str, float]]:
        """By delivery, what it waits for, and since when, of those of which that was told."""
        told = self.waits_told or {}
        return {number: what for number, what in told.items() if number in self.deliveries}

    @property
    def active(self) -> int:
        """Deliveries that are neither settled nor held until others come."""
        return len(self.deliveries) - (self.joins.held if self.joins is not None else 0)

    def queue(self, subscriber: Subscriber) -> Queue:
        """The queue of an agent in this run."""
        queue = self.queues.get(subscriber.name)
        if queue is None or queue.subscriber is not subscriber:
            queue = self.queues[subscriber.name] = Queue(self, subscriber)
        return queue

    @property
    def tallies(self) -> dict[tuple[str, str], list[int]]:
        """(agent, channel) -> counts: delivered, then one for each disposition."""
        return {
            (agent, name): tally
            for name, lane in self.lanes.items()
            for agent, tally in lane.tallies().items()
        }

    @property
    def messages(self) -> int:
        """Messages ever published in it."""
        return sum(lane.messages for lane in self.lanes.values())

    @property
    def handled(self) -> int:
        """Deliveries settled."""
        return self.next - len(self.deliveries)

    @property
    def size(self) -> int:
        """About how many bytes the run takes, in memory as on disk: an ended one, for good."""
        return self.bytes + _OVERHEAD * (self.messages + self.handled)

    def standing(self) -> RunStatus:
        """The status as it is told: an open run may be paused, or wait for people."""
        if self.ended_at is not None or self.status is not _RUNNING:
            return self.status
        if self.paused:
            return RunStatus.PAUSED
        if self.questions and self._only_people():
            return RunStatus.WAITING
        return _RUNNING

    def _only_people(self) -> bool:
        """Whether all that goes on is asked of people, or waits for the replies of what is."""
        waiting = len(self.questions)
        if waiting < self.active:
            others = (each for each in self.deliveries.values() if each.awaits)
            waiting += sum(each.number not in self.questions for each in others)
        return waiting == self.active

    def depends(self) -> bool:
        """Whether all that is left of it waits for other deliveries of the same idempotency key,
        and for people.
        """
        lined = len(self.keyed.lined) if self.keyed is not None else 0
        return lined > 0 and lined + len(self.questions) == self.active

    def ask(self, question: Question) -> None:
        """A question is open."""
        if self.questions is _NOTHING:
            self.questions = {}
        self.questions.setdefault(question.delivery, {})[question.name] = question

    def answered(self, delivery: int, name: str) -> None:
        """A question is open no more, if it was."""
        asked = self.questions.get(delivery)
        if asked is not None and name in asked:
            del asked[name]
            if not asked:
                del self.questions[delivery]

    def asked(self) -> list[Question]:
        """The open questions, oldest first."""
        found = [each for asked in self.questions.values() for each in asked.values()]
        return sorted(found, key=lambda each: each.at)

    def answer(self, reply: bytes) -> None:
        """Keep the reply to the request that the run was begun with: the first one."""
        if not self.reply:
            self.reply = reply
            if self.bell is not None:
                self.bell()

    def put_out(self, output: Output) -> None:
        """One more result; beyond what is kept, the oldest is only counted."""
        outputs = self.outputs
        if outputs is None:
            outputs = self.outputs = []
        outputs.append(output)
        if len(outputs) > 2 * self.keep.outputs:
            del outputs[: len(outputs) - self.keep.outputs]

    def kept_outputs(self) -> tuple[Output, ...]:
        """The last outputs, at most as many as are to be kept."""
        outputs = self.outputs or []
        return tuple(outputs[max(0, len(outputs) - self.keep.outputs) :])

    def bury(self, letter: DeadLetter) -> None:
        """One more dead letter; beyond what is kept, the oldest is only counted."""
        if self.dead_letters is None:
            self.dead_letters = deque(maxlen=self.keep.dead_letters)
        self.dead_letters.append(letter)
        self.letters += 1

    def unearth(self, delivery: int) -> None:
        """A dead letter is kept no more, if it was."""
        kept = [each for each in self.dead_letters or () if each.delivery != delivery]
        self.dead_letters = deque(kept, maxlen=self.keep.dead_letters) if self.letters else None
