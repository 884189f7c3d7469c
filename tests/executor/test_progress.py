"""Progress: how far a run has come, agent by agent, at any time."""

from __future__ import annotations

from typing import Any

import anyio

from dagger import Executor, agent
from dagger.executor.listing import AgentProgress
from dagger.words.outcomes import RunStatus


async def test_progress_accounts_for_every_delivery() -> None:
    """Handled, lost, pending and in hand are all there is of what an agent was given."""
    busy, go = anyio.Event(), anyio.Event()

    @agent(subscribe="jobs", capacity=2, overflow="drop_oldest", max_attempts=1)
    async def work(payload: int) -> None:
        if payload == 1:
            raise ValueError("one")
        if payload == 2:
            busy.set()
            await go.wait()

    @agent(subscribe="nothing")
    async def idle(payload: Any) -> None: ...

    async with Executor([work, idle]) as executor, await executor.start("jobs", 1) as run:
        await run.publish("jobs", 2)
        await busy.wait()
        for number in range(3, 8):
            await run.publish("jobs", number)
        progress = run.progress()
        assert (progress.run_id, progress.status) == (run.id, RunStatus.RUNNING)
        assert progress.messages == 7
        assert progress.agents == {
            "work": AgentProgress(handled=1, failed=1, lost=3, pending=2, in_hand=1),
            "idle": AgentProgress(handled=0, failed=0, lost=0, pending=0, in_hand=0),
        }
        go.set()
        await executor.drain()
    report, progress = await run.result(), run.progress()
    assert (progress.status, progress.seconds) == (report.status, report.seconds)
    assert progress.agents["work"] == AgentProgress(4, 1, 3, 0, 0)
