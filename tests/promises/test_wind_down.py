"""Winding down: nothing new is taken, and what is in hand is seen to its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Event
from typing import Any

import anyio
import pytest

from dagger import (
    Context,
    Executor,
    ExecutorStopped,
    Linear,
    LoopClock,
    MemoryStore,
    ResourcePool,
    Resources,
    Store,
    agent,
)
from tests.promises.conftest import MakeExecutor
from tests.promises.gates import Gate, endless, filled
from tests.virtual import on_virtual_time
from tests.waiting import in_hand, pending, turns, until


@asynccontextmanager
async def winding_down(executor: Executor) -> AsyncIterator[None]:
    """Meanwhile the executor winds down, which is over by the end of the block."""
    ended: list[bool] = []

    async def wind_down() -> None:
        ended.append(await executor.wind_down())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wind_down)
        await turns()
        assert ended == []
        yield
    assert ended == [True]


async def test_what_is_in_hand_is_finished(make_executor: MakeExecutor) -> None:
    """It returns once handlers have ended; what they publish is kept, and not taken."""
    gate, later = Gate(publish="more"), Gate("later", "more")

    @agent(subscribe="work", publish="more")
    async def other(payload: Any) -> Any:
        await gate.open.wait()
        await turns()
        return payload

    async with make_executor([gate.agent, other, later.agent]) as executor:
        run = await executor.start("work", "in hand")
        await until(lambda: in_hand(executor) == 2)
        async with winding_down(executor):
            await run.publish("work", "not yet")
            await turns()
            gate.open.set()
        assert (gate.handled, later.handled) == (["in hand"], [])
        waits = [pending(executor, name) for name in ("work", "other", "later")]
        assert waits == [1, 1, 1]
        assert run.report().dispositions == {"ok": 2}


async def test_what_is_left_goes_on_the_next_time(
    make_executor: MakeExecutor, store: Store | None
) -> None:
    """In a store that lasts nothing is lost and nothing done twice, also of what came meanwhile."""
    store = store or MemoryStore()
    gate = Gate()
    async with make_executor([gate.agent], store=store) as executor:
        run = await filled(executor, pending_=2)
        async with winding_down(executor):
            await executor.publish("work", "meanwhile", run_id="other")
            gate.open.set()
        await turns()
        assert gate.handled == ["in hand"]
    async with make_executor([gate.agent], store=store) as executor:
        assert (await executor.live(run.id).result()).dispositions == {"ok": 3}
        assert (await executor.live("other").result()).status == "completed"
    assert sorted(map(str, gate.handled)) == ["0", "1", "in hand", "meanwhile"]


@pytest.mark.parametrize("where", ["sleep", "ask", "request", "step", "nowhere"])
async def test_who_waits_is_left(make_executor: MakeExecutor, where: str) -> None:
    """A handler that waits for a time, a person or a reply is not waited for."""

    def fail() -> None:
        raise ValueError("not yet")

    @agent(subscribe="start", publish="silent")
    async def waiter(payload: str, ctx: Context) -> None:
        match payload:
            case "sleep":
                await ctx.sleep(1000)
            case "ask":
                await ctx.ask("?")
            case "request":
                await ctx.request("silent", None)
            case "step":
                await ctx.step("fails", fail, retry=Linear(1000))

    @agent(subscribe="silent")
    async def silent(payload: Any, ctx: Context) -> None:
        await ctx.sleep(1000)

    async with make_executor([waiter, silent]) as executor:
        run = await executor.start("start", where)
        waiting = {"nowhere": 0, "request": 2}.get(where, 1)
        await until(lambda: sum(each.waiting for each in executor.list_agents()) == waiting)
        assert await executor.wind_down()
        assert run.report().open >= waiting


async def test_who_waits_for_room_is_left(make_executor: MakeExecutor) -> None:
    """Nobody makes room any more: the handler that waits for it goes on the next time."""
    gate = Gate(capacity=1, overflow="block")

    @agent(subscribe="start", publish="work")
    async def source(payload: Any, ctx: Context) -> None:
        ctx.publish("work", payload)

    async with make_executor([source, gate.agent]) as executor:
        run = await filled(executor, pending_=1)
        await run.publish("start", "no room")
        await until(lambda: in_hand(executor) == 2)
        async with winding_down(executor):
            gate.open.set()
        assert in_hand(executor, "source") == 1
        assert pending(executor, "work") == 1


async def test_who_goes_on_meanwhile_is_in_hand_again(make_executor: MakeExecutor) -> None:
    """What a handler has waited for may come as long as others are in hand."""
    gate = Gate()

    @agent(subscribe="start", publish="answers")
    async def asks(payload: Any, ctx: Context) -> Any:
        answer = await ctx.ask("?", name="it")
        await gate.open.wait()
        return answer

    async with make_executor([asks, gate.agent]) as executor:
        run = await executor.start("start", None)
        await run.publish("work", "in hand")
        await until(lambda: in_hand(executor) == 2 and bool(run.questions))
        async with winding_down(executor):
            await run.answer("it", 42)
            await turns()
            gate.open.set()
        assert run.report().outputs == {"answers": [42]}


async def test_what_waits_for_its_turn_is_left(make_executor: MakeExecutor) -> None:
    """It begins no more, and has nothing that a handler needs that goes on meanwhile."""
    gpu = Resources(gpu=1)
    gate, later = Gate("gate", "gate", resources=gpu), Gate("later", "later", resources=gpu)

    @agent(subscribe="start", publish="answers", resources=gpu)
    async def asks(payload: Any, ctx: Context) -> Any:
        return await ctx.ask("?", name="it")

    agents = [asks, gate.agent, later.agent]
    async with make_executor(agents, resources=ResourcePool(gpu=1)) as executor:
        run = await executor.start("start", None)
        await until(lambda: bool(run.questions))
        await run.publish("gate", "in hand")
        await until(lambda: gate.handled == ["in hand"])
        await run.publish("later", "not yet")
        await until(lambda: len(executor.resources().waiting) == 1)
        async with winding_down(executor):
            await run.answer("it", 42)
            await turns()
            gate.open.set()
        assert later.handled == []
        assert pending(executor, "later") == 1
        assert run.report().outputs == {"answers": [42]}


async def test_threads_are_waited_for(make_executor: MakeExecutor) -> None:
    """A plain function in its thread is in hand as well."""
    go_on = Event()

    @agent(subscribe="start", publish="out")
    def thread(payload: Any) -> Any:
        go_on.wait()
        return payload

    async with make_executor([thread]) as executor:
        run = await executor.start("start", 1)
        await until(lambda: in_hand(executor) == 1)
        async with winding_down(executor):
            go_on.set()
        assert run.report().outputs == {"out": [1]}


async def test_it_takes_no_longer_than_the_grace(make_executor: MakeExecutor) -> None:
    """What is still in hand then is told by False, and cancelled by the stop that follows."""
    ended: list[int] = []
    async with make_executor([endless(ended)]) as executor:
        await executor.start("start", 7)
        await until(lambda: in_hand(executor) == 1)
        assert await executor.wind_down(0.01) is False
        assert ended == []
    assert ended == [7]


async def test_agents_that_are_gone_finish_too(make_executor: MakeExecutor) -> None:
    """What an agent had in hand when it was unregistered or replaced is waited for."""
    first, second = Gate(), Gate()
    async with make_executor([first.agent]) as executor:
        await filled(executor)
        executor.register(second.agent, replace=True)
        async with winding_down(executor):
            first.open.set()


async def test_a_stop_ends_it(make_executor: MakeExecutor) -> None:
    """Who stops the executor meanwhile need not wait for it, nor does it wait for ever."""
    ended: list[int] = []
    async with make_executor([endless(ended)]) as executor:
        await executor.start("start", 7)
        await until(lambda: in_hand(executor) == 1)
        async with winding_down(executor):
            await executor.stop()
        assert ended == [7]
        with pytest.raises(ExecutorStopped):
            await executor.wind_down()


def test_schedules_start_nothing_any_more() -> None:
    """A slot that comes due while an executor winds down is left for the next one."""
    came: list[int] = []

    @agent(subscribe="tick")
    async def slow(payload: int) -> None:
        came.append(payload)
        await anyio.sleep(100)

    async def main() -> None:
        store, clock = MemoryStore(), LoopClock(0)
        async with Executor([slow], store=store, clock=clock) as executor:
            await executor.schedule("tick", 1, "every 1m", id="m", misfire="all", overlap="queue")
            await anyio.sleep(61)
            assert await executor.wind_down()
            assert anyio.current_time() == pytest.approx(160, abs=1)
            assert executor.schedules.show("m").fired == 1
        async with Executor([slow], store=store, clock=clock) as executor:
            await anyio.sleep(1)
            assert executor.schedules.show("m").fired == 2

    on_virtual_time(main)
    assert came == [1, 1]
