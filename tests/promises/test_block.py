"""overflow="block": who finds no room waits for it, in line."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from dagger import (
    Agent,
    Context,
    DaggerError,
    agent,
)
from tests.promises.conftest import MakeExecutor
from tests.promises.gates import Gate, filled, spread
from tests.waiting import in_hand, pending, turns, until


async def test_a_settle_waits_for_one_free_place_then_enters_whole(
    make_executor: MakeExecutor,
) -> None:
    """Under "block" a settle larger than the capacity enters together once there is room."""
    gates = [anyio.Event() for _ in range(2)]
    handled: list[Any] = []

    @agent(subscribe="work", capacity=2, overflow="block")
    async def work(payload: Any) -> None:
        handled.append(payload)
        if len(handled) <= 2:
            await gates[len(handled) - 1].wait()

    async with make_executor([work, spread]) as executor:
        live = await filled(executor, pending_=2)
        async with live:
            await live.publish("start", list("abcde"))
            await until(lambda: in_hand(executor, "spread") == 1)
            await turns()
            assert pending(executor, "work") == 2
            gates[0].set()
            await until(lambda: pending(executor, "work") == 6)
            gates[1].set()
        report = await live.result()
    assert handled == ["in hand", 0, 1, *"abcde"]
    assert report.status == "completed"
    assert report.dropped == 0


async def test_capacity_one_passes_everything_through(make_executor: MakeExecutor) -> None:
    """A chain of blocking queues of capacity 1 hands on every message, in order."""
    heard: list[int] = []
    bound: dict[str, Any] = {"capacity": 1, "overflow": "block"}

    @agent(subscribe="work", publish="more", **bound)
    async def first(payload: int) -> int:
        await anyio.lowlevel.checkpoint()
        return payload

    @agent(subscribe="more", publish="most", **bound)
    async def second(payload: int) -> int:
        return payload

    @agent(subscribe="most", **bound)
    async def third(payload: int) -> None:
        await anyio.lowlevel.checkpoint()
        heard.append(payload)

    async with make_executor([spread, first, second, third]) as executor:
        report = await executor.run("start", list(range(100)))
    assert heard == list(range(100))
    assert report.status == "completed"


async def test_a_settle_waits_for_every_blocking_queue_it_fills(
    make_executor: MakeExecutor,
) -> None:
    """Its messages enter all queues at the same instant, and none before."""
    left = Gate("left", "left", capacity=1, overflow="block")
    right = Gate("right", "right", capacity=1, overflow="block")

    @agent(subscribe="go", publish=["left", "right"])
    async def send(payload: Any, ctx: Context) -> None:
        ctx.publish("left", payload)
        ctx.publish("right", payload)

    async with make_executor([left.agent, right.agent, send]) as executor:
        live = await executor.start("go", 0)
        async with live:
            await live.publish("go", 1)
            await until(lambda: pending(executor, "left") == pending(executor, "right") == 1)
            await live.publish("go", 2)
            await until(lambda: in_hand(executor, "send") == 1)
            left.open.set()
            await until(lambda: left.handled == [0, 1])
            await turns()
            assert left.handled == [0, 1]
            right.open.set()
        report = await live.result()
    assert left.handled == right.handled == [0, 1, 2]
    assert report.status == "completed"


async def test_first_come_is_first_served(make_executor: MakeExecutor) -> None:
    """Those who wait for room enter in the order in which they began to wait."""
    gate = Gate(capacity=1, overflow="block")

    def sender(name: str) -> Agent:
        @agent(name=name, subscribe=f"to-{name}", publish="work")
        async def send(payload: Any) -> Any:
            return payload

        return send

    senders = [sender(name) for name in "abcdef"]
    async with make_executor([gate.agent, *senders]) as executor:
        live = await filled(executor, pending_=1)
        async with live:
            for name in "cafbed":
                await live.publish(f"to-{name}", name)
                await until(lambda name=name: in_hand(executor, name) == 1)  # type: ignore[misc]
                await turns(3)
            gate.open.set()
        await live.result()
    assert gate.handled == ["in hand", 0, *"cafbed"]


async def test_a_late_settle_cannot_overtake_one_that_waits(make_executor: MakeExecutor) -> None:
    """While somebody waits for a queue, nobody who comes later fills it first."""
    gate = Gate(capacity=1, overflow="block")

    @agent(subscribe="slow", publish="work")
    async def slow(payload: Any) -> Any:
        return payload

    @agent(subscribe="work")
    async def echo() -> None:
        """Takes a turn in between."""

    async with make_executor([gate.agent, slow, echo]) as executor:
        live = await filled(executor, pending_=1)
        async with live, anyio.create_task_group() as tasks:
            await live.publish("slow", "early")
            await until(lambda: in_hand(executor, "slow") == 1)
            await turns(3)
            for number in range(10, 15):
                tasks.start_soon(live.publish, "work", number)
                await turns(2)
            gate.open.set()
        await live.result()
    assert gate.handled == ["in hand", 0, "early", 10, 11, 12, 13, 14]


async def test_outside_publishers_wait(make_executor: MakeExecutor) -> None:
    """A publish from outside into a full blocking queue returns once there is room."""
    gate = Gate(capacity=1, overflow="block")
    returned: list[str] = []

    async with make_executor([gate.agent]) as executor:
        live = await filled(executor, pending_=1)

        async def publish(payload: str) -> None:
            await live.publish("work", payload)
            returned.append(payload)

        async with live, anyio.create_task_group() as tasks:
            for name in "abc":
                tasks.start_soon(publish, name)
                await turns(2)
            await turns()
            assert returned == []
            gate.open.set()
        report = await live.result()
    assert sorted(returned) == ["a", "b", "c"]
    assert gate.handled == ["in hand", 0, "a", "b", "c"]
    assert report.status == "completed"


@pytest.mark.parametrize("how", ["cancel", "stop"])
async def test_a_waiting_publisher_is_told_of_the_end(
    make_executor: MakeExecutor, how: str
) -> None:
    """Whoever waits for room gets an error when the run, or the executor, ends first."""
    gate = Gate(capacity=1, overflow="block")
    errors: list[Exception] = []

    async with anyio.create_task_group() as tasks, make_executor([gate.agent]) as executor:
        live = await filled(executor, pending_=1)

        async def publish() -> None:
            try:
                await live.publish("work", "never")
            except DaggerError as error:
                errors.append(error)

        tasks.start_soon(publish)
        await turns()
        if how == "cancel":
            await live.cancel()
        else:
            await executor.stop()
        await until(lambda: bool(errors))
    assert type(errors[0]).__name__ in ("RunClosed", "ExecutorStopped")
    assert "never" not in gate.handled


async def test_a_publisher_that_gives_up_leaves_the_line(make_executor: MakeExecutor) -> None:
    """A publish that is cancelled while it waits for room publishes nothing."""
    gate = Gate(capacity=1, overflow="block")
    async with make_executor([gate.agent]) as executor:
        live = await filled(executor, pending_=1)
        async with live:
            with anyio.move_on_after(0.01):
                await live.publish("work", "given up")
            gate.open.set()
            await live.publish("work", "last")
        await live.result()
    assert gate.handled == ["in hand", 0, "last"]


async def test_what_blocks_one_run_does_not_block_another(make_executor: MakeExecutor) -> None:
    """A full queue of one run leaves the workers of other agents to other runs."""
    gate = Gate(capacity=1, overflow="block", concurrency=2)
    heard: list[Any] = []

    @agent(subscribe="start", publish="work", concurrency=2)
    async def send(payload: Any) -> Any:
        return payload

    @agent(subscribe="other", publish="end")
    async def other(payload: Any) -> None:
        heard.append(payload)

    async with make_executor([gate.agent, send, other]) as executor:
        full = await executor.start("work", "a")
        async with full:
            for name in "bc":
                await full.publish("work", name)
            await full.publish("start", "waits")
            await until(lambda: in_hand(executor, "send") == 1)
            await turns()
            await executor.run("other", 1)
            assert heard == [1]
            gate.open.set()
        await full.result()


async def test_a_key_in_line_makes_no_room(make_executor: MakeExecutor) -> None:
    """Deliveries in line behind a key are pending: the next settle waits for a real place."""
    gate = Gate(capacity=1, overflow="block", concurrency=4, key="k")

    @agent(subscribe="one", publish="work", concurrency=20)
    async def send(payload: Any) -> Any:
        return payload

    async with make_executor([gate.agent, send]) as executor:
        live = await executor.start("work", {"k": 0})
        async with live:
            for number in range(10):
                await live.publish("one", {"k": 0, "n": number})
            await until(lambda: in_hand(executor, "send") == 9)
            await turns()
            assert in_hand(executor, "work") == 1
            assert pending(executor, "work") == 1
            gate.open.set()
        report = await live.result()
    assert [each.get("n") for each in gate.handled] == [None, *range(10)]
    assert report.status == "completed"


async def test_an_update_that_raises_while_a_settle_waits_fails_that_attempt(
    make_executor: MakeExecutor,
) -> None:
    """What goes wrong as a waiting settle enters is its own failure, and nobody else's."""
    gate = Gate(capacity=1, overflow="block")

    def broken(value: Any) -> Any:
        raise ZeroDivisionError("in an update function")

    @agent(subscribe="start", publish="work", max_attempts=1)
    async def send(payload: Any, ctx: Context) -> Any:
        ctx.cache.update("total", broken)
        return payload

    async with make_executor([gate.agent, send]) as executor:
        live = await filled(executor, pending_=1)
        async with live:
            await live.publish("start", "never")
            await until(lambda: in_hand(executor, "send") == 1)
            await turns()
            gate.open.set()
        report = await live.result()
    assert gate.handled == ["in hand", 0]
    assert report.agents["send"].dispositions == {"dead": 1}
    assert report.agents["work"].dispositions == {"ok": 2}
    assert report.error is not None
    assert report.error.type == "ZeroDivisionError"


async def test_a_context_is_closed_while_its_settle_waits(make_executor: MakeExecutor) -> None:
    """What a handler left behind cannot slip a message into a settle that waits for room."""
    gate = Gate(capacity=1, overflow="block")
    contexts: list[Context] = []

    @agent(subscribe="start", publish="work")
    async def send(payload: Any, ctx: Context) -> Any:
        contexts.append(ctx)
        return payload

    async with make_executor([gate.agent, send]) as executor:
        live = await filled(executor, pending_=1)
        async with live:
            await live.publish("start", "late")
            await until(lambda: in_hand(executor, "send") == 1)
            await turns()
            with pytest.raises(DaggerError, match="closed"):
                contexts[0].publish("work", "slipped in")
            gate.open.set()
        await live.result()
    assert gate.handled == ["in hand", 0, "late"]


@pytest.mark.parametrize("how", ["channel", "agent"])
async def test_a_wider_queue_lets_in_who_waits(make_executor: MakeExecutor, how: str) -> None:
    """Raising a capacity, or replacing an agent by one with more, makes room at once."""
    gate = Gate(overflow="block")
    executor = make_executor([gate.agent])
    executor.channel("work", capacity=1)
    async with executor:
        live = await filled(executor, pending_=1)
        async with live, anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(live.publish, "work", f"waits {number}")
            await turns()
            assert pending(executor) == 1
            if how == "channel":
                executor.channel("work", capacity=3)
                assert pending(executor) == 3
            else:
                wider = Gate(overflow="block", capacity=3, concurrency=1)
                executor.register(wider.agent, replace=True)
                await until(lambda: pending(executor) == 3)
                wider.open.set()
            gate.open.set()
        report = await live.result()
    assert report.agents["work"].dispositions == {"ok": 5}
