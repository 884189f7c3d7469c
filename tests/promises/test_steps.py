"""Steps: the result of a named piece of work is kept; its function is called rarely."""

from __future__ import annotations

import functools
import threading
from typing import Any

import anyio
import pytest

from dagger import (
    Agent,
    Context,
    ExecutionError,
    Immediate,
    LogLine,
    MemoryStore,
    NonDeterminism,
    StepFailed,
    Store,
    agent,
)
from dagger.testing import LaggingStore
from tests.patience import PATIENCE
from tests.promises.conftest import MakeExecutor
from tests.waiting import until


async def test_a_step_is_kept_across_attempts(make_executor: MakeExecutor) -> None:
    """A later attempt gets the result of a step back; its function is not called again."""
    calls: list[str] = []

    async def fetch(what: str) -> dict[str, Any]:
        calls.append(what)
        return {"fetched": what}

    @agent(subscribe="start", publish="out")
    async def stepping(payload: Any, ctx: Context) -> Any:
        results = [await ctx.step("fetch", fetch, each) for each in ("a", "b")]
        if ctx.attempt < 3:
            raise ValueError("after the steps")
        return results

    async with make_executor([stepping]) as executor:
        report = await executor.run("start", None)
    assert calls == ["a", "b"]
    assert report.retries == 2
    assert report.outputs == {"out": [[{"fetched": "a"}, {"fetched": "b"}]]}


async def test_a_step_that_fails_is_called_once_an_attempt(make_executor: MakeExecutor) -> None:
    """A failed step is not kept: its function is called again by the next attempt, same key."""
    keys: list[str] = []

    async def flaky(idempotency_key: str) -> str:
        keys.append(idempotency_key)
        if len(keys) < 3:
            raise ConnectionError("try again")
        return "done"

    @agent(subscribe="start", publish="out")
    async def stepping(payload: Any, ctx: Context) -> Any:
        return await ctx.step("flaky", flaky)

    async with make_executor([stepping]) as executor:
        report = await executor.run("start", None)
    assert report.outputs == {"out": ["done"]}
    assert len(keys) == 3
    assert len(set(keys)) == 1


async def test_each_step_has_its_own_idempotency_key(make_executor: MakeExecutor) -> None:
    """The key differs between steps, between uses of one name, and between deliveries."""
    keys: list[str] = []

    def note(value: int, *, idempotency_key: str) -> int:
        keys.append(idempotency_key)
        return value

    @agent(subscribe="start")
    async def stepping(payload: Any, ctx: Context) -> None:
        for number in range(3):
            await ctx.step("note", note, number)
        await ctx.step("other", note, 3)
        await ctx.step("note", note, 4, key="mine")

    async with make_executor([stepping]) as executor:
        for _ in range(2):
            async with await executor.start("start", 0) as run:
                await run.publish("start", 1)
            assert (await run.result()).status == "completed"
    assert len(keys) == len(set(keys)) == 20


async def test_steps_of_one_name_are_told_apart(make_executor: MakeExecutor) -> None:
    """In a loop, steps of one name are kept by their order, or by the key they are given."""
    calls: list[int] = []

    def square(number: int) -> int:
        calls.append(number)
        return number * number

    @agent(subscribe="start", publish="out")
    async def stepping(payload: list[int], ctx: Context) -> Any:
        ordered = [await ctx.step("square", square, each) for each in payload]
        again = payload if ctx.attempt == 1 else payload[::-1]
        keyed = {each: await ctx.step("keyed", square, each, key=str(each)) for each in again}
        if ctx.attempt == 1:
            raise ValueError("once more, in another order")
        return [ordered, [keyed[each] for each in payload]]

    async with make_executor([stepping]) as executor:
        report = await executor.run("start", [3, 1, 2])
    assert report.outputs == {"out": [[[9, 1, 4], [9, 1, 4]]]}
    assert sorted(calls) == [1, 1, 2, 2, 3, 3]


async def test_a_plain_function_runs_in_a_thread(make_executor: MakeExecutor) -> None:
    """A step's plain function does not block the loop; an async one runs on it."""
    threads: dict[str, bool] = {}
    home = threading.get_ident()

    def plain() -> None:
        threads["plain"] = threading.get_ident() == home

    async def coroutine() -> None:
        threads["coroutine"] = threading.get_ident() == home

    @agent(subscribe="start")
    async def stepping(payload: Any, ctx: Context) -> None:
        nonlocal home
        home = threading.get_ident()
        await ctx.step("plain", plain)
        await ctx.step("coroutine", coroutine)

    async with make_executor([stepping]) as executor:
        report = await executor.run("start", None)
    assert report.status == "completed"
    assert threads == {"plain": False, "coroutine": True}


class Client:
    """Something with methods that are used as steps."""

    async def get(self, what: str) -> str:
        return f"got {what}"

    async def __call__(self, what: str) -> str:
        return f"called {what}"


async def test_whatever_can_be_awaited_is_a_step(make_executor: MakeExecutor) -> None:
    """Methods, partials, lambdas and callable objects work, if they are async as well."""
    client = Client()

    @agent(subscribe="start", publish="out")
    async def stepping(payload: Any, ctx: Context) -> Any:
        return [
            await ctx.step("method", client.get, "it"),
            await ctx.step("partial", functools.partial(client.get, "it")),
            await ctx.step("lambda", lambda: client.get("it")),
            await ctx.step("object", client, "it"),
            await ctx.step("builtin", max, 1, 2),
        ]

    async with make_executor([stepping]) as executor:
        report = await executor.run("start", None)
    assert report.error is None
    assert report.outputs == {"out": [["got it", "got it", "got it", "called it", 2]]}


@pytest.mark.parametrize("value", [None, 0, "", [], {"a": [1, {"b": None}]}, 1.5, "text"], ids=repr)
async def test_any_json_value_is_kept(make_executor: MakeExecutor, value: Any) -> None:
    """What a step returns comes back as plain data, `None` included, and is not called twice."""
    calls: list[int] = []

    def give() -> Any:
        calls.append(1)
        return value

    @agent(subscribe="start", publish="out")
    async def stepping(payload: Any, ctx: Context) -> Any:
        result = await ctx.step("give", give)
        if ctx.attempt == 1:
            raise ValueError("again")
        return [result]

    async with make_executor([stepping]) as executor:
        report = await executor.run("start", None)
    assert report.outputs == {"out": [[value]]}
    assert calls == [1]


async def test_a_step_gives_a_value_of_ones_own(make_executor: MakeExecutor) -> None:
    """What the function keeps of its result, and what the handler does to it, are not shared."""
    shared = {"items": [1]}

    @agent(subscribe="start", publish="out")
    async def stepping(payload: Any, ctx: Context) -> Any:
        result = await ctx.step("give", lambda: shared)
        result["items"].append(2)
        if ctx.attempt == 1:
            shared["items"].append(3)
            raise ValueError("again")
        return result

    async with make_executor([stepping]) as executor:
        report = await executor.run("start", None)
    assert report.outputs == {"out": [{"items": [1, 2]}]}


async def test_a_result_that_is_not_json_fails_the_attempt(make_executor: MakeExecutor) -> None:
    """A step whose result cannot be kept has failed, and says where in it the problem is."""

    @agent(subscribe="start", max_attempts=1)
    async def stepping(payload: Any, ctx: Context) -> None:
        await ctx.step("give", lambda: {"a set": {1, 2}})

    async with make_executor([stepping]) as executor:
        report = await executor.run("start", None)
    assert report.error is not None
    assert (report.error.type, report.error.path) == ("StepFailed", "$.a set")
    assert report.error.causes[0].startswith("SerializationError: ")


async def test_steps_side_by_side(make_executor: MakeExecutor) -> None:
    """Steps of several child tasks run at once, and each keeps its own result."""
    meeting = threading.Barrier(3)

    def meet(number: int) -> int:
        meeting.wait(PATIENCE)
        return number

    @agent(subscribe="start", publish="out")
    async def stepping(payload: Any, ctx: Context) -> Any:
        results: dict[int, int] = {}

        async def one(number: int) -> None:
            results[number] = await ctx.step("meet", meet, number, key=str(number))

        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(one, number)
        if ctx.attempt == 1:
            raise ValueError("again: the barrier would not open twice")
        return [results[number] for number in range(3)]

    async with make_executor([stepping]) as executor:
        report = await executor.run("start", None)
    assert report.outputs == {"out": [[0, 1, 2]]}


async def test_the_step_that_takes_too_long_fails_its_attempt(make_executor: MakeExecutor) -> None:
    """The time of a step is running time: the agent's timeout cancels it like any await."""
    over = threading.Event()

    def wait() -> None:
        over.wait(PATIENCE)

    @agent(subscribe="start", timeout=0.02, max_attempts=1)
    async def stepping(payload: str, ctx: Context) -> None:
        await ctx.step("slow", anyio.sleep_forever if payload == "task" else wait)

    async with make_executor([stepping], config={"cancel_grace": 0.02}) as executor:
        task = await executor.run("start", "task")
        thread = await executor.run("start", "thread")
        over.set()
    for report in (task, thread):
        assert report.error is not None
        assert report.error.type == "TimeoutExceeded"


# -- failures ------------------------------------------------------------------------


class Flaky:
    """Fails so many times, then succeeds."""

    def __init__(self, failures: int, error: type[Exception] = ConnectionError) -> None:
        self.keys: list[str] = []
        self._failures = failures
        self._error = error

    def __call__(self, *, idempotency_key: str) -> str:
        self.keys.append(idempotency_key)
        if len(self.keys) <= self._failures:
            raise self._error("not yet")
        return "done"


async def test_a_step_is_tried_again_by_its_own_strategy(make_executor: MakeExecutor) -> None:
    """With `retry=` its function is called again within the attempt, with the same key, and
    each try that failed is told.
    """
    flaky = Flaky(2)

    @agent(subscribe="start", publish="out", max_attempts=1)
    async def stepping(ctx: Context) -> Any:
        return await ctx.step("flaky", flaky, retry=Immediate(max_attempts=3))

    async with make_executor([stepping]) as executor:
        run = await executor.start("start", None)
        told = [each async for each in run.watch() if isinstance(each, LogLine)]
        report = await run.result()
    assert report.outputs == {"out": ["done"]}
    assert (len(flaky.keys), len(set(flaky.keys))) == (3, 1)
    assert [each.text.partition(":")[0] for each in told] == [
        "step 'flaky' failed, try 1 of 3",
        "step 'flaky' failed, try 2 of 3",
    ]


@pytest.mark.parametrize(
    ("retry", "calls"),
    [
        (None, 1),
        (Immediate(max_attempts=2), 2),
        (Immediate(max_attempts=2, retry_on=ValueError), 1),
        ({"kind": "immediate", "max_attempts": 4}, 4),
    ],
)
async def test_a_step_that_fails_for_good(
    make_executor: MakeExecutor, retry: Any, calls: int
) -> None:
    """Once there are no more tries the handler gets StepFailed, caused by what was raised."""
    flaky = Flaky(9)

    @agent(subscribe="start", publish="out")
    async def stepping(ctx: Context) -> Any:
        with pytest.raises(StepFailed) as raised:
            await ctx.step("flaky", flaky, retry=retry)
        assert isinstance(raised.value.__cause__, ConnectionError)
        failure = raised.value.failure
        return [raised.value.step, failure.type, failure.message]

    async with make_executor([stepping]) as executor:
        report = await executor.run("start", None)
    assert report.error is None
    assert report.outputs == {"out": [["flaky", "ConnectionError", "not yet"]]}
    assert len(flaky.keys) == calls


@pytest.mark.parametrize(("error", "attempts"), [(ConnectionError, 3), (ValueError, 1)])
async def test_an_agent_tries_again_for_what_a_step_raised(
    make_executor: MakeExecutor, error: type[Exception], attempts: int
) -> None:
    """Whether an attempt follows one whose step failed is asked of what its function raised."""
    flaky = Flaky(9, error)

    @agent(subscribe="start", max_attempts=3, retry=Immediate(retry_on=ConnectionError))
    async def stepping(ctx: Context) -> None:
        await ctx.step("flaky", flaky)

    async with make_executor([stepping]) as executor:
        report = await executor.run("start", None)
    assert len(flaky.keys) == attempts
    assert report.error is not None
    assert report.error.causes == (f"{error.__name__}: not yet",)


# -- going on after a restart --------------------------------------------------------


def lasting(store: Store | None) -> Store:
    """A store in which a run stays open when its executor stops."""
    return store or MemoryStore()


def asking(*steps: Any) -> Agent:
    """An agent that does some steps, tells what came of them, and waits for an answer."""

    @agent(subscribe="start", publish="out", max_attempts=2)
    async def stepping(ctx: Context) -> Any:
        told = []
        for name, *call in steps:
            try:
                told.append(await ctx.step(name, *call))
            except StepFailed as failed:
                told.append(failed.failure.message)
        if await ctx.ask("go on?") == "no" and ctx.attempt == 1:
            raise ValueError("once more")
        return told

    return stepping


async def test_a_failure_is_kept_for_a_re_execution(
    make_executor: MakeExecutor, store: Store | None
) -> None:
    """A handler that has seen a step fail sees it fail again after a restart, without a call;
    a new attempt calls again.
    """
    store, flaky = lasting(store), Flaky(1)
    stepping = asking(("flaky", flaky))
    async with make_executor([stepping], store=store) as executor:
        run = await executor.start("start", None, run_id="one")
        await until(lambda: bool(run.questions))
    async with make_executor([stepping], store=store) as executor:
        run = await executor.start("start", None, run_id="one")
        await until(lambda: bool(run.questions))
        await run.answer("question-0", "no")
        report = await run.result()
    assert len(flaky.keys) == 2
    assert report.outputs == {"out": [["done"]]}


async def test_other_arguments_are_not_taken_for_the_same(
    make_executor: MakeExecutor, store: Store | None
) -> None:
    """A step that is asked for again with other arguments raises NonDeterminism, which names
    agent, step and both digests; no attempt follows.
    """
    calls: list[int] = []

    @agent(subscribe="start", max_attempts=5)
    async def stepping(ctx: Context) -> None:
        await ctx.step("note", calls.append, ctx.attempt)
        raise ValueError("again")

    async with make_executor([stepping], store=store) as executor:
        report = await executor.run("start", None)
    assert calls == [1]
    assert report.error is not None
    [letter] = report.dead_letters
    assert letter.failure.type == NonDeterminism.__name__
    assert "'note' (#0)" in letter.failure.message
    assert letter.failure.message.startswith("stepping:")


async def test_the_order_of_keys_is_no_other_argument(make_executor: MakeExecutor) -> None:
    """A dict counts by what it holds: a set it was made of may have another order."""
    calls: list[Any] = []

    @agent(subscribe="start", max_attempts=2)
    async def stepping(ctx: Context) -> None:
        keys = ["a", "b"][:: 1 if ctx.attempt == 1 else -1]
        await ctx.step("note", calls.append, {"in": [dict.fromkeys(keys, 1)]})
        if ctx.attempt == 1:
            raise ValueError("again")

    async with make_executor([stepping]) as executor:
        report = await executor.run("start", None)
    assert (report.status, len(calls)) == ("completed", 1)


async def test_what_is_not_json_counts_by_its_type(make_executor: MakeExecutor) -> None:
    """Arguments that no payload could hold, a client say, may be others after a restart."""
    calls: list[object] = []

    @agent(subscribe="start", max_attempts=2)
    async def stepping(ctx: Context) -> None:
        await ctx.step("note", calls.append, object())
        if ctx.attempt == 1:
            raise ValueError("again")

    async with make_executor([stepping]) as executor:
        report = await executor.run("start", None)
    assert (report.status, len(calls)) == ("completed", 1)


@pytest.mark.parametrize("keys", [(None, None), ("a", "a")])
async def test_steps_in_flight_must_be_told_apart(
    make_executor: MakeExecutor, keys: tuple[str | None, str | None]
) -> None:
    """Two steps of one name at once need a key each; that is an error before a call."""
    hold = anyio.Event()

    @agent(subscribe="start", publish="out", max_attempts=1)
    async def stepping(ctx: Context) -> Any:
        async def first() -> None:
            await ctx.step("wait", hold.wait, key=keys[0])

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first)
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(ExecutionError, match=r"'wait'.* in flight at once"):
                await ctx.step("wait", hold.wait, key=keys[1])
            hold.set()
        return "refused"

    async with make_executor([stepping]) as executor:
        report = await executor.run("start", None)
    assert report.outputs == {"out": ["refused"]}


# -- the disk ------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 10])
async def test_steps_cost_one_commit_each(make_executor: MakeExecutor, count: int) -> None:
    """A function is called once all before it is on disk, and the handler sees its result
    once that is: n steps in a row, and their settling, cost n + 1 commits.
    """
    store, commits, safe = LaggingStore(), list[int](), list[bool]()

    def look(*_: int) -> int:
        safe.append(store.durable == store.position)
        return store.position

    @agent(subscribe="start")
    async def stepping(ctx: Context) -> None:
        await ctx.step("first", look)
        commits.append(store.commits)
        for number in range(count):
            before = await ctx.step("look", look, number)
            safe.append(store.durable > before)

    async with make_executor([stepping], store=store) as executor:
        report = await executor.run("start", None)
        commits.append(store.commits)
    assert report.status == "completed"
    assert all(safe)
    assert commits[1] - commits[0] == count + 1


@pytest.mark.parametrize("learns", [True, False])
async def test_a_step_waits_for_what_it_may_come_of(
    make_executor: MakeExecutor, learns: bool
) -> None:
    """What others have done since the step before has to be on disk if the handler may have
    seen it, and else need not be.
    """
    store, durable = LaggingStore(), list[bool]()
    stepped, wrote = anyio.Event(), anyio.Event()

    async def look(position: int) -> None:
        durable.append(store.durable >= position)

    @agent(subscribe="start")
    async def stepping(ctx: Context) -> None:
        await ctx.step("first", anyio.sleep, 0)
        stepped.set()
        await wrote.wait()
        if learns:
            ctx.cache.get("what others have written")
        assert store.durable < store.position
        await ctx.step("second", look, store.position)

    async with make_executor([stepping], store=store) as executor:
        run = await executor.start("start", None)
        await stepped.wait()
        assert store.durable == store.position
        run.cache.set("what others have written", 1)
        wrote.set()
        report = await run.result()
    assert report.status == "completed"
    assert durable == [learns]
