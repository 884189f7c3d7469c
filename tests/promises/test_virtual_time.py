"""On a virtual clock hours pass in a moment: nothing in the core waits for real time."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from dagger import Context, Executor, Exponential, Linear, LoopClock, MemoryStore, agent
from dagger.testing import simulate
from tests import virtual
from tests.patience import PATIENCE

HOUR = 3600.0


OnVirtualTime = Callable[[Callable[[], Awaitable[Any]]], Any]


def on_our_loop(main: Callable[[], Awaitable[Any]]) -> Any:
    """What `main` returns, simulated."""
    return simulate(main, limit=math.inf)


@pytest.fixture(params=[virtual.on_virtual_time, on_our_loop])
def on_virtual_time(request: pytest.FixtureRequest) -> OnVirtualTime:
    """Runs a program on virtual time, of either kind, and sees that it takes no time."""

    def run(main: Callable[[], Awaitable[Any]]) -> Any:
        began = time.perf_counter()
        result = request.param(main)
        assert time.perf_counter() - began < PATIENCE
        return result

    return run


def an_executor(*agents: Any, **options: Any) -> Executor:
    """An executor whose wall time follows the loop's clock."""
    return Executor(agents, clock=LoopClock(), **options)


def test_an_hour_of_sleep_passes_at_once(on_virtual_time: OnVirtualTime) -> None:
    """`ctx.sleep(3600)` lasts an hour of wall time, and no time at all."""

    @agent(subscribe="start")
    async def sleeper(payload: Any, ctx: Context) -> None:
        await ctx.sleep(HOUR)

    async def main() -> Any:
        async with an_executor(sleeper) as executor:
            return await executor.run("start", None)

    report = on_virtual_time(main)
    assert report.status == "completed"
    assert report.seconds == pytest.approx(HOUR)


def test_retries_wait_as_long_as_their_strategy_says(on_virtual_time: OnVirtualTime) -> None:
    """The times between attempts are those of the strategy, to the second."""
    times: list[float] = []

    @agent(
        subscribe="start",
        max_attempts=5,
        retry=Exponential(initial_delay=60, max_delay=500, multiplier=3, jitter=0),
    )
    async def failing(payload: Any) -> None:
        times.append(anyio.current_time())
        raise ValueError("again")

    async def main() -> Any:
        async with an_executor(failing) as executor:
            return await executor.run("start", None)

    report = on_virtual_time(main)
    assert report.dead_letters_total == 1
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert gaps == pytest.approx([60, 180, 500, 500])


def test_a_day_of_delays_holds_no_worker(on_virtual_time: OnVirtualTime) -> None:
    """A hundred deliveries that each wait an hour for their retry wait together."""

    @agent(subscribe="start", retry=Linear(HOUR), publish="out")
    async def flaky(payload: int, ctx: Context) -> int:
        if ctx.attempt < 3:
            raise ValueError("later")
        return payload

    async def main() -> Any:
        async with an_executor(flaky) as executor:
            async with await executor.start("start", 0) as run:
                for number in range(1, 100):
                    await run.publish("start", number)
            return await run.result()

    report = on_virtual_time(main)
    assert report.status == "completed"
    assert len(report.outputs["out"]) == 100
    assert report.seconds == pytest.approx(2 * HOUR)


def test_a_run_timeout_is_active_time(on_virtual_time: OnVirtualTime) -> None:
    """A run of an hour's timeout may wait for people for a day, and sleep for half an hour."""

    @agent(subscribe="start", publish="out")
    async def working(payload: float, ctx: Context) -> Any:
        await ctx.sleep(payload)
        answer = await ctx.ask("go on?")
        await ctx.sleep(payload)
        return answer

    async def main() -> Any:
        async with an_executor(working) as executor:
            reports = []
            for seconds in (0.4 * HOUR, 0.6 * HOUR):
                run = await executor.start("start", seconds, timeout=HOUR)
                assert (await run.result()).status == "waiting"
                await anyio.sleep(24 * HOUR)
                await run.answer("question-0", "yes")
                reports.append(await run.result())
            return reports

    within, beyond = on_virtual_time(main)
    assert within.status == "completed"
    assert within.seconds == pytest.approx(24.8 * HOUR)
    assert beyond.status == "timed_out"
    assert beyond.seconds == pytest.approx(25 * HOUR)


def test_a_deadline_is_wall_time(on_virtual_time: OnVirtualTime) -> None:
    """`deadline=` passes while a run waits for people as well."""

    @agent(subscribe="start")
    async def asking(payload: Any, ctx: Context) -> None:
        await ctx.ask("?")

    async def main() -> Any:
        clock = LoopClock()
        async with Executor([asking], clock=clock) as executor:
            run = await executor.start("start", None, deadline=clock.now() + HOUR)
            await run.result()
            await anyio.sleep(HOUR + 1)
            return await run.result()

    assert on_virtual_time(main).status == "timed_out"


def test_an_agent_timeout_counts_running_time_only(on_virtual_time: OnVirtualTime) -> None:
    """An attempt with a minute to run may wait for hours; beyond the minute it fails."""

    @agent(subscribe="start", timeout=60, max_attempts=1, publish="out")
    async def working(payload: float, ctx: Context) -> str:
        await anyio.sleep(payload)
        await ctx.sleep(HOUR)
        await anyio.sleep(payload)
        return "done"

    async def main() -> Any:
        async with an_executor(working) as executor:
            return [await executor.run("start", seconds) for seconds in (29, 31)]

    within, beyond = on_virtual_time(main)
    assert within.status == "completed"
    assert within.seconds == pytest.approx(HOUR + 58)
    assert beyond.error.type == "TimeoutExceeded"
    assert beyond.seconds == pytest.approx(HOUR + 60)


def test_what_ignores_its_cancellation_has_its_grace(on_virtual_time: OnVirtualTime) -> None:
    """`cancel_grace` (5 s) is what a handler has to end by itself, no more and no less."""

    @agent(subscribe="start")
    async def tidy(payload: float) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(payload)

    async def main() -> Any:
        async with an_executor(tidy) as executor:
            reports = []
            for seconds in (4, 6):
                run = await executor.start("start", seconds)
                await anyio.sleep(1)
                reports.append(await run.cancel())
            return reports

    within, beyond = on_virtual_time(main)
    assert within.abandoned == ()
    assert within.seconds == pytest.approx(5)
    assert len(beyond.abandoned) == 1
    assert beyond.seconds == pytest.approx(6)


def test_a_restart_neither_shortens_nor_lengthens_a_wait(on_virtual_time: OnVirtualTime) -> None:
    """Sleeps and retry delays go on after a restart where they were, downtime included."""
    ended: dict[str, float] = {}

    @agent(subscribe="start")
    async def sleeper(payload: Any, ctx: Context) -> None:
        await ctx.sleep(HOUR)
        ended["sleep"] = anyio.current_time()

    @agent(subscribe="start", retry=Linear(HOUR))
    async def failing(payload: Any, ctx: Context) -> None:
        if ctx.attempt == 1:
            raise ValueError("in an hour")
        ended["retry"] = anyio.current_time()

    async def main() -> Any:
        store, clock = MemoryStore(), LoopClock()
        began = anyio.current_time()
        async with Executor([sleeper, failing], store=store, clock=clock) as executor:
            await executor.start("start", None, run_id="long")
            await anyio.sleep(HOUR / 4)
        await anyio.sleep(HOUR / 4)
        async with Executor([sleeper, failing], store=store, clock=clock) as executor:
            report = await executor.live("long").result()
        return report, {name: at - began for name, at in ended.items()}

    report, times = on_virtual_time(main)
    assert report.status == "completed"
    assert times == pytest.approx({"sleep": HOUR, "retry": HOUR})


def test_an_idle_executor_is_idle(on_virtual_time: OnVirtualTime) -> None:
    """An executor with open runs that wait takes no time: nothing in it polls."""

    @agent(subscribe="start")
    async def asking(payload: Any, ctx: Context) -> None:
        await ctx.ask("?")

    async def main() -> Any:
        async with an_executor(asking) as executor:
            for _ in range(10):
                await executor.run("start", None)
            await anyio.sleep(1_000_000 * HOUR)
            return len(await executor.drain())

    assert on_virtual_time(main) == 10
