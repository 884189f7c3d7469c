"""One executor at a time runs a store, whoever its process is and whatever it forks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dagger import Executor, LockError, RunConflict
from dagger.store.reader import StoreReader
from tests.crash.owners import ENDS, FORKS, echo, fork, fork_and_end, own
from tests.crash.processes import finished, running
from tests.promises.conftest import Audited
from tests.promises.gates import Gate
from tests.waiting import turns

# -- a second owner ------------------------------------------------------------------


async def test_a_second_process_is_refused(tmp_path: Path) -> None:
    """A store in use names the process and the host that has it; readers need not ask."""
    with running(own, tmp_path) as child:
        child.until("at work")
        with pytest.raises(LockError, match=f"in use by process {child.pid} on ") as caught:
            await Executor([echo], store=tmp_path).__aenter__()
        assert (caught.value.pid, caught.value.host) == (child.pid, os.uname().nodename)
        with StoreReader(tmp_path) as reader:
            owner = reader.owner()
            assert owner is not None
            assert owner.pid == child.pid


async def test_a_second_executor_is_refused(tmp_path: Path) -> None:
    """So is one of the same process, by whatever name it calls the folder; the first goes on."""
    store = tmp_path / "store"
    (tmp_path / "link").symlink_to(store)
    async with Audited([echo], store=store) as executor:
        for name in (store, str(store), store / ".." / "store", tmp_path / "link"):
            with pytest.raises(LockError, match=f"in use by process {os.getpid()} on "):
                await Executor([echo], store=name).__aenter__()
        assert (await executor.run("start", 1)).outputs == {"out": [1]}


async def test_a_dead_owner_is_succeeded(tmp_path: Path) -> None:
    """The store of a process that was killed is free at once, and its runs go on."""
    with running(own, tmp_path) as child:
        child.until("at work")
    with StoreReader(tmp_path) as reader:
        assert reader.owner() is None
    gate = Gate()
    gate.open.set()
    async with Audited([echo, gate.agent], store=tmp_path) as executor:
        assert (await executor.run("start", 1, run_id="ended")).outputs == {"out": [1]}
        assert (await executor.run("work", "in hand", run_id="open")).ok
    assert gate.handled == ["in hand"]


# -- a fork --------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORKS)
def test_a_fork_may_not_use_the_store(tmp_path: Path, name: str) -> None:
    """A copy of the owner's process is refused whatever it asks for; the owner goes on."""
    heard = finished(fork, tmp_path, name)
    assert heard == [
        ("refused", FORKS[name][1]),
        ("child", 0),
        ("outputs", {"out": [1, 3]}),
        ("still owned", True),
    ]


@pytest.mark.parametrize("way", ENDS)
def test_a_fork_that_ends_harms_nobody(tmp_path: Path, way: str) -> None:
    """However a copy of the owner's process ends, the owner keeps its store."""
    assert finished(fork_and_end, tmp_path, way) == [
        ("outputs", {"out": [1, 0, 1, 2]}),
        ("still owned", True),
    ]


# -- a program that has changed ------------------------------------------------------


async def test_a_missing_agent_pauses_its_runs(tmp_path: Path) -> None:
    """A killed run goes on without one of its agents as far as to be paused, and names it;
    once the agent is there again, it is finished.
    """
    with running(own, tmp_path) as child:
        child.until("at work")
    async with Audited([echo], store=tmp_path) as executor:
        report = await executor.run("work", "in hand", run_id="open")
        assert (report.status, report.reason) == ("paused", "missing agents: work")
        assert (await executor.run("start", 2)).outputs == {"out": [2]}
    gate = Gate()
    gate.open.set()
    async with Audited([echo, gate.agent], store=tmp_path) as executor:
        assert (await executor.run("work", "in hand", run_id="open")).ok
    assert gate.handled == ["in hand"]


async def test_another_payload_is_a_conflict(tmp_path: Path) -> None:
    """A run id that stands for other work is refused, whether that has ended or not."""
    with running(own, tmp_path) as child:
        child.until("at work")
    gate = Gate()
    async with Audited([echo, gate.agent], store=tmp_path) as executor:
        for run_id in ("ended", "open"):
            for call in (executor.run, executor.start, executor.publish):
                with pytest.raises(RunConflict, match=f"run '{run_id}' exists with another first"):
                    await call("start", "something else", run_id=run_id)
                with pytest.raises(RunConflict):
                    await call("work", 1, run_id=run_id)
        await turns()
        assert [each.messages for each in executor.runs()] == [2, 1]
