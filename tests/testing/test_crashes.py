"""Crashes: whichever write a process dies at, the next one goes on, and dead is dead."""

from __future__ import annotations

import gc
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from dagger import Agent, Config, Context, Immediate, Store, agent
from dagger.testing import (
    Crash,
    SimulationStuck,
    assert_conserved,
    explore_crashes,
    simulated,
)
from dagger.testing.store_suite import RECORDS
from dagger.testing.stores import Disk, LaggingStore, MortalStore
from tests.conftest import PROVE, Figures
from tests.crashing import crashed
from tests.testing.shapes import NOBODY, SHAPES, Outside, Shape, step_before_publish

NEVER = 10**9
RECORD = RECORDS[0]
CONFIG = Config(retry_strategy=Immediate(), snapshot_every_records=7)


async def day(agents: list[Agent], store: Store) -> dict[str, Any]:
    """One run to its end, with somebody who answers; what came of it."""
    async with simulated(*agents, store=store, config=CONFIG) as executor:
        run = await executor.start("start", None, run_id="run")
        report = await run.result()
        while report.ended is None:
            for question in run.questions:
                if question.to == NOBODY:
                    await anyio.sleep(60)
                else:
                    await run.answer(question.id, question.name)
            report = await run.result()
        assert_conserved(report)
        return {
            "status": report.status,
            "outputs": {channel: sorted(each) for channel, each in report.outputs.items()},
            "dispositions": report.dispositions,
            "messages": report.messages,
            "open": [report.questions, report.open_tasks, report.open],
            "cache": {key: _sorted(run.cache.get(key)) for key in sorted(run.cache.keys())},
        }


def _sorted(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) else value


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
@pytest.mark.parametrize("times", [1, 2] if PROVE else [1])
def test_a_crash_at_any_write_changes_nothing(shape: Shape, times: int, figures: Figures) -> None:
    """What a program comes to is the same wherever it died, inside once and outside once a life."""
    undisturbed = Crash(NEVER).simulate(partial(day, shape(Counter())))

    def check(crash: Crash) -> None:
        outside = Outside()
        assert crash.simulate(partial(day, shape(outside))) == undisturbed
        assert all(1 <= count <= 1 + crash.happened for count in outside.values()), outside

    points = crashed(check, times)
    assert points > 1
    figures(f"{shape.__name__}: died {times} times at {points} writes; 0 lost, 0 twice")


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_unloading_changes_nothing(shape: Shape, figures: Figures) -> None:
    """Handlers that are let go of while they wait come to the same, and wherever they die."""

    def unloaded(outside: Outside) -> list[Agent]:
        return [replace(each, unload=True) for each in shape(outside)]

    undisturbed = Crash(NEVER).simulate(partial(day, shape(Counter())))

    def check(crash: Crash) -> None:
        outside = Outside()
        assert crash.simulate(partial(day, unloaded(outside))) == undisturbed
        assert all(1 <= count <= 1 + crash.happened for count in outside.values()), outside

    points = crashed(check)
    figures(f"{shape.__name__}, unloaded: died at {points} writes; 0 lost, 0 twice")


def test_what_a_crash_breaks_is_found_and_told() -> None:
    """A handler that believes what it noted outside is found out, with the crash to do it again."""

    def careless(outside: Outside) -> Agent:
        @agent(subscribe="start")
        async def ship(ctx: Context) -> None:
            if not outside["noted"]:
                outside["noted"] += 1
                await ctx.step("pack", lambda: None)
                await ctx.step("ship", lambda: outside.update(["shipped"]))

        return ship

    crashes: list[Crash] = []

    def check(crash: Crash) -> None:
        outside = Outside()
        crashes.append(crash)
        crash.simulate(partial(day, [careless(outside)]))
        assert outside["shipped"] == 1

    with pytest.raises(AssertionError) as caught:
        explore_crashes(check)
    found = crashes[-1]
    assert caught.value.__notes__ == [f"the check was given {found}"]
    again = eval(repr(found), {"Crash": Crash})
    with pytest.raises(AssertionError):
        check(again)


def test_a_failure_of_the_program_is_told_with_the_crash() -> None:
    """What the program itself raises, in whichever life, names the crash too."""
    lives: list[Store] = []

    async def fails_later(store: Store) -> None:
        lives.append(store)
        if len(lives) == 2:
            raise LookupError("in the second life")
        await day(step_before_publish(Counter()), store)

    with pytest.raises(LookupError) as caught:
        Crash(4, lingering=True).simulate(fails_later)
    assert "crash_at=4, lingering=True" in caught.value.__notes__[0]


def test_dead_is_dead() -> None:
    """Neither `finally` nor `except` of a dead process is run, then or ever."""
    log: list[str] = []

    def guarded() -> Agent:
        @agent(subscribe="start")
        async def guard(ctx: Context) -> None:
            try:
                await ctx.sleep(1)
            except BaseException:
                log.append("except")
                raise
            finally:
                log.append("finally")

        return guard

    for lingering in (False, True):
        crash = Crash(4, lingering)
        crash.simulate(partial(day, [guarded()]))
        assert crash.happened == 1
        gc.collect()
        assert log == ["finally"]  # of the second process
        log.clear()


@pytest.mark.parametrize("lingering", [False, True])
def test_who_lingers_gets_on_without_the_disk(lingering: bool) -> None:
    """Until it is dead a lingering process does all that it need not wait for."""
    went_on: list[int] = []

    async def main(store: Store) -> int:
        life = len(went_on)
        went_on.append(0)
        while store.position < 1:
            store.append(RECORD)
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
            went_on[life] += 1
        await store.flush()
        await anyio.sleep(1)
        went_on[life] += 100
        return life

    assert Crash(1, lingering).simulate(main) == 1
    assert went_on == [3 if lingering else 0, 103]


def test_time_goes_on_from_life_to_life() -> None:
    """The next process begins when the one before has died: what slept then, sleeps on."""
    began: list[float] = []

    @agent(subscribe="start")
    async def sleeper(ctx: Context) -> None:
        await ctx.sleep(3600)
        await ctx.step("wake", lambda: None)

    async def main(store: Store) -> float:
        began.append(anyio.current_time())
        async with simulated(sleeper, store=store) as executor:
            return (await executor.run("start", None, run_id="run")).seconds

    for crash_at in range(1, 8):
        began.clear()
        assert Crash(crash_at).simulate(main) == 3600
    assert began == [0, 3600]


def test_a_hang_in_any_life_is_told() -> None:
    """Who waits for ever after a crash is an error as well."""
    lives: list[int] = []

    async def main(store: Store) -> None:
        lives.append(1)
        if len(lives) == 2:
            await anyio.Event().wait()
        store.append(RECORD)
        await store.flush()

    with pytest.raises(SimulationStuck):
        Crash(1).simulate(main)


async def test_what_is_before_the_last_write_is_on_the_disk() -> None:
    """Whether or not the process has heard so: and nothing after it ever is."""
    for last in range(1, len(RECORDS) + 1):
        died: list[int] = []
        disk = Disk()
        store = MortalStore(disk, last, partial(died.append, 1))
        for record in RECORDS:
            store.append(record)
        assert store.dead
        assert died == [1]
        assert store.durable == 0
        with anyio.move_on_after(0.01) as patience:
            await store.flush()
        assert patience.cancelled_caught
        assert tuple(LaggingStore(disk).read()) == RECORDS[: last - 1]


async def test_what_belongs_together_dies_together() -> None:
    """Records of which one is the last write are lost with it, all that are together."""
    for last in range(1, 6):
        disk = Disk()
        store = MortalStore(disk, last, lambda: None)
        store.append(RECORDS[0])
        with store.together():
            for record in RECORDS[1:4]:
                store.append(record)
        store.append(RECORDS[4])
        kept = {1: 0, 5: 4}.get(last, 1)
        assert tuple(LaggingStore(disk).read()) == RECORDS[:kept]


async def test_a_snapshot_is_a_write() -> None:
    """A process may die as it makes one: then the one before is there."""
    for last, saved in ((3, 0), (4, 2)):
        disk, over = Disk(), anyio.Event()
        store = MortalStore(disk, last, over.set)
        for record in RECORDS[:2]:
            store.append(record)
        async with anyio.create_task_group() as group:
            group.start_soon(store.save, 2, {0: [b"world"]}, {}, ())
            if last == 3:
                await over.wait()
                group.cancel_scope.cancel()
        assert over.is_set() == (last == 3)
        assert LaggingStore(disk).saved() == saved
        assert LaggingStore(disk).durable == 2
