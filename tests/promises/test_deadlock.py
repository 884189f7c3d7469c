"""Deadlock: those who wait for each other to make room are found, and one of them fails."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from dagger import (
    Agent,
    ChannelDeadlock,
    Context,
    Immediate,
    agent,
)
from tests.promises.conftest import MakeExecutor
from tests.promises.gates import Gate, filled
from tests.waiting import in_hand, turns, until

BLOCK: dict[str, Any] = {"capacity": 1, "overflow": "block", "max_attempts": 1}


def relay(name: str, to: str, copies: int = 2, **options: Any) -> Agent:
    """An agent that sends on more than it gets, until the payload is 0."""

    @agent(name=name, subscribe=name, publish=to, publish_each=True, **(BLOCK | options))
    async def send(payload: int) -> list[int]:
        await anyio.lowlevel.checkpoint()
        return [payload - 1] * copies if payload else []

    return send


def echo(name: str, to: str) -> Agent:
    """An agent that sends on what it gets."""

    @agent(name=name, subscribe=name, publish=to, **BLOCK)
    async def send(payload: int) -> int:
        return payload

    return send


def circle(names: str, **options: Any) -> list[Agent]:
    """Agents of which each sends to the next, and the last to the first."""
    return [relay(a, b, **options) for a, b in zip(names, names[1:] + names[0], strict=True)]


@pytest.mark.parametrize("names", ["ab", "abc", "abcd"])
@pytest.mark.parametrize("concurrency", [1, 2])
@pytest.mark.parametrize("copies", [2, 3])
async def test_a_circle_of_blocking_agents_ends_with_an_error_that_names_it(
    make_executor: MakeExecutor, names: str, concurrency: int, copies: int
) -> None:
    """When all who could make room wait to settle, the youngest fails, naming the cycle."""
    agents = circle(names, concurrency=concurrency, copies=copies)
    async with make_executor(agents) as executor:
        report = await executor.run(names[0], 3 * len(names))
    assert report.status == "failed"
    assert report.error is not None
    assert report.error.type == "ChannelDeadlock"
    ring = names + names
    cycle = report.error.message.partition("settle: ")[2].partition(";")[0].split(" -> ")
    assert cycle[0] == cycle[-1]
    assert "".join(cycle[:-1]) in ring
    assert len(cycle) == len(names) + 1
    assert report.open == 0


async def test_the_error_of_a_deadlock_is_typed(make_executor: MakeExecutor) -> None:
    """ChannelDeadlock has the channel and the agents of the cycle, for a strategy to look at."""
    seen: list[BaseException] = []

    class Watching(Immediate):
        def retries(self, error: BaseException) -> bool:
            seen.append(error)
            return False

    agents = circle("ab", retry=Watching(), max_attempts=3)
    async with make_executor(agents) as executor:
        await executor.run("a", 5)
    assert seen
    for error in seen:
        assert isinstance(error, ChannelDeadlock)
        assert error.channel in ("a", "b")
        assert sorted(error.cycle) == ["a", "b"]


async def test_an_agent_that_hears_itself_and_blocks_is_a_circle_of_one(
    make_executor: MakeExecutor,
) -> None:
    """An agent that fills its own queue fails with a cycle of itself alone."""
    async with make_executor([relay("a", "a", hears_itself=True)]) as executor:
        report = await executor.run("a", 4)
    assert report.error is not None
    assert report.error.type == "ChannelDeadlock"
    assert "a -> a" in report.error.message
    assert report.open == 0


async def test_no_deadlock_is_called_while_somebody_can_make_room(
    make_executor: MakeExecutor,
) -> None:
    """A worker that still runs may make room: the others wait for it, and nothing fails."""
    released = anyio.Event()

    @agent(subscribe="a", publish="b", concurrency=2, **BLOCK)
    async def a(payload: int) -> int | None:
        if payload == 0:
            await released.wait()
            return None
        return payload

    @agent(subscribe="b", publish="a", **BLOCK)
    async def b(payload: int) -> int:
        return 100

    async with make_executor([a, b]) as executor:
        live = await executor.start("a", 0)
        async with live:
            await live.publish("a", 1)
            await until(lambda: live.state.messages >= 4)
            await turns()
            released.set()
            await until(lambda: live.state.handled > 20)
            await live.cancel()
        report = await live.result()
    assert report.error is None


async def test_a_deadlock_over_several_runs_is_found(make_executor: MakeExecutor) -> None:
    """Workers are shared by runs, so a circle may lead through several of them."""
    ready = {name: anyio.Event() for name in "ab"}
    go = anyio.Event()

    def one(name: str, to: str) -> Agent:
        @agent(name=name, subscribe=name, publish=to, **BLOCK)
        async def send(payload: str) -> str | None:
            if payload != "go":
                return None
            ready[name].set()
            await go.wait()
            return "stop"

        return send

    async with make_executor([one("a", "b"), one("b", "a")]) as executor:
        first = await executor.start("a", "go")
        second = await executor.start("b", "go")
        await ready["a"].wait()
        await ready["b"].wait()
        await first.publish("b", "stop")
        await second.publish("a", "stop")
        go.set()
        reports = [await first.result(), await second.result()]
    assert sorted(report.status for report in reports) == ["completed", "failed"]


async def test_a_keyed_agent_in_a_circle_is_found(make_executor: MakeExecutor) -> None:
    """Free workers that could only take what is behind a held key cannot make room."""

    @agent(
        subscribe="a", publish="a", hears_itself=True, concurrency=3, key="k", publish_each=True,
        **BLOCK,
    )  # fmt: skip
    async def again(payload: dict[str, int]) -> list[dict[str, int]]:
        left = payload["left"]
        return [{"k": 0, "left": left - 1}] * 3 if left else []

    async with make_executor([again]) as executor:
        report = await executor.run("a", {"k": 0, "left": 4})
    assert report.error is not None
    assert report.error.type == "ChannelDeadlock"
    assert report.open == 0


async def test_keyed_agents_that_block_each_other_are_found(make_executor: MakeExecutor) -> None:
    """The same through two agents, with workers to spare but no free key."""
    bound = BLOCK | {"concurrency": 4, "key": "k", "publish_each": True}

    @agent(subscribe="a", publish="b", **bound)
    async def a(payload: dict[str, int]) -> list[dict[str, int]]:
        await anyio.lowlevel.checkpoint()
        return [{"k": 0, "left": payload["left"] - 1}] * 3 if payload["left"] else []

    @agent(subscribe="b", publish="a", **bound)
    async def b(payload: dict[str, int]) -> list[dict[str, int]]:
        await anyio.lowlevel.checkpoint()
        return [{"k": 0, "left": payload["left"] - 1}] * 3 if payload["left"] else []

    async with make_executor([a, b]) as executor:
        report = await executor.run("a", {"k": 0, "left": 5})
    assert report.error is not None
    assert report.error.type == "ChannelDeadlock"
    assert report.open == 0


async def test_a_replaced_agent_is_no_part_of_a_circle(make_executor: MakeExecutor) -> None:
    """What the successor can take makes room, so that its predecessor is no dead end."""
    inside, go = anyio.Event(), anyio.Event()

    @agent(subscribe="b", publish="a", **BLOCK)
    async def b(payload: int) -> int:
        inside.set()
        await go.wait()
        return payload

    async with make_executor([echo("a", "b"), b]) as executor:
        live = await executor.start("b", 0)
        async with live:
            await inside.wait()
            await live.publish("b", 1)
            await live.publish("a", 2)
            await until(lambda: in_hand(executor, "a") == 1)
            await turns()
            executor.register(echo("a", "end"), replace=True)
            await live.publish("a", 3)
            go.set()
        report = await live.result()
    assert report.error is None
    assert report.status == "completed"


async def test_requests_of_one_handler_are_one_wait(make_executor: MakeExecutor) -> None:
    """A handler that waits to send two requests holds one slot, not two."""
    gate = Gate("b", "b", capacity=1, overflow="block")
    order: list[str] = []

    @agent(subscribe="a", publish="b", concurrency=2, **BLOCK)
    async def a(payload: Any, ctx: Context) -> None:
        if payload == "quick":
            order.append("quick")
            return

        async def ask(number: int) -> None:
            await ctx.request("b", number, key=str(number))

        async with anyio.create_task_group() as tasks:
            for number in range(2):
                tasks.start_soon(ask, number)

    async with make_executor([a, gate.agent]) as executor:
        live = await filled(executor, "b", pending_=1)
        async with live:
            await live.publish("a", "asks")
            await until(lambda: in_hand(executor, "a") == 1)
            await turns()
            await live.publish("a", "quick")
            await until(lambda: bool(order))
            gate.open.set()
        report = await live.result()
    assert report.agents["b"].dispositions == {"ok": 4}
