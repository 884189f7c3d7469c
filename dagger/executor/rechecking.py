"""Rechecking: what today's code makes of the messages that a stored run has handled.

Each invocation that ended by its own doing is done again: with the payload it had, with
cache and tasks as they were when it began, and with its answers from the record. Nothing is
written, published or waited for. But whatever else a handler does, it does again: bodies
are called only where that is allowed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from dagger.authoring.fingerprint import fingerprint
from dagger.executor.comparing import FAILED, Made, compared, recorded
from dagger.executor.recorded import BARELY, Attempt, attempts
from dagger.executor.recorded_host import RecordedHost
from dagger.executor.threads import DaemonThreads
from dagger.executor.trial import Trial
from dagger.state.state import State
from dagger.words.errors import RunNotFound
from dagger.words.ids import node_id
from dagger.words.payload import MAX_BYTES
from dagger.words.records import Settled

if TYPE_CHECKING:
    from dagger.authoring.agent import Agent
    from dagger.state.queues import Delivery
    from dagger.state.run import Run
    from dagger.store.contract import Source
    from dagger.words.config import Config


class Difference(NamedTuple):
    """Something that is not as it was."""

    node_id: str
    """The invocation; "" where it is about an agent as such."""
    agent: str
    what: str
    """"end", "failure", "message 0" (its place among them), "item 0" of a stream, "cache write 0",
    "task write 0", "claim 0", "request #0", "reply 0"; of an agent, "agent" or "code"."""
    was: str
    now: str

    def __str__(self) -> str:
        return f"{self.node_id or self.agent}: {self.what}: {self.was} → {self.now}"


async def recheck(
    source: Source,
    number: int,
    agents: Iterable[Agent],
    *,
    allow_bodies: bool,
    config: Config | None = None,
) -> list[Difference]:
    """What is not as it was in run `number`: of agents by name, then of invocations, oldest first.

    Without `allow_bodies` no handler is called: that leaves agents that are missing or other
    code, and messages that are rejected, or were; those that are still pending included.

    Handlers are called one after the other, in the order in which they began then. What they
    read of cache and tasks is what was there as they began, also after they have waited; of
    the shared cache, what the run itself had written. Ends that others, the clock or a crash
    brought about are passed over. Raises RunNotFound.
    """
    limit = config.max_payload_bytes if config else MAX_BYTES
    checking = _Rechecking(number, agents, allow_bodies, limit)
    try:
        await checking.go_through(source)
    finally:
        checking.threads.close()
    return [*checking.of_agents(), *checking.of_invocations()]


class _Rechecking:
    """What has been found at one position of a run's history."""

    def __init__(
        self, number: int, agents: Iterable[Agent], allow_bodies: bool, limit: int
    ) -> None:
        self.threads = DaemonThreads()
        self._number = number
        self._agents = {each.name: each for each in agents}
        self._bodies = allow_bodies
        self._limit = limit
        self._state = State(BARELY)
        self._begun: dict[int, tuple[Attempt, Trial]] = {}
        self._codes: dict[str, set[str]] = {}  # of each agent that had something to do
        self._found: dict[int, list[Difference]] = {}

    async def go_through(self, source: Source) -> None:
        """Begin each attempt where it began, and settle it where it ended."""
        waiting = deque(attempts(source, self._number))
        for position, record in source.history(self._number):
            while waiting and waiting[0].start < position:
                await self._begin(waiting.popleft())
            if type(record) is Settled:
                self._settle(record)
            self._state.apply(record)
        if self._number not in self._state.runs:
            raise RunNotFound(f"number {self._number}")
        for delivery in self._run.deliveries.values():
            self._look_ahead(delivery)

    @property
    def _run(self) -> Run:
        return self._state.runs[self._number]

    async def _begin(self, attempt: Attempt) -> None:
        delivery = self._run.deliveries[attempt.delivery]
        trial = self._trial(delivery, attempt)
        if trial is not None:
            self._begun[delivery.number] = attempt, trial
            if trial.accepts() and attempt.called and self._bodies:
                await trial.attempt(self.threads)

    def _trial(self, delivery: Delivery, attempt: Attempt) -> Trial | None:
        """A delivery in the hands of today's agent, if there is one."""
        subscriber = delivery.queue.subscriber
        self._codes.setdefault(subscriber.name, set()).add(subscriber.code)
        agent = self._agents.get(subscriber.name)
        if agent is None:
            return None
        return Trial(agent, delivery, RecordedHost(self._state, self._agents, attempt, self._limit))

    def _settle(self, record: Settled) -> None:
        attempt, trial = self._begun.pop(record.delivery, (None, None))
        if attempt is not None and trial is not None:
            was = recorded(record, attempt)
            now = trial.settle(self._run, self._state.shared)
            if not (now.unknown and self._failed_there(was, trial)):
                self._note(self._run.deliveries[record.delivery], was, now)

    def _failed_there(self, was: Made, trial: Trial) -> bool:
        """Whether what it asks for is what it failed at then: the code is still the same."""
        code = trial.invocation.delivery.queue.subscriber.code
        return was.end == FAILED and code == fingerprint(trial.invocation.agent)

    def _look_ahead(self, delivery: Delivery) -> None:
        """What is pending will be handled by today's code, if that accepts it."""
        trial = self._trial(delivery, Attempt.pending(delivery))
        if trial is not None and not trial.accepts():
            now = trial.settle(self._run, self._state.shared)
            self._note(delivery, Made("pending"), now)

    def _note(self, delivery: Delivery, was: Made, now: Made) -> None:
        agent = delivery.queue.subscriber.name
        node = node_id(agent, self._run.id, delivery.number)
        found = [Difference(node, agent, *each) for each in compared(was, now)]
        if found:
            self._found[delivery.number] = found

    # -- what came of it -------------------------------------------------------------

    def of_agents(self) -> Iterator[Difference]:
        """Agents that are missing; and where no handler was called, those that have changed."""
        for name, codes in sorted(self._codes.items()):
            agent = self._agents.get(name)
            if agent is None:
                yield Difference("", name, "agent", "there", "missing")
            elif not self._bodies and (others := codes - {"", fingerprint(agent)}):
                yield Difference("", name, "code", ", ".join(sorted(others)), fingerprint(agent))

    def of_invocations(self) -> Iterator[Difference]:
        """What the invocations have come to."""
        for _, found in sorted(self._found.items()):
            yield from found
