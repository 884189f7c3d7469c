"""Requests: published at once, answered by what the first handler to end returns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest

from dagger import (
    Agent,
    Context,
    ExecutionError,
    Executor,
    Immediate,
    LoopClock,
    MemoryStore,
    Message,
    NoResponder,
    Report,
    RequestDropped,
    RequestFailed,
    RequestTimeout,
    ResponderFailed,
    Store,
    agent,
)
from dagger.words.records import Failure
from tests.promises.conftest import MakeExecutor
from tests.promises.gates import Gate, filled
from tests.virtual import START, on_virtual_time
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
    assert report.error.type == "NoResponder"
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


# -- why there is no reply -----------------------------------------------------------------


def same_error(one: Exception, other: Exception) -> bool:
    """Whether two errors say the same, in their text and in every field."""
    return type(one) is type(other) and str(one) == str(other) and vars(one) == vars(other)


@pytest.mark.parametrize("how", ["failed", "rejected", "dropped", "nobody", "late"])
async def test_the_error_is_the_same_after_a_restart(
    make_executor: MakeExecutor, store: Store | None, how: str
) -> None:
    """Why there is no reply is told by a typed error, and by the same one to whoever goes on:
    nothing is asked anew, also if by now there would be a reply.
    """
    told: list[RequestFailed] = []
    met, gate = anyio.Event(), anyio.Event()

    def agents(*, again: bool) -> list[Agent]:
        @agent(name="asker", subscribe="start", publish="ask")
        async def asker(ctx: Context) -> None:
            try:
                await ctx.request("ask", 1, timeout=0.01 if how == "late" else None)
            except RequestFailed as error:
                told.append(error)
            met.set()
            if not again:
                await anyio.sleep_forever()

        @agent(
            name="answer", subscribe="ask", capacity=1, overflow="drop_oldest", max_attempts=1,
            input_schema={"type": "string"} if how == "rejected" and not again else True,
        )  # fmt: skip
        async def answer(payload: Any) -> str:
            if again:
                return "by now there is one"
            if how == "failed":
                raise ValueError("cannot answer") from KeyError("which")
            await gate.wait()
            return "late"

        return [asker] if how == "nobody" and not again else [asker, answer]

    async with make_executor(agents(again=False), store=store) as executor:
        run = await executor.start("start" if how != "dropped" else "ask", 0, run_id="r")
        if how == "dropped":
            await until(lambda: in_hand(executor, "answer") == 1)
            await run.publish("start", 0)
            await until(lambda: pending(executor, "answer") == 1)
            await run.publish("ask", 2)
        await met.wait()
    if store is not None:
        met = anyio.Event()
        async with make_executor(agents(again=True), store=store) as executor:
            await executor.live("r").result()
        before, after = told
        assert same_error(before, after)
    check: dict[str, Callable[[Any], bool]] = {
        "failed": lambda error: type(error) is ResponderFailed and _whole(error.failure),
        "rejected": lambda error: type(error) is ResponderFailed and error.failure.path == "$",
        "dropped": lambda error: type(error) is RequestDropped and error.disposition == "dropped",
        "nobody": lambda error: type(error) is NoResponder and error.channel == "ask",
        "late": lambda error: type(error) is RequestTimeout and error.seconds == 0.01,
    }
    assert check[how](told[0]), vars(told[0])


def _whole(failure: Failure) -> bool:
    """Whether it says all that is to be known of what the responder raised."""
    told = (failure.type, failure.message, failure.causes)
    return told == ("ValueError", "cannot answer", ("KeyError: 'which'",)) and (
        "test_requests.py" in failure.trace
    )


def test_a_timeout_goes_on_through_a_restart() -> None:
    """It ends when it would have, whatever happened meanwhile; the request itself goes on."""
    clock, store = LoopClock(START), MemoryStore()
    ends: list[float] = []

    @agent(subscribe="start", publish=["ask", "out"])
    async def asker(ctx: Context) -> None:
        try:
            await ctx.request("ask", 1, timeout=100)
        except RequestTimeout as error:
            ends.append(clock.now() - START)
            ctx.publish("out", error.seconds)

    @agent(subscribe="ask", publish="done")
    async def slow(ctx: Context) -> None:
        await ctx.sleep(300)
        ctx.publish("done", "in the end")

    async def main() -> Report:
        for wait in (30, 40):
            async with Executor([asker, slow], store=store, clock=clock) as executor:
                await executor.start("start", 0, run_id="r")
                await anyio.sleep(wait)
        async with Executor([asker, slow], store=store, clock=clock) as executor:
            return await executor.live("r").result()

    report = on_virtual_time(main)
    assert ends == [pytest.approx(100)]
    assert report.outputs == {"out": [100.0], "done": ["in the end"]}


def test_a_timeout_counts_while_there_is_no_room() -> None:
    """A request that waits for room is overdue in time as well, and is not published then."""

    @agent(subscribe="start", publish=["ask", "out"])
    async def asker(ctx: Context) -> None:
        try:
            await ctx.request("ask", "never asked", timeout=50)
        except RequestTimeout:
            ctx.publish("out", "too late")

    @agent(subscribe="ask", capacity=1, overflow="block")
    async def busy() -> None:
        await anyio.sleep(200)

    async def main() -> Report:
        async with Executor([asker, busy], clock=LoopClock(START)) as executor:
            async with await executor.start("ask", 0) as run:
                await anyio.sleep(1)
                await run.publish("ask", 0)
                await run.publish("start", 0)
            return await run.result()

    report = on_virtual_time(main)
    assert report.outputs == {"out": ["too late"]}
    assert report.channels["ask"].messages == 2


async def test_a_reply_in_time_is_no_timeout(make_executor: MakeExecutor) -> None:
    """A later attempt, after the time is over, gets the reply that came in time."""

    @agent(subscribe="start", publish=["ask", "out"], max_attempts=3)
    async def asker(ctx: Context) -> None:
        reply = await ctx.request("ask", 1, timeout=30)
        if ctx.attempt < 3:
            raise ValueError("again")
        ctx.publish("out", reply)

    @agent(subscribe="ask")
    async def answer() -> str:
        return "in time"

    async with make_executor([asker, answer]) as executor:
        report = await executor.run("start", 1)
    assert report.outputs == {"out": ["in time"]}
    assert report.channels["ask"].messages == 1


async def test_whoever_waits_for_room_is_told_that_nobody_is_left(
    make_executor: MakeExecutor,
) -> None:
    """A request that waits for room of an agent which then goes is heard by nobody."""
    gate = Gate("answer", "ask", capacity=1, overflow="block")

    @agent(subscribe="start", publish=["ask", "out"])
    async def asker(ctx: Context) -> None:
        try:
            await ctx.request("ask", 1)
        except NoResponder as error:
            ctx.publish("out", error.channel)

    async with make_executor([asker, gate.agent]) as executor:
        live = await filled(executor, "ask", pending_=1)
        async with live:
            await live.publish("start", 0)
            await until(lambda: in_hand(executor, "asker") == 1)
            await turns()
            executor.unregister("answer")
            await turns()
            gate.open.set()
        report = await live.result()
    assert report.outputs["out"] == ["ask"]


@pytest.mark.parametrize("key", ["one", None])
async def test_one_key_is_in_flight_once(make_executor: MakeExecutor, key: str | None) -> None:
    """Of two requests at once that cannot be told apart, the second is refused."""
    problems: list[str] = []

    @agent(subscribe="start", publish="ask")
    async def asker(ctx: Context) -> None:
        async def ask() -> None:
            try:
                await ctx.request("ask", 1, key=key)
            except ExecutionError as error:
                problems.append(str(error))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            tasks.start_soon(ask)
        await ctx.request("ask", 1, key="another")

    @agent(subscribe="ask")
    async def answer() -> None:
        """It answers."""

    async with make_executor([asker, answer]) as executor:
        report = await executor.run("start", 0)
    assert report.status == "completed"
    [problem] = problems
    assert "in flight at once" in problem
    assert "give each a key= of its own" in problem


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), True, "1"])
async def test_a_timeout_is_a_number_of_seconds(make_executor: MakeExecutor, seconds: Any) -> None:
    """Anything else is refused before anything is asked."""

    @agent(subscribe="start", publish="ask", max_attempts=1)
    async def asker(ctx: Context) -> None:
        await ctx.request("ask", 1, timeout=seconds)

    async with make_executor([asker]) as executor:
        report = await executor.run("start", 0)
    assert report.error is not None
    assert report.error.type == "ExecutionError"
    assert "seconds" in report.error.message


# -- replying ------------------------------------------------------------------------------


@pytest.mark.parametrize("threaded", [False, True])
async def test_a_handler_may_reply_something_else(
    make_executor: MakeExecutor, threaded: bool
) -> None:
    """With `ctx.reply` what the handler returns is published, as for any other message."""

    def plain(payload: int, ctx: Context) -> str:
        ctx.reply({"reply": payload})
        return "returned"

    async def handler(payload: int, ctx: Context) -> str:
        return plain(payload, ctx)

    of = agent(name=f"answer {threaded}", subscribe="ask", publish="elsewhere")
    answer = of(plain if threaded else handler)
    report = await asked(make_executor, answer)
    assert report.outputs == {"elsewhere": ["returned"], "out": [{"reply": 1}]}


async def test_a_stream_may_reply(make_executor: MakeExecutor) -> None:
    """A handler that yields returns nothing; what it yields is published, beside its reply."""

    @agent(subscribe="ask", publish="elsewhere")
    async def answer(ctx: Context) -> AsyncIterator[int]:
        yield 1
        ctx.reply("done")
        yield 2

    report = await asked(make_executor, answer)
    assert report.outputs == {"elsewhere": [1, 2], "out": ["done"]}


async def test_a_reply_is_held_back(make_executor: MakeExecutor) -> None:
    """A failed attempt has not replied; the reply is that of the attempt that settles."""

    @agent(subscribe="ask", max_attempts=2)
    async def answer(ctx: Context) -> None:
        ctx.reply(ctx.attempt)
        if ctx.attempt == 1:
            raise ValueError("again")

    async with make_executor([asker, answer]) as executor:
        report = await executor.run("start", 0)
    assert report.outputs == {"out": [2]}


async def test_a_reply_goes_to_a_request_and_once(make_executor: MakeExecutor) -> None:
    """A second reply, one to a plain message, and one after the end are errors."""
    problems: list[str] = []
    held: list[Context] = []

    @agent(subscribe=["start", "ask"], publish=["ask", "out"])
    async def both(payload: Any, ctx: Context) -> Any:
        held.append(ctx)
        for reply in ("first", "second"):
            try:
                ctx.reply(reply)
            except ExecutionError as error:
                problems.append(str(error))
        if ctx.channel == "start":
            ctx.publish("out", await ctx.request("ask", 1))

    async with make_executor([both]) as executor:
        report = await executor.run("start", 0)
    assert report.outputs == {"out": ["first"]}
    assert ["no request" in each for each in problems] == [True, True, False]
    assert "twice" in problems[2]
    with pytest.raises(ExecutionError):
        held[0].reply("too late")
