"""Simulations of agents: virtual time, drawn orders, and a seed that does the same again."""

from __future__ import annotations

import hashlib
import os
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import anyio
import pytest

from dagger import Agent, Context, LmdbStore, LoopClock, MemoryStore, agent
from dagger.executor.drive import LONG_STEP
from dagger.testing import (
    InlineThreads,
    LaggingStore,
    SimulationStuck,
    explore,
    simulate,
    simulated,
)
from tests.testing.workload import NewStore, workload

ROOT = Path(__file__).parents[2]
HOUR = 3600.0


@agent(subscribe="start", publish="out")
async def sleeper(payload: int, ctx: Context) -> int:
    """Sleep for an hour."""
    await ctx.sleep(HOUR)
    return payload


def test_wall_time_is_virtual() -> None:
    """An hour's sleep takes an hour of the report, and of the clock of the loop."""

    async def main() -> Any:
        async with simulated(sleeper) as executor:
            return await executor.run("start", 1), anyio.current_time()

    report, now = simulate(main)
    assert (report.status, report.seconds, now) == ("completed", HOUR, HOUR)


def test_plain_functions_run_inline() -> None:
    """A plain `def`, and a plain step, run on the one thread there is, whole."""
    threads: set[int] = set()

    @agent(subscribe="start", publish="plain")
    def plain(payload: int, ctx: Context) -> int:
        threads.add(threading.get_ident())
        ctx.log("inline")
        ctx.cache.set("seen", payload)
        ctx.tasks.add_task("work", {}, 1)
        return payload + 1

    @agent(subscribe="plain", publish="out")
    async def stepping(payload: int, ctx: Context) -> int:
        def step() -> int:
            threads.add(threading.get_ident())
            return payload + 1

        return int(await ctx.step("step", step))

    @agent(subscribe="start", max_attempts=1, on_failure="continue")
    def failing() -> None:
        raise LookupError("inline")

    async def main() -> Any:
        async with simulated(plain, stepping, failing) as executor:
            return await executor.run("start", 1)

    report = simulate(main)
    assert report.outputs == {"out": [3]}
    assert report.error.type == "LookupError"
    assert threads == {threading.get_ident()}


async def test_inline_threads_do_on_any_loop() -> None:
    """What is inlined has its outcome on asyncio and trio as well."""
    threads = InlineThreads()
    job = threads.start(threading.get_ident)
    await job.done.wait()
    assert job.outcome() == threads.on_loop(threading.get_ident) == threading.get_ident()
    threads.close()


def test_a_failure_tells_its_seed() -> None:
    """What is raised has a note with the call that does the same again."""

    async def unlucky() -> None:
        raise LookupError("its own")

    with pytest.raises(LookupError) as caught:
        simulate(unlucky, seed=417)
    assert caught.value.__notes__ == ["seed 417: simulate(unlucky, seed=417) does the same again"]


def test_exploring_counts_what_came_out() -> None:
    """Each seed is simulated once, and each result counted; the first failure is raised."""
    drawn: list[int] = []

    async def draw() -> int:
        drawn.append(random.randrange(2))
        return drawn[-1]

    found = explore(draw, seeds=range(50))
    assert found == {0: drawn.count(0), 1: drawn.count(1)}
    assert found.total() == 50
    assert min(found.values()) > 5

    async def fail_at_one() -> None:
        assert await draw() == 0

    with pytest.raises(AssertionError) as caught:
        explore(fail_at_one)
    assert f"seed={drawn[:50].index(1)}" in caught.value.__notes__[-1]


def test_random_numbers_are_drawn_by_the_seed() -> None:
    """`random` draws the same for the same seed, and goes on afterwards as if nothing was."""

    async def draw() -> float:
        return random.random()

    random.seed(1)
    expected = [random.random() for _ in range(2)]
    random.seed(1)
    before = random.random()
    assert simulate(draw, seed=7) == simulate(draw, seed=7) != simulate(draw, seed=8)
    assert [before, random.random()] == expected


def digest(store: NewStore, seeds: range) -> str:
    """What becomes of a workload under some seeds, record by record."""
    found = hashlib.sha256()
    for seed in seeds:
        kept = store()
        simulate(workload(kept), seed=seed)
        found.update(repr(list(kept.read())).encode())
    return found.hexdigest()


@pytest.mark.proof
@pytest.mark.parametrize("store", [MemoryStore, LaggingStore])
def test_a_seed_does_the_same_again_in_any_process(store: Any) -> None:
    """Record by record, whatever the addresses of objects and the hashes of strings are."""
    here = digest(store, range(5))
    program = (
        "from dagger import MemoryStore; from dagger.testing import LaggingStore; "
        "from tests.testing.test_simulation import digest; "
        f"print(digest({store.__name__}, range(5)))"
    )
    for hashes in ("1", "2"):
        paths = os.pathsep.join((str(ROOT), str(ROOT / "agents")))
        ran = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": hashes, "PYTHONPATH": paths},
            cwd=ROOT,
            capture_output=True,
            check=True,
            text=True,
        )
        assert ran.stdout.strip() == here


def test_slow_code_changes_no_order() -> None:
    """A handler that keeps the loop for long, in real time, takes no virtual time."""

    def main(seconds: float, store: MemoryStore) -> Callable[[], Coroutine[Any, Any, None]]:
        @agent(subscribe="start", publish="work", publish_each=True)
        async def spread(payload: int) -> list[int]:
            return list(range(payload))

        def slow(name: str) -> Agent:
            @agent(name=name, subscribe="work")
            async def handle() -> None:
                time.sleep(seconds)  # noqa: ASYNC251 - which is what is tried

            return handle

        async def run() -> None:
            async with simulated(spread, slow("a"), slow("b"), store=store) as executor:
                await executor.run("start", 10, run_id="run")

        return run

    quick, slow = MemoryStore(), MemoryStore()
    simulate(main(0, quick))
    simulate(main(2 * LONG_STEP, slow))
    assert list(quick.read()) == list(slow.read())


def test_seeds_differ() -> None:
    """Other seeds do other things."""
    assert len({digest(MemoryStore, range(seed, seed + 1)) for seed in range(20)}) > 10


def test_a_run_that_hangs_is_told_with_its_agent() -> None:
    """A handler that waits for what never comes is named, with and without a store."""

    @agent(subscribe="start")
    async def hanging() -> None:
        await anyio.Event().wait()

    def main(**options: Any) -> Callable[[], Coroutine[Any, Any, None]]:
        async def run() -> None:
            async with simulated(hanging, **options) as executor:
                await executor.run("start", None)

        return run

    place = rf"'dagger agent hanging' in .*hanging \({re.escape(__file__)}:\d+\)"
    with pytest.raises(SimulationStuck, match=place):
        simulate(main())
    with pytest.raises(SimulationStuck, match=place):
        simulate(main(store=MemoryStore()))  # whose snapshots go on for ever


def test_a_store_on_disk_is_refused(tmp_path: Path) -> None:
    """Its thread would have to be waited for: the simulation says so, and does not hang."""

    async def main() -> None:
        async with simulated(sleeper, store=LmdbStore(tmp_path / "store")) as executor:
            await executor.run("start", None)

    with pytest.raises(SimulationStuck, match="thread"):
        simulate(main)


def test_a_loop_clock_is_virtual_too() -> None:
    """`clock=LoopClock()`, which is for trio's virtual clock as well, follows this one."""

    async def main() -> Any:
        async with simulated(sleeper, clock=LoopClock(1.0)) as executor:
            return await executor.run("start", 1)

    report = simulate(main)
    assert (report.started, report.ended) == (1.0, 1.0 + HOUR)
