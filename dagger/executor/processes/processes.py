"""The worker processes of an executor, which cost nothing until an agent asks for one."""

from __future__ import annotations

import math
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dagger.authoring.agent import Agent
    from dagger.executor.processes.pool import Pool
    from dagger.words.config import Config


class Processes(Protocol):
    """Where the handlers of one executor run that are not to run in its own process."""

    @property
    def room(self) -> AbstractAsyncContextManager[Any]:
        """Waits until another call may begin; a call is made within it."""

    async def call(self, agent: Agent, given: Mapping[str, Any], node_id: str) -> Any:
        """What the agent's handler returns, called with what is given by name.

        Cancelled, it returns once the handler runs no more. Raises what the handler raises,
        WorkerCrashed, and SerializationError for what cannot travel between processes.
        """

    async def close(self) -> None:
        """Nothing more is called: end the processes, and return once they have ended."""


class WorkerProcesses:
    """Processes that are kept for the next call, until the executor stops.

    As many as the executor's `max_processes`, started when they are first needed.
    """

    def __init__(self, config: Config) -> None:
        self._most = config.max_processes
        self._pool: Pool | None = None

    @property
    def room(self) -> AbstractAsyncContextManager[Any]:
        return self._opened().room

    async def call(self, agent: Agent, given: Mapping[str, Any], node_id: str) -> Any:
        return await self._opened().call(agent, given, node_id)

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()

    def _opened(self) -> Pool:
        if self._pool is None:
            # Late, for `pickle` and `subprocess`, which hardly any program needs.
            from dagger.executor.machine import cpus
            from dagger.executor.processes.pool import Pool

            self._pool = Pool(math.ceil(cpus()) if self._most == "cpus" else self._most)
        return self._pool
