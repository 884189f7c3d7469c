"""Hosting: what the executor does for a handler while it runs (see `authoring.host.Host`)."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

from dagger.executor.listing import AgentInfo, ChannelInfo, list_agents, list_channels
from dagger.executor.settle import may_publish
from dagger.state.cache import Cache
from dagger.words.effects import E, Publication
from dagger.words.errors import BudgetExceeded, ContextClosed, RequestFailed
from dagger.words.ids import REQUESTS
from dagger.words.payload import decode, encode
from dagger.words.records import Asked, Emitted, Kept, Logged, Requested, Spent, Wrote

if TYPE_CHECKING:
    from dagger.authoring.invocation import Invocation
    from dagger.executor.admission import Plan
    from dagger.executor.engine import Engine
    from dagger.rules.schema import Schema

logger = logging.getLogger("dagger.agents")


class Hosting:
    """The Host that every invocation of one executor has."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.now = engine.now
        self.max_payload_bytes = engine.max_payload_bytes
        self.channel_schemas: dict[str, Schema] = engine.channel_schemas

    @property
    def shared(self) -> Cache:
        return self._engine.state.shared

    # -- plain calls, from any thread ------------------------------------------------

    def write_now(
        self, invocation: Invocation, decide: Callable[[], tuple[E, ...]]
    ) -> tuple[E, ...]:
        def write() -> tuple[E, ...]:
            _fence(invocation)
            effects = decide()
            if effects:
                self._engine.commit(Wrote(invocation.run.number, effects))
            return effects

        written: tuple[E, ...] = self._engine.threads.on_loop(write)
        return written

    def log(self, invocation: Invocation, level: int, text: str) -> None:
        def write() -> None:
            _fence(invocation)
            self._engine.commit(
                Logged(invocation.run.number, invocation.delivery.number, level, text, self.now())
            )
            line = partial(logger.log, level, "%s: %s", invocation.node_id, text)
            self._engine.gate.after(line)

        self._engine.threads.on_loop(write)

    # -- awaited, kept across attempts -----------------------------------------------

    async def step(
        self, invocation: Invocation, name: str, key: str, call: Callable[[], Any]
    ) -> Any:
        kept = self._kept(invocation, f"step:{name}", key)
        if kept is not None:
            return decode(kept)
        await self._durable(invocation)
        result = await self._call(call)
        _fence(invocation)
        blob = encode(result, invocation.node_id)
        self._keep(invocation, f"step:{name}", key, blob)
        return decode(blob)

    async def _call(self, call: Callable[[], Any]) -> Any:
        """What a step's function returns: run in a thread unless it is async."""
        if inspect.iscoroutinefunction(inspect.unwrap(getattr(call, "func", call))):
            return await call()
        job = self._engine.threads.start(call)
        await job.done.wait()
        result = job.outcome()
        return await result if inspect.isawaitable(result) else result

    async def sleep(self, invocation: Invocation, name: str, key: str, seconds: float) -> None:
        kept = self._kept(invocation, f"sleep:{name}", key)
        if kept is None:
            kept = encode(self.now() + seconds)
            self._keep(invocation, f"sleep:{name}", key, kept)
        over = anyio.Event()
        timer = self._engine.timers.after(decode(kept) - self.now(), over.set)
        try:
            await invocation.worker.wait(over)
        finally:
            timer.cancel()

    async def ask(self, invocation: Invocation, name: str, question: bytes) -> Any:
        run, delivery = invocation.run, invocation.delivery
        if self._kept(invocation, "ask", name) is None:
            if (delivery.number, name) not in run.questions:
                self._engine.commit(Asked(run.number, delivery.number, name, question, self.now()))
            await self._durable(invocation)
            self._engine.runs.quiet(run)
        return decode(await self._answer(invocation, "ask", name))

    async def request(self, invocation: Invocation, key: str, publication: Publication) -> Any:
        if self._kept(invocation, "requested", key) is None:
            if not self._engine.state.lane(invocation.run, publication.channel).routes:
                raise RequestFailed(publication.channel, "no agent subscribes to it")
            await self._ask_agents(invocation, key, publication)
        good, value = decode(await self._answer(invocation, "request", key))
        if not good:
            raise RequestFailed(publication.channel, value)
        return value

    async def _ask_agents(self, invocation: Invocation, key: str, publication: Publication) -> None:
        """Publish a request at once, or as soon as there is room."""
        engine, run, delivery = self._engine, invocation.run, invocation.delivery

        def look() -> Plan:
            may_publish(run, 1)
            return engine.admit(run, (publication,), None)

        def enter(plan: Plan) -> None:
            asked = sum(1 for name, _ in delivery.kept or () if name in ("requested", "refused"))
            engine.commit(
                Requested(
                    run.number,
                    delivery.number,
                    key,
                    publication,
                    REQUESTS + asked,
                    plan.dropped,
                    plan.blame,
                    self.now(),
                )
            )

        plan = look()
        if plan.full:
            with invocation.worker.blameless():
                await engine.admissions.wait(look, enter, invocation)
        else:
            enter(plan)

    async def emit(self, invocation: Invocation, place: int, payload: bytes) -> None:
        self._engine.commit(
            Emitted(invocation.run.number, invocation.delivery.number, place, payload, self.now())
        )
        await anyio.lowlevel.checkpoint()

    async def spend(self, invocation: Invocation, tokens: int) -> None:
        run = invocation.run
        self._engine.commit(Spent(run.number, invocation.delivery.number, tokens))
        limit = run.limits.get("max_tokens")
        if limit is not None and run.tokens > limit:
            error = BudgetExceeded(run.id, "max_tokens", limit, run.tokens)
            self._engine.runs.over_budget(run, error)
            raise error

    def agents(self) -> list[AgentInfo]:
        return list_agents(self._engine)

    def channels(self) -> list[ChannelInfo]:
        return list_channels(self._engine)

    # -- the machinery of keeping ----------------------------------------------------

    def _kept(self, invocation: Invocation, name: str, key: str) -> bytes | None:
        kept = invocation.delivery.kept
        return None if kept is None else kept.get((name, key))

    async def _durable(self, invocation: Invocation) -> None:
        """Return once all that has been recorded so far is durable."""
        with invocation.worker.blameless():
            await self._engine.durable()

    def _keep(self, invocation: Invocation, name: str, key: str, value: bytes) -> None:
        self._engine.commit(
            Kept(invocation.run.number, invocation.delivery.number, name, key, value, self.now())
        )

    async def _answer(self, invocation: Invocation, name: str, key: str) -> bytes:
        """Wait, without a worker, until an answer of that name and key is kept."""
        delivery = invocation.delivery
        while (kept := self._kept(invocation, name, key)) is None:
            event = anyio.Event()
            if delivery.bells is None:
                delivery.bells = []
            delivery.bells.append(event.set)
            try:
                await invocation.worker.wait(event)
            finally:
                delivery.bells.remove(event.set)
        return kept


def _fence(invocation: Invocation) -> None:
    """What comes after the end (from a thread, say) has no effect, and is told so."""
    if invocation.closed:
        raise ContextClosed(invocation.node_id)
