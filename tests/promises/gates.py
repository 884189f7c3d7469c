"""Agents that hold what they are given until a test lets go of it."""

from __future__ import annotations

from typing import Any

import anyio

from dagger import Agent, Executor, LiveRun, agent
from tests.waiting import in_hand, until


@agent(subscribe="start", publish="work", publish_each=True)
async def spread(payload: list[Any]) -> list[Any]:
    """Publish a list item by item, in one settle."""
    return payload


class Gate:
    """An agent that notes what it is given, and holds on to it until it is opened."""

    def __init__(self, name: str = "work", subscribe: str = "work", **options: Any) -> None:
        self.handled: list[Any] = []
        self.open = anyio.Event()

        @agent(name=name, subscribe=subscribe, **options)
        async def hold(payload: Any) -> None:
            self.handled.append(payload)
            await self.open.wait()

        self.agent: Agent = hold


async def filled(executor: Executor, channel: str = "work", pending_: int = 0) -> LiveRun:
    """A run, held open by the caller, with one delivery in hand and some more pending."""
    live = await executor.start(channel, "in hand")
    await until(lambda: in_hand(executor) == 1)
    for number in range(pending_):
        await live.publish(channel, number)
    return live


def endless(ended: list[Any], **options: Any) -> Agent:
    """An agent whose handler only ends by being cancelled."""

    @agent(name="endless", subscribe="start", **options)
    async def wait(payload: Any) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(payload)

    return wait
