"""The recorded host: it answers a handler from the record, and does nothing else.

What is asked for and not in the record is not done: the handler is stopped there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Never

import anyio

from dagger.authoring.calls import CancelAsked, Returned
from dagger.authoring.reserving import inside
from dagger.executor.hosting.asking import answer_of
from dagger.executor.hosting.requesting import first_failed
from dagger.executor.hosting.steps import known
from dagger.executor.listing import AgentInfo, ChannelInfo
from dagger.state.queues import SECOND_HAND
from dagger.state.tasks import Task, Tasks
from dagger.words.effects import E, Publication, TaskWrite
from dagger.words.errors import ContextClosed
from dagger.words.ids import STREAMED, message_id
from dagger.words.payload import MAX_BYTES, decode
from dagger.words.records import BASE, CANCEL, OVER
from dagger.words.replies import gathered, landed, opened, unheard

if TYPE_CHECKING:
    from dagger.authoring.agent import Agent
    from dagger.authoring.host import Host
    from dagger.authoring.invocation import Invocation
    from dagger.authoring.questions import Asked
    from dagger.authoring.requests import Request
    from dagger.authoring.reserving import Reservation
    from dagger.authoring.steps import Step
    from dagger.executor.recorded import Attempt
    from dagger.rules.schema import Schema
    from dagger.state.cache import Cache
    from dagger.state.queues import Answer
    from dagger.state.state import State


class RecordedHost:
    """The Host of one invocation that is done again, and who runs it.

    Its invocation has a run of its own, which it may change.
    """

    crew: Any = None
    serial = 0

    def __init__(
        self, state: State, agents: Mapping[str, Agent], attempt: Attempt, limit: int = MAX_BYTES
    ) -> None:
        self.max_payload_bytes = limit
        self.channel_schemas: dict[str, Schema] = {}
        self.unknown = ""  # what was asked for and is not in the record, the first of it
        self.claimed: list[str] = []
        self.requests: dict[str, Publication] = {}
        self.items: list[Publication] = []
        self.scope = anyio.CancelScope()
        self._state = state
        self._agents = agents
        self._attempt = attempt
        self._claims = list(attempt.claims)

    # -- who runs it -----------------------------------------------------------------

    @property
    def host(self) -> Host:
        return self

    def parked(self) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    def unload(self, moment: float | None = None, answer: tuple[str, str] | None = None) -> None:
        """It stays."""

    def blameless(self) -> AbstractContextManager[None]:
        return nullcontext()

    def uninterrupted(self) -> AbstractContextManager[None]:
        return nullcontext()

    async def wait_for_room(self, wait: Awaitable[None]) -> None:
        await wait

    # -- plain calls -----------------------------------------------------------------

    @property
    def shared(self) -> Cache:
        """As far as the run itself has written it."""
        return self._state.shared

    def now(self) -> float:
        """When the attempt began."""
        return self._attempt.started

    def position(self) -> int:
        """Nothing is written."""
        return 0

    def write_now(
        self, invocation: Invocation, decide: Callable[[], tuple[E, ...]]
    ) -> tuple[E, ...]:
        """Decide among the tasks that were claimed, instead of those that are there."""
        if invocation.closed:
            raise ContextClosed(invocation.node_id)
        run, tasks = invocation.run, invocation.run.tasks
        run.task_fold = _tasks(each.task for each in self._claims)
        try:
            effects = decide()
        finally:
            run.task_fold = tasks
        for effect in effects:
            if isinstance(effect, TaskWrite):
                run.task_fold = self._with(effect, run.tasks)
        return effects

    def _with(self, write: TaskWrite, tasks: Tasks) -> Tasks:
        """The tasks with one that is claimed again."""
        claim = next(each for each in self._claims if each.task.id == write.task_id)
        self._claims.remove(claim)
        self.claimed.append(claim.task.id)
        made = _tasks([*(each for each in tasks.copy() if each.id != claim.task.id), claim.task])
        made.apply(write)
        return made

    def log(self, invocation: Invocation, level: int, text: str) -> None:
        """Nobody listens."""

    def agents(self) -> list[AgentInfo]:
        return [
            AgentInfo(
                name=name,
                description=agent.description,
                subscribe=agent.subscribe,
                publish=tuple(agent.publish),
                concurrency=agent.concurrency,
                running=0,
                waiting=0,
                pending=0,
                where=agent.where,
            )
            for name, agent in sorted(self._agents.items())
        ]

    def channels(self) -> list[ChannelInfo]:
        """As they were, and as if nothing had happened on them."""
        return [
            ChannelInfo(
                name=name,
                subscriber_count=len(self.hearers(name)),
                message_count=0,
                pending=dict.fromkeys(self.hearers(name), 0),
                capacity=0,
                overflow="",
                dropped=0,
                created_at=channel.created_at,
                is_active=not channel.closed,
            )
            for name, channel in sorted(self._state.channels.items())
        ]

    # -- awaited, answered from the record -------------------------------------------

    async def step(self, invocation: Invocation, step: Step) -> Any:
        """Its result, or its failure; it is not called."""
        kept = await self._answer(step.kept_as, step.key, f"step {step.name!r}")
        return known(invocation, step, kept)

    async def sleep(self, invocation: Invocation, name: str, key: str, until: float) -> None:
        """It is over."""
        await self._answer(f"sleep:{name}", key, f"sleep {name!r}")

    async def ask(self, invocation: Invocation, question: Asked) -> Any:
        kept = await self._answer("ask", question.name, f"an answer to {question.name!r}")
        return answer_of(question, kept)

    async def request(self, invocation: Invocation, request: Request) -> Any:
        _goes_out(invocation)
        return opened(request.publication.channel, await self._reply(request))

    async def scatter(
        self, invocation: Invocation, requests: Sequence[Request], limit: int, first_failure: bool
    ) -> list[Any]:
        if not requests:
            return []
        for _ in requests:
            _goes_out(invocation)
        channel = requests[0].publication.channel
        failed = first_failed(self._attempt.kept, requests) if first_failure else None
        if failed is not None:
            return [opened(channel, failed.value)]  # it raises
        return gathered(channel, [await self._reply(each) for each in requests])

    async def _reply(self, request: Request) -> bytes:
        """What is kept of the reply; that nobody hears the channel is told from today's agents."""
        key, channel = request.key, request.publication.channel
        self.requests[key] = request.publication
        if ("request", key) not in self._attempt.kept and not self.hearers(channel):
            return unheard()
        return (await self._answer("request", key, f"a reply on {channel!r}")).value

    def calls(self, invocation: Invocation) -> RecordedCalls:
        return RecordedCalls(self, self._attempt)

    async def emit(self, invocation: Invocation, ready: Publication) -> str:
        """It is noted."""
        _goes_out(invocation)
        place = STREAMED + invocation.emitted
        invocation.emitted += 1
        self.items.append(ready)
        return message_id(invocation.run.id, invocation.delivery.number, place)

    async def spend(self, invocation: Invocation, tokens: int, cost: int) -> None:
        """They are spent already, but for the block that this is in."""
        block = inside(invocation)
        if block is not None:
            block.spend(tokens, cost)
            block.check("tokens")
            block.check("cost")

    def reserve(self, invocation: Invocation, wanted: Reservation) -> None:
        """There is enough, as there was."""
        wanted.home = [] if wanted.outer is None else wanted.outer.inner
        wanted.home.append(wanted)

    async def _answer(self, kind: str, key: str, what: str) -> Answer:
        """What is kept; without an answer, the handler does not get any further."""
        kept = self._attempt.kept.get((kind, key))
        return await self.stuck(what) if kept is None else kept

    async def stuck(self, what: str) -> Never:
        """The handler asks for what is not in the record, and does not get any further."""
        self.unknown = self.unknown or f"asks for {what}, which was not taken"
        while True:
            self.scope.cancel()
            await anyio.sleep_forever()

    def hearers(self, channel: str) -> list[str]:
        known = self._state.subscribers.values()
        return [each.name for each in known if channel in each.subscriptions]


class RecordedCalls:
    """Calls whose replies come from the record, in the order of then."""

    def __init__(self, host: RecordedHost, attempt: Attempt) -> None:
        self._host = host
        self._kept = attempt.kept
        self._out: dict[str, str] = {}  # the channels, by key
        self._told = [place for place in attempt.kept if place[0] == CANCEL]

    async def send(self, request: Request) -> None:
        """It is noted."""
        self._out[request.key] = request.publication.channel
        self._host.requests[request.key] = request.publication

    def refuse(self, key: str, channel: str, error: Exception) -> None:
        """What came of it then is heard of."""
        self._out[key] = channel

    async def next(self) -> Returned | CancelAsked:
        """What came next then; the handler gets no further where nothing did."""
        for name, key in self._kept:
            if (name, key) in self._told:
                self._told.remove((name, key))
                return CancelAsked(decode(self._kept[name, key].value), over=key == OVER)
            if name == "request" and key in self._out:
                channel, kept = self._out.pop(key), self._kept[name, key]
                value, error = landed(channel, kept.value)
                return Returned(key, value, error, kept.digest == SECOND_HAND)
        for key, channel in self._out.items():
            if not self._host.hearers(channel):
                del self._out[key]
                return Returned(key, *landed(channel, unheard()))
        return await self._host.stuck("a reply")

    def asked(self) -> CancelAsked | None:
        """What it was told before it ended, if it has not heard of it."""
        place = (CANCEL, "")
        if place not in self._told:
            return None
        self._told.remove(place)
        return CancelAsked(decode(self._kept[place].value), over=False)

    def base(self, key: str) -> Any:
        """What it went on from."""
        kept = self._kept.get((BASE, key))
        return None if kept is None else decode(kept.value)

    def condense(self, key: str, value: Any) -> None:
        """Nothing is written."""

    def forget(self, channel: str, idempotency_key: str) -> None:
        """Nothing is written."""

    def cancel(self, keys: Collection[str]) -> None:
        """They have ended."""

    def end(self) -> None:
        """Nothing is waited for."""


def _goes_out(invocation: Invocation) -> None:
    """A message counts in the block that it is published from. Raises BudgetExceeded."""
    block = inside(invocation)
    if block is not None:
        block.check("messages", 1)
        block.publish()


def _tasks(tasks: Iterable[Task]) -> Tasks:
    """Just these tasks, in this order."""
    made = Tasks()
    for task in tasks:
        made.restore(task)
    return made
