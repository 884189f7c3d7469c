"""What an executor must do, in plain words: lists and counters, and no time.

The handlers of a test say what they do (`Step`); the model says whether they may, and
what must be true afterwards.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

CAPACITY = {"drop": 2, "block": 2, "reject": 2, "free": 1000, "fan": 1000}
"""Agents, which hear the channel of their own name, and what their queues hold."""

ATTEMPTS = 3
DEATHS = 3
"""Of the process, with one delivery in hand, before that is taken no more."""


class Message(NamedTuple):
    """A message for one agent, and what its handler is to do with it."""

    id: int
    agent: str
    fails: int = 0
    """How many of its attempts fail."""
    job: str = ""
    """What it does with a task: "add", "work" (claim and complete) or "forget" (claim)."""
    sends: tuple[Message, ...] = ()
    """What the fan passes on, all for one agent."""


class Step(NamedTuple):
    """Something a handler said: it has begun, or is about to return or raise."""

    what: Literal["begin", "end"]
    run: str
    message: int
    attempt: int


@dataclass
class Task:
    """A task, by its place in the order of creation."""

    attempts: int = 0
    status: str = "Pending"


@dataclass(eq=False)
class Run:
    """One run as it should be."""

    name: str
    pending: dict[str, deque[Message]] = field(default_factory=dict)
    again: dict[str, deque[Message]] = field(default_factory=dict)
    entered: list[Message] = field(default_factory=list)
    deaths: Counter[Message] = field(default_factory=Counter)
    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    cache: Counter[str] = field(default_factory=Counter)
    lists: dict[str, list[int]] = field(default_factory=dict)
    outputs: list[int] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    waiting_tasks: deque[Task] = field(default_factory=deque)
    held: bool = True
    cancelled: bool = False

    def queue(self, agent: str) -> deque[Message]:
        return self.pending.setdefault(agent, deque())

    def end(self, message: Message, disposition: str) -> None:
        self.ends[message.agent, disposition] += 1


@dataclass(eq=False)
class Hand:
    """A delivery in hand: of which crew, and with which task claimed."""

    run: Run
    message: Message
    crew: int
    attempt: int
    task: Task | None = None
    blocked: bool = False
    """Its handler has returned, and its settle waits for room."""


class Waiter(NamedTuple):
    """Who waits for room for some messages: a delivery in hand, or the outside."""

    run: Run
    messages: tuple[Message, ...]
    hand: Hand | None


class Model:
    """Runs, agents, what is in hand, and the line before the blocking queue."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.crews = dict.fromkeys(CAPACITY, 0)  # agent -> its crew now; -1 where it is gone
        self.hands: list[Hand] = []
        self.line: list[Waiter] = []

    # -- what the test does ----------------------------------------------------------

    def publish(self, run: Run, message: Message) -> str:
        """From outside: "entered", "refused", or "waits" in line."""
        verdict = self._fits(run, (message,))
        if verdict == "entered":
            self._enter(run, (message,))
        elif verdict == "waits":
            self.line.append(Waiter(run, (message,), None))
        return verdict

    def add_task(self, run: Run) -> None:
        """One more task, which can be claimed from now on."""
        task = Task()
        run.tasks.append(task)
        run.waiting_tasks.append(task)

    def cancel(self, run: Run) -> None:
        """What is left of the run ends."""
        run.cancelled, run.held = True, False
        for hand in [hand for hand in self.hands if hand.run is run]:
            self.hands.remove(hand)
            run.end(hand.message, "cancelled")
            self._release(hand)
        self._sweep(run, list(CAPACITY), "cancelled")
        self.line = [waiter for waiter in self.line if waiter.run is not run]

    def unregister(self, agent: str) -> None:
        self.crews[agent] = -1
        for run in self.runs.values():
            self._sweep(run, [agent], "discarded")
        self._room()

    def register(self, agent: str, crew: int) -> None:
        self.crews[agent] = crew

    def restart(self, killed: bool, crew: int) -> None:
        """Another executor goes on, with all agents; nobody waits for room or holds runs open.

        What was in hand comes again, in the order in which it had entered, unless the
        process was killed too often with it. Who only waited for room is not to blame.
        """
        self.line.clear()
        self.crews = dict.fromkeys(CAPACITY, crew)
        for run in self.runs.values():
            run.held = False
            hands = [hand for hand in self.hands if hand.run is run]
            for hand in sorted(hands, key=lambda hand: run.entered.index(hand.message)):
                self._release(hand)
                run.deaths[hand.message] += killed and not hand.blocked
                if run.deaths[hand.message] == DEATHS:
                    run.end(hand.message, "dead")
                else:
                    queues = run.pending if hand.attempt == 1 else run.again
                    queues.setdefault(hand.message.agent, deque()).append(hand.message)
            for queue in (*run.pending.values(), *run.again.values()):
                in_order = sorted(queue, key=run.entered.index)
                queue.clear()
                queue.extend(in_order)
        self.hands.clear()

    # -- what handlers say -----------------------------------------------------------

    def step(self, step: Step) -> None:
        """Take a handler's word for the order of things, and for nothing else."""
        run = self.runs[step.run]
        if step.what == "begin":
            self._begin(run, step)
        else:
            (hand,) = (h for h in self.hands if h.run is run and h.message.id == step.message)
            assert step.attempt == hand.attempt
            self._end(hand)

    def _begin(self, run: Run, step: Step) -> None:
        assert not run.cancelled
        message = self._taken(run, step)
        crew = self.crews[message.agent]
        assert crew >= 0, "an agent that is gone has taken something"
        busy = [hand for hand in self.hands if hand.message.agent == message.agent]
        assert all(hand.crew != crew for hand in busy), "one worker has two in hand"
        hand = Hand(run, message, crew, step.attempt)
        self.hands.append(hand)
        if message.job in ("work", "forget") and run.waiting_tasks:
            hand.task = run.waiting_tasks.popleft()
            hand.task.status, hand.task.attempts = "InProgress", hand.task.attempts + 1
        self._room()

    def _taken(self, run: Run, step: Step) -> Message:
        """The message that has begun: a retry first, else the first in its queue."""
        for agent, again in run.again.items():
            if again and again[0].id == step.message:
                return again.popleft()
            assert all(each.id != step.message for each in again), agent
        for queue in run.pending.values():
            if queue and queue[0].id == step.message:
                assert step.attempt == 1
                assert not run.again.get(queue[0].agent), "a retry was passed over"
                return queue.popleft()
        raise AssertionError(f"{step} is not first in any queue")

    def _end(self, hand: Hand) -> None:
        """The handler returns, or raises."""
        if hand.attempt <= hand.message.fails:
            self._fail(hand)
            return
        verdict = self._fits(hand.run, hand.message.sends)
        if verdict == "refused":
            self._fail(hand)
        elif verdict == "waits":
            hand.blocked = True
            self.line.append(Waiter(hand.run, hand.message.sends, hand))
        else:
            self._settle(hand)

    def _fail(self, hand: Hand) -> None:
        run, message = hand.run, hand.message
        self.hands.remove(hand)
        self._release(hand)
        if hand.attempt < ATTEMPTS and self.crews[message.agent] >= 0:
            run.again.setdefault(message.agent, deque()).append(message)
        else:
            run.end(message, "dead")

    def _settle(self, hand: Hand) -> None:
        run, message = hand.run, hand.message
        self.hands.remove(hand)
        run.end(message, "ok")
        if message.agent != "fan":
            run.cache["sum"] += message.id
            run.lists.setdefault(message.agent, []).append(message.id)
        if message.job == "add":
            self.add_task(run)
        elif message.job == "work" and hand.task is not None:
            hand.task.status = "Completed"
        self._enter(run, message.sends)

    def _release(self, hand: Hand) -> None:
        """What a bad end makes of the task it had claimed."""
        if hand.task is None:
            return
        if hand.task.attempts < ATTEMPTS:
            hand.task.status = "Pending"
            hand.run.waiting_tasks.append(hand.task)
        else:
            hand.task.status = "Failed"

    # -- queues ----------------------------------------------------------------------

    def _fits(self, run: Run, messages: tuple[Message, ...]) -> str:
        for agent in {message.agent for message in messages}:
            depth, arriving = len(run.queue(agent)), len(messages)
            if self.crews[agent] < 0:
                continue
            if agent == "reject" and depth + arriving > CAPACITY[agent]:
                return "refused"
            if agent == "block" and depth >= CAPACITY[agent]:
                return "waits"
        return "entered"

    def _enter(self, run: Run, messages: tuple[Message, ...]) -> None:
        for message in messages:
            if self.crews[message.agent] < 0:
                run.outputs.append(message.id)
                continue
            queue = run.queue(message.agent)
            own = sum(each in messages for each in queue)
            while message.agent == "drop" and len(queue) - own > 0 and self._over(run, messages):
                run.end(queue.popleft(), "dropped")
            queue.append(message)
            run.entered.append(message)

    def _over(self, run: Run, messages: tuple[Message, ...]) -> bool:
        """Whether the dropping queue is too full for those of a settle still to come."""
        queue = run.queue("drop")
        to_come = [message for message in messages if message not in queue]
        return len(queue) + len(to_come) > CAPACITY["drop"]

    def _room(self) -> None:
        """Whoever fits enters, first come first served."""
        for waiter in list(self.line):
            if self._fits(waiter.run, waiter.messages) == "entered":
                self.line.remove(waiter)
                if waiter.hand is not None:
                    self._settle(waiter.hand)
                else:
                    self._enter(waiter.run, waiter.messages)

    def _sweep(self, run: Run, agents: list[str], disposition: str) -> None:
        for agent in agents:
            for queue in (run.queue(agent), run.again.get(agent, deque())):
                while queue:
                    run.end(queue.popleft(), disposition)

    # -- what must be true -----------------------------------------------------------

    def idle(self, agent: str) -> bool:
        """Whether the agent's worker has nothing in hand."""
        crew = self.crews[agent]
        return all(hand.message.agent != agent or hand.crew != crew for hand in self.hands)

    def open(self, run: Run) -> int:
        """Deliveries of a run that have not ended."""
        waiting = sum(map(len, [*run.pending.values(), *run.again.values()]))
        return waiting + sum(hand.run is run for hand in self.hands)

    def verdict(self, run: Run) -> str:
        """How a run that has ended must have ended."""
        if run.cancelled:
            return "cancelled"
        return "stalled" if any(each.status == "InProgress" for each in run.tasks) else "completed"
