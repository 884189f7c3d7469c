"""Failure: retried by the agent's strategy, then dead; nothing of a failed attempt leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import pytest
from pydantic import BaseModel, field_validator

from dagger import (
    Agent,
    Context,
    Executor,
    Exponential,
    Immediate,
    Linear,
    MemoryStore,
    agent,
)
from dagger.words.errors import LetterNotFound
from tests.promises.conftest import MakeExecutor
from tests.waiting import in_hand, until


class UnprintableError(Exception):
    """An exception whose text cannot be made."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


class OddError(BaseException):
    """An exception that `except Exception` does not see."""


def failing(error: Callable[[], BaseException], **options: Any) -> Agent:
    """An agent whose handler raises."""

    @agent(subscribe="start", **options)
    async def fail(payload: Any) -> None:
        raise error()

    return fail


# -- attempts ------------------------------------------------------------------------


async def test_a_failed_attempt_is_followed_by_another(make_executor: MakeExecutor) -> None:
    """An attempt that raises is tried again, numbered from 1, and may succeed."""
    attempts: list[int] = []

    @agent(subscribe="start", publish="done")
    async def thrice(payload: str, ctx: Context) -> str:
        attempts.append(ctx.attempt)
        if ctx.attempt < 3:
            raise ValueError(f"attempt {ctx.attempt}")
        return payload

    async with make_executor([thrice]) as executor:
        report = await executor.run("start", "x")

    assert attempts == [1, 2, 3]
    assert report.status == "completed"
    assert report.outputs == {"done": ["x"]}
    assert report.retries == report.agents["thrice"].retries == 2
    assert report.error is not None
    assert (report.error.type, report.error.message) == ("ValueError", "attempt 1")


async def test_a_delivery_that_always_fails_is_dead(make_executor: MakeExecutor) -> None:
    """After its last attempt a delivery is dead: dead-lettered, and its run ends `failed`."""
    async with make_executor([failing(lambda: ValueError("boom"))]) as executor:
        report = await executor.run("start", {"a": 1})

    assert report.status == "failed"
    assert report.dispositions == {"dead": 1}
    [letter] = report.dead_letters
    assert (letter.agent, letter.channel, letter.payload) == ("fail", "start", {"a": 1})
    assert (letter.disposition, letter.attempts) == ("dead", 3)
    assert letter.failure.type == "ValueError"
    assert "test_failure.py" in letter.failure.trace


async def test_nothing_leaves_an_attempt_that_publishes_and_then_raises(
    make_executor: MakeExecutor,
) -> None:
    """Messages, cache writes and tasks of an attempt that raises never take effect."""

    @agent(subscribe="start", publish="out")
    async def publish_and_raise(payload: Any, ctx: Context) -> None:
        ctx.publish("out", "held back")
        ctx.cache.set("key", "held back")
        ctx.shared.set("key", "held back")
        ctx.tasks.add_task("kind", "data", 1)
        raise ValueError("after it published")

    async with make_executor([publish_and_raise]) as executor:
        async with await executor.start("start", None) as run:
            await until(lambda: run.report().dead_letters_total == 1)
            assert run.cache.get("key") is None
            assert run.tasks.get_pending_tasks() == []
        report = await run.result()
        assert executor.shared.get("key") is None

    assert report.outputs == {}
    assert report.messages == 1


async def test_only_the_attempt_that_succeeds_takes_effect(make_executor: MakeExecutor) -> None:
    """Of several attempts, what the last one published and wrote takes effect, once."""

    @agent(subscribe="start", publish="out")
    async def flaky(payload: Any, ctx: Context) -> None:
        ctx.publish("out", ctx.attempt)
        ctx.cache.increment("attempts")
        if ctx.attempt == 1:
            raise ValueError("the first never works")

    async with make_executor([flaky]) as executor:
        async with await executor.start("start", None) as run:
            await until(lambda: run.report().handled == 1)
            assert run.cache.get("attempts") == 1
        report = await run.result()
    assert report.outputs == {"out": [2]}


async def test_nothing_leaves_a_stream_that_breaks_off(make_executor: MakeExecutor) -> None:
    """What a generator yielded is held back as well, and lost if it raises."""

    @agent(subscribe="start", publish="out")
    async def stream(payload: Any) -> AsyncIterator[int]:
        yield 1
        yield 2
        raise ValueError("no third")

    @agent(subscribe="start", publish="out")
    def generator(payload: Any) -> Iterator[int]:
        yield 1
        raise ValueError("no second")

    async with make_executor([stream, generator]) as executor:
        report = await executor.run("start", None)
    assert report.outputs == {}
    assert report.dispositions == {"dead": 2}


async def test_a_stream_is_closed_when_what_it_yields_is_refused(
    make_executor: MakeExecutor,
) -> None:
    """A generator whose value breaks its schema is closed before the attempt has ended."""
    closed: list[int] = []

    @agent(subscribe="start", publish={"out": {"type": "integer"}}, max_attempts=1)
    async def stream(payload: Any, ctx: Context) -> AsyncIterator[Any]:
        try:
            yield 1
            yield "not an integer"
        finally:
            await anyio.lowlevel.checkpoint()
            closed.append(ctx.attempt)

    async with make_executor([stream]) as executor:
        report = await executor.run("start", None)
        assert closed == [1]
    assert report.error is not None
    assert report.error.type == "ValidationError"


# -- how often, and how soon ---------------------------------------------------------


@pytest.mark.parametrize(
    ("agent_says", "strategy_says", "config_says", "expected"),
    [
        (None, None, 2, 2),
        (None, 4, 2, 4),
        (5, 4, 2, 5),
        (1, None, 2, 1),
        (1, 4, 2, 1),
    ],
)
async def test_the_agents_word_beats_its_strategys_beats_the_configs(
    make_executor: MakeExecutor,
    agent_says: int | None,
    strategy_says: int | None,
    config_says: int,
    expected: int,
) -> None:
    """How many attempts there are is said by the agent, else its strategy, else the Config."""
    once = failing(ValueError, max_attempts=agent_says, retry=Immediate(max_attempts=strategy_says))
    async with make_executor([once], config={"max_attempts": config_says}) as executor:
        report = await executor.run("start", None)
    assert report.dead_letters[0].attempts == expected


async def test_only_chosen_errors_are_tried_again(make_executor: MakeExecutor) -> None:
    """`retry_on` and `give_up_on` say which errors are worth another attempt."""
    strategy = Immediate(retry_on=OSError, give_up_on=FileNotFoundError)
    errors: list[type[Exception]] = [ValueError, FileNotFoundError, ConnectionError]

    def raiser(error: type[Exception]) -> Agent:
        @agent(name=error.__name__, subscribe="start", retry=strategy)
        async def fail(payload: Any) -> None:
            raise error

        return fail

    async with make_executor([raiser(each) for each in errors]) as executor:
        report = await executor.run("start", None)
    assert {each.agent: each.attempts for each in report.dead_letters} == {
        "ValueError": 1,
        "FileNotFoundError": 1,
        "ConnectionError": 3,
    }


@pytest.mark.parametrize("strategy", [Linear(1000), Exponential(1000, 1000), "linear:1000"])
async def test_a_delay_holds_no_worker(make_executor: MakeExecutor, strategy: Any) -> None:
    """While a delivery waits for its next attempt, the agent handles others."""
    handled: list[int] = []

    @agent(subscribe="start", retry=strategy)
    async def careful(payload: int) -> None:
        if payload == 0:
            raise ValueError("later")
        handled.append(payload)

    async with make_executor([careful]) as executor, await executor.start("start", 0) as run:
        for number in (1, 2, 3):
            await run.publish("start", number)
        await until(lambda: len(handled) == 3)
        assert run.report().retries == 1
        await run.cancel()
    assert handled == [1, 2, 3]


async def test_a_strategy_of_the_users_own_that_breaks_kills_only_its_delivery(
    make_executor: MakeExecutor,
) -> None:
    """A retry strategy that raises makes the delivery dead, and nothing else."""

    class Broken:
        max_attempts = 5

        def delay(self, attempt: int, random: float) -> float:
            raise ZeroDivisionError("no delay")

        def retries(self, error: BaseException) -> bool:
            return True

    async with make_executor([failing(ValueError, retry=Broken())]) as executor:
        report = await executor.run("start", None)
        assert report.dispositions == {"dead": 1}
        assert (await executor.run("start", None)).status == "failed"


# -- what the run makes of it --------------------------------------------------------


async def test_the_rest_of_a_failed_run_goes_on(make_executor: MakeExecutor) -> None:
    """Under on_failure="fail" everything else is still handled, and the run ends `failed`."""

    @agent(subscribe="start", publish="numbers", publish_each=True)
    async def count(payload: int) -> list[int]:
        return list(range(payload))

    @agent(subscribe="numbers", publish="even", max_attempts=1)
    async def half(payload: int) -> int:
        if payload % 2:
            raise ValueError("odd")
        return payload

    async with make_executor([count, half]) as executor:
        report = await executor.run("start", 10)
    assert report.status == "failed"
    assert report.outputs == {"even": [0, 2, 4, 6, 8]}
    assert report.dead_letters_total == 5


async def test_on_failure_continue_leaves_the_status_untouched(
    make_executor: MakeExecutor,
) -> None:
    """Under on_failure="continue" a dead delivery is counted, and the run completes."""
    async with make_executor([failing(ValueError, on_failure="continue")]) as executor:
        report = await executor.run("start", None)
    assert report.status == "completed"
    assert report.dead_letters_total == 1
    assert report.error is not None


async def test_on_failure_stop_cancels_the_run(make_executor: MakeExecutor) -> None:
    """Under on_failure="stop" the run is cancelled at once and ends `failed`."""
    cancelled: list[str] = []

    @agent(subscribe="start")
    async def endless(payload: Any) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.append(payload)

    @agent(subscribe="bad", max_attempts=1, on_failure="stop")
    async def stopper(payload: Any) -> None:
        raise ValueError("enough")

    async with make_executor([endless, stopper]) as executor:
        run = await executor.start("start", "first")
        await run.publish("start", "pending")
        await until(lambda: in_hand(executor, "endless") == 1)
        await run.publish("bad", None)
        report = await run.result()
    assert cancelled == ["first"]
    assert report.status == "failed"
    assert report.dispositions == {"cancelled": 2, "dead": 1}
    assert "enough" in report.reason


async def test_a_run_that_stops_harms_no_other(make_executor: MakeExecutor) -> None:
    """The agent that stopped one run handles the next one as if nothing had been."""
    seen: list[int] = []

    @agent(subscribe="start", max_attempts=1, on_failure="stop")
    async def stopper(payload: str, ctx: Context) -> None:
        seen.append(ctx.attempt)
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        if payload == "bad":
            raise ValueError("enough")

    async with make_executor([stopper]) as executor:
        runs = [await executor.start("start", text) for text in ("bad", "good", "good")]
        reports = [await run.result() for run in runs]
    assert [report.status for report in reports] == ["failed", "completed", "completed"]
    assert seen == [1, 1, 1]


async def test_bad_input_is_rejected_without_an_attempt(make_executor: MakeExecutor) -> None:
    """A payload that breaks the input schema is dead-lettered with its path, never handled."""
    called: list[Any] = []

    @agent(
        subscribe="start",
        input_schema={
            "type": "object",
            "properties": {"items": {"type": "array", "items": {"type": "integer"}}},
        },
    )
    async def strict(payload: Any) -> None:
        called.append(payload)

    @agent(subscribe="start")
    async def lenient(payload: Any) -> None:
        called.append("lenient")

    async with make_executor([strict, lenient]) as executor:
        report = await executor.run("start", {"items": [1, "two"]})
    assert called == ["lenient"]
    assert report.status == "failed"
    [letter] = report.dead_letters
    assert (letter.disposition, letter.attempts) == ("rejected", 0)
    assert letter.failure.path == "$.items[1]"
    assert report.retries == 0


@pytest.mark.parametrize(
    ("on_failure", "status"), [("fail", "failed"), ("stop", "failed"), ("continue", "completed")]
)
async def test_bad_input_is_a_failure_like_any_other(
    make_executor: MakeExecutor, on_failure: str, status: str
) -> None:
    """What a rejected message does to its run is what `on_failure=` says of dead ones."""

    @agent(subscribe="start", input_schema={"type": "string"}, on_failure=on_failure)
    async def strict(payload: Any) -> None: ...

    async with make_executor([strict]) as executor:
        report = await executor.run("start", 1)
    assert report.status == status
    assert report.dispositions == {"rejected": 1}


async def test_an_annotated_type_that_cannot_be_built_is_bad_input(
    make_executor: MakeExecutor,
) -> None:
    """Whatever a model raises while it is built, the message is rejected and all else goes on."""

    class Picky(BaseModel):
        number: int

        @field_validator("number")
        @classmethod
        def pick(cls, value: int) -> int:
            if value == 1:
                raise ValueError("not 1")
            if value == 2:
                raise LookupError("not 2")
            return value

    @agent(subscribe="start", publish="out")
    async def build(payload: Picky) -> int:
        return payload.number

    async with make_executor([build]) as executor:
        reports = [await executor.run("start", {"number": number}) for number in (1, 2, 3)]
    assert [report.dispositions for report in reports] == [
        {"rejected": 1},
        {"rejected": 1},
        {"ok": 1},
    ]


async def test_an_output_that_breaks_its_schema_is_a_failed_attempt(
    make_executor: MakeExecutor,
) -> None:
    """A returned value is checked; one that does not fit fails the attempt, with its path."""

    @agent(subscribe="start", publish={"out": {"type": "object", "required": ["b"]}})
    async def improve(payload: Any, ctx: Context) -> Any:
        return {"a": 1} if ctx.attempt == 1 else {"b": 2}

    async with make_executor([improve]) as executor:
        report = await executor.run("start", None)
    assert report.status == "completed"
    assert report.outputs == {"out": [{"b": 2}]}
    assert report.error is not None
    assert (report.error.type, report.error.path) == ("ValidationError", "$")


async def test_an_undeclared_channel_is_a_failed_attempt(make_executor: MakeExecutor) -> None:
    """Publishing where the agent did not say it would raises in the handler."""

    @agent(subscribe="start", publish="declared", max_attempts=1)
    async def stray(payload: Any, ctx: Context) -> None:
        ctx.publish("elsewhere", 1)

    async with make_executor([stray]) as executor:
        report = await executor.run("start", None)
    assert report.error is not None
    assert report.error.type == "ChannelUndeclared"


# -- whatever is raised --------------------------------------------------------------


ERRORS: dict[str, Callable[[], BaseException]] = {
    "plain": lambda: ValueError("plain"),
    "group": lambda: ExceptionGroup("several", [ValueError("first"), TypeError("second")]),
    "odd group": lambda: BaseExceptionGroup("odd ones", [OddError("first")]),
    "no text": UnprintableError,
    "odd": lambda: OddError("not an Exception"),
    "exit": lambda: SystemExit(3),
    "generator exit": lambda: GeneratorExit("raised by hand"),
    "stop": lambda: StopIteration("raised by hand"),
    "async stop": lambda: StopAsyncIteration("raised by hand"),
    "cancelled": lambda: asyncio.CancelledError("raised by hand"),
    "recursion": lambda: RecursionError("too deep"),
    "timeout": lambda: TimeoutError("its own"),
    "surrogate": lambda: ValueError("a lone surrogate: \ud800"),
    "long": lambda: ValueError("x" * 1_000_000),
    "no string": lambda: ValueError({"not": ["a", "text"]}),
}


@pytest.mark.parametrize("kind", ["coroutine", "thread", "stream"])
@pytest.mark.parametrize("error", ERRORS.values(), ids=list(ERRORS))
async def test_whatever_a_handler_raises_is_a_failure_and_no_hang(
    error: Callable[[], BaseException], kind: str
) -> None:
    """Any exception whatsoever makes one dead delivery, and the executor lives on."""

    @agent(subscribe="coroutine", max_attempts=1)
    async def coroutine(payload: Any) -> None:
        await anyio.lowlevel.checkpoint()
        raise error()

    @agent(subscribe="thread", max_attempts=1)
    def thread(payload: Any) -> None:
        raise error()

    @agent(subscribe="stream", publish="out", max_attempts=1)
    async def stream(payload: Any) -> AsyncIterator[int]:
        yield 1
        raise error()

    @agent(subscribe="fine", publish="out")
    async def fine(payload: Any) -> str:
        return "fine"

    async with Executor([coroutine, thread, stream, fine], store=MemoryStore()) as executor:
        report = await executor.run(kind, None)
        assert (await executor.run("fine", None)).outputs == {"out": ["fine"]}

    assert report.status == "failed"
    assert report.dispositions == {"dead": 1}
    assert report.outputs == {}
    assert report.error is not None
    assert len(report.error.message) <= 2_000
    str(report)
    report.to_dict()


async def test_causes_are_told_nearest_first(make_executor: MakeExecutor) -> None:
    """A failure names its causes: `raise from`, contexts, and what a group holds."""

    @agent(subscribe="start", max_attempts=1)
    async def chain(payload: Any) -> None:
        try:
            try:
                raise KeyError("root")
            except KeyError as root:
                raise OSError("middle") from root
        except OSError:
            raise RuntimeError("top")  # noqa: B904 (the context is what is tried)

    @agent(subscribe="group", max_attempts=1)
    async def group(payload: Any) -> None:
        async with anyio.create_task_group():
            raise ValueError("inside")

    @agent(subscribe="circle", max_attempts=1)
    async def circle(payload: Any) -> None:
        one, two = ValueError("one"), ValueError("two")
        one.__cause__, two.__cause__ = two, one
        raise one

    async with make_executor([chain, group, circle]) as executor:
        found = {
            channel: (await executor.run(channel, None)).error
            for channel in ("start", "group", "circle")
        }
    assert {name: error.causes for name, error in found.items() if error} == {
        "start": ("OSError: middle", "KeyError: 'root'"),
        "group": ("ValueError: inside",),
        "circle": ("ValueError: two",),
    }


async def test_what_users_hand_in_may_raise_too(make_executor: MakeExecutor) -> None:
    """`key=`, an update function, a list to publish: where they raise, the attempt fails."""

    def broken(value: Any) -> Any:
        raise ZeroDivisionError("handed in")

    @agent(subscribe="start", key=broken, max_attempts=1)
    async def keyed(payload: Any) -> None: ...

    @agent(subscribe="start", key="not.there", max_attempts=1)
    async def pathed(payload: Any) -> None: ...

    @agent(subscribe="start", max_attempts=1)
    async def updating(payload: Any, ctx: Context) -> None:
        ctx.cache.update("key", broken)

    @agent(subscribe="start", publish="out", publish_each=True, max_attempts=1)
    async def listing(payload: Any) -> Any:
        return map(broken, [1, 2])

    async with make_executor([keyed, pathed, updating, listing]) as executor:
        report = await executor.run("start", {"a": 1})
    assert report.dispositions == {"dead": 4}
    assert {each.agent: each.failure.type for each in report.dead_letters} == {
        "keyed": "ZeroDivisionError",
        "pathed": "LookupError",
        "updating": "ZeroDivisionError",
        "listing": "ZeroDivisionError",
    }


async def test_an_update_that_raises_while_others_make_room_fails_its_own_attempt(
    make_executor: MakeExecutor,
) -> None:
    """A settle that waited for room and then raises harms whoever made the room in no way."""

    @agent(subscribe="start", publish="work", max_attempts=1)
    async def writer(payload: Any, ctx: Context) -> None:
        def broken(value: Any) -> Any:
            raise ZeroDivisionError("as it settles")

        ctx.publish("work", 1)
        ctx.publish("work", 2)
        ctx.cache.update("key", broken)

    release = anyio.Event()

    @agent(subscribe="work", capacity=1, overflow="block", publish="done")
    async def worker(payload: Any) -> Any:
        await release.wait()
        return payload

    async with make_executor([writer, worker]) as executor:
        run = await executor.start("work", "in hand")
        await until(lambda: run.report().agents["worker"].open == 1)
        await run.publish("work", "pending")
        await run.publish("start", None)
        await until(lambda: executor.list_agents()[1].running == 1)
        release.set()
        report = await run.result()
    assert report.outputs == {"done": ["in hand", "pending"]}
    assert report.dispositions == {"ok": 2, "dead": 1}
    assert report.error is not None
    assert report.error.type == "ZeroDivisionError"


# -- dead letters --------------------------------------------------------------------


async def test_dead_letters_are_listed_shown_and_discarded(make_executor: MakeExecutor) -> None:
    """`dead_letters` looks at what failed for good, in one run or all, and forgets it."""
    async with make_executor([failing(ValueError, max_attempts=1)]) as executor:
        first = await executor.run("start", "a", run_id="first")
        await executor.run("start", "b", run_id="second")
        letters = executor.dead_letters
        assert [(each.run_id, each.payload) for each in letters.list()] == [
            ("first", "a"),
            ("second", "b"),
        ]
        [only] = letters.list("first")
        assert letters.show(only.node_id) == only
        assert only.node_id == first.dead_letters[0].node_id

        letters.discard(only.node_id)
        assert letters.list("first") == []
        assert len(letters.list()) == 1
        with pytest.raises(LetterNotFound):
            letters.show(only.node_id)
        with pytest.raises(LetterNotFound):
            letters.discard(only.node_id)
        assert executor.live("first").report().dead_letters_total == 1


async def test_dead_letters_of_a_run_keep_the_last(make_executor: MakeExecutor) -> None:
    """A run lists its last dead letters, as many as configured, and counts them all."""
    always = failing(ValueError, max_attempts=1)
    async with make_executor([always], config={"keep_dead_letters": 2}) as executor:
        async with await executor.start("start", 0) as run:
            for number in range(1, 5):
                await run.publish("start", number)
        report = await run.result()
    assert [letter.payload for letter in report.dead_letters] == [3, 4]
    assert report.dead_letters_total == 5


async def test_an_error_of_the_block_leaves_as_it_came() -> None:
    """An exception raised inside `async with Executor(...)` is not wrapped in a group."""
    with pytest.raises(LookupError, match="own"):
        async with Executor([failing(ValueError)]):
            raise LookupError("the block's own")
