"""Worker processes without processes: each function runs on the loop itself, whole, in its turn."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from dagger.executor.processes.parcels import sealed, stays_in, stays_out
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
        """What the handler returns; what goes in and comes out goes through `pickle`."""
        job = InlineThreads().start(partial(_call, agent, given))
        await job.done.wait()
        return job.outcome()

    async def close(self) -> None:
        """There is nothing to end."""


def _call(agent: Agent, given: Mapping[str, Any]) -> Any:
    try:
        arguments = pickle.loads(sealed(dict(given)))
    except Exception as error:  # whatever a class of the user's own raises
        raise stays_out(error) from error
    value = agent.handler(**arguments)
    try:
        return pickle.loads(sealed(value))
    except Exception as error:
        raise stays_in(value, agent.name, error) from error
