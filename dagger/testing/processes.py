"""Worker processes without processes: each function runs on the loop itself, whole, in its turn."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from dagger.testing.threads import InlineThreads

if TYPE_CHECKING:
    from dagger.authoring.agent import Agent
    from dagger.words.config import Config


class InlineProcesses:
    """The `processes` of an executor whose time is virtual: a clock that jumps waits for none.

    What a function is given and what it returns goes through `pickle` all the same, so that
    what cannot travel is found.
    """

    def __init__(self, config: Config) -> None:
        self.room: AbstractAsyncContextManager[Any] = nullcontext()

    async def call(self, agent: Agent, given: Mapping[str, Any], node_id: str) -> Any:
        def call() -> Any:
            return _travelled(agent.handler(**_travelled(dict(given))))

        job = InlineThreads().start(call)
        await job.done.wait()
        return job.outcome()

    async def close(self) -> None:
        """There is nothing to end."""


def _travelled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))
