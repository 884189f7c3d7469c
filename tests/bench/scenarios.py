"""What is measured. Each scenario returns plain numbers; none of them judges.

Times are taken against a bare chain of asyncio queues in the same process, because
the machine's speed drifts: a "hop" is one stage of that chain.
"""

from __future__ import annotations

import asyncio
import gc
import math
import os
import resource
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from dagger import Config, Executor, agent
from tests.bench.folders import megabytes

SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "name": {"type": "string"},
        "score": {"type": "number"},
        "topic": {"type": "string"},
        "done": {"type": "boolean"},
    },
    "required": ["id", "name", "score", "topic", "done"],
}
OTHER = {**SCHEMA, "title": "the same, but another schema: it is checked again"}
PAYLOAD = {"id": 7, "name": "seven", "score": 0.5, "topic": "numbers", "done": False}
ROUNDS = 3

Place = Callable[[], AbstractContextManager[Path | None]]
"""Makes the folder of a store, and takes it away; `nullcontext` stands for no store."""


async def hop(messages: int = 30_000, stages: int = 3) -> float:
    """Seconds a message and stage of a bare chain of asyncio.Queue(maxsize=1024)."""
    queues: list[asyncio.Queue[Any]] = [asyncio.Queue(maxsize=1024) for _ in range(stages + 1)]

    async def stage(number: int) -> None:
        for _ in range(messages):
            await queues[number + 1].put(await queues[number].get())

    async def source() -> None:
        for _ in range(messages):
            await queues[0].put(PAYLOAD)

    async def sink() -> None:
        for _ in range(messages):
            await queues[stages].get()

    started = time.perf_counter()
    await asyncio.gather(source(), *[stage(each) for each in range(stages)], sink())
    return (time.perf_counter() - started) / messages / stages


def chain_agents(*, schema_in: Any = SCHEMA, schema_out: Any = SCHEMA) -> list[Any]:
    """A source that publishes as many as it is told, and a chain of three."""

    @agent(subscribe="start", publish="a", publish_each=True, output_schema=schema_out)
    async def source(payload: Any) -> Any:
        return [PAYLOAD] * payload

    def stage(name: str, channel: str, onward: str) -> Any:
        @agent(
            name=name,
            subscribe=channel,
            publish=onward,
            input_schema=schema_in,
            output_schema=schema_out,
        )
        async def handler(payload: Any) -> Any:
            return payload

        return handler

    return [source, stage("one", "a", "b"), stage("two", "b", "c"), stage("three", "c", "d")]


async def timed(call: Callable[[], Awaitable[Any]]) -> float:
    """Seconds that a call takes, with the garbage of the last one gone."""
    gc.collect()
    started = time.perf_counter()
    await call()
    return time.perf_counter() - started


async def chain(messages: int, agents: list[Any], place: Place = nullcontext) -> float:
    """Seconds an invocation, of one run of a three-agent chain.

    Counted from where the source has published everything to the end of the run; with a
    store, until all of it is on disk.
    """
    with place() as store:
        async with Executor(agents, store=store, config=Config()) as executor:
            gc.collect()
            report = await executor.run("start", messages)
            over = time.time() if store else report.ended
            assert report.status == "completed", report
            assert report.outputs_total["d"] == messages
    source = next(each for each in report.tree.nodes() if each.agent == "source")
    assert over is not None
    assert source.ended is not None
    return (over - source.ended) / (3 * messages)


async def ratio(measure: Callable[[], Awaitable[float]]) -> dict[str, float]:
    """The best of some rounds, each next to a measure of the bare chain."""
    rounds = [(await measure(), await hop()) for _ in range(ROUNDS)]
    best, bare = min(each[0] for each in rounds), min(each[1] for each in rounds)
    return {"us": best * 1e6, "hop_us": bare * 1e6, "hops": best / bare}


async def chain_shared(messages: int = 30_000) -> dict[str, float]:
    """Three-agent chain, publisher and subscriber share the schema: checked once a message."""
    return await ratio(lambda: chain(messages, chain_agents()))


async def chain_checked(messages: int = 30_000) -> dict[str, float]:
    """Three-agent chain, another schema at each end: checked twice a message."""
    return await ratio(lambda: chain(messages, chain_agents(schema_in=OTHER)))


async def fan_out(messages: int = 1_000, width: int = 100) -> dict[str, float]:
    """Messages to 100 agents each, a delivery."""

    @agent(subscribe="start", publish="a", publish_each=True)
    async def source(payload: Any) -> Any:
        return [PAYLOAD] * payload

    def leaf(number: int) -> Any:
        @agent(name=f"leaf{number}", subscribe="a", input_schema=SCHEMA)
        async def handler(payload: Any) -> None:
            return None

        return handler

    leaves = [leaf(each) for each in range(width)]

    async def once() -> float:
        async with Executor([source, *leaves], config=Config()) as executor:
            return await timed(lambda: executor.run("start", messages)) / (messages * width)

    return await ratio(once)


async def long_chain(messages: int = 333_334, place: Place = nullcontext) -> dict[str, float]:
    """1,000,000 invocations in batches: the rate at the end against the rate of 30,000."""
    short = min([await chain(10_000, chain_agents(), place) for _ in range(ROUNDS)])

    batch, before = 3_334, 0.0
    rates: list[float] = []
    settings = Config(keep_outputs=10, keep_runs=16)
    with place() as store:
        async with Executor(chain_agents(), store=store, config=settings) as executor:
            for number in range(messages // batch):
                seconds = await timed(lambda: executor.run("start", batch))
                rates.append(seconds / (3 * batch))
                if number == 20:
                    before = memory()
            grown = memory() - before
        disk = {"disk_mb": megabytes(store)} if store else {}
    tail, mean = sorted(rates[-30:])[15], sum(rates) / len(rates)
    found = {"us": tail * 1e6, "us_of_30000": short * 1e6, "ratio": tail / short}
    return {**found, "mean_ratio": mean / short, "grown_mb": grown, **disk}


async def one_run_long(messages: int = 333_334, place: Place = nullcontext) -> dict[str, float]:
    """1,000,000 invocations within one run, which pull the next message themselves."""

    @agent(subscribe="seed", publish="start", publish_each=True)
    async def seed(payload: Any) -> Any:
        return [payload * 64 - offset for offset in range(64)]

    @agent(subscribe="start", publish="a", input_schema={"type": "integer"})
    async def count(payload: Any) -> Any:
        return {**PAYLOAD, "id": payload}

    @agent(subscribe="a", publish="b", input_schema=SCHEMA)
    async def carry(payload: Any) -> Any:
        return payload

    @agent(subscribe="b", publish=["start", "done"], input_schema=SCHEMA)
    async def again(payload: Any, ctx: Any) -> None:
        if payload["id"] > 0:
            ctx.publish("start", payload["id"] - 64)

    agents = [seed, count, carry, again]

    async def once(rounds: int, store: Path | None) -> float:
        async with Executor(agents, store=store, config=Config()) as executor:
            return await timed(lambda: executor.run("seed", rounds)) / (3 * 64 * rounds)

    short = math.inf
    for _ in range(ROUNDS):
        with place() as store:
            short = min(short, await once(30_000 // 192, store))
    before = memory()
    with place() as store:
        long = await once(messages // 64, store)
        disk = {"disk_mb": megabytes(store)} if store else {}
    found = {"us": long * 1e6, "us_of_30000": short * 1e6, "ratio": long / short}
    return {**found, "grown_mb": memory() - before, **disk}


async def many_runs() -> dict[str, float]:
    """100,000 runs of one invocation, opened from outside, against one of the chain.

    A message in, and one invocation that takes it, as each of the chain does.
    """

    @agent(subscribe="start", input_schema=SCHEMA)
    async def single(payload: Any) -> None:
        return None

    return await _opened_from_outside(single)


async def many_runs_with_output() -> dict[str, float]:
    """The same, of an agent that also publishes: one message more in each run."""

    @agent(subscribe="start", publish="done", input_schema=SCHEMA, output_schema=SCHEMA)
    async def single(payload: Any) -> Any:
        return payload

    return await _opened_from_outside(single)


async def _opened_from_outside(single: Any, runs: int = 100_000) -> dict[str, float]:
    invocation = min([await chain(10_000, chain_agents()) for _ in range(ROUNDS)])
    async with Executor([single], config=Config()) as executor:

        async def some(count: int) -> None:
            for _ in range(count):
                await executor.publish("start", PAYLOAD)
            await executor.drain()

        await some(runs // 10)
        before = memory()
        seconds = await timed(lambda: some(runs)) / runs
        grown = memory() - before
    return {
        "us": seconds * 1e6,
        "hops": seconds / min([await hop() for _ in range(ROUNDS)]),
        "us_of_invocation": invocation * 1e6,
        "invocations": seconds / invocation,
        "grown_mb": grown,
    }


async def pending_messages(messages: int = 200_000) -> dict[str, float]:
    """Bytes that one pending small message takes."""

    @agent(subscribe="start", publish="a", publish_each=True)
    async def source(payload: Any) -> Any:
        return [{"id": each} for each in range(payload)]

    @agent(subscribe="a")
    async def never(payload: Any) -> None:
        await asyncio.Event().wait()

    async with Executor([source, never], config=Config(cancel_grace=0.1)) as executor:
        await executor.run("start", 1_000, timeout=0.2)
        before = memory()
        live = await executor.start("start", messages)
        async for _ in live.outcomes():
            break  # the source has settled: all are pending
        gc.collect()
        grown = memory() - before
        await live.cancel()
    return {"bytes": grown * 1e6 / messages}


async def tree_nodes(nodes: int = 300_000) -> dict[str, float]:
    """Bytes that one node of an ended run's tree takes."""

    @agent(subscribe="start", publish="a", publish_each=True)
    async def source(payload: Any) -> Any:
        return list(range(payload))

    @agent(subscribe="a", concurrency=1)
    async def leaf(payload: Any) -> None:
        return None

    async with Executor([source, leaf], config=Config(keep_nodes=nodes * 2)) as executor:
        for _ in range(20):
            await executor.run("start", 1_000)
        before = memory()
        for _ in range(nodes // 1_000):
            await executor.run("start", 1_000)
        gc.collect()
        return {"bytes": max(0.0, memory() - before) * 1e6 / nodes}


async def idle_runs(runs: int = 20_000) -> dict[str, float]:
    """Bytes that one open run takes, with one small message that waits."""

    @agent(subscribe="a")
    async def never(payload: Any) -> None:
        await asyncio.Event().wait()

    settings = Config(max_open_runs=2 * runs, cancel_grace=0.1)
    async with Executor([never], config=settings) as executor:
        for _ in range(1_000):
            await executor.publish("a", {"id": 1})
        before = memory()
        for _ in range(runs):
            await executor.publish("a", {"id": 1})
        gc.collect()
        return {"bytes": (memory() - before) * 1e6 / runs}


def start_up() -> dict[str, float]:
    """Milliseconds of importing what every program imports, less a bare interpreter's."""
    bare = best("pass")
    used = "from dagger import Context, Executor, agent"
    return {"bare_ms": bare, "import_ms": best(used) - bare}


def command_line() -> dict[str, float]:
    """Milliseconds of `dagger --help`, the interpreter's own start included."""
    return {
        "help_ms": best(
            "import runpy; import sys; sys.argv = ['dagger', '--help']; "
            "runpy.run_module('dagger', run_name='__main__')"
        )
    }


def best(code: str) -> float:
    """Milliseconds of a fresh interpreter that runs `code`: the least of some."""
    times = []
    compiled = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}  # as installed packages are
    for _ in range(9):
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, env=compiled
        )
        times.append(time.perf_counter() - started)
    return min(times) * 1e3


def memory() -> float:
    """Megabytes this process holds now, without the pages of files that it has mapped."""
    with open("/proc/self/statm") as file:
        _, resident, shared, *_ = file.read().split()
    return (int(resident) - int(shared)) * resource.getpagesize() / 1e6
