"""Fingerprints: a run that goes on under other code than it was begun with says so."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from dagger import Agent, Executor, Store, agent
from dagger.words.records import RunCancelling
from tests.promises.conftest import MakeExecutor
from tests.state.meaning import live_state
from tests.waiting import in_hand, until


@agent(subscribe="start", publish="work")
async def spread(payload: Any) -> Any:
    """Code that stays as it is."""
    return payload


def waiting() -> Agent:
    """A worker that never ends."""

    @agent(name="work", subscribe="work", publish="out")
    async def work(payload: Any) -> Any:
        await anyio.sleep_forever()

    return work


def quick() -> Agent:
    """What becomes of it."""

    @agent(name="work", subscribe="work", publish="out")
    async def work(payload: Any) -> Any:
        return payload

    return work


def quick_too() -> Agent:
    """The same, in other words."""

    @agent(name="work", description="It is quick.", subscribe="work", publish="out")
    async def work(payload: Any) -> Any:
        """Be quick."""
        return payload  # as it is

    return work


async def left_open(executor: Executor, run_id: str = "mine") -> None:
    """A run that is at work when its executor stops."""
    async with executor:
        await executor.start("start", 1, run_id=run_id)
        await until(lambda: in_hand(executor) == 1)


def told(log: pytest.LogCaptureFixture) -> list[str]:
    """What was said of other code."""
    return [each.getMessage() for each in log.records if "other code" in each.getMessage()]


async def test_going_on_under_other_code_is_told(
    make_executor: MakeExecutor, lasting: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning names the run and the agents that changed; so does its report, for good."""
    await left_open(make_executor([spread, waiting()], store=lasting))
    async with make_executor([spread, quick()], store=lasting) as executor:
        report = await executor.live("mine").result()
        assert report.outputs == {"out": [1]}
        assert told(caplog) == ["run 'mine' was begun under other code of: work"]
        fresh = await executor.run("start", 2)
    assert (report.changed, fresh.changed) == (("work",), ())
    assert report.to_dict()["changed"] == ["work"]
    assert "begun under other code of: work" in str(report)
    assert "other code" not in str(fresh)
    async with make_executor([spread, waiting()], store=lasting) as executor:
        assert executor.live("mine").report().changed == ("work",)
    assert len(told(caplog)) == 1


async def test_the_same_code_is_not_worth_a_word(
    make_executor: MakeExecutor, lasting: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is said where agents have other comments, or where one is new."""
    await left_open(make_executor([spread, waiting()], store=lasting))
    async with make_executor([spread, waiting(), other()], store=lasting) as executor:
        assert executor.live("mine").report().changed == ()
    async with make_executor([spread, quick(), other()], store=lasting) as executor:
        await executor.live("mine").pause()
    assert told(caplog) == ["run 'mine' was begun under other code of: work"]
    async with make_executor([spread, quick_too(), other()], store=lasting) as executor:
        await executor.live("mine").resume()
        assert (await executor.live("mine").result()).changed == ("work",)
    assert len(told(caplog)) == 1


def other() -> Agent:
    """An agent that is new."""

    @agent(name="other", subscribe="out")
    async def hear() -> None:
        """It has nothing to do with it."""

    return hear


async def test_a_run_that_is_left_alone_is_not_told_of(
    make_executor: MakeExecutor, lasting: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """What matters is the code that it goes on under, when it does."""
    await left_open(make_executor([spread, waiting()], store=lasting))
    async with make_executor([spread, quick()], store=lasting, resume=False) as executor:
        live = executor.live("mine")
        assert (live.report().changed, told(caplog)) == ((), [])
        await live.resume()
        assert (await live.result()).changed == ("work",)
    assert len(told(caplog)) == 1


async def test_an_agent_that_comes_late_is_told_of(
    make_executor: MakeExecutor, lasting: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """So it is with an agent that was missing, and comes back as another."""
    await left_open(make_executor([spread, waiting()], store=lasting))
    async with make_executor([spread], store=lasting) as executor:
        assert executor.live("mine").status == "paused"
        executor.register(quick())
        assert (await executor.live("mine").result()).changed == ("work",)
    assert told(caplog) == ["run 'mine' was begun under other code of: work"]


async def test_a_run_that_only_ends_is_not_told_of(
    make_executor: MakeExecutor, lasting: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the process died while a run was cancelled, no more code of anybody is called."""
    await left_open(make_executor([spread, waiting()], store=lasting))
    await lasting.open()
    lasting.append(RunCancelling(1, "cancelled", "enough", 0.0))
    await lasting.close()
    async with make_executor([spread, quick()], store=lasting) as executor:
        report = executor.live("mine").report()
    assert (report.status, report.changed, told(caplog)) == ("cancelled", (), [])


async def test_a_fork_is_begun_under_the_code_of_now(
    make_executor: MakeExecutor, lasting: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """A fork of a run that changed, or was begun under other code, has not changed itself."""
    await left_open(make_executor([spread, waiting()], store=lasting))
    async with make_executor([spread, quick()], store=lasting) as executor:
        assert (await executor.live("mine").result()).changed == ("work",)
        fork = await executor.fork("mine", "mine.1.0", run_id="fork")
        assert (await fork.result()).changed == ()
    async with make_executor([spread, quick()], store=lasting) as executor:
        assert executor.live("fork").report().changed == ()
    assert len(told(caplog)) == 1


async def test_runs_share_what_they_remember(make_executor: MakeExecutor, lasting: Store) -> None:
    """All that were begun under the same agents hold one object, also when it is read again."""
    for make in (waiting, quick, quick):
        async with make_executor([spread, make()], store=lasting) as executor:
            await executor.start("start", 1)
            state = live_state(executor)
            assert len(state.codes) == 12
            assert {id(run.codes) for run in state.runs.values()} == {id(state.codes)}


async def test_without_a_store_none_is_taken(make_executor: MakeExecutor) -> None:
    """An executor that nothing outlives does not ask what its agents are."""
    async with make_executor([spread, waiting()], store=None) as executor:
        assert {each.code for each in live_state(executor).subscribers.values()} == {""}
