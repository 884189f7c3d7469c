"""The Host of an executor: what a handler asks for, and who sees to it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from dagger.executor.hosting.asking import Asking
from dagger.executor.hosting.keeping import Keeping, check_stack, fence
from dagger.executor.hosting.requesting import Requesting
from dagger.executor.hosting.sleeping import Sleeping
from dagger.executor.hosting.steps import Steps
from dagger.executor.hosting.streaming import Streaming
from dagger.executor.listing import AgentInfo, ChannelInfo, list_agents, list_channels
from dagger.state.cache import Cache
from dagger.words.effects import E, request_key
from dagger.words.records import Logged, Wrote

if TYPE_CHECKING:
    from dagger.authoring.invocation import Invocation
    from dagger.authoring.reserving import Reservation
    from dagger.executor.engine import Engine
    from dagger.rules.schema import Schema

logger = logging.getLogger("dagger.agents")


def _about(invocation: Invocation) -> dict[str, object]:
    """What a log record says besides its text."""
    return {
        "run_id": invocation.run.id,
        "channel": invocation.channel,
        "attempt": invocation.attempt,
        "request": request_key(invocation.publication),
    }


class Hosting:
    """The Host that every invocation of one executor has."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.now = engine.now
        self.serial = engine.serial
        self.max_payload_bytes = engine.max_payload_bytes
        self.channel_schemas: dict[str, Schema] = engine.channel_schemas
        keeping = Keeping(engine)
        self.step = Steps(engine, keeping, self.log).step
        self.sleep = Sleeping(engine, keeping).sleep
        self.ask = Asking(engine, keeping).ask
        requesting = Requesting(engine, keeping)
        self.request, self.scatter = requesting.request, requesting.scatter
        self.calls = requesting.calls
        self.emit = Streaming(engine).emit

    @property
    def shared(self) -> Cache:
        return self._engine.state.shared

    def position(self) -> int:
        return self._engine.store.position

    # -- plain calls, from any thread ------------------------------------------------

    def write_now(
        self, invocation: Invocation, decide: Callable[[], tuple[E, ...]]
    ) -> tuple[E, ...]:
        def write() -> tuple[E, ...]:
            fence(invocation)
            effects = decide()
            if effects:
                self._engine.commit(Wrote(invocation.run.number, effects))
            return effects

        written: tuple[E, ...] = self._engine.threads.on_loop(write)
        return written

    def log(self, invocation: Invocation, level: int, text: str) -> None:
        text = self._engine.veiling.text(invocation.agent.name, text)

        def write() -> None:
            fence(invocation)
            self._engine.commit(
                Logged(invocation.run.number, invocation.delivery.number, level, text, self.now())
            )
            told = partial(logger.log, level, "%s: %s", invocation.node_id, text)
            self._engine.gate.after(partial(told, extra=_about(invocation)))

        self._engine.threads.on_loop(write)

    # -- awaited, and done at once

    async def spend(self, invocation: Invocation, tokens: int, cost: int) -> None:
        check_stack()
        self._engine.budgets.spend(invocation, tokens, cost)

    def reserve(self, invocation: Invocation, wanted: Reservation) -> None:
        self._engine.budgets.reserve(invocation, wanted)

    def agents(self) -> list[AgentInfo]:
        return list_agents(self._engine)

    def channels(self) -> list[ChannelInfo]:
        return list_channels(self._engine)
