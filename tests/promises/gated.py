"""Agents and processes for a few tests about worker processes, at the top of a module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio

from dagger import Agent, Config, agent


class Gated:
    """Processes of which there is one, and in which everything takes ten seconds."""

    def __init__(self, config: Config) -> None:
        self.room = anyio.CapacityLimiter(1)

    async def call(self, agent: Agent, given: Mapping[str, Any], node_id: str) -> Any:
        await anyio.sleep(10)

    async def close(self) -> None: ...


@agent(subscribe="in", run_in="process", concurrency=4, timeout=15, max_attempts=1)
def slow(payload: int) -> None:
    """Never called."""


namesakes = []
for word in ("one", "two"):

    @agent(name=word, subscribe="in", run_in="process")
    def work(payload: Any) -> None:
        """Which of the two?"""

    namesakes.append(work)
