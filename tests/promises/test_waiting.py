"""Waiting: `ctx.sleep`, `ctx.ask` and `ctx.request` park a handler, which then takes no worker."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from dagger import Agent, Context, DaggerError, ExecutionError, Immediate, agent
from dagger.words.errors import QuestionNotFound, RunClosed
from tests.promises.conftest import MakeExecutor
from tests.waiting import idle, in_hand, turns, until

# -- slots ---------------------------------------------------------------------------


async def test_a_waiting_handler_takes_no_worker(make_executor: MakeExecutor) -> None:
    """While a handler of an agent with concurrency=1 waits, the agent handles others."""
    order: list[Any] = []

    @agent(subscribe="start")
    async def waiter(payload: Any, ctx: Context) -> None:
        order.append(payload)
        if payload == "first":
            await ctx.ask("go on?")
            order.append("first again")

    async with make_executor([waiter]) as executor:
        async with await executor.start("start", "first") as run:
            for number in range(3):
                await run.publish("start", number)
            await until(lambda: len(order) == 4)
            [told] = executor.list_agents()
            assert (told.running, told.waiting) == (0, 1)
            await run.answer("question-0", True)
        report = await run.result()
    assert order == ["first", 0, 1, 2, "first again"]
    assert report.status == "completed"


async def test_who_returns_waits_for_a_slot_and_goes_first(make_executor: MakeExecutor) -> None:
    """A handler comes back when a slot is free, and before anything new is taken."""
    order: list[Any] = []
    gates = {name: anyio.Event() for name in ("second", "third")}

    @agent(subscribe="start")
    async def waiter(payload: str, ctx: Context) -> None:
        order.append(payload)
        if payload == "first":
            await ctx.ask("go on?")
            order.append("first again")
        else:
            await gates[payload].wait()

    async with make_executor([waiter]) as executor:
        run = await executor.start("start", "first")
        await run.publish("start", "second")
        await run.publish("start", "third")
        await until(lambda: order == ["first", "second"])
        await run.answer("question-0", True)
        await turns()
        assert order == ["first", "second"]  # never two at once
        gates["second"].set()
        await until(lambda: len(order) == 4)
        gates["third"].set()
        await run.result()
    assert order == ["first", "second", "first again", "third"]


@pytest.mark.parametrize("concurrency", [1, 2, 5])
async def test_waiting_never_lets_more_run_than_may(
    make_executor: MakeExecutor, concurrency: int
) -> None:
    """However handlers wait, in branches or one after the other, `concurrency` is kept."""
    running, most = 0, 0
    full = anyio.Event()

    async def count(ctx: Context) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == concurrency:
            full.set()
        await full.wait()  # the first ones stay until there are as many as may be
        await anyio.lowlevel.checkpoint()
        running -= 1

    @agent(subscribe="start", concurrency=concurrency, publish="echo")
    async def waiter(payload: int, ctx: Context) -> None:
        await count(ctx)
        await ctx.sleep(0.001 * (payload % 3))
        await count(ctx)
        await ctx.request("echo", payload)
        await count(ctx)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ctx.sleep, 0.001)
            tasks.start_soon(ctx.request, "echo", payload)
        await count(ctx)

    @agent(subscribe="echo", concurrency=3)
    async def echo(payload: int) -> int:
        return payload

    async with make_executor([waiter, echo]) as executor:
        async with (
            await executor.start("start", 0) as run,
            anyio.create_task_group() as tasks,
        ):
            for number in range(1, 30):
                tasks.start_soon(run.publish, "start", number)
        report = await run.result()
        await idle(executor)
    assert report.status == "completed"
    assert most == concurrency


async def test_thousands_may_wait_at_once(make_executor: MakeExecutor) -> None:
    """Waiting handlers are many and cost no worker; all of them come back."""

    @agent(subscribe="start", publish="numbers", publish_each=True)
    async def spread(payload: int) -> list[int]:
        return list(range(payload))

    @agent(subscribe="numbers", capacity=2_000, publish="out")
    async def sleeper(payload: int, ctx: Context) -> int:
        await ctx.sleep(0.05)
        return payload

    async with make_executor([spread, sleeper]) as executor:
        report = await executor.run("start", 1_000)
        await idle(executor)
    assert report.status == "completed"
    assert sorted(report.outputs["out"]) == list(range(1_000))


@pytest.mark.parametrize("seconds", [math.inf, math.nan, "3", True, [1]])
async def test_a_sleep_is_a_number_of_seconds(make_executor: MakeExecutor, seconds: Any) -> None:
    """What is none is refused, saying what a sleep takes; one that is over already is over."""

    @agent(subscribe="start", publish="out")
    async def sleeper(payload: Any, ctx: Context) -> str:
        await ctx.sleep(-1)
        with pytest.raises(ExecutionError) as refused:
            await ctx.sleep(seconds)
        return str(refused.value)

    async with make_executor([sleeper]) as executor:
        report = await executor.run("start", None)
    assert report.outputs["out"] == [f"ctx.sleep takes a number of seconds, not {seconds!r}"]


# -- people --------------------------------------------------------------------------


async def test_a_run_that_waits_for_people_is_returned_open(make_executor: MakeExecutor) -> None:
    """`run()` returns a report with `ended=None` once all that is left waits for people."""

    @agent(subscribe="start", publish="out")
    async def asking(payload: Any, ctx: Context) -> Any:
        return await ctx.ask({"approve": payload}, name="approval")

    async with make_executor([asking]) as executor:
        report = await executor.run("start", "this", run_id="case")
        assert (report.status, report.ended) == ("waiting", None)
        [question] = report.questions
        assert (question.name, question.question) == ("approval", {"approve": "this"})
        assert question.node_id.startswith("asking:")

        run = executor.live("case")
        assert [each.name for each in run.questions] == ["approval"]
        await run.answer("approval", {"yes": [1, 2]})
        report = await run.result()
    assert report.status == "completed"
    assert report.outputs == {"out": [{"yes": [1, 2]}]}
    assert report.questions == ()


async def test_questions_may_be_answered_in_any_order(make_executor: MakeExecutor) -> None:
    """Several questions, of one handler or several, are open at once and told apart by name."""

    @agent(subscribe="start", publish="out", concurrency=2)
    async def asking(payload: str, ctx: Context) -> Any:
        answers: dict[str, Any] = {}

        async def one(name: str) -> None:
            answers[name] = await ctx.ask(f"{payload}: {name}?", name=name)

        async with anyio.create_task_group() as tasks:
            for name in ("a", "b"):
                tasks.start_soon(one, name)
        return answers

    async with make_executor([asking]) as executor:
        run = await executor.start("start", "x")
        await run.publish("start", "y")
        await run.result()
        assert len(run.questions) == 4
        for question in reversed(run.questions):
            await run.answer(question.id, question.node_id)
        report = await run.result()
    assert report.status == "completed"
    assert len({each["a"] for each in report.outputs["out"]}) == 2
    assert all(each["a"] == each["b"] for each in report.outputs["out"])


async def test_an_answer_without_a_question_is_refused(make_executor: MakeExecutor) -> None:
    """Only open questions can be answered, each once, and only while the run is open."""

    @agent(subscribe="start")
    async def asking(payload: Any, ctx: Context) -> None:
        await ctx.ask("once?", name="once")

    async with make_executor([asking]) as executor:
        run = await executor.start("start", None)
        await run.result()
        with pytest.raises(QuestionNotFound, match="twice"):
            await run.answer("twice", 1)
        await run.answer("once", 1)
        with pytest.raises((QuestionNotFound, RunClosed)):
            await run.answer("once", 2)
        await run.result()
        with pytest.raises(RunClosed):
            await run.answer("once", 3)


async def test_an_answer_is_kept_across_attempts(make_executor: MakeExecutor) -> None:
    """A handler that fails after an answer is not asked again: it gets the kept one."""

    @agent(subscribe="start", publish="out")
    async def asking(payload: Any, ctx: Context) -> Any:
        answer = await ctx.ask("only once?")
        if ctx.attempt == 1:
            raise ValueError("after the answer")
        return answer

    async with make_executor([asking]) as executor:
        run = await executor.start("start", None)
        await run.result()
        await run.answer("question-0", "kept")
        report = await run.result()
    assert report.outputs == {"out": ["kept"]}
    assert report.retries == 1


async def test_a_run_with_more_to_do_is_not_waiting(make_executor: MakeExecutor) -> None:
    """A run is waiting only when everything that is left of it waits for people."""
    gate = anyio.Event()

    @agent(subscribe="start")
    async def asking(payload: Any, ctx: Context) -> None:
        await ctx.ask("?")

    @agent(subscribe="start")
    async def working(payload: Any) -> None:
        await gate.wait()

    async with make_executor([asking, working]) as executor:
        run = await executor.start("start", None)
        await until(lambda: len(run.questions) == 1)
        await turns()
        assert run.status == "running"
        gate.set()
        assert (await run.result()).status == "waiting"
        await run.cancel()


async def test_a_step_does_not_answer_a_question(make_executor: MakeExecutor) -> None:
    """A step whose key is a question's name leaves the question open."""

    @agent(subscribe="start", publish="out")
    async def asking(payload: Any, ctx: Context) -> Any:
        answers: list[Any] = []

        async def ask() -> None:
            answers.append(await ctx.ask("?", name="approval"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await ctx.step("look", anyio.sleep, 0, key="approval")
        return answers

    async with make_executor([asking]) as executor:
        run = await executor.start("start", None)
        assert (await run.result()).status == "waiting"
        assert [each.name for each in run.questions] == ["approval"]
        await run.answer("approval", "yes")
        assert (await run.result()).outputs == {"out": [["yes"]]}


# -- requests ------------------------------------------------------------------------


def responder(**options: Any) -> Callable[[Callable[..., Any]], Agent]:
    """Decorate the handler that requests of these tests go to."""
    return agent(name="responder", subscribe="questions", **options)


@agent(subscribe="start", publish=["out", "questions"], max_attempts=1)
async def asker(payload: Any, ctx: Context) -> None:
    """Ask another agent, and publish the reply."""
    ctx.publish("out", await ctx.request("questions", payload))


@pytest.mark.parametrize("value", [None, 0, False, "", [], {"a": [1]}, "text"], ids=repr)
async def test_a_request_has_a_reply(make_executor: MakeExecutor, value: Any) -> None:
    """`ctx.request` returns what the handler that hears it returns, whatever that is."""

    @responder()
    async def reply(payload: Any) -> Any:
        return value

    @agent(subscribe="start", publish=["out", "questions"], max_attempts=1)
    async def asking(payload: Any, ctx: Context) -> None:
        ctx.publish("out", [await ctx.request("questions", None)])

    async with make_executor([asking, reply]) as executor:
        report = await executor.run("start", None)
    assert report.status == "completed"
    assert report.outputs == {"out": [[value]]}


async def test_a_reply_is_no_message(make_executor: MakeExecutor) -> None:
    """What answers a request is not published on the responder's channel as well."""

    @agent(subscribe="questions", publish="elsewhere")
    async def reply(payload: str) -> str:
        return payload.upper()

    @agent(subscribe="questions", publish="elsewhere")
    def in_thread(payload: str) -> str:
        return payload.upper()

    for each in (reply, in_thread):
        async with make_executor([asker, each]) as executor:
            report = await executor.run("start", "text")
        assert report.outputs == {"out": ["TEXT"]}


async def test_the_first_to_end_answers(make_executor: MakeExecutor) -> None:
    """Of several agents that hear a request, the first to end answers; the rest still end."""
    gate = anyio.Event()

    @agent(subscribe="questions")
    async def slow(payload: Any) -> str:
        await gate.wait()
        return "slow"

    @agent(subscribe="questions")
    async def quick(payload: Any) -> str:
        return "quick"

    @agent(subscribe="out")
    async def opener(payload: Any) -> None:
        assert payload == "quick"
        gate.set()

    async with make_executor([asker, slow, quick, opener]) as executor:
        report = await executor.run("start", None)
    assert report.status == "completed"
    assert report.dispositions == {"ok": 4}


async def test_an_agent_may_ask_itself(make_executor: MakeExecutor) -> None:
    """A request may come back to its own agent, which is free while it waits."""

    @agent(subscribe="start", publish="start")
    async def factorial(payload: int, ctx: Context) -> int:
        return 1 if payload < 2 else payload * await ctx.request("start", payload - 1)

    @agent(subscribe="ask", publish=["out", "start"])
    async def ask(payload: int, ctx: Context) -> None:
        ctx.publish("out", await ctx.request("start", payload))

    async with make_executor([factorial, ask]) as executor:
        report = await executor.run("ask", 20)
    assert report.outputs == {"out": [2432902008176640000]}


async def failure_of(executor: Any) -> tuple[str, str]:
    """How the asker failed: type and message."""
    report = await executor.run("start", 1)
    [letter] = [each for each in report.dead_letters if each.agent == "asker"]
    return letter.failure.type, letter.failure.message


async def test_a_request_nobody_hears_fails(make_executor: MakeExecutor) -> None:
    """Without a subscriber a request raises NoResponder at once."""
    async with make_executor([asker]) as executor:
        kind, text = await failure_of(executor)
    assert kind == "NoResponder"
    assert "no agent subscribes" in text


async def test_a_request_fails_with_its_responder(make_executor: MakeExecutor) -> None:
    """If who hears it fails for good, ResponderFailed says by whom and why; retries come first."""
    attempts: list[int] = []

    @responder(max_attempts=2)
    async def broken(payload: Any, ctx: Context) -> None:
        attempts.append(ctx.attempt)
        raise ValueError("no reply")

    async with make_executor([asker, broken]) as executor:
        kind, text = await failure_of(executor)
    assert kind == "ResponderFailed"
    assert "'responder'" in text
    assert "no reply" in text
    assert attempts == [1, 2]


async def test_a_rejected_request_fails(make_executor: MakeExecutor) -> None:
    """A request that breaks the responder's input schema raises ResponderFailed."""

    @responder(input_schema={"type": "string"})
    async def picky(payload: Any) -> str:
        return "never"

    async with make_executor([asker, picky]) as executor:
        assert (await failure_of(executor))[0] == "ResponderFailed"


async def test_a_dropped_request_fails(make_executor: MakeExecutor) -> None:
    """A request that is pushed out of a full queue raises RequestDropped."""
    gate = anyio.Event()

    @responder(capacity=1, overflow="drop_oldest")
    async def busy(payload: Any) -> str:
        if payload == "busy":
            await gate.wait()
        return "reply"

    async with make_executor([asker, busy]) as executor:
        run = await executor.start("questions", "busy")
        await until(lambda: in_hand(executor, "responder") == 1)
        await run.publish("start", 1)
        await until(lambda: in_hand(executor, "asker") == 1)
        await turns()
        await run.publish("questions", "pushes the request out")
        await until(lambda: run.report().dead_letters_total == 1)
        gate.set()
        report = await run.result()
    assert report.dead_letters[0].failure.type == "RequestDropped"
    assert report.dropped == 1


async def test_a_request_to_an_agent_that_goes_fails(make_executor: MakeExecutor) -> None:
    """A request whose responder is unregistered before it took it raises RequestDropped."""
    gate = anyio.Event()

    @responder()
    async def leaving(payload: Any) -> None:
        await gate.wait()

    async with make_executor([asker, leaving]) as executor:
        run = await executor.start("questions", "busy")
        await until(lambda: in_hand(executor, "responder") == 1)
        await run.publish("start", 1)
        await until(lambda: in_hand(executor, "asker") == 1)
        await turns()
        executor.unregister("responder")
        gate.set()
        report = await run.result()
    assert [each.failure.type for each in report.dead_letters] == ["RequestDropped"]


async def test_a_request_that_is_refused_raises(make_executor: MakeExecutor) -> None:
    """A request may be refused like any publication: schema, declaration, a closed channel."""

    @agent(
        subscribe="start",
        publish={"questions": {"type": "integer"}, "closed": None, "out": None},
    )
    async def asking(payload: Any, ctx: Context) -> None:
        for channel, value in (("questions", "text"), ("undeclared", 1), ("closed", 1)):
            try:
                await ctx.request(channel, value)
            except DaggerError as error:
                ctx.publish("out", type(error).__name__)

    @agent(subscribe=["questions", "closed"])
    async def reply(payload: Any) -> None: ...

    async with make_executor([asking, reply]) as executor:
        executor.shutdown_channel("closed", force=True)
        report = await executor.run("start", None)
    assert report.outputs == {"out": ["ValidationError", "ChannelUndeclared", "ChannelClosed"]}


async def test_a_reply_is_kept_across_attempts(make_executor: MakeExecutor) -> None:
    """A handler that fails after a reply gets the same reply again; nobody is asked twice."""
    asked: list[Any] = []

    @responder()
    async def reply(payload: Any) -> int:
        asked.append(payload)
        return len(asked)

    @agent(subscribe="start", publish=["out", "questions"])
    async def asking(payload: Any, ctx: Context) -> None:
        replies = [await ctx.request("questions", number) for number in range(2)]
        if ctx.attempt == 1:
            raise ValueError("after the replies")
        ctx.publish("out", replies)

    async with make_executor([asking, reply]) as executor:
        report = await executor.run("start", None)
    assert asked == [0, 1]
    assert report.outputs == {"out": [[1, 2]]}


async def test_a_request_waits_for_room(make_executor: MakeExecutor) -> None:
    """A request to a full queue under "block" waits until it fits, and holds nobody up."""

    @responder(capacity=1, overflow="block")
    async def reply(payload: int) -> int:
        await anyio.lowlevel.checkpoint()
        return payload * 2

    @agent(subscribe="start", publish="questions", concurrency=10)
    async def asking(payload: int, ctx: Context) -> None:
        assert await ctx.request("questions", payload) == payload * 2

    async with make_executor([asking, reply]) as executor:
        async with await executor.start("start", 0) as run:
            for number in range(1, 20):
                await run.publish("start", number)
        report = await run.result()
    assert report.status == "completed"
    assert report.dispositions == {"ok": 40}


async def test_agents_may_go_while_their_handlers_wait(make_executor: MakeExecutor) -> None:
    """A waiting handler of an agent that was unregistered or replaced goes on to its end."""

    def asking() -> Agent:
        @agent(name="asking", subscribe="start", publish="out")
        async def ask(payload: str, ctx: Context) -> str:
            return f"{payload}: {await ctx.ask('?')}"

        return ask

    async with make_executor([asking()]) as executor:
        runs = []
        for payload in ("replaced", "unregistered"):
            runs.append(await executor.start("start", payload))
            await until(lambda: len(runs[-1].questions) == 1)
            if payload == "replaced":
                executor.register(asking(), replace=True)
            else:
                executor.unregister("asking")
        for run in runs:
            await run.answer("question-0", "answered")
        reports = [await run.result() for run in runs]
    assert [report.outputs for report in reports] == [
        {"out": ["replaced: answered"]},
        {"out": ["unregistered: answered"]},
    ]


# -- retries and waits together --------------------------------------------------------


async def test_a_wait_ends_with_its_attempt(make_executor: MakeExecutor) -> None:
    """A question of an attempt that failed elsewhere can still be answered by the next one."""
    failed = threading.Event()

    @agent(subscribe="start", publish="out", retry=Immediate())
    async def asking(payload: Any, ctx: Context) -> Any:
        answers: list[Any] = []

        async def ask() -> None:
            answers.append(await ctx.ask("?", name="approval"))

        async def fail_once() -> None:
            await turns()
            if ctx.attempt == 1:
                failed.set()
                raise ValueError("beside the question")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            tasks.start_soon(fail_once)
        return answers

    async with make_executor([asking]) as executor:
        run = await executor.start("start", None)
        await until(failed.is_set)
        await turns()
        assert [each.name for each in run.questions] == ["approval"]
        await run.answer("approval", "yes")
        report = await run.result()
    assert report.outputs == {"out": [["yes"]]}
    assert report.retries == 1
