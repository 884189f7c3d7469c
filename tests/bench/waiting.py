"""What waiting costs: steps side by side, many sleepers, parts that are gathered, streams."""

from __future__ import annotations

import gc
import time
from collections.abc import AsyncIterator
from contextlib import nullcontext
from typing import Any

import anyio

from dagger import Config, Context, Executor, agent, gather
from tests.bench.folders import folder
from tests.bench.scenarios import PAYLOAD, ROUNDS, Place, hop, memory

STEPS = 10


async def steps_side_by_side(invocations: int = 1_000, alone: int = 10) -> dict[str, float]:
    """Invocations of ten steps each at once, against one after the other; on disk."""

    async def work(number: int) -> int:
        return number

    @agent(subscribe="start", publish="work", publish_each=True)
    async def source(payload: int) -> list[int]:
        return list(range(payload))

    @agent(subscribe="work", concurrency=invocations, capacity=invocations)
    async def worker(payload: int, ctx: Context) -> None:
        for number in range(STEPS):
            await ctx.step("work", work, number)

    with folder() as path:
        async with Executor([source, worker], store=path) as executor:
            started = time.perf_counter()
            for _ in range(alone):
                await executor.run("start", 1)
            one = alone / (time.perf_counter() - started)
            started = time.perf_counter()
            await executor.run("start", invocations)
            many = invocations / (time.perf_counter() - started)
    return {"times": many / one, "one_per_s": one, "many_per_s": many}


async def sleepers(
    count: int = 100_000, at_once: int = 10_000, *, unload: bool = False
) -> dict[str, float]:
    """Handlers that sleep: bytes each, CPU while they do, and some that wake at one moment."""

    @agent(subscribe="start", publish="work", publish_each=True)
    async def source(payload: int) -> list[int]:
        return [0] * payload

    @agent(subscribe="work", concurrency=1_000, capacity=count, unload=unload)
    async def sleeper(ctx: Context, payload: int) -> None:
        await ctx.sleep(3_600)

    @agent(subscribe="soon", concurrency=1_000, capacity=count, unload=unload)
    async def short(ctx: Context, payload: float) -> None:
        await ctx.sleep(until=payload)

    async with Executor([source, sleeper, short], config=Config()) as executor:
        gc.collect()
        before = memory()
        run = await executor.start("start", count)
        while run.progress().agents["sleeper"].in_hand < count:  # noqa: ASYNC110  none is set
            await anyio.sleep(0.05)
        gc.collect()
        grown = memory() - before
        cpu, wall = time.process_time(), time.perf_counter()
        await anyio.sleep(2)
        busy = (time.process_time() - cpu) / (time.perf_counter() - wall)
        moment = time.time() + 8
        async with await executor.start("soon", moment) as other:
            for _ in range(at_once - 1):
                await other.publish("soon", moment)
        report = await other.result()
        late = time.time() - moment
        assert report.agents["short"].dispositions == {"ok": at_once}
        await run.cancel()
    return {
        "bytes": grown * 1e6 / count,
        "cpu_percent": 100 * busy,
        "fired_after_s": late,
    }


async def unloaded_sleepers() -> dict[str, float]:
    """The same of an agent whose handlers are let go of while they wait."""
    return await sleepers(unload=True)


async def gathered(parts: int = 100_000) -> dict[str, float]:
    """Parts that are gathered: so many against a tenth of them, time a part.

    Once as it is, and once without the garbage collector of cycles, whose passes grow with
    all that is alive. Time of the processor, which is all that it takes.
    """

    @agent(subscribe="start", publish="part", publish_each=True)
    async def source(payload: int) -> list[int]:
        return list(range(payload))

    @agent(subscribe=gather("part"), publish="out")
    async def count(payload: list[int]) -> int:
        return len(payload)

    async def one(number: int) -> float:
        gc.collect()
        async with Executor([source, count]) as executor:
            started = time.process_time()
            report = await executor.run("start", number)
            took = time.process_time() - started
        assert report.outputs == {"out": [number]}
        return took / number

    async def ratio() -> tuple[float, float]:
        few = min([await one(parts // 10) for _ in range(3)])
        many = min([await one(parts) for _ in range(3)])
        return many / few, many * 1e6

    usual, us = await ratio()
    gc.disable()
    bare, us_bare = await ratio()
    return {"ratio": usual, "us": us, "ratio_without_gc": bare, "us_without_gc": us_bare}


async def streamed(items: int = 20_000, place: Place = nullcontext) -> dict[str, float]:
    """Items of a stream and who hears them, against as many that are published together."""

    @agent(name="source", subscribe="start", publish="items", stream=True)
    async def stream(payload: int) -> AsyncIterator[Any]:
        for number in range(payload):
            yield {**PAYLOAD, "id": number}

    @agent(name="other source", subscribe="start", publish="items", publish_each=True)
    async def publish(payload: int) -> list[Any]:
        return [{**PAYLOAD, "id": number} for number in range(payload)]

    @agent(subscribe="items")
    async def hear(payload: dict[str, Any]) -> None:
        """Listen."""

    async def one(source: Any) -> float:
        with place() as store:
            async with Executor([source, hear], store=store, config=Config()) as executor:
                gc.collect()
                started = time.perf_counter()
                report = await executor.run("start", items)
                took = time.perf_counter() - started
        assert report.agents["hear"].dispositions == {"ok": items}
        return took / items

    rounds = [(await one(stream), await one(publish), await hop()) for _ in range(ROUNDS)]
    item, message, bare = (min(each) for each in zip(*rounds, strict=True))
    return {
        "hops": item / bare,
        "published_hops": message / bare,
        "us": item * 1e6,
        "items_per_s": 1 / item,
    }


async def stored_streamed() -> dict[str, float]:
    """The same, on disk."""
    return await streamed(place=folder)
