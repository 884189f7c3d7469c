"""Waiting for a live run that nothing inside of it can move."""

from __future__ import annotations

from typing import Any

import anyio

from dagger import Executor, MemoryStore, agent


@agent(name="needed", subscribe="start")
async def needed(payload: Any) -> None:
    """Wait for ever, in hand when the executor stops."""
    await anyio.sleep_forever()


@agent(name="other", subscribe="elsewhere")
async def other(payload: Any) -> None:
    """An agent that the run does not need."""


async def test_a_paused_run_is_reported_open() -> None:
    """Running a run again whose agent is missing returns its report, which has not ended."""
    store = MemoryStore()
    async with Executor([needed], store=store) as executor:
        await executor.start("start", 1, run_id="paused")
    async with Executor([other], store=store) as executor:
        report = await executor.run("start", 1, run_id="paused")
        assert (report.status, report.ended) == ("paused", None)
        assert report.reason == "missing agents: needed"
