"""Again: a run id is used once, and what a stopped executor left open goes on with the next."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from dagger import Agent, Context, Executor, Immediate, Linear, MemoryStore, agent
from dagger.words.config import Config
from dagger.words.errors import RunConflict
from tests.promises.conftest import MakeExecutor
from tests.waiting import in_hand, turns, until

QUICK = Config(retry_strategy=Immediate())


@agent(subscribe="start", publish="out")
async def echo(payload: Any) -> Any:
    """Say it again."""
    return payload


# -- one id, one run -----------------------------------------------------------------


async def test_an_ended_run_returns_its_report(make_executor: MakeExecutor) -> None:
    """Running an id again that has ended handles nothing, and gives the same report."""
    handled: list[Any] = []

    @agent(subscribe="start", publish="out")
    async def once(payload: Any) -> Any:
        handled.append(payload)
        return payload

    async with make_executor([once]) as executor:
        reports = [await executor.run("start", {"a": 1}, run_id="census") for _ in range(3)]
        receipt = await executor.publish("start", {"a": 1}, run_id="census")
    assert handled == [{"a": 1}]
    assert receipt.run_id == "census"
    assert len({report.ended for report in reports}) == 1


async def test_an_open_run_is_joined(make_executor: MakeExecutor) -> None:
    """Running an id that is open waits for that run, whoever started it."""
    gate = anyio.Event()
    handled: list[Any] = []

    @agent(subscribe="start", publish="out")
    async def gated(payload: Any) -> Any:
        handled.append(payload)
        await gate.wait()
        return payload

    async with make_executor([gated]) as executor:
        reports: list[Any] = []

        async def run() -> None:
            reports.append(await executor.run("start", 1, run_id="census"))

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(run)
            await turns()
            gate.set()
    assert handled == [1]
    assert [report.outputs for report in reports] == [{"out": [1]}] * 5


async def test_an_id_is_opened_once_even_at_the_gate(make_executor: MakeExecutor) -> None:
    """Of several who wait for room with one id, the first opens the run, the others join it."""
    gate = anyio.Event()
    handled: list[Any] = []

    @agent(subscribe="start", publish="out")
    async def gated(payload: Any) -> Any:
        handled.append(payload)
        await gate.wait()
        return payload

    async with make_executor([gated], config={"max_open_runs": 1}) as executor:
        await executor.start("start", "first")
        reports: list[Any] = []

        async def run(payload: Any) -> None:
            try:
                reports.append(await executor.run("start", payload, run_id="census"))
            except RunConflict as conflict:
                reports.append(conflict)

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(run, "same")
            await turns()
            tasks.start_soon(run, "other")
            await turns()
            tasks.start_soon(executor.run, "start", "last")
            await turns()
            gate.set()
    assert sorted(handled) == ["first", "last", "same"]
    assert sum(isinstance(each, RunConflict) for each in reports) == 1
    assert len(reports) == 4


@pytest.mark.parametrize(
    ("channel", "payload"),
    [
        ("start", {"a": 1, "b": [1, 2], "c": None}),
        ("start", {"a": 2, "b": [1, 2]}),
        ("start", {"a": True, "b": [1, 2]}),
        ("start", {"a": 1, "b": [2, 1]}),
        ("start", None),
        ("other", {"a": 1, "b": [1, 2]}),
    ],
    ids=str,
)
async def test_another_first_message_is_a_conflict(
    make_executor: MakeExecutor, channel: str, payload: Any
) -> None:
    """An id used again with a different payload or channel raises RunConflict."""

    @agent(subscribe="other")
    async def other(payload: Any) -> None: ...

    async with make_executor([echo, other]) as executor:
        await executor.run("start", {"a": 1, "b": [1, 2]}, run_id="census")
        for call in (executor.run, executor.start, executor.publish):
            with pytest.raises(RunConflict, match="census"):
                await call(channel, payload, run_id="census")


async def test_the_order_of_keys_says_nothing(make_executor: MakeExecutor) -> None:
    """An equal payload is equal, in whatever order its keys stand."""
    async with make_executor([echo]) as executor:
        first = await executor.run("start", {"a": {"b": 1, "c": 2}, "d": 3}, run_id="census")
        again = await executor.run("start", {"d": 3, "a": {"c": 2, "b": 1}}, run_id="census")
    assert first.ended == again.ended


# -- another executor on the same store ----------------------------------------------


def pipeline(calls: list[Any], gate: anyio.Event) -> list[Agent]:
    """Three agents in a row; the second one's handler waits at a gate."""

    @agent(subscribe="start", publish="numbers", publish_each=True)
    async def split(payload: int) -> list[int]:
        calls.append(("split", payload))
        return list(range(payload))

    @agent(subscribe="numbers", publish="squares")
    async def square(payload: int, ctx: Context) -> int:
        calls.append(("square", payload))
        ctx.cache.increment("squared")
        if payload == 2:
            await gate.wait()
        return payload * payload

    @agent(subscribe="squares", publish="out")
    async def show(payload: int) -> str:
        calls.append(("show", payload))
        return str(payload)

    return [split, square, show]


async def test_a_stopped_run_goes_on_with_the_next_executor() -> None:
    """What was settled is not done again, what was not is; the report is as if never stopped."""
    store, calls, gate = MemoryStore(), list[Any](), anyio.Event()
    async with Executor(pipeline(calls, gate), store=store) as executor:
        await executor.start("start", 5, run_id="census")
        await until(lambda: ("square", 2) in calls)
        await turns()
    assert ("square", 3) not in calls

    gate.set()
    async with Executor(pipeline(calls, gate), store=store) as executor:
        report = await executor.run("start", 5, run_id="census")
        cache = executor.live("census").cache
        assert cache.get("squared") == 5
    assert report.status == "completed"
    assert sorted(report.outputs["out"]) == ["0", "1", "16", "4", "9"]
    assert calls.count(("square", 2)) == 2  # once before, once after
    assert all(calls.count(call) == 1 for call in calls if call != ("square", 2))

    async with Executor(pipeline(calls, gate), store=store) as executor:
        again = await executor.run("start", 5, run_id="census")
    assert (again.ended, again.messages, again.dispositions) == (
        report.ended,
        report.messages,
        report.dispositions,
    )
    assert again.outputs == report.outputs


async def test_any_number_of_stops_changes_nothing() -> None:
    """A run that is stopped again and again ends with the same report, and no effect twice."""

    @agent(subscribe="start", publish=["start", "out"], hears_itself=True)
    async def count(payload: int, ctx: Context) -> None:
        await anyio.lowlevel.checkpoint()
        ctx.cache.append("seen", payload)
        ctx.publish("out", payload)
        if payload:
            ctx.publish("start", payload - 1)

    store = MemoryStore()
    for _ in range(100):
        async with Executor([count], store=store) as executor:
            run = await executor.start("start", 30, run_id="census")
            await turns(4)
            if run.report().ended is not None:
                break
    async with Executor([count], store=store) as executor:
        report = await executor.run("start", 30, run_id="census")
        assert executor.live("census").cache.get("seen") == list(range(30, -1, -1))
    assert report.outputs == {"out": list(range(30, -1, -1))}
    assert report.dispositions == {"ok": 31}


async def test_steps_sleeps_and_replies_are_kept() -> None:
    """A handler that is executed again gets the kept answers of what it already waited for."""
    calls: list[str] = []

    def work(name: str) -> str:
        calls.append(name)
        return name.upper()

    @agent(subscribe="start", publish=["out", "echo"])
    async def waiter(payload: Any, ctx: Context) -> None:
        step = await ctx.step("work", work, "step")
        await ctx.sleep(0.001)
        reply = await ctx.request("echo", "reply")
        answer = await ctx.ask("go on?", name="first")
        again = await ctx.step("work", work, "again")
        second = await ctx.ask("and on?", name="second")
        ctx.publish("out", [step, reply, answer, again, second])

    @agent(subscribe="echo")
    async def echo(payload: str) -> str:
        return work(payload)

    store, agents = MemoryStore(), [waiter, echo]
    async with Executor(agents, store=store) as executor:
        report = await executor.run("start", None, run_id="case")
        assert [each.name for each in report.questions] == ["first"]
    async with Executor(agents, store=store) as executor:
        report = await executor.run("start", None, run_id="case")
        assert (report.status, [each.name for each in report.questions]) == ("waiting", ["first"])
        await executor.live("case").answer("first", 1)
        report = await executor.run("start", None, run_id="case")
        assert [each.name for each in report.questions] == ["second"]
    async with Executor(agents, store=store) as executor:
        await executor.live("case").answer("second", 2)  # before its handler has asked again
        report = await executor.run("start", None, run_id="case")
    assert report.outputs == {"out": [["STEP", "REPLY", 1, "AGAIN", 2]]}
    assert calls == ["step", "reply", "again"]


async def test_attempts_are_counted_across_a_restart() -> None:
    """Failed attempts count, and a retry that was due stays due, whichever executor made them."""
    attempts: list[int] = []
    lives = 0

    @agent(subscribe="start", retry=Linear(0.02), max_attempts=4)
    async def failing(payload: Any, ctx: Context) -> None:
        if len(attempts) == lives:
            await anyio.sleep_forever()  # it is for the next executor
        attempts.append(ctx.attempt)
        raise ValueError(f"attempt {ctx.attempt}")

    store = MemoryStore()
    for lives in (1, 2, 3):
        async with Executor([failing], store=store) as executor:
            run = await executor.start("start", None, run_id="case")
            await until(lambda run=run, so_many=lives: run.report().retries == so_many)  # type: ignore[misc]
    lives = 4
    async with Executor([failing], store=store) as executor:
        report = await executor.run("start", None, run_id="case")
    assert attempts == [1, 2, 3, 4]
    assert report.dead_letters[0].attempts == 4
    assert report.retries == 3


async def test_a_re_execution_is_no_new_attempt() -> None:
    """A handler that was interrupted by a stop goes on with the same attempt."""
    attempts: list[int] = []

    @agent(subscribe="start", max_attempts=1)
    async def endless(payload: Any, ctx: Context) -> None:
        attempts.append(ctx.attempt)
        if len(attempts) < 4:
            await anyio.sleep_forever()

    store = MemoryStore()
    for _ in range(3):
        async with Executor([endless], store=store) as executor:
            await executor.start("start", None, run_id="case")
            await until(lambda: in_hand(executor) == 1)
    async with Executor([endless], store=store) as executor:
        report = await executor.run("start", None, run_id="case")
    assert attempts == [1, 1, 1, 1]
    assert report.status == "completed"


async def test_a_run_whose_agent_is_missing_is_paused() -> None:
    """Resuming a run without one of its agents leaves it paused and names the agent."""
    calls: list[Any] = []
    store, gate = MemoryStore(), anyio.Event()
    split, square, show = pipeline(calls, gate)
    async with Executor([split, square, show], store=store) as executor:
        await executor.start("start", 3, run_id="census")
        await until(lambda: ("square", 2) in calls)
    gate.set()
    async with Executor([split, show], store=store) as executor:
        run = executor.live("census")
        await turns()
        assert run.status == "paused"
        assert "square" in run.report().reason
        assert [each.id for each in await executor.drain()] == ["census"]
    async with Executor([split, square, show], store=store) as executor:
        report = await executor.run("start", 3, run_id="census")
    assert report.status == "completed"
    assert report.outputs == {"out": ["0", "1", "4"]}


async def test_a_paused_run_can_be_cancelled() -> None:
    """A run that waits for a missing agent ends when it is told to."""
    store, calls, gate = MemoryStore(), list[Any](), anyio.Event()
    split, square, show = pipeline(calls, gate)
    async with Executor([split, square, show], store=store) as executor:
        await executor.start("start", 3, run_id="census")
        await until(lambda: ("square", 2) in calls)
    async with Executor([split, show], store=store) as executor:
        report = await executor.live("census").cancel("without it")
        assert await executor.drain() == []
    assert (report.status, report.reason) == ("cancelled", "without it")
    assert report.open == 0


async def test_a_missing_agent_that_comes_ends_the_pause() -> None:
    """Registering the missing agent lets the paused run go on."""
    calls: list[Any] = []
    store, gate = MemoryStore(), anyio.Event()
    split, square, show = pipeline(calls, gate)
    async with Executor([split, square, show], store=store) as executor:
        await executor.start("start", 3, run_id="census")
        await until(lambda: ("square", 2) in calls)
    gate.set()
    async with Executor([split, show], store=store) as executor:
        run = executor.live("census")
        await turns()
        executor.register(square)
        report = await run.result()
    assert report.status == "completed"
    assert report.outputs == {"out": ["0", "1", "4"]}


async def test_an_agent_of_the_past_does_not_hold_up_new_runs() -> None:
    """An agent that the next executor does not have gets no more messages of new runs."""
    store = MemoryStore()

    @agent(subscribe="start")
    async def gone(payload: Any) -> None: ...

    async with Executor([echo, gone], store=store) as executor:
        assert (await executor.run("start", 1)).handled == 2
    async with Executor([echo], store=store) as executor:
        report = await executor.run("start", 2)
        assert [each.name for each in executor.list_agents()] == ["echo"]
    assert report.status == "completed"
    assert list(report.agents) == ["echo"]


async def test_a_crash_at_any_record_changes_nothing() -> None:
    """Whatever prefix of the journal survives, the run goes on to the same outputs and counts."""
    attempts: list[int] = []

    def work(number: int) -> int:
        return number * 2

    @agent(subscribe="start", publish="numbers", publish_each=True)
    async def split(payload: int) -> list[int]:
        return list(range(payload))

    @agent(subscribe="numbers", publish=["out", "echo"], concurrency=2)
    async def double(payload: int, ctx: Context) -> None:
        doubled = await ctx.step("double", work, payload)
        echoed = await ctx.request("echo", doubled)
        attempts.append(ctx.attempt)
        if ctx.attempt == 1 and payload == 1:
            raise ValueError("once")
        ctx.cache.increment("handled")
        ctx.publish("out", echoed)

    @agent(subscribe="echo")
    async def echo(payload: int) -> int:
        return payload

    agents = [split, double, echo]
    whole = MemoryStore()
    async with Executor(agents, store=whole, config=QUICK) as executor:
        expected = await executor.run("start", 3, run_id="census")
    records = list(whole.read())
    opened = next(at for at, each in enumerate(records) if type(each).__name__ == "RunOpened")
    for survived in range(opened + 1, len(records) + 1):
        store = MemoryStore()
        for record in records[:survived]:
            store.append(record)
        async with Executor(agents, store=store, config=QUICK) as executor:
            report = await executor.run("start", 3, run_id="census")
            assert executor.live("census").cache.get("handled") == 3
        assert report.status == "completed"
        assert sorted(report.outputs["out"]) == [0, 2, 4]
        assert report.dispositions == expected.dispositions
        assert report.messages == expected.messages


async def test_a_crash_while_a_run_winds_down_ends_it() -> None:
    """A run that was being cancelled when the process died is cancelled, and not handled."""
    handled: list[Any] = []

    @agent(subscribe="start")
    async def endless(payload: Any) -> None:
        handled.append(payload)
        await anyio.sleep_forever()

    whole = MemoryStore()
    async with Executor([endless], store=whole) as executor:
        run = await executor.start("start", 1, run_id="case")
        await run.publish("start", 2)
        await until(lambda: handled == [1])
        await run.cancel("enough")
    store = MemoryStore()
    for record in whole.read():
        if type(record).__name__ in ("Swept", "Settled", "RunEnded"):
            break
        store.append(record)
    async with Executor([endless], store=store) as executor:
        report = await executor.run("start", 1, run_id="case")
    assert handled == [1]
    assert (report.status, report.reason) == ("cancelled", "enough")
    assert report.dispositions == {"cancelled": 2}


async def test_limits_of_a_run_are_kept() -> None:
    """Budgets that a run was given hold for it in the next executor too."""
    stuck = True

    @agent(subscribe="start", publish=["start", "out"], hears_itself=True)
    async def spend(payload: int, ctx: Context) -> None:
        await ctx.spend(tokens=10)
        ctx.publish("start", payload + 1)
        if stuck and payload == 2:
            await anyio.sleep_forever()

    store = MemoryStore()
    async with Executor([spend], store=store) as executor:
        run = await executor.start("start", 0, run_id="case", max_tokens=65)
        await until(lambda: run.report().tokens == 30)
    stuck = False
    async with Executor([spend], store=store) as executor:
        report = await executor.run("start", 0, run_id="case")
    assert report.status == "over_budget"
    assert report.tokens == 70


async def test_ended_runs_are_remembered_and_forgotten_alike() -> None:
    """`keep_runs` counts the ended runs of all executors of a store."""
    store = MemoryStore()
    config = Config(keep_runs=3)
    for number in range(5):
        async with Executor([echo], store=store, config=config) as executor:
            await executor.run("start", number, run_id=str(number))
    async with Executor([echo], store=store, config=config) as executor:
        assert [report.run_id for report in executor.runs()] == ["2", "3", "4"]


async def test_open_runs_may_be_left_alone() -> None:
    """With `resume=False` nothing of an earlier time is handled."""
    store, calls, gate = MemoryStore(), list[Any](), anyio.Event()
    async with Executor(pipeline(calls, gate), store=store) as executor:
        await executor.start("start", 3, run_id="census")
        await until(lambda: ("square", 2) in calls)
    count = len(calls)
    gate.set()
    async with Executor(pipeline(calls, gate), store=store, resume=False) as executor:
        assert (await executor.run("start", 0, run_id="other")).status == "completed"
        assert (await executor.run("start", 3, run_id="census")).status == "paused"
        executor.register(*pipeline(calls, gate), replace=True)
        await turns()
        assert len(calls) == count + 1


async def test_the_shared_cache_outlives_its_executor() -> None:
    """What runs wrote into `shared` is there in the next executor of the store."""

    @agent(subscribe="start")
    async def write(payload: Any, ctx: Context) -> None:
        ctx.shared.append("seen", payload)

    store = MemoryStore()
    for number in range(3):
        async with Executor([write], store=store) as executor:
            await executor.run("start", number)
    async with Executor([write], store=store) as executor:
        assert executor.shared.get("seen") == [0, 1, 2]
