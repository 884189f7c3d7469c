"""Storms: all policies at once, in orders drawn by seeds, with what is on hand counted aside."""

from __future__ import annotations

import random
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from dagger import (
    Agent,
    ConcurrencyKey,
    Config,
    Context,
    Executor,
    Immediate,
    LiveRun,
    MemoryStore,
    RateLimit,
    ResourcePool,
    Resources,
    RunClosed,
    agent,
)
from dagger.rules.turns import Bound
from dagger.testing import assert_conserved, simulate, simulated
from tests.conftest import PROVE, Figures
from tests.state.meaning import live_state

SEEDS = range(60 if PROVE else 10)

POOL = {"cpu": 2.0, "gpu": 1.0, "seat": 2.0}
TOTALS = {**POOL, "all": 4.0, "a": 2.0, "b": 2.0}
"""All that is shared: resources, the executor's places, and those of two keys."""

CONFIG = Config(retry_strategy=Immediate(), max_concurrent=4, capacity=1_000)


FIRST = {"number": 3, "key": "a", "rank": 0}


class Watch:
    """What handlers have now, counted by the handlers; more than there is fails them."""

    def __init__(self) -> None:
        self.used: dict[str, float] = dict.fromkeys(TOTALS, 0.0)

    @contextmanager
    def using(self, needs: dict[str, float]) -> Iterator[None]:
        """A handler runs, and has so much."""
        for name, amount in needs.items():
            self.used[name] += amount
        try:
            over = {name: used for name, used in self.used.items() if used > TOTALS[name]}
            assert not over, over
            yield
        finally:
            for name, amount in needs.items():
                self.used[name] -= amount


def worker(watch: Watch, name: str, needs: dict[str, float], **options: Any) -> Agent:
    """An agent that waits, fails and asks, while others want what it has."""
    own = {each: amount for each, amount in needs.items() if each != "seat"}
    custom = {"seat": needs["seat"]} if "seat" in needs else {}

    @agent(
        name=name,
        publish=["d", "out"],
        resources=Resources(**own, custom=custom) if needs else None,
        **{"subscribe": name, "concurrency": 3, **options},
    )
    async def work(payload: dict[str, Any], ctx: Context) -> None:
        mine = {**needs, "all": 1, **({payload["key"]: 1} if name == "a" else {})}
        with watch.using(mine):
            await anyio.sleep(random.random() * 3)
            if random.random() < 0.15 and ctx.attempt < 3:
                raise ValueError("now and then")
            await ctx.step("once", lambda: payload["number"])
        if name != "d":
            match payload["number"] % 4:
                case 0:
                    await ctx.request("d", payload)
                case 1:
                    await ctx.sleep(random.random())
                    with watch.using(mine):
                        await anyio.lowlevel.checkpoint()
        ctx.cache.increment("done")

    return work


def agents(watch: Watch) -> list[Agent]:
    """Agents that compete for everything there is."""
    return [
        worker(watch, "a", {"cpu": 1}, concurrency_key=ConcurrencyKey("key", 2), priority="rank"),
        worker(watch, "b", {"cpu": 1.5, "gpu": 1}, preemptible=True),
        worker(watch, "c", {"gpu": 1, "seat": 2}, priority=2, timeout=20, max_attempts=5),
        worker(watch, "d", {"seat": 1}, preemptible=True, rate_limit=RateLimit(3, per=1)),
        worker(watch, "e", {}),
    ]


def nothing_is_kept(executor: Executor) -> None:
    """Nobody has anything, or waits, once all is done."""
    engine = executor._engine
    assert engine is not None
    policing = engine.policing
    bounds: list[Bound] = [bound for _, bound in policing.pool.rows()]
    bounds += [bound for bound, _ in policing.everybody]
    bounds += [crew.terms.places for crew in engine.crews.values()]
    assert all(each.idle and not each.used and not each.line for each in bounds)
    assert (policing.turns._flows, policing._aside, policing._lasting._known) == ({}, {}, {})


async def storm(store: MemoryStore | None) -> tuple[int, int]:
    """Several runs at once, one held to two, one cancelled, one paused for a while."""
    watch = Watch()
    pool = ResourcePool(cpu=POOL["cpu"], gpu=POOL["gpu"], custom={"seat": POOL["seat"]})
    executor = simulated(*agents(watch), config=CONFIG, resources=pool, store=store)
    async with executor:
        runs = [
            await executor.start("a", FIRST, run_id="run 0"),
            await executor.start("a", FIRST, run_id="run 1", max_concurrent=2),
            await executor.start("a", FIRST, run_id="run 2", priority=1),
            await executor.start("a", FIRST, run_id="run 3"),
        ]
        async with anyio.create_task_group() as tasks:
            for run in runs:
                tasks.start_soon(_feed, run)
            await anyio.sleep(2)
            await runs[0].pause("for a while")
            await runs[3].cancel("enough")
            await anyio.sleep(5)
            await runs[0].resume()
        reports = [await run.result() for run in runs]
        for report in reports:
            assert_conserved(report)
        done = sum(run.cache.get("done", default=0) for run in runs[:3])
        ok = sum(report.dispositions["ok"] for report in reports[:3])
        assert done == ok
        assert [report.status for report in reports[:3]] == ["completed"] * 3
        assert reports[3].status == "cancelled"
        nothing_is_kept(executor)
        assert not live_state(executor).runs[1].waits
    assert set(watch.used.values()) == {0.0}
    return ok, sum(report.retries for report in reports)


async def _feed(run: LiveRun) -> None:
    async with run:
        for number in range(12):
            name, key = random.choice("aaabbcde"), random.choice("ab")
            payload = {"number": number, "key": key, "rank": random.randrange(3)}
            await anyio.sleep(0.2 + random.random() / 3)
            try:
                await run.publish(name, payload)
            except RunClosed:
                return


@pytest.mark.parametrize("store", [None, MemoryStore])
def test_a_storm_of_everything_is_right_under_every_seed(
    store: type[MemoryStore] | None, figures: Figures
) -> None:
    """Never over-allocated, never leaked, nothing lost, nothing twice, no run stuck."""
    ok = retries = 0
    for seed in SEEDS:
        kept = None if store is None else store()
        main: partial[Coroutine[Any, Any, tuple[int, int]]] = partial(storm, kept)
        found = simulate(main, seed=seed, limit=10_000)
        ok, retries = ok + found[0], retries + found[1]
    figures(f"{len(SEEDS)} storms: {ok:,} done, {retries:,} retries; 0 over-allocated, 0 leaked")
