"""One end: every run, stream and waiter ends exactly once, on every path."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from dagger import Config, Context, Executor, MemoryStore, agent
from dagger.words.errors import ExecutorStopped, RunClosed
from tests.patience import SLOWER
from tests.promises.conftest import MakeExecutor
from tests.waiting import in_hand, turns, until


@agent(subscribe="start", publish="out", max_attempts=1)
async def scenario(payload: str, ctx: Context) -> str:
    """End in the way that the payload says."""
    match payload:
        case "fails":
            raise ValueError("dead")
        case "asks":
            await ctx.ask("?")
        case "endless":
            await anyio.sleep_forever()
        case "spends":
            await ctx.spend(tokens=1_000)
    return payload


@agent(subscribe="stop", on_failure="stop", max_attempts=1)
async def stopper(payload: Any) -> None:
    """Stop the run."""
    raise ValueError("stop")


async def by_itself(executor: Executor, run: Any) -> None:
    """Nothing needs to be done."""


async def by_cancel(executor: Executor, run: Any) -> None:
    """Cancel it."""
    await run.cancel()


async def by_stop(executor: Executor, run: Any) -> None:
    """Stop the executor."""
    await executor.stop()


async def by_unregister(executor: Executor, run: Any) -> None:
    """Let its agent go: what is pending is discarded."""
    executor.unregister("scenario")


async def by_failure(executor: Executor, run: Any) -> None:
    """Let an agent stop it."""
    await run.publish("stop", None)


PATHS: dict[str, tuple[str, Callable[[Executor, Any], Any], dict[str, Any], str]] = {
    "completes": ("completes", by_itself, {}, "completed"),
    "fails": ("fails", by_itself, {}, "failed"),
    "times out": ("endless", by_itself, {"timeout": 0.02}, "timed_out"),
    "passes its deadline": ("endless", by_itself, {"deadline": 1.0}, "timed_out"),
    "spends too much": ("spends", by_itself, {"max_tokens": 5}, "over_budget"),
    "says too much": ("completes", by_itself, {"max_messages": 1}, "over_budget"),
    "is cancelled": ("endless", by_cancel, {}, "cancelled"),
    "is cancelled while it asks": ("asks", by_cancel, {}, "cancelled"),
    "is stopped by a failure": ("endless", by_failure, {}, "failed"),
    "ends with the executor": ("endless", by_stop, {}, "cancelled"),
    "asks when the executor ends": ("asks", by_stop, {}, "cancelled"),
}


@pytest.mark.parametrize(
    ("payload", "end", "limits", "status"), PATHS.values(), ids=list(PATHS)
)  # fmt: skip
async def test_every_waiter_of_a_run_ends_with_it(
    payload: str, end: Callable[[Executor, Any], Any], limits: dict[str, Any], status: str
) -> None:
    """However a run ends, `result()`, its streams and `drain()` end, and all tell the same."""
    reports: list[Any] = []
    ended: list[str] = []
    async with anyio.create_task_group() as waiters, Executor([scenario, stopper]) as executor:
        run = await executor.start("start", payload, **limits)

        async def wait_for_result() -> None:
            report = await run.result()
            while report.ended is None:
                await anyio.lowlevel.checkpoint()
                report = await run.result()
            reports.append(report)

        async def read(stream: Any) -> None:
            last = [event async for event in stream][-1:]
            ended.extend(event.status for event in last)

        async def drain() -> None:
            try:
                await executor.drain()
            except ExecutorStopped:
                ended.append("drain refused")
            else:
                ended.append("drained")

        for _ in range(3):
            waiters.start_soon(wait_for_result)
            waiters.start_soon(read, run.outcomes())
            waiters.start_soon(read, run.watch())
            waiters.start_soon(drain)
        await turns()
        await end(executor, run)
        await until(lambda: len(reports) == 3)
    assert {report.status for report in reports} == {status}
    assert len({report.ended for report in reports}) == 1
    assert len(ended) == 9


async def test_a_run_whose_agent_goes_ends(make_executor: MakeExecutor) -> None:
    """Discarding all that is left of a run ends it."""
    gate = anyio.Event()

    @agent(subscribe="start")
    async def gated(payload: Any) -> None:
        await gate.wait()

    async with make_executor([gated]) as executor:
        run = await executor.start("start", 1)
        await run.publish("start", 2)
        await until(lambda: in_hand(executor) == 1)
        assert executor.unregister("gated") == 1
        gate.set()
        report = await run.result()
    assert report.status == "completed"
    assert report.dispositions == {"ok": 1, "discarded": 1}


@pytest.mark.parametrize("lasting", [False, True])
async def test_every_waiter_ends_with_the_executor(lasting: bool) -> None:
    """Who waits for a run, room, a turn at the gate, a drain or a stream is told of the stop."""
    ended: dict[str, Any] = {}

    @agent(subscribe="start", capacity=1, overflow="block")
    async def endless(payload: Any) -> None:
        await anyio.sleep_forever()

    store = MemoryStore(keep=lasting)
    config = Config(max_open_runs=1)
    async with anyio.create_task_group() as waiters:
        async with Executor([endless], store=store, config=config) as executor:
            run = await executor.start("start", 0)
            await until(lambda: in_hand(executor) == 1)
            await run.publish("start", 1)

            async def wait(name: str, call: Callable[[], Any]) -> None:
                try:
                    ended[name] = await call()
                except (ExecutorStopped, RunClosed) as error:
                    ended[name] = type(error)

            async def read(stream: Any) -> list[Any]:
                return [event async for event in stream]

            calls: dict[str, Callable[[], Any]] = {
                "result": run.result,
                "room": lambda: run.publish("start", 2),
                "gate": lambda: executor.start("start", 3),
                "gate of run": lambda: executor.run("start", 4),
                "gate of publish": lambda: executor.publish("start", 5),
                "drain": executor.drain,
                "outcomes": lambda: read(run.outcomes()),
                "watch": lambda: read(executor.watch()),
                "joined": lambda: executor.run("start", 0, run_id=run.id),
            }
            for name, call in calls.items():
                waiters.start_soon(wait, name, call)
            await turns()
            assert ended == {}
        await until(lambda: len(ended) == len(calls))
    assert ended["room"] in (RunClosed, ExecutorStopped)
    assert {ended[name] for name in calls if name.startswith("gate")} == {ExecutorStopped}
    if lasting:
        assert ended["result"] is ended["joined"] is ExecutorStopped
    else:
        assert ended["result"].status == ended["joined"].status == "cancelled"


async def test_a_waiter_that_leaves_changes_nothing(make_executor: MakeExecutor) -> None:
    """Cancelling one who waits for a run, room, or a turn takes nothing from the others."""
    gates = [anyio.Event() for _ in range(5)]

    @agent(subscribe="start", capacity=1, overflow="block", publish="out")
    async def gated(payload: int) -> int:
        await gates[payload].wait()
        return payload

    async with make_executor([gated], config={"max_open_runs": 1}) as executor:
        run = await executor.start("start", 0)
        await until(lambda: in_hand(executor) == 1)
        await run.publish("start", 1)
        reports: list[Any] = []

        async def next_run() -> None:
            reports.append(await executor.run("start", 3))

        async with anyio.create_task_group() as staying:
            async with anyio.create_task_group() as leaving:
                leaving.start_soon(run.result)
                leaving.start_soon(run.publish, "start", 4)
                leaving.start_soon(executor.run, "start", 4)
                leaving.start_soon(executor.drain)
                await turns()
                staying.start_soon(run.publish, "start", 2)
                staying.start_soon(next_run)
                await turns()
                leaving.cancel_scope.cancel()
            await turns()
            for gate in gates:
                gate.set()
        report = await run.result()
    assert report.outputs == {"out": [0, 1, 2]}
    assert reports[0].outputs == {"out": [3]}


async def test_a_run_ends_once(make_executor: MakeExecutor) -> None:
    """A run that could end in several ways at once ends in one, and stays so."""

    @agent(subscribe="start", timeout=0.02, on_failure="stop", max_attempts=1)
    async def endless(payload: Any, ctx: Context) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            await ctx.spend(tokens=1_000)

    async with make_executor([endless]) as executor:
        for slower in SLOWER:
            run = await executor.start("start", None, timeout=0.02 * slower, max_tokens=1)
            with contextlib.suppress(RunClosed):  # where it is over by now
                await run.publish("start", None)
                break
        with anyio.move_on_after(0.02):
            await run.result()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run.cancel)
            tasks.start_soon(run.cancel)
        report = await run.result()
        await turns()
        assert run.report().status == report.status
        assert run.report().ended == report.ended
    assert report.status in ("timed_out", "over_budget", "failed", "cancelled")
    assert report.handled == 2
