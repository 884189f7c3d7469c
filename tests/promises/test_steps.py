"""Steps: the result of a named piece of work is kept; its function is called rarely."""

from __future__ import annotations

import functools
import threading
from typing import Any

import anyio
import pytest

from dagger import Context, agent
from tests.promises.conftest import MakeExecutor


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
    """A step whose result cannot be kept raises SerializationError in the handler."""

    @agent(subscribe="start", max_attempts=1)
    async def stepping(payload: Any, ctx: Context) -> None:
        await ctx.step("give", lambda: {"a set": {1, 2}})

    async with make_executor([stepping]) as executor:
        report = await executor.run("start", None)
    assert report.error is not None
    assert (report.error.type, report.error.path) == ("SerializationError", "$.a set")


async def test_steps_side_by_side(make_executor: MakeExecutor) -> None:
    """Steps of several child tasks run at once, and each keeps its own result."""
    meeting = threading.Barrier(3)

    def meet(number: int) -> int:
        meeting.wait(10)
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

    @agent(subscribe="start", timeout=0.02, max_attempts=1)
    async def stepping(payload: str, ctx: Context) -> None:
        await ctx.step("slow", anyio.sleep_forever if payload == "task" else lambda: over.wait(10))

    async with make_executor([stepping], config={"cancel_grace": 0.02}) as executor:
        task = await executor.run("start", "task")
        thread = await executor.run("start", "thread")
        over.set()
    for report in (task, thread):
        assert report.error is not None
        assert report.error.type == "TimeoutExceeded"
