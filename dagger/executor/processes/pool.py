"""The pool: worker processes that are there, and who is asked next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import anyio

from dagger.executor.processes.parcels import Request, opened, sealed, stays_out
from dagger.executor.processes.process import WorkerProcess, program
from dagger.words.errors import WorkerCrashed

if TYPE_CHECKING:
    from dagger.authoring.agent import Agent


class Pool:
    """At most so many worker processes; any of them may serve any agent."""

    def __init__(self, most: int) -> None:
        self.room = anyio.CapacityLimiter(most)
        self._idle: list[WorkerProcess] = []

    async def call(self, agent: Agent, given: Mapping[str, Any], node_id: str) -> Any:
        """As `Processes.call`, within `room`."""
        assert agent.process is not None
        try:
            arguments = sealed(dict(given))
        except Exception as error:  # whatever a class of the user's own raises
            raise stays_out(error) from error
        request = sealed(Request(agent.name, program(), agent.process, arguments))
        worker = await self._idle_one(agent.process.module) or await WorkerProcess.start()
        try:
            answer = await worker.ask(request)
        except BaseException:
            await worker.kill()
            raise
        if answer is None:
            raise WorkerCrashed(node_id, await worker.died())
        worker.modules.add(agent.process.module)
        self._idle.append(worker)
        return opened(answer, agent.name)

    async def _idle_one(self, module: str) -> WorkerProcess | None:
        """One that waits for work, and has imported the module if any has; else None."""
        self._idle.sort(key=lambda each: module in each.modules)
        while self._idle:
            worker = self._idle.pop()
            if worker.alive:
                return worker
            await worker.kill()  # the system has taken it away
        return None

    async def close(self) -> None:
        """End them all."""
        while self._idle:
            await self._idle.pop().kill()
