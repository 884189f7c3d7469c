"""On a disk that stalls, work runs ahead inside, and nothing is shown before it is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import pytest

from dagger import Context, Executor, LiveRun, Missed, Report, agent
from dagger.executor.events import Event
from dagger.store import lmdb
from tests.crash.disks import BadDisk
from tests.promises.conftest import Audited
from tests.promises.gates import Gate
from tests.waiting import in_hand, pending, turns, until

stepped: list[Any] = []


@agent(subscribe="work", publish="out")
async def work(payload: Any, ctx: Context) -> Any:
    """Say something, show something, answer."""
    ctx.log(f"at work on {payload}")
    await ctx.emit("out", payload)
    return payload


@agent(subscribe="steps")
async def step(payload: Any, ctx: Context) -> None:
    """Do something outside."""
    await ctx.step("outside", stepped.append, payload)


@agent(subscribe="people")
async def ask(payload: Any, ctx: Context) -> None:
    """Ask people."""
    await ctx.ask("well?", name="well")


@pytest.fixture
def disk(tmp_path: Path) -> BadDisk:
    """A store on a disk that stalls when a test wants it to."""
    return BadDisk(tmp_path / "store")


# -- nothing is shown ----------------------------------------------------------------


class Scene(NamedTuple):
    """What is there when the disk stalls: a run that is held open, and one that asks."""

    executor: Executor
    live: LiveRun
    asking: LiveRun
    caplog: pytest.LogCaptureFixture


async def _say(scene: Scene) -> None:
    await until(lambda: "at work on 1" in scene.caplog.text)


async def _step(scene: Scene) -> None:
    stepped.clear()
    async with anyio.create_task_group() as group:
        group.start_soon(scene.executor.run, "steps", 1)
        await until(lambda: bool(stepped))


async def _end_a_stream(scene: Scene) -> None:
    """Of a run that has ended by now, as far as the executor knows."""
    async with anyio.create_task_group() as group:
        group.start_soon(scene.asking.cancel)
        await turns()
        async for _ in scene.asking.outcomes():
            pass
        group.cancel_scope.cancel()


async def _drain(scene: Scene) -> None:
    await until(lambda: 1 in scene.live.report().outputs["out"])
    await scene.executor.drain()


async def _new(events: AsyncIterator[Event]) -> None:
    async for event in events:
        if not isinstance(event, Missed):
            return


EXITS: dict[str, Callable[[Scene], Awaitable[object]]] = {
    "run": lambda scene: scene.executor.run("work", 2),
    "start": lambda scene: scene.executor.start("work", 2),
    "publish": lambda scene: scene.executor.publish("work", 2),
    "publish into a run": lambda scene: scene.live.publish("work", 2),
    "pause": lambda scene: scene.asking.pause(),
    "answer": lambda scene: scene.asking.answer("well", 1),
    "cancel": lambda scene: scene.asking.cancel(),
    "drain": _drain,
    "outcomes": lambda scene: _new(scene.executor.outcomes()),
    "outcomes of a run": lambda scene: _new(scene.live.outcomes()),
    "watch": lambda scene: _new(scene.executor.watch()),
    "watch a run": lambda scene: _new(scene.live.watch()),
    "the end of a stream": _end_a_stream,
    "a line of a log": _say,
    "a step": _step,
}


@pytest.mark.parametrize("leave", EXITS.values(), ids=list(EXITS))
async def test_nothing_leaves_before_it_is_on_disk(
    leave: Callable[[Scene], Awaitable[object]],
    disk: BadDisk,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Acknowledgements, reports, streams, logs and steps wait for what they depend on."""
    caplog.set_level("INFO", "dagger.agents")
    left: list[Any] = []
    async with Audited([work, step, ask], store=disk) as executor:
        asking = await executor.start("people", 1)
        await asking.result()
        async with await executor.start("work", 0) as live, anyio.create_task_group() as group:
            await executor.drain()

            async def exit() -> None:
                left.append(await leave(Scene(executor, live, asking, caplog)))

            with disk.stalled():
                group.start_soon(exit)
                await turns()
                group.start_soon(live.publish, "work", 1)
                await until(lambda: 1 in live.report().outputs["out"])  # work runs ahead
                await turns()
                assert not left
        assert left


# -- and everything goes on ----------------------------------------------------------


async def test_a_stalled_disk_clogs_up(disk: BadDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once too much waits to be written, nothing more is taken; then all goes on."""
    monkeypatch.setattr(lmdb, "CLOGGED", 4_000)
    gate = Gate(concurrency=4)
    async with Audited([gate.agent], store=disk) as executor:
        async with await executor.start("work", "first") as live:
            await until(lambda: in_hand(executor) == 1)
            async with anyio.create_task_group() as group:
                with disk.stalled():
                    for number in range(20):
                        group.start_soon(live.publish, "work", f"{number:>500}")
                    await until(lambda: disk.clogged)
                    gate.open.set()
                    await until(lambda: not in_hand(executor))
                    taken = list(gate.handled)
                    await turns()
                    assert gate.handled == taken
                    assert pending(executor) == 21 - len(taken) > 0
            await until(lambda: len(gate.handled) == 21)
        report = await live.result()
    assert report.dispositions == {"ok": 21}
    assert not disk.clogged


async def test_the_loop_goes_on_meanwhile(
    disk: BadDisk, prove: bool, anyio_backend_name: str
) -> None:
    """While a write takes seconds, everybody but those who wait for it goes on."""
    seconds = 5 if prove and anyio_backend_name == "asyncio" else 0
    reports: list[Report] = []

    async def run() -> None:
        reports.append(await executor.run("work", 1))

    async with Audited([work], store=disk) as executor, anyio.create_task_group() as group:
        with disk.stalled():  # which would last for ever if this waited for it
            group.start_soon(run)
            await anyio.sleep(seconds)
            await until(lambda: disk.writes > 0 and any(each.ended for each in executor.runs()))
            assert not reports
        assert not disk.given_up
    assert [each.status for each in reports] == ["completed"]


async def test_stopping_waits_for_the_disk(disk: BadDisk) -> None:
    """An executor that stops makes durable what there is, however long that takes."""
    over: list[str] = []
    async with Audited([work], store=disk) as executor, anyio.create_task_group() as group:

        async def publish() -> None:
            over.append((await executor.publish("work", 1)).run_id)

        async def stop() -> None:
            await executor.stop()
            over.append("stopped")

        with disk.stalled():
            group.start_soon(publish)
            await until(lambda: disk.writes > 0)
            group.start_soon(stop)
            await turns(100)
            assert not over
    assert over.pop() == "stopped"
    async with Audited([work], store=disk) as executor:
        assert [each.run_id for each in executor.runs()] == over
