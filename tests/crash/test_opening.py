"""Opening a store again: what was found is written down before anybody takes anything."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from dagger import Config, Executor, Linear, agent
from tests.crash.disks import DEAD, BadDisk
from tests.crash.owners import own, take_over_and_die
from tests.crash.processes import finished, running
from tests.crash.test_poison import blamed
from tests.promises.conftest import Audited
from tests.promises.gates import Gate
from tests.waiting import turns, until


@pytest.mark.parametrize("resume", [True, False], ids=["resumed", "left alone"])
async def test_nothing_is_taken_before_it_is_open(tmp_path: Path, resume: bool) -> None:
    """Work of a dead process is not begun again before its death is on disk; nor at all, if
    it is to be left alone.
    """
    with running(own, tmp_path) as child:
        child.until("at work")
    disk, gate = BadDisk(tmp_path), Gate()
    gate.open.set()

    async def go_on() -> None:
        async with Audited([gate.agent], store=disk, resume=resume) as executor:
            report = await executor.run("work", "in hand", run_id="open")
            assert report.status == ("completed" if resume else "paused")

    async with anyio.create_task_group() as group:
        with disk.stalled():
            group.start_soon(go_on)
            await until(lambda: disk.writes > 0)
            await turns()
            assert not gate.handled
    assert gate.handled == ["in hand"] * resume


async def test_a_retry_waits_for_its_time_again(tmp_path: Path) -> None:
    """A delivery that waited for its next attempt still does, however slow the disk."""
    attempts: list[int] = []
    disk, config = BadDisk(tmp_path), Config(retry_strategy=Linear(0.01))

    @agent(subscribe="start", max_attempts=100)
    async def flaky(payload: int) -> None:
        attempts.append(payload)
        if len(attempts) < 3:
            raise ValueError("not yet")

    async def go_on() -> None:
        async with Audited([flaky], store=disk, config=config) as executor:
            assert (await executor.run("start", 0, run_id="case")).ok

    async with Executor([flaky], store=disk, config=config) as executor:
        live = await executor.start("start", 0, run_id="case")
        task = live.tasks.add_task("job", 1, 1)  # so that there is something to write down
        live.tasks.complete_task(task.id, True)
        await until(lambda: len(attempts) == 1)
    async with anyio.create_task_group() as group:
        with disk.stalled():
            group.start_soon(go_on)
            await until(lambda: disk.writes > 1)
            await turns()
    assert len(attempts) == 3


def test_a_death_is_told_once(tmp_path: Path) -> None:
    """Who is killed just as the death of another is on disk does not have it told again."""
    with running(own, tmp_path) as child:
        child.until("at work")
    with running(take_over_and_die, tmp_path) as child:
        assert child.ended() == DEAD
    finished(take_over_and_die, tmp_path)
    assert blamed(tmp_path, "open") == [1]
