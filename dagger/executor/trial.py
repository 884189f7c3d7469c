"""A trial: one invocation of the past, done again by today's code."""

from __future__ import annotations

import math
from contextlib import aclosing
from copy import copy
from typing import TYPE_CHECKING, Any

import anyio

from dagger.authoring.cache import decide
from dagger.authoring.invocation import Invocation
from dagger.authoring.publishing import refusal
from dagger.authoring.signature import Kind
from dagger.authoring.tasks import decide_tasks
from dagger.executor.accepting import Acceptance
from dagger.executor.collecting import Collecting
from dagger.executor.comparing import ACCEPTED, FAILED, OK, REJECTED, Made
from dagger.executor.failures import describe
from dagger.executor.settle import overdue
from dagger.state.queues import Delivery, Queue
from dagger.words.payload import decode

if TYPE_CHECKING:
    from dagger.authoring.agent import Agent
    from dagger.executor.recorded_host import RecordedHost
    from dagger.executor.threads import Threads
    from dagger.rules.violation import Violation
    from dagger.state.cache import Cache
    from dagger.state.run import Run


class Trial:
    """A delivery in the hands of today's agent; begun at one position, settled at a later one."""

    def __init__(self, agent: Agent, delivery: Delivery, host: RecordedHost) -> None:
        run = copy(delivery.queue.run)  # its own: claims change it
        again = Delivery(
            delivery.number, delivery.envelope, Queue(run, delivery.queue.subscriber), []
        )
        again.attempts, again.bond = delivery.attempts, delivery.bond
        self.invocation = Invocation(agent, again, run, host, host.now())
        self._host = host
        self._collecting = Collecting(host)
        self._made = Made(ACCEPTED)

    def accepts(self) -> bool:
        """Whether today's agent takes it at all."""
        return Acceptance(self.invocation.agent, self).accepts(self.invocation)

    def reject(
        self, invocation: Invocation, found: Violation | None, cause: BaseException | None = None
    ) -> None:
        """It does not."""
        error = refusal(found, invocation.data, invocation.agent.name, invocation.channel, "input")
        error.__cause__ = cause
        self._made = Made(REJECTED, describe(error))

    def reject_part(self, invocation: Invocation, part: Delivery, found: Violation | None) -> None:
        """It does not take a part of it."""
        publication = part.envelope.publication
        name, value = invocation.agent.name, decode(publication.payload)
        error = refusal(found, value, name, publication.channel, "input")
        self._made = Made(REJECTED, describe(error))

    def fail(self, invocation: Invocation, error: BaseException) -> None:
        """What the agent says of itself, or its handler, has raised."""
        self._made = Made(FAILED, describe(error))

    async def attempt(self, threads: Threads) -> None:
        """Let the handler do it again; a timeout of the agent's own holds here too."""
        invocation, scope = self.invocation, self._host.scope
        scope.deadline = anyio.current_time() + (invocation.agent.timeout or math.inf)
        self._made = Made(OK)
        try:
            with scope:
                value = await self._called(threads)
                invocation.closed = True
                self._collecting.collect(invocation, value)
            if scope.cancelled_caught:
                raise overdue(invocation)
        except (Exception, SystemExit) as error:
            self.fail(invocation, error)
        finally:
            invocation.closed = True

    async def _called(self, threads: Threads) -> Any:
        """What the handler returns; what it yields is taken as it comes."""
        invocation = self.invocation
        plan = invocation.agent.plan
        match plan.kind:
            case Kind.COROUTINE:
                return await plan.call(invocation)
            case Kind.ASYNC_GENERATOR:
                async with aclosing(plan.call(invocation)) as values:
                    async for value in values:
                        await self._take(value)
            case Kind.FUNCTION | Kind.GENERATOR:
                read = list if plan.kind.streams else _as_it_is
                job = threads.start(lambda: read(plan.call(invocation)))
                await job.done.wait()
                if not plan.kind.streams:
                    return job.outcome()
                for value in job.outcome():
                    await self._take(value)
        return None

    async def _take(self, value: Any) -> None:
        """Something that is yielded."""
        invocation, collecting = self.invocation, self._collecting
        if invocation.agent.stream:
            await self._host.emit(invocation, collecting.made(invocation, value))
        else:
            collecting.publish(invocation, value)

    def settle(self, run: Run, shared: Cache) -> Made:
        """What it comes to, with the cache and tasks of when it ended."""
        host = self._host
        made = self._made._replace(
            requests=host.requests, items=tuple(host.items), unknown=host.unknown
        )
        if host.unknown or made.end != OK:
            return made
        try:
            effects = decide(run.cache, shared, self.invocation.effects)
            decide_tasks(run.tasks, effects)
        except Exception as error:
            return made._replace(end=FAILED, failure=describe(error))
        return made._replace(effects=effects, claims=tuple(host.claimed))


def _as_it_is(value: Any) -> Any:
    return value
