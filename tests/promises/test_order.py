"""Order: what starts first, and what never runs at the same time."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import anyio
import pytest

from dagger import Agent, Context, LoopClock, agent
from tests.patience import SLOWER
from tests.promises.conftest import MakeExecutor
from tests.promises.gates import spread
from tests.waiting import in_hand, pending, until


async def test_one_worker_first_starts_a_runs_deliveries_in_publish_order(
    make_executor: MakeExecutor,
) -> None:
    """With `concurrency=1` first attempts start in publish order, also where some fail."""
    started: list[int] = []

    @agent(subscribe="work", concurrency=1)
    async def work(payload: int, ctx: Context) -> None:
        if ctx.attempt == 1:
            started.append(payload)
        await anyio.lowlevel.checkpoint()
        if payload % 3 == 0 and ctx.attempt < 3:
            raise ValueError("not yet")

    async with make_executor([spread, work]) as executor:
        report = await executor.run("start", list(range(50)))
    assert started == list(range(50))
    assert report.status == "completed"


async def test_order_holds_while_others_wait(make_executor: MakeExecutor) -> None:
    """A handler that waits lets the next one start, and first starts stay in publish order."""
    started: list[int] = []
    ends: list[int] = []

    @agent(subscribe="work", concurrency=1)
    async def work(payload: int, ctx: Context) -> None:
        started.append(payload)
        if payload % 2 == 0:
            await ctx.sleep(0.001 if payload else 0.05)
        ends.append(payload)

    async with make_executor([spread, work]) as executor:
        await executor.run("start", list(range(20)))
    assert started == list(range(20))
    assert sorted(ends) == started
    assert ends != started


async def test_messages_of_several_publishers_keep_their_order(make_executor: MakeExecutor) -> None:
    """What was published first, by a settle or from outside, is started first."""
    started: list[Any] = []
    release = anyio.Event()

    @agent(subscribe="work")
    async def work(payload: Any) -> None:
        await release.wait()
        started.append(payload)

    async with make_executor([spread, work]) as executor:
        live = await executor.start("work", "first")
        async with live:
            for number in range(5):
                await live.publish("work", number)
            await live.publish("start", ["a", "b"])
            await until(lambda: live.state.messages == 9)
            await live.publish("work", "last")
            release.set()
        await live.result()
    assert started == ["first", 0, 1, 2, 3, 4, "a", "b", "last"]


class Rooms:
    """Who is inside, by key: it complains of two at once, and notes who came in."""

    def __init__(self) -> None:
        self.inside: dict[str, int] = {}
        self.seen: defaultdict[str, list[int]] = defaultdict(list)
        self.together = 0
        self.problems: list[str] = []

    def enter(self, key: str, number: int) -> None:
        if self.inside.setdefault(key, number) != number:
            self.problems.append(f"{key}: {number} while {self.inside[key]} is inside")
        self.seen[key].append(number)
        self.together = max(self.together, len(self.inside))

    def leave(self, key: str) -> None:
        self.inside.pop(key, None)


def keyed(rooms: Rooms, key: Any) -> Agent:
    """An agent whose attempts sleep, fail and go on; only its last attempt leaves the room."""

    @agent(subscribe="work", concurrency=8, key=key, max_attempts=3)
    async def work(payload: dict[str, Any], ctx: Context) -> None:
        name, number = payload["customer"]["id"], payload["number"]
        rooms.enter(name, number)
        await anyio.lowlevel.checkpoint()
        if number % 3 == 0:
            await ctx.sleep(0.001)
        await anyio.lowlevel.checkpoint()
        if ctx.attempt <= number % 3:
            raise ValueError("not yet")
        rooms.leave(name)

    return work


ORDERS = [{"customer": {"id": "abcdefghijkl"[at % 12]}, "number": at} for at in range(96)]


@pytest.mark.parametrize("key", ["customer.id", lambda order: order["customer"]["id"]])
async def test_a_key_keeps_order_and_exclusion_through_retries_and_waits(
    make_executor: MakeExecutor, key: Any
) -> None:
    """Messages of one key are handled in order and one at a time, with any concurrency."""
    rooms = Rooms()
    async with make_executor([spread, keyed(rooms, key)]) as executor:
        report = await executor.run("start", ORDERS)

    assert report.status == "completed"
    assert rooms.problems == []
    assert rooms.together > 1
    for numbers in rooms.seen.values():
        assert numbers == sorted(numbers)
        assert len(dict.fromkeys(numbers)) == 8


async def test_a_key_keeps_order_through_retries_that_wait(make_executor: MakeExecutor) -> None:
    """While a delivery waits for its next attempt, others of its key wait behind it."""
    order: list[tuple[int, int]] = []

    @agent(subscribe="work", concurrency=4, key="k", retry="linear:0.002", max_attempts=3)
    async def work(payload: dict[str, Any], ctx: Context) -> None:
        if payload["k"] == 1:
            order.append((payload["n"], ctx.attempt))
            if ctx.attempt < 3:
                raise ValueError("not yet")

    messages = [{"k": n % 2, "n": n} for n in range(8)]
    async with make_executor([spread, work], clock=LoopClock()) as executor:
        await executor.run("start", messages)
    assert order == [(n, attempt) for n in (1, 3, 5, 7) for attempt in (1, 2, 3)]


async def test_keys_of_messages_are_used(make_executor: MakeExecutor) -> None:
    """A message's own key beats the field of its payload that `key=` names."""
    rooms = Rooms()

    @agent(subscribe="start", publish="work")
    async def send(payload: int, ctx: Context) -> None:
        for number in range(payload):
            ctx.publish("work", {"field": number, "n": number}, key="one")

    @agent(subscribe="work", concurrency=8, key="field")
    async def work(payload: dict[str, int]) -> None:
        rooms.enter("one", payload["n"])
        await anyio.lowlevel.checkpoint()
        rooms.leave("one")

    async with make_executor([send, work]) as executor:
        report = await executor.run("start", 10)
    assert report.status == "completed"
    assert rooms.problems == []
    assert rooms.seen["one"] == list(range(10))


async def test_a_key_is_not_shared_by_runs(make_executor: MakeExecutor) -> None:
    """Runs are isolated: one run's key does not hold up another run's."""
    release = anyio.Event()

    @agent(subscribe="work", concurrency=2, key="k")
    async def work(payload: dict[str, int]) -> None:
        await release.wait()

    async with make_executor([work]) as executor:
        first = await executor.start("work", {"k": 1})
        second = await executor.start("work", {"k": 1})
        await until(lambda: in_hand(executor) == 2)
        release.set()
        await first.result()
        await second.result()


async def test_a_key_that_cannot_be_made_fails_the_attempt(make_executor: MakeExecutor) -> None:
    """A payload without the field that `key=` names is a failure, not a crash."""

    @agent(subscribe="work", key="customer.id")
    async def work() -> None:
        raise AssertionError("never called")

    async with make_executor([work]) as executor:
        report = await executor.run("work", {"customer": 7})
    assert report.agents["work"].dispositions == {"dead": 1}
    assert report.error is not None
    assert report.error.type in ("KeyError", "LookupError")


@pytest.mark.parametrize("concurrency", [1, 4])
async def test_dead_and_dropped_holders_free_their_key(
    make_executor: MakeExecutor, concurrency: int
) -> None:
    """However a delivery ends, the next of its key is handled."""
    handled: list[int] = []

    async def work(payload: dict[str, int]) -> None:
        handled.append(payload["n"])
        if payload["n"] % 3 == 0:
            raise ValueError("no")
        if payload["n"] % 3 == 1:
            await anyio.sleep_forever()

    how: dict[str, Any] = {"concurrency": concurrency, "key": "k", "max_attempts": 2}
    for slower in SLOWER:
        made = agent(subscribe="work", timeout=0.01 * slower, **how)(work)
        handled.clear()
        async with make_executor([spread, made]) as executor:
            report = await executor.run("start", [{"k": 0, "n": n} for n in range(6)])
        if handled.count(2) == handled.count(5) == 1:  # else a busy machine was late for them
            break
    assert report.agents["work"].dispositions == {"ok": 2, "dead": 4}
    assert handled == [0, 0, 1, 1, 2, 3, 3, 4, 4, 5]


async def test_what_stands_in_line_for_a_key_is_pending(make_executor: MakeExecutor) -> None:
    """A delivery behind another of its key is pending: counted by capacity, and droppable."""
    release = anyio.Event()
    handled: list[int] = []

    @agent(subscribe="work", concurrency=4, key="k", capacity=2, overflow="drop_oldest")
    async def work(payload: dict[str, int]) -> None:
        handled.append(payload["n"])
        await release.wait()

    async with make_executor([work]) as executor:
        live = await executor.start("work", {"k": 0, "n": 0})
        async with live:
            for number in range(1, 8):
                await until(lambda: in_hand(executor) == 1)
                await live.publish("work", {"k": 0, "n": number})
            assert pending(executor) == 2
            release.set()
        report = await live.result()
    assert handled == [0, 6, 7]
    assert report.agents["work"].dispositions == {"ok": 3, "dropped": 5}
