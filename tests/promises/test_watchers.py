"""Watchers: outcomes, log lines and emitted values in real time, bounded, and nothing silent."""

from __future__ import annotations

import gc
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest

from dagger import Context, Emission, LogLine, Missed, Outcome, agent
from tests.promises.conftest import MakeExecutor
from tests.state.meaning import live_state
from tests.waiting import in_hand, turns, until


@agent(subscribe="start", publish="out")
async def echo(payload: Any) -> Any:
    """Say it again."""
    return payload


async def collect(stream: Any, note: Callable[[Any], None]) -> None:
    """Read a stream to its end, and note each event as it comes."""
    async for event in stream:
        note(event)


async def values(stream: AsyncIterator[Outcome | Missed]) -> list[Any]:
    """The value that each outcome published; Missed as it is."""
    return [value_of(event) async for event in stream]


def value_of(event: Outcome | Missed) -> Any:
    """The first value that an outcome published; Missed as it is."""
    return event if isinstance(event, Missed) else event.outputs[0][1]


async def test_an_outcome_says_all_of_its_delivery(make_executor: MakeExecutor) -> None:
    """An outcome names run, invocation, agent, channel, message, status, times and outputs."""
    async with make_executor([echo]) as executor:
        run = await executor.start("start", {"a": 1}, run_id="census")
        [outcome] = [each async for each in run.outcomes()]
        report = await run.result()
    assert isinstance(outcome, Outcome)
    assert (outcome.run_id, outcome.agent, outcome.channel) == ("census", "echo", "start")
    assert outcome.node_id == "echo:census.1"
    assert outcome.message_id == "census.0.0"
    assert (outcome.status, outcome.attempts, outcome.error) == ("ok", 1, None)
    assert report.started <= outcome.started <= outcome.ended
    assert outcome.outputs == [("out", {"a": 1})]


async def test_outcomes_come_as_they_happen(make_executor: MakeExecutor) -> None:
    """A watcher sees each outcome before the next message is even published."""
    seen: list[Any] = []
    async with (
        make_executor([echo]) as executor,
        await executor.start("start", 0) as run,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(collect, run.outcomes(), seen.append)
        for number in range(1, 4):
            await until(lambda number=number: len(seen) == number)  # type: ignore[misc]
            await run.publish("start", number)
        await until(lambda: len(seen) == 4)
        tasks.cancel_scope.cancel()
    assert [each.outputs[0][1] for each in seen] == [0, 1, 2, 3]


async def test_every_way_to_end_is_an_outcome(make_executor: MakeExecutor) -> None:
    """Deliveries that are dropped, rejected, dead, discarded or cancelled have outcomes too."""
    gate = anyio.Event()

    @agent(
        subscribe="work",
        capacity=2,
        overflow="drop_oldest",
        input_schema={"type": ["string", "integer"]},
        max_attempts=2,
    )
    async def work(payload: Any) -> None:
        if payload == "fails":
            raise ValueError("dead")
        if payload == "gated":
            await gate.wait()
        if payload == "endless":
            await anyio.sleep_forever()

    seen: list[Any] = []
    async with (
        make_executor([work]) as executor,
        await executor.start("work", "gated") as run,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(collect, run.outcomes(), seen.append)
        await until(lambda: in_hand(executor) == 1)
        for payload in list[Any]((1, "fails", {})):  # a queue of two: the first is pushed out
            await run.publish("work", payload)
        gate.set()
        await until(lambda: len(seen) == 4)
        await run.publish("work", "endless")
        await until(lambda: in_hand(executor) == 1)
        await run.publish("work", 2)
        await run.cancel()
    told = sorted((each.status, each.attempts, each.error and each.error.type) for each in seen)
    assert told == [
        ("cancelled", 0, None),
        ("cancelled", 1, None),
        ("dead", 2, "ValueError"),
        ("dropped", 0, None),
        ("ok", 1, None),
        ("rejected", 0, "ValidationError"),
    ]


async def test_many_watch_at_once(make_executor: MakeExecutor) -> None:
    """Any number of watchers of one run each see everything, and all end with it."""
    seen: list[list[Any]] = [[] for _ in range(20)]
    async with (
        make_executor([echo]) as executor,
        anyio.create_task_group() as tasks,
        await executor.start("start", 0) as run,
    ):
        for each in seen:
            tasks.start_soon(collect, run.outcomes(), each.append)
        for number in range(1, 10):
            await run.publish("start", number)
    assert [len(each) for each in seen] == [10] * 20
    assert all(each == seen[0] for each in seen)


async def test_a_watcher_of_all_sees_every_run(make_executor: MakeExecutor) -> None:
    """`executor.outcomes()` tells of all runs, until the executor stops."""
    seen: list[Any] = []
    async with anyio.create_task_group() as tasks, make_executor([echo]) as executor:
        tasks.start_soon(collect, executor.outcomes(), seen.append)
        await turns()
        for run_id in ("a", "b", "c"):
            await executor.run("start", run_id, run_id=run_id)
    assert [each.run_id for each in seen] == ["a", "b", "c"]


async def test_watching_begins_with_the_call(make_executor: MakeExecutor) -> None:
    """What happens between asking for a stream and reading it is not lost."""
    async with make_executor([echo]) as executor:
        async with await executor.start("start", 0) as run:
            stream = run.outcomes()
            await run.publish("start", 1)
            await until(lambda: run.report().handled == 2)
        await run.result()
        assert await values(stream) == [0, 1]


async def test_who_comes_late_is_told(make_executor: MakeExecutor) -> None:
    """A watcher of a run that comes late first gets Missed, with the number of outcomes."""
    async with make_executor([echo]) as executor:
        async with await executor.start("start", 0) as run:
            for number in range(1, 5):
                await run.publish("start", number)
            await until(lambda: run.report().handled == 5)
            stream = run.outcomes()
            await run.publish("start", 5)
        await run.result()
        assert await values(stream) == [Missed(5), 5]
        assert [each async for each in run.outcomes()] == [Missed(6)]
        assert [each async for each in executor.live(run.id).watch()] == [Missed(6)]


async def test_who_lags_is_told(make_executor: MakeExecutor) -> None:
    """A watcher that is too slow keeps the latest, and is told how many it missed, and where."""
    async with (
        make_executor([echo], config={"watcher_buffer": 3}) as executor,
        await executor.start("start", 0) as run,
    ):
        stream = run.outcomes()
        for number in range(1, 10):
            await run.publish("start", number)
        await executor.drain()
        told = [value_of(await anext(stream)) for _ in range(4)]
        assert told == [Missed(7), 7, 8, 9]
        await run.publish("start", 10)
        assert value_of(await anext(stream)) == 10


async def test_a_watcher_that_leaves_is_forgotten(make_executor: MakeExecutor) -> None:
    """Breaking out of a stream, or never reading it, leaves nothing behind."""
    async with make_executor([echo]) as executor:
        async with await executor.start("start", 0) as run:
            async for _ in run.outcomes():
                break
            run.watch()
            executor.outcomes()
            unread = executor.watch()
            await run.publish("start", 1)
        await run.result()
        del unread
        gc.collect()
        await turns()
        engine: Any = executor._engine
        assert not engine.watchers.any


async def test_two_may_read_one_stream(make_executor: MakeExecutor) -> None:
    """Tasks that share a stream share its events: each event goes to one, and all end."""
    seen: list[list[Any]] = [[], []]
    async with (
        make_executor([echo]) as executor,
        anyio.create_task_group() as tasks,
        await executor.start("start", 0) as run,
    ):
        stream = run.outcomes()
        for each in seen:
            tasks.start_soon(collect, stream, each.append)
        for number in range(1, 10):
            await run.publish("start", number)
            await turns(3)
    assert sorted(each.outputs[0][1] for each in seen[0] + seen[1]) == list(range(10))


async def test_what_handlers_say_is_seen_and_logged(
    make_executor: MakeExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    """`ctx.log` tells watchers and standard logging: run, agent, level and text."""
    caplog.set_level(logging.DEBUG, "dagger.agents")

    @agent(subscribe="start", publish="out")
    async def talking(payload: Any, ctx: Context) -> None:
        ctx.log("hello")
        ctx.log("careful", level="warning")
        ctx.log("numbers too", level=logging.DEBUG)
        await ctx.emit("out", {"half": "way"})

    async with make_executor([talking]) as executor:
        run = await executor.start("start", None, run_id="census")
        events = [event async for event in run.watch()]
    lines = [event for event in events if isinstance(event, LogLine)]
    assert [(line.level, line.text) for line in lines] == [
        (logging.INFO, "hello"),
        (logging.WARNING, "careful"),
        (logging.DEBUG, "numbers too"),
    ]
    assert {(line.run_id, line.agent, line.node_id) for line in lines} == {
        ("census", "talking", "talking:census.1")
    }
    assert str(lines[1]) == "WARNING talking:census.1: careful"
    [emission] = [event for event in events if isinstance(event, Emission)]
    assert (emission.agent, emission.value) == ("talking", {"half": "way"})
    assert isinstance(events[-1], Outcome)
    assert [(each.levelname, each.getMessage()) for each in caplog.records][:2] == [
        ("INFO", "talking:census.1: hello"),
        ("WARNING", "talking:census.1: careful"),
    ]


async def test_what_a_failed_attempt_said_is_seen(make_executor: MakeExecutor) -> None:
    """Log lines and emitted values are told at once, whatever becomes of the attempt."""

    @agent(subscribe="start", publish="out")
    async def failing(payload: Any, ctx: Context) -> None:
        ctx.log(f"attempt {ctx.attempt}")
        await ctx.emit("out", ctx.attempt)
        raise ValueError("again")

    async with make_executor([failing]) as executor:
        run = await executor.start("start", None)
        events = [event async for event in run.watch()]
    assert [e.text for e in events if isinstance(e, LogLine)] == [
        f"attempt {number}" for number in (1, 2, 3)
    ]
    assert [e.value for e in events if isinstance(e, Emission)] == [1, 2, 3]


async def test_where_a_line_is_from_is_told(
    make_executor: MakeExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    """A line says which channel, attempt and request it is about, a log record too, and an outcome
    which request.
    """
    caplog.set_level(logging.INFO, "dagger.agents")

    @agent(subscribe="start", publish="doubled")
    async def asking(ctx: Context) -> None:
        ctx.log("asks")
        await ctx.request("doubled", 3, key="mine")

    @agent(subscribe="doubled", max_attempts=2, retry="immediate")
    async def double(payload: int, ctx: Context) -> int:
        ctx.log("doubles")
        if ctx.attempt == 1:
            raise ValueError("again")
        return 2 * payload

    async with make_executor([asking, double]) as executor:
        run = await executor.start("start", None, run_id="census")
        events = [event async for event in run.watch()]
    told = [("start", 1, ""), ("doubled", 1, "mine"), ("doubled", 2, "mine")]
    lines = [each for each in events if isinstance(each, LogLine)]
    assert [(each.channel, each.attempt, each.request) for each in lines] == told
    records = [vars(each) for each in caplog.records if each.name == "dagger.agents"]
    assert [(each["channel"], each["attempt"], each["request"]) for each in records] == told
    assert {each["run_id"] for each in records} == {"census"}
    outcomes = [each for each in events if isinstance(each, Outcome)]
    assert [each.request for each in outcomes] == ["mine", ""]


async def test_watching_changes_nothing(make_executor: MakeExecutor) -> None:
    """A run that is watched has the same report as one that is not."""

    @agent(subscribe="start", publish="numbers", publish_each=True)
    async def split(payload: int) -> list[int]:
        return list(range(payload))

    @agent(subscribe="numbers", publish="out", max_attempts=1)
    async def odd(payload: int) -> int:
        if payload % 2 == 0:
            raise ValueError("even")
        return payload

    async with make_executor([split, odd]) as executor:
        plain = await executor.run("start", 10)
        watched_run = await executor.start("start", 10)
        events = [event async for event in watched_run.watch()]
        watched = await watched_run.result()
        assert live_state(executor).open_runs == 0
    assert len(events) == watched.handled == plain.handled
    assert watched.dispositions == plain.dispositions
    assert watched.outputs == plain.outputs
