"""Handlers of many shapes, each of which a crash may come amid."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

import anyio
import anyio.lowlevel

from dagger import (
    Agent,
    Budget,
    Context,
    Linear,
    Message,
    ScatterFailed,
    agent,
    all_of,
    gather,
)

NOBODY = "nobody"
"""Whose questions stay without an answer."""

Outside = Counter[str]
"""How often each thing was done to the outside world."""

Shape = Callable[[Outside], list[Agent]]


def step_before_publish(outside: Outside) -> list[Agent]:
    """A step, whose result is published."""

    @agent(subscribe="start", publish="out")
    async def pay(payload: Any, ctx: Context) -> Any:
        async def charge() -> str:
            outside["charge"] += 1
            await anyio.sleep(1)
            return "charged"

        return await ctx.step("charge", charge)

    return [pay]


def steps_in_a_row(outside: Outside) -> list[Agent]:
    """Several steps, plain ones too, each of which needs the one before."""

    @agent(subscribe="start", publish="out")
    async def count(payload: Any, ctx: Context) -> int:
        def add(number: int) -> int:
            outside[f"add {number}"] += 1
            return number + 1

        total = 0
        for number in range(3):
            total = await ctx.step("add", add, total, key=str(number))
        return total

    return [count]


def asks_in_a_loop(outside: Outside) -> list[Agent]:
    """Questions to people, one after the other."""

    @agent(subscribe="start", publish="out")
    async def asking(payload: Any, ctx: Context) -> list[Any]:
        return [await ctx.ask(f"number {number}?") for number in range(3)]

    return [asking]


def request_in_flight(outside: Outside) -> list[Agent]:
    """A request, whose responder takes its time."""

    @agent(subscribe="start", publish=["out", "square"])
    async def asking(payload: Any, ctx: Context) -> None:
        ctx.publish("out", await ctx.request("square", 3))

    @agent(subscribe="square")
    async def square(payload: int, ctx: Context) -> int:
        await ctx.sleep(60)
        return payload**2

    return [asking, square]


def requests_side_by_side(outside: Outside) -> list[Agent]:
    """Several requests at once, gathered."""

    @agent(subscribe="start", publish=["out", "square"])
    async def gathering(payload: Any, ctx: Context) -> None:
        results: dict[int, Any] = {}

        async def one(number: int) -> None:
            results[number] = await ctx.request("square", number, key=str(number))

        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(one, number)
        ctx.publish("out", [results[number] for number in range(3)])

    @agent(subscribe="square", concurrency=2)
    async def square(payload: int) -> int:
        return payload**2

    return [gathering, square]


def sleep_inside_a_retry(outside: Outside) -> list[Agent]:
    """An attempt that fails after it slept, and another one an hour later."""

    @agent(subscribe="start", publish="out", max_attempts=2, retry=Linear(3600))
    async def flaky(payload: Any, ctx: Context) -> int:
        await ctx.sleep(60)
        if ctx.attempt == 1:
            raise ValueError("later")
        return ctx.attempt

    return [flaky]


def fan_out_and_count(outside: Outside) -> list[Agent]:
    """Many messages, counted in the cache by several workers."""

    @agent(subscribe="start", publish="numbers", publish_each=True)
    async def spread(payload: Any) -> list[int]:
        return list(range(5))

    @agent(subscribe="numbers", publish="out", concurrency=2)
    async def count(payload: int, ctx: Context) -> int:
        await anyio.lowlevel.checkpoint()
        ctx.cache.increment("count")
        ctx.cache.append("numbers", payload)
        return payload

    return [spread, count]


def through_a_narrow_channel(outside: Outside) -> list[Agent]:
    """Publishers that wait for room."""

    @agent(subscribe="start", publish="numbers", publish_each=True)
    async def spread(payload: Any) -> list[int]:
        return list(range(4))

    @agent(subscribe="numbers", publish="narrow", concurrency=2)
    async def push(payload: int) -> int:
        return payload

    @agent(subscribe="narrow", publish="out", capacity=1, overflow="block")
    async def take(payload: int) -> int:
        await anyio.sleep(1)
        return payload

    return [spread, push, take]


def plain_functions(outside: Outside) -> list[Agent]:
    """A chain of plain functions."""

    def link(number: int) -> Agent:
        hears = f"link {number}" if number else "start"

        @agent(name=f"plain {number}", subscribe=hears, publish=f"link {number + 1}")
        def add(payload: int, ctx: Context) -> int:
            ctx.cache.increment("links")
            return (payload or 0) + 1

        return add

    return [link(number) for number in range(3)]


def generator(outside: Outside) -> list[Agent]:
    """Values that are yielded one after the other, with sleeps between them."""

    @agent(subscribe="start", publish="out")
    async def numbers(payload: Any, ctx: Context) -> AsyncGenerator[int]:
        for number in range(3):
            await ctx.sleep(1)
            yield number

    return [numbers]


def emits_before_it_publishes(outside: Outside) -> list[Agent]:
    """Items that go out at once, and a message that is held back."""

    @agent(subscribe="start", publish=["items", "out"])
    async def talk(payload: Any, ctx: Context) -> None:
        for number in range(3):
            await ctx.emit("items", number)
            await ctx.sleep(1)
        ctx.publish("out", -1)

    @agent(subscribe="items", publish="out")
    async def double(payload: int) -> int:
        return 2 * payload

    return [talk, double]


def streams_with_steps(outside: Outside) -> list[Agent]:
    """A generator whose items come from steps, into a list that is mended where they differ."""

    async def think(word: str) -> str:
        outside[word] += 1
        return word

    @agent(subscribe="start", publish="items", stream=True, max_attempts=2)
    async def talk(payload: Any, ctx: Context) -> AsyncGenerator[Any]:
        for number in range(4):
            yield await ctx.step("think", think, f"word {number}")
            if number == 2 and ctx.attempt == 1:
                yield "a slip"
                raise ValueError("once more")

    @agent(subscribe="items", publish="out")
    async def listen(payload: Any, message: Message, ctx: Context) -> Any:
        assert message.stream is not None
        said = ctx.cache.get("said", [])[: message.stream.index]
        ctx.cache.set("said", [*said, payload])
        return payload

    return [talk, listen]


def streams_into_a_narrow_channel(outside: Outside) -> list[Agent]:
    """Plain generators that wait for room between their items."""

    @agent(subscribe="start", publish="numbers", stream=True)
    def spread(payload: Any) -> Generator[int]:
        yield from range(3)

    @agent(subscribe="numbers", publish="narrow", stream=True, concurrency=2)
    async def twice(payload: int) -> AsyncGenerator[int]:
        yield payload
        yield payload + 10

    @agent(subscribe="narrow", publish="out", capacity=1, overflow="block")
    async def take(payload: int) -> int:
        await anyio.sleep(1)
        return payload

    return [spread, twice, take]


def retracts_what_it_said(outside: Outside) -> list[Agent]:
    """An attempt that ends with fewer items than the one before."""

    @agent(subscribe="start", publish="out", max_attempts=2)
    async def talk(payload: Any, ctx: Context) -> None:
        for number in range(3 - ctx.attempt):
            await ctx.emit("out", number)
        if ctx.attempt == 1:
            raise ValueError("too much")

    return [talk]


def tasks(outside: Outside) -> list[Agent]:
    """Tasks that are added, claimed and completed."""

    @agent(subscribe="start", publish="go", publish_each=True)
    async def plan(payload: Any, ctx: Context) -> list[int]:
        for number in range(3):
            ctx.tasks.add_task("work", {"number": number}, 3)
        return list(range(3))

    @agent(subscribe="go", publish="out")
    async def work(payload: Any, ctx: Context) -> Any:
        task = ctx.tasks.claim_task("work")
        if task is None:
            return None
        await anyio.lowlevel.checkpoint()
        ctx.tasks.complete_task(task.id, True)
        return task.data["number"]

    return [plan, work]


def failures(outside: Outside) -> list[Agent]:
    """Messages that are rejected, and that fail for good."""

    @agent(subscribe="start", publish="numbers", publish_each=True)
    async def spread(payload: Any) -> list[Any]:
        return [1, "two", 3]

    @agent(subscribe="numbers", publish="out", max_attempts=2, on_failure="continue")
    async def odd(payload: int) -> int:
        if payload == 3:
            raise ValueError(payload)
        return payload

    return [spread, odd]


def later_messages(outside: Outside) -> list[Agent]:
    """Messages that are delivered an hour later, and one that expires before that."""

    @agent(subscribe="start", publish=["later", "never"])
    async def put_off(payload: Any, ctx: Context) -> None:
        for hours in (1, 2):
            ctx.publish("later", hours, delay=3600 * hours)
        ctx.publish("never", 1, ttl=60)

    @agent(subscribe="later", publish="out")
    async def take(payload: int) -> int:
        return payload

    @agent(subscribe="never", publish="out", concurrency=1)
    async def busy(payload: int, ctx: Context) -> int:
        return -payload

    return [put_off, take, busy]


def an_overdue_question(outside: Outside) -> list[Agent]:
    """A question that nobody answers in time, so that its default is taken."""

    @agent(subscribe="start", publish="out")
    async def asking(payload: Any, ctx: Context) -> Any:
        return await ctx.ask("anybody?", to=NOBODY, timeout=30, default="nobody")

    return [asking]


def a_join_half_filled(outside: Outside) -> list[Agent]:
    """A join that holds one part while the other one takes a minute, in each of two scopes."""

    @agent(subscribe="start", publish="order", publish_each=True)
    async def order(payload: Any) -> list[int]:
        return [1, 2]

    @agent(subscribe="order", publish=["stock", "ask"])
    async def look(payload: int, ctx: Context) -> None:
        ctx.publish("stock", payload)
        ctx.publish("ask", payload)

    @agent(subscribe="ask", publish="credit")
    async def slow(payload: int, ctx: Context) -> int:
        await ctx.step("ask", lambda: outside.update([f"ask {payload}"]))
        await ctx.sleep(60 * payload)
        return -payload

    @agent(subscribe=all_of("stock", "credit"), scope="order", publish="out")
    async def decide(payload: dict[str, int], ctx: Context) -> list[int]:
        await ctx.step("decide", lambda: outside.update([f"decide {payload['stock']}"]))
        ctx.cache.append("decided", payload["stock"])
        return [payload["stock"], payload["credit"]]

    return [order, look, slow, decide]


def a_gather_in_a_gather(outside: Outside) -> list[Agent]:
    """A map-reduce whose items are map-reduces themselves; some of their parts take long."""

    @agent(subscribe="start", publish="job", publish_each=True)
    async def jobs(payload: Any) -> list[int]:
        return [1, 2]

    @agent(subscribe="job", publish="part", publish_each=True)
    async def parts(payload: int) -> list[list[int]]:
        return [[payload, number] for number in range(payload + 1)]

    @agent(subscribe="part", publish="done", concurrency=2)
    async def work(payload: list[int], ctx: Context) -> list[int]:
        job, number = payload
        if number:
            await ctx.sleep(60)
        return [job, number + 1]

    @agent(subscribe=gather("done"), scope="job", publish="total")
    async def inner(payload: list[list[int]], ctx: Context) -> int:
        job = payload[0][0]
        await ctx.step("sum", lambda: outside.update([f"sum {job}"]))
        ctx.cache.increment("sums")
        return sum(number for _, number in payload)

    @agent(subscribe=gather("total"), publish="out")
    async def outer(payload: list[int], ctx: Context) -> list[int]:
        ctx.cache.append("totals", sorted(payload))
        return sorted(payload)

    return [jobs, parts, work, inner, outer]


def duplicates(outside: Outside) -> list[Agent]:
    """Messages of one idempotency key: while the first is in flight, and when it is done."""

    @agent(subscribe="start", publish=["pay", "later"])
    async def order(payload: Any, ctx: Context) -> None:
        for number in range(3):
            ctx.publish("pay", number, idempotency_key="order")
        ctx.publish("pay", 3, idempotency_key="order", delay=3600)

    @agent(subscribe="pay", publish="out", concurrency=2)
    async def pay(payload: int, ctx: Context) -> str:
        def charge() -> None:
            outside["charge"] += 1

        await ctx.step("charge", charge)
        await ctx.sleep(60)
        ctx.cache.increment("paid")
        return f"receipt {payload}"

    return [order, pay]


def a_first_that_dies(outside: Outside) -> list[Agent]:
    """Requests of one idempotency key, the first of which fails for good after a retry."""

    @agent(subscribe="start", publish=["pay", "out"], on_failure="continue")
    async def order(payload: Any, ctx: Context) -> None:
        pays = [{"order": 7, "number": number} for number in range(3)]
        try:
            await ctx.scatter("pay", pays)
        except ScatterFailed as error:
            ctx.publish("out", [error.results, sorted(error.failures)])

    @agent(subscribe="pay", idempotency_key="order", max_attempts=2, on_failure="continue")
    async def pay(payload: Any, ctx: Context) -> Any:
        await ctx.sleep(1)
        if payload["number"] == 0:
            raise ValueError(payload)
        return payload["number"]

    return [order, pay]


def budgets(outside: Outside) -> list[Agent]:
    """Messages with budgets, of which one is overspent, and blocks that set something aside."""

    @agent(subscribe="start", publish="job")
    async def plan(payload: Any, ctx: Context) -> None:
        for tokens in (100, 5, 200):
            ctx.publish("job", tokens, budget=Budget(tokens=tokens, messages=4, seconds=3600))

    @agent(subscribe="job", publish="part", publish_each=True)
    async def split(payload: int) -> list[list[int]]:
        return [[payload, number] for number in range(2)]

    @agent(subscribe="part", publish="out", on_failure="continue")
    async def work(payload: list[int], ctx: Context) -> list[int]:
        if payload[0] == 5:
            await ctx.spend(6)
        async with ctx.budget(tokens=10, messages=1, seconds=600):
            await ctx.step("work", lambda: outside.update([f"work {payload}"]))
            await ctx.spend(1)
            await ctx.sleep(60)
        return payload

    return [plan, split, work]


SHAPES: list[Shape] = [
    step_before_publish,
    steps_in_a_row,
    asks_in_a_loop,
    request_in_flight,
    requests_side_by_side,
    sleep_inside_a_retry,
    fan_out_and_count,
    through_a_narrow_channel,
    plain_functions,
    generator,
    emits_before_it_publishes,
    streams_with_steps,
    streams_into_a_narrow_channel,
    retracts_what_it_said,
    tasks,
    failures,
    later_messages,
    an_overdue_question,
    a_join_half_filled,
    a_gather_in_a_gather,
    duplicates,
    a_first_that_dies,
    budgets,
]
