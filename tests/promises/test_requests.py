"""Requests: published at once, answered by what the first handler to end returns."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from dagger import Agent, Context, Immediate, MemoryStore, Message, agent
from dagger.views.report import Report
from dagger.words.errors import RequestFailed
from tests.promises.conftest import MakeExecutor
from tests.promises.gates import Gate, filled
from tests.waiting import in_hand, pending, turns, until


@agent(subscribe="start", publish=["ask", "out"])
async def asker(payload: Any, ctx: Context) -> None:
    """Pass a reply on."""
    ctx.publish("out", await ctx.request("ask", payload))


async def asked(make_executor: MakeExecutor, *agents: Agent, payload: Any = 1) -> Report:
    """The report of one request."""
    config = {"max_attempts": 1}
    async with make_executor([asker, *agents], config=config) as executor:
        return await executor.run("start", payload)


@pytest.mark.parametrize("value", [1, None, False, {"a": [1]}, [], "text"])
async def test_the_reply_is_what_the_handler_returns(
    make_executor: MakeExecutor, value: Any
) -> None:
    """Whatever the handler returns, None too, is the reply; nothing is published for it."""

    @agent(subscribe="ask", publish="elsewhere")
    async def answer() -> Any:
        return value

    report = await asked(make_executor, answer)
    assert report.outputs == {"out": [value]}
    assert report.status == "completed"


async def test_a_plain_message_on_the_channel_is_handled_as_ever(
    make_executor: MakeExecutor,
) -> None:
    """An agent that answers requests publishes what it returns for other messages."""

    @agent(subscribe="ask", publish="elsewhere")
    async def answer(payload: int) -> int:
        return payload + 1

    async with make_executor([asker, answer]) as executor:
        live = await executor.start("ask", 5)
        async with live:
            await live.publish("start", 1)
        report = await live.result()
    assert report.outputs == {"elsewhere": [6], "out": [2]}


async def test_nobody_to_ask_is_an_error_at_once(make_executor: MakeExecutor) -> None:
    """A request that no agent hears fails; it does not wait for ever."""
    report = await asked(make_executor)
    assert report.error is not None
    assert report.error.type == "RequestFailed"
    assert "no agent subscribes" in report.error.message


@pytest.mark.parametrize("how", ["raises", "rejects", "unregistered", "dropped", "timeout"])
async def test_a_request_that_is_not_handled_fails(make_executor: MakeExecutor, how: str) -> None:
    """Whatever becomes of it, whoever waits for the reply is told."""
    inside = anyio.Event()

    @agent(
        subscribe="ask", name="answer", capacity=1, overflow="drop_oldest", max_attempts=1,
        input_schema={"type": "integer"}, on_failure="continue",
        timeout=0.01 if how == "timeout" else None,
    )  # fmt: skip
    async def answer(payload: Any) -> Any:
        inside.set()
        if how == "raises":
            raise ValueError("cannot answer")
        await anyio.sleep_forever()

    @agent(name="asker", subscribe="start", publish=["ask", "out"], concurrency=3)
    async def told(payload: Any, ctx: Context) -> None:
        try:
            await ctx.request("ask", payload)
        except RequestFailed as error:
            ctx.publish("out", str(error))

    async with make_executor([told, answer]) as executor:
        live = await executor.start("start", "text" if how == "rejects" else 1)
        if how in ("unregistered", "dropped"):
            await inside.wait()
            await live.publish("start", 2)
            await until(lambda: pending(executor, "answer") == 1)
        if how == "unregistered":
            executor.unregister("answer")
            await until(lambda: bool(live.report().outputs))
            await live.cancel()
        if how == "dropped":
            await live.publish("start", 3)
            await until(lambda: bool(live.report().outputs))
            await live.cancel()
        report = await live.result()
    (problem,) = report.outputs["out"]
    assert "'answer'" in problem
    assert "channel 'ask'" in problem
    if how == "raises":
        assert "cannot answer" in problem


async def test_the_first_to_end_answers(make_executor: MakeExecutor) -> None:
    """Where several agents hear a request, the reply is that of the first to end."""
    replied = anyio.Event()

    @agent(subscribe="ask")
    async def slow() -> str:
        await replied.wait()
        return "slow"

    @agent(subscribe="ask")
    async def quick() -> str:
        return "quick"

    @agent(subscribe="out")
    async def release() -> None:
        replied.set()

    report = await asked(make_executor, slow, quick, release)
    assert report.status == "completed"
    assert report.channels["out"].messages == 1
    assert {name: report.agents[name].dispositions for name in ("slow", "quick")} == {
        "slow": {"ok": 1},
        "quick": {"ok": 1},
    }


async def test_a_request_is_answered_after_retries(make_executor: MakeExecutor) -> None:
    """A handler that fails and is tried again answers in the end."""

    @agent(subscribe="ask", max_attempts=3)
    async def answer(ctx: Context) -> int:
        if ctx.attempt < 3:
            raise ValueError("not yet")
        return ctx.attempt

    report = await asked(make_executor, answer)
    assert report.outputs == {"out": [3]}


async def test_a_reply_is_kept_across_attempts(make_executor: MakeExecutor) -> None:
    """An attempt after a failure gets the reply it had, and does not ask again."""
    questions: list[Any] = []

    @agent(name="asker", subscribe="start", publish=["ask", "out"], max_attempts=3)
    async def again(payload: Any, ctx: Context) -> None:
        replies = [await ctx.request("ask", number) for number in range(2)]
        if ctx.attempt < 3:
            raise ValueError("again")
        ctx.publish("out", replies)

    @agent(subscribe="ask")
    async def answer(payload: int) -> int:
        questions.append(payload)
        return payload * 10

    async with make_executor([again, answer]) as executor:
        report = await executor.run("start", {})
    assert questions == [0, 1]
    assert report.outputs == {"out": [[0, 10]]}


async def test_many_requests_at_once(make_executor: MakeExecutor) -> None:
    """A handler may ask from several tasks; each gets its own reply, each message its own id."""
    ids: list[str] = []

    @agent(name="asker", subscribe="start", publish=["ask", "out"])
    async def several(payload: int, ctx: Context) -> None:
        replies: dict[int, Any] = {}

        async def ask(number: int) -> None:
            replies[number] = await ctx.request("ask", number, key=str(number))

        async with anyio.create_task_group() as tasks:
            for number in range(payload):
                tasks.start_soon(ask, number)
        ctx.publish("out", [replies[number] for number in range(payload)])

    @agent(subscribe="ask", concurrency=3, capacity=1, overflow="block")
    async def answer(payload: int, message: Message) -> int:
        ids.append(message.id)
        await anyio.lowlevel.checkpoint()
        return payload * payload

    async with make_executor([several, answer]) as executor:
        report = await executor.run("start", 9)
    assert report.outputs == {"out": [[number * number for number in range(9)]]}
    assert len(set(ids)) == 9


async def test_a_waiting_asker_takes_no_worker(make_executor: MakeExecutor) -> None:
    """While a handler waits for a reply its agent goes on with the next message."""
    gate = Gate("answer", "ask", concurrency=10)
    async with make_executor([asker, gate.agent]) as executor:
        live = await executor.start("start", 0)
        async with live:
            for number in range(1, 5):
                await live.publish("start", number)
            await until(lambda: in_hand(executor, "answer") == 5)
            gate.open.set()
        report = await live.result()
    assert sorted(gate.handled) == list(range(5))
    assert report.outputs == {"out": [None] * 5}


async def test_a_chain_of_requests(make_executor: MakeExecutor) -> None:
    """Who answers a request may ask others first."""

    @agent(subscribe="ask", publish="deeper")
    async def middle(payload: int, ctx: Context) -> Any:
        return 2 * await ctx.request("deeper", payload + 1)

    @agent(subscribe="deeper")
    def last(payload: int) -> int:
        return payload + 1

    report = await asked(make_executor, middle, last)
    assert report.outputs == {"out": [6]}
    assert [node.agent for node in report.tree.nodes()] == ["last", "middle", "asker"]


async def test_a_request_obeys_schema_capacity_and_declaration(
    make_executor: MakeExecutor,
) -> None:
    """A request is a message: checked, bounded, and only where the agent may publish."""
    problems: list[str] = []
    gate = Gate("answer", "ask", capacity=1, overflow="reject")

    @agent(subscribe="start", publish={"ask": {"type": "integer"}}, max_attempts=1)
    async def strict(payload: Any, ctx: Context) -> None:
        for channel, value in (("ask", "text"), ("other", 1), ("ask", {1}), ("ask", 1)):
            try:
                await ctx.request(channel, value)
            except Exception as error:
                problems.append(type(error).__name__)

    async with make_executor([strict, gate.agent]) as executor:
        live = await filled(executor, "ask", pending_=1)
        async with live:
            await live.publish("start", {})
            await until(lambda: len(problems) == 4)
            gate.open.set()
        await live.result()
    assert problems == [
        "ValidationError",
        "ChannelUndeclared",
        "SerializationError",
        "ChannelFull",
    ]


async def test_a_request_counts_against_the_budget(make_executor: MakeExecutor) -> None:
    """A run that may publish no more messages can ask nothing more either."""

    @agent(subscribe="ask")
    async def answer() -> int:
        return 1

    @agent(name="asker", subscribe="start", publish="ask")
    async def greedy(ctx: Context) -> None:
        while True:
            await ctx.request("ask", 1)

    async with make_executor([greedy, answer]) as executor:
        report = await executor.run("start", {}, max_messages=5)
    assert report.status == "over_budget"
    assert report.messages == 5


async def test_a_request_passed_on_is_no_request(make_executor: MakeExecutor) -> None:
    """Publishing the message of a request does not hand on who is to be answered."""
    heard: list[dict[str, str]] = []

    @agent(subscribe="ask", publish="log")
    async def answer(message: Message, ctx: Context) -> Any:
        ctx.publish("log", message)
        return "answered"

    @agent(subscribe="log", publish="logged")
    async def log(message: Message) -> str:
        heard.append(message.headers)
        return "logged"

    report = await asked(make_executor, answer, log)
    assert report.outputs == {"out": ["answered"], "logged": ["logged"]}
    assert heard == [{}]


async def test_a_request_outlives_the_executor() -> None:
    """What was asked is not asked again after a restart, and a reply that came is kept."""
    from dagger import Executor

    store = MemoryStore()
    questions: list[int] = []
    stop_at = anyio.Event()

    @agent(name="asker", subscribe="start", publish=["ask", "out"])
    async def patient(ctx: Context) -> None:
        first = await ctx.request("ask", 1)
        second = await ctx.request("ask", 2)
        ctx.publish("out", [first, second])

    @agent(subscribe="ask")
    async def answer(payload: int) -> int:
        questions.append(payload)
        if payload == 2 and questions.count(2) == 1:
            stop_at.set()
            await anyio.sleep_forever()
        return payload * 10

    async with Executor([patient, answer], store=store) as executor:
        await executor.start("start", {}, run_id="r")
        await stop_at.wait()
        await turns()
    async with Executor([patient, answer], store=store) as executor:
        report = await executor.run("start", {}, run_id="r")
    assert report.outputs == {"out": [[10, 20]]}
    assert questions == [1, 2, 2]
    assert report.channels["ask"].messages == 2


async def test_a_retry_asks_anew_after_a_failed_request(make_executor: MakeExecutor) -> None:
    """A failed request is no answer to keep: the next attempt sends one of its own."""
    heard: list[str] = []

    @agent(subscribe="ask", max_attempts=1)
    async def answer(payload: int, ctx: Context) -> int:
        heard.append(ctx.message.id)
        if len(heard) == 1:
            raise ValueError("not yet")
        return payload + 1

    @agent(subscribe="start", publish=["ask", "out"], retry=Immediate(), max_attempts=3)
    async def asker(payload: int, ctx: Context) -> None:
        ctx.publish("out", await ctx.request("ask", payload))

    async with make_executor([asker, answer]) as executor:
        report = await executor.run("start", 1)
    assert report.outputs["out"] == [2]
    assert len(set(heard)) == 2


async def test_a_late_answer_does_not_answer_the_next_request(make_executor: MakeExecutor) -> None:
    """What still comes for a request that has failed is not taken for the one after it."""
    asked_again, failed_late = anyio.Event(), anyio.Event()
    asked: list[str] = []

    @agent(subscribe="ask", concurrency=2, max_attempts=1)
    async def quick(payload: int, ctx: Context) -> int:
        asked.append(ctx.message.id)
        if len(asked) == 1:
            raise ValueError("at once")
        asked_again.set()
        await failed_late.wait()
        await turns()
        return payload + 1

    @agent(subscribe="ask", concurrency=2, max_attempts=1)
    async def late(payload: int, ctx: Context) -> int:
        await asked_again.wait()
        if ctx.message.id == asked[1]:
            await anyio.sleep_forever()
        failed_late.set()
        raise ValueError("late")

    @agent(subscribe="start", publish=["ask", "out"], retry=Immediate(), max_attempts=2)
    async def asker(payload: int, ctx: Context) -> None:
        ctx.publish("out", await ctx.request("ask", payload))

    async with make_executor([asker, quick, late]) as executor:
        live = await executor.start("start", 1)
        await until(lambda: "out" in live.report().outputs)
        assert live.report().outputs["out"] == [2]
        await live.cancel()
