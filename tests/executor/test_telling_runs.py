"""The log `dagger.runs`: which runs begin and end, for whoever wants to know."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from dagger import Executor, agent


@agent(subscribe="start", publish="out")
async def echo(payload: int) -> int:
    """Answer with what came."""
    return 1 // payload


async def test_runs_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """At level INFO runs are told as they begin and end, forks as well."""
    with caplog.at_level(logging.INFO, "dagger.runs"):
        async with Executor([echo], store=tmp_path / "store") as executor:
            await executor.run("start", 1, run_id="good")
            fork = await executor.fork("good", "good.0.0", payload=0, run_id="bad")
            await fork.cancel("enough")
    begun, completed, forked, ended = caplog.messages
    assert begun == "run 'good' begins on 'start'"
    assert completed.startswith("run 'good' is completed after ")
    assert forked == "run 'bad' begins, as 'good' was at 'good.0.0'"
    assert ended.startswith("run 'bad' is cancelled after ")
    assert ended.endswith(": enough")


async def test_nobody_is_bothered(caplog: pytest.LogCaptureFixture) -> None:
    """Where nobody asks for it nothing is told."""
    async with Executor([echo]) as executor:
        await executor.run("start", 1)
    assert caplog.messages == []
