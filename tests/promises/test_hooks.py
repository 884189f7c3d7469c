"""Hooks: one function around each attempt, which sees it whole and cannot change it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextvars import ContextVar
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from dagger import (
    Agent,
    Attempt,
    Config,
    ConfigError,
    Context,
    Executor,
    HookFailed,
    Immediate,
    MemoryStore,
    Message,
    Report,
    agent,
    all_of,
)
from tests.patience import PATIENCE
from tests.promises.conftest import MakeExecutor
from tests.waiting import deliveries, idle, in_hand, turns, until

Handler = Callable[[], Awaitable[Any]]

WHERE: ContextVar[str] = ContextVar("WHERE", default="nowhere")

ONCE = {"max_attempts": 1}


class Noting:
    """A hook that notes each attempt, and how it ended."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.ends: list[Any] = []

    async def __call__(self, attempt: Attempt, handler: Handler) -> None:
        self.attempts.append(attempt)
        try:
            self.ends.append(await handler())
        except BaseException as error:
            self.ends.append(type(error).__name__)
            raise


class Stamping(Noting):
    """One that also has a header for what goes out: where it goes out from."""

    def outgoing(self, channel: str) -> Mapping[str, str]:
        return {"from": WHERE.get(), "to": channel}

    async def __call__(self, attempt: Attempt, handler: Handler) -> None:
        WHERE.set(attempt.agent)
        await super().__call__(attempt, handler)


def headers_at(channel: str, found: list[dict[str, str]], **options: Any) -> Agent:
    """An agent that notes the headers of what it gets."""

    @agent(name=f"at {channel}", subscribe=channel, **options)
    async def note(message: Message) -> None:
        found.append(message.headers)

    return note


async def test_a_hook_goes_around_each_attempt(make_executor: MakeExecutor) -> None:
    """It is told which attempt it is, with the message, and sees how each of them ends."""

    @agent(subscribe="start", publish="out")
    async def flaky(payload: list[int], ctx: Context) -> list[int]:
        if ctx.attempt < 3:
            raise ValueError("again")
        return [*payload, 3]

    hook = Noting()
    async with make_executor([flaky], around_attempt=hook) as executor:
        message = Message([1], headers={"who": "me"})
        report = await executor.run("start", message, run_id="case")
    assert report.outputs == {"out": [[1, 3]]}
    assert hook.ends == ["ValueError", "ValueError", [1, 3]]
    assert [each.number for each in hook.attempts] == [1, 2, 3]
    last = hook.attempts[-1]
    assert (last.agent, last.channel, last.run_id) == ("flaky", "start", "case")
    assert last.node_id.startswith("flaky:case.")
    assert (last.message.payload, last.headers) == ([1], ({"who": "me"},))
    assert last.message_id == last.message.id
    assert not any(each.reexecution for each in hook.attempts)
    with pytest.raises(AttributeError):
        last.number = 1  # type: ignore[misc]


async def test_a_hook_goes_around_handlers_of_every_kind(make_executor: MakeExecutor) -> None:
    """Coroutines, plain functions and generators have it alike, and its context variables."""

    @agent(subscribe="start", publish="out")
    async def coroutine() -> str:
        return WHERE.get()

    @agent(subscribe="start", publish="out")
    async def stream() -> AsyncIterator[str]:
        yield WHERE.get()
        await anyio.lowlevel.checkpoint()
        yield WHERE.get()

    @agent(subscribe="start", publish="out")
    def plain() -> str:
        return WHERE.get()

    @agent(subscribe="start", publish="out")
    def generator() -> Iterator[str]:
        yield WHERE.get()

    agents = [coroutine, stream, plain, generator]
    hook = Stamping()
    async with make_executor(agents, around_attempt=hook) as executor:
        report = await executor.run("start", None)
    names = ["coroutine", "generator", "plain", "stream"]
    assert sorted(report.outputs["out"]) == [*names, "stream"]
    assert sorted(each.agent for each in hook.attempts) == names


async def test_what_a_hook_sets_is_seen_by_all_that_the_handler_starts(
    make_executor: MakeExecutor,
) -> None:
    """Tasks, steps in threads or not, and what comes after a wait see its context variables."""
    seen: dict[str, str] = {}

    def note(where: str) -> None:
        seen[where] = WHERE.get()

    async def noted(where: str) -> None:
        note(where)

    @agent(subscribe="start")
    async def starting(ctx: Context) -> None:
        note("at once")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(noted, "task")
        await ctx.step("plain", note, "plain step")
        await ctx.step("async", noted, "async step")
        await ctx.sleep(0.001)
        note("after a wait")

    async with make_executor([starting], around_attempt=Stamping()) as executor:
        report = await executor.run("start", None)
    assert report.status == "completed"
    places = {"at once", "task", "plain step", "async step", "after a wait"}
    assert seen == dict.fromkeys(places, "starting")


async def test_what_a_hook_sets_is_gone_with_the_attempt(make_executor: MakeExecutor) -> None:
    """One that does not clean up leaves nothing to the next attempt, nor to anybody else."""
    seen: list[str] = []

    async def careless(attempt: Attempt, handler: Handler) -> None:
        seen.append(WHERE.get())
        WHERE.set(f"in {attempt.node_id}")
        await handler()

    @agent(subscribe="start", retry=Immediate())
    async def one(ctx: Context) -> None:
        await anyio.lowlevel.checkpoint()
        if ctx.attempt < 2:
            raise ValueError("again")

    @agent(subscribe="start")
    def other() -> None:
        seen.append(WHERE.get().partition(":")[0])

    async with make_executor([one, other], around_attempt=careless) as executor:
        for _ in range(3):
            assert (await executor.run("start", None)).status == "completed"
        assert WHERE.get() == "nowhere"
    assert sorted(seen) == ["in other"] * 3 + ["nowhere"] * 9


async def test_waits_are_within_the_attempt(make_executor: MakeExecutor) -> None:
    """A handler that sleeps, asks and requests is one attempt, and one call of the hook."""

    @agent(subscribe="start", publish=["out", "echo"])
    async def waiter(ctx: Context) -> None:
        await ctx.sleep(0.001)
        ctx.publish("out", [await ctx.request("echo", 1), await ctx.ask("and?", name="and")])

    @agent(subscribe="echo")
    async def echo(payload: int) -> int:
        return payload

    hook = Noting()
    async with make_executor([waiter, echo], around_attempt=hook) as executor:
        run = await executor.start("start", None)
        report = await run.result()
        assert report.ended is None
        assert hook.ends == [1]
        await run.answer("and", 2)
        report = await run.result()
    assert report.outputs == {"out": [[1, 2]]}
    assert hook.ends == [1, None]


async def test_each_part_of_a_join_is_told(make_executor: MakeExecutor) -> None:
    """The attempt of a join has the headers of all its parts, in the order they came."""

    @agent(subscribe="start", publish=["a", "b"])
    async def split(ctx: Context) -> None:
        ctx.publish("b", 1, headers={"part": "b"})
        ctx.publish("a", 2, headers={"part": "a"})

    @agent(subscribe=all_of("a", "b"), publish="out")
    async def both(payload: dict[str, int]) -> dict[str, int]:
        return payload

    hook = Noting()
    async with make_executor([split, both], around_attempt=hook) as executor:
        report = await executor.run("start", None)
    assert report.outputs == {"out": [{"a": 2, "b": 1}]}
    joined = hook.attempts[-1]
    assert joined.headers == ({"part": "b"}, {"part": "a"})
    assert (joined.channel, joined.message.payload) == ("a", {"a": 2, "b": 1})


async def test_what_is_no_attempt_has_no_hook(make_executor: MakeExecutor) -> None:
    """A payload that is rejected was not attempted; an output that is refused was."""

    @agent(subscribe="start", input_schema={"type": "integer"}, publish={"out": {"type": "string"}})
    async def strict(payload: int) -> int:
        return payload

    hook = Noting()
    async with make_executor([strict], config=ONCE, around_attempt=hook) as executor:
        assert (await executor.run("start", "no number")).dispositions == {"rejected": 1}
        assert hook.ends == []
        assert (await executor.run("start", 1)).dispositions == {"dead": 1}
    assert hook.ends == ["ValidationError"]


# -- hooks that fail ---------------------------------------------------------------------


async def before(attempt: Attempt, handler: Handler) -> None:
    """Raise, and never call the handler."""
    raise LookupError("of the hook")


async def after(attempt: Attempt, handler: Handler) -> None:
    """Raise when the handler has ended."""
    await handler()
    raise LookupError("of the hook")


async def beside(attempt: Attempt, handler: Handler) -> None:
    """Raise while the handler runs."""

    async def fail() -> None:
        raise LookupError("of the hook")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fail)
        await handler()


async def not_called(attempt: Attempt, handler: Handler) -> None:
    """Do nothing at all."""


async def not_awaited(attempt: Attempt, handler: Handler) -> None:
    """Cancel the handler, and swallow that."""
    with anyio.CancelScope() as scope:
        scope.cancel()
        await handler()


async def twice(attempt: Attempt, handler: Handler) -> None:
    """Call the handler once too often."""
    await handler()
    await handler()


def no_coroutine(attempt: Attempt, handler: Handler) -> Any:
    """Be no async function."""
    return None


BAD = {
    before: "of the hook",
    after: "of the hook",
    beside: "of the hook",
    not_called: "it ended before the handler had",
    not_awaited: "it ended before the handler had",
    twice: "twice",
    no_coroutine: "await",
}


@pytest.mark.parametrize("hook", BAD, ids=lambda hook: hook.__name__)
async def test_a_hook_that_fails_fails_the_attempt(make_executor: MakeExecutor, hook: Any) -> None:
    """The error names the hook, and says what happened; nothing of the attempt takes place."""

    @agent(subscribe="start", publish="out")
    async def fine(ctx: Context) -> int:
        ctx.cache.set("done", True)
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        return 1

    async with make_executor([fine], config={"max_attempts": 2}, around_attempt=hook) as executor:
        run = await executor.start("start", None)
        report = await run.result()
        assert not run.cache.keys()
        await idle(executor)
    assert (report.status, report.retries, report.outputs) == ("failed", 1, {})
    [letter] = report.dead_letters
    assert letter.failure.type == "HookFailed"
    assert hook.__name__ in letter.failure.message
    assert "test_hooks.py:" in letter.failure.message
    assert letter.node_id in letter.failure.message
    assert BAD[hook] in f"{letter.failure.message} {letter.failure.causes}"


async def swallows(attempt: Attempt, handler: Handler) -> None:
    """Swallow what the handler raises."""
    with contextlib.suppress(Exception):
        await handler()


async def replaces(attempt: Attempt, handler: Handler) -> None:
    """Raise something else instead."""
    try:
        await handler()
    except Exception as error:
        raise LookupError("of the hook") from error


async def groups(attempt: Attempt, handler: Handler) -> None:
    """Have what the handler raises put into a group."""
    async with anyio.create_task_group():
        await handler()


@pytest.mark.parametrize("hook", [swallows, replaces, groups], ids=lambda hook: hook.__name__)
async def test_a_hook_does_not_change_how_an_attempt_failed(
    make_executor: MakeExecutor, hook: Any
) -> None:
    """What the handler raised counts, and decides on the retry, whatever the hook makes of it."""

    @agent(subscribe="start", retry=Immediate(retry_on=ValueError), max_attempts=3)
    async def failing() -> None:
        raise ValueError("of the handler")

    async with make_executor([failing], around_attempt=hook) as executor:
        report = await executor.run("start", None)
    assert report.retries == 2
    assert report.error is not None
    assert (report.error.type, report.error.message) == ("ValueError", "of the handler")
    assert not any("of the hook" in each for each in report.error.causes)


async def test_what_is_no_hook_is_refused() -> None:
    """Something that cannot be called is told at once."""
    with pytest.raises(ConfigError, match="around_attempt"):
        Executor([], around_attempt=3)  # type: ignore[arg-type]


# -- cancellation ------------------------------------------------------------------------


async def swallows_all(attempt: Attempt, handler: Handler) -> None:
    """Swallow cancellations too."""
    with contextlib.suppress(BaseException):
        await handler()


@pytest.mark.parametrize("hook", [None, swallows, swallows_all])
async def test_a_timeout_goes_through_the_hook(make_executor: MakeExecutor, hook: Any) -> None:
    """An attempt that runs out of time is cancelled within its hook, which cannot swallow it."""
    noting = Noting()

    @agent(subscribe="start", timeout=0.01)
    async def slow() -> None:
        await anyio.sleep_forever()

    options: dict[str, Any] = {"config": ONCE, "around_attempt": hook or noting}
    async with make_executor([slow], **options) as executor:
        report = await executor.run("start", None)
        await idle(executor)
    assert report.error is not None
    assert report.error.type == "TimeoutExceeded"
    assert noting.ends in ([], ["CancelledError"], ["Cancelled"])
    assert bool(noting.ends) is (hook is None)


@pytest.mark.parametrize("hook", [Noting(), swallows_all])
async def test_a_cancelled_run_goes_through_the_hook(
    make_executor: MakeExecutor, hook: Any
) -> None:
    """A run that is cancelled ends so, also where the hook swallows the cancellation."""

    @agent(subscribe="start")
    async def endless() -> None:
        await anyio.sleep_forever()

    async with make_executor([endless], around_attempt=hook) as executor:
        run = await executor.start("start", None)
        await until(lambda: in_hand(executor) == 1)
        report = await run.cancel()
        await idle(executor)
    assert (report.status, report.dispositions) == ("cancelled", {"cancelled": 1})
    assert report.abandoned == ()


async def test_a_hook_that_ignores_its_cancellation_is_given_up(
    make_executor: MakeExecutor,
) -> None:
    """A hook is held to what handlers are: after the grace the run ends without it."""

    async def deaf(attempt: Attempt, handler: Handler) -> None:
        await handler()
        while attempt.message.payload:
            with contextlib.suppress(BaseException):
                await anyio.sleep_forever()

    @agent(subscribe="start")
    async def fine() -> None:
        pass

    options: dict[str, Any] = {"config": {"cancel_grace": 0.01}, "around_attempt": deaf}
    async with make_executor([fine], **options) as executor:
        run = await executor.start("start", True)
        await until(lambda: in_hand(executor) == 1)
        await turns()
        assert len((await run.cancel()).abandoned) == 1
        assert (await executor.run("start", False)).status == "completed"
        await idle(executor)


async def test_a_thread_that_is_given_up_is_told_to_the_hook(make_executor: MakeExecutor) -> None:
    """The hook around a plain function that never ends hears of the cancellation."""
    go = threading.Event()

    @agent(subscribe="start", timeout=0.01)
    def stuck() -> None:
        go.wait(PATIENCE)

    hook = Noting()
    config = {"max_attempts": 1, "cancel_grace": 0.01}
    async with make_executor([stuck], config=config, around_attempt=hook) as executor:
        report = await executor.run("start", None)
        assert len(report.abandoned) == 1
        go.set()
    assert len(hook.attempts) == 1


# -- restarts ----------------------------------------------------------------------------


async def test_a_re_execution_is_told() -> None:
    """What goes on after a restart says so, and has the number of the attempt; others do not."""

    @agent(subscribe="start", publish="out", retry=Immediate())
    async def waiter(payload: str, ctx: Context) -> str:
        if payload == "asks":
            await ctx.ask("go on?", name="go")
            if ctx.attempt < 2:
                raise ValueError("again")
        return payload

    store, hook = MemoryStore(), Noting()
    async with Executor([waiter], store=store, around_attempt=hook) as executor:
        await executor.run("start", "asks", run_id="case")
    async with Executor([waiter], store=store, around_attempt=hook) as executor:
        await executor.live("case").answer("go", True)
        report = await executor.run("start", "asks", run_id="case")
        await executor.run("start", "other")
    assert report.outputs == {"out": ["asks"]}
    told = [(each.number, each.reexecution) for each in hook.attempts]
    assert told == [(1, False), (1, True), (2, False), (1, False)]


def begun(executor: Executor, hook: Noting) -> bool:
    """Whether the only handler has been called, and has something that is kept."""
    return bool(hook.attempts) and bool(deliveries(executor)[0].kept)


@pytest.mark.parametrize("waits", ["a step", "a sleep"])
async def test_what_was_kept_is_known_to_be_begun(waits: str) -> None:
    """One that has got a step, or sleeps, as the executor stops is a re-execution in the next."""

    @agent(subscribe="start")
    async def waiter(ctx: Context) -> None:
        if waits == "a step":
            await ctx.step("one", int)
            await ctx.ask("for ever?")
        await ctx.sleep(3600)

    store = MemoryStore()
    for before in (False, True):
        hook = Noting()
        async with Executor([waiter], store=store, around_attempt=hook) as executor:
            await executor.start("start", None, run_id="case")
            await until(partial(begun, executor, hook))
        assert [each.reexecution for each in hook.attempts] == [before]


async def test_an_unloaded_handler_is_told_as_one_that_goes_on(
    make_executor: MakeExecutor,
) -> None:
    """Each execution is told, as one of the same attempt; what ends the first is no Exception."""
    hook = Noting()

    @agent(subscribe="start", publish="out", unload=True)
    async def waiter(ctx: Context) -> str:
        await ctx.sleep(0.01)
        return "done"

    async with make_executor([waiter], around_attempt=hook) as executor:
        report = await executor.run("start", None)
    assert report.outputs == {"out": ["done"]}
    assert [(each.number, each.reexecution) for each in hook.attempts] == [(1, False), (1, True)]
    assert hook.ends == ["Unloaded", "done"]


# -- what goes out -----------------------------------------------------------------------


async def test_a_hook_adds_to_the_headers_of_what_goes_out(make_executor: MakeExecutor) -> None:
    """It is asked for each message, from outside and from within, where that is published."""
    found: dict[str, dict[str, str]] = {}

    @agent(subscribe="start", publish=["said", "asked"])
    async def talking(ctx: Context) -> None:
        ctx.publish("said", 1)
        token = WHERE.set("a part of it")
        await ctx.request("asked", 1)
        WHERE.reset(token)

    @agent(subscribe="said", publish="returned")
    def returning() -> int:
        return 1

    @agent(subscribe="returned", publish="yielded")
    async def yielding() -> AsyncIterator[int]:
        yield 1

    @agent(subscribe=["start", "said", "asked", "returned", "yielded", "added"])
    async def note(message: Message) -> None:
        headers = {name: value for name, value in message.headers.items() if "dagger" not in name}
        found[message.channel] = headers

    agents = [talking, returning, yielding, note]
    async with make_executor(agents, around_attempt=Stamping()) as executor:
        WHERE.set("outside")
        async with await executor.start("start", None) as run:
            await run.publish("added", 1)
        report = await run.result()
        assert report.status == "completed"
        for publish in (executor.run, executor.publish, executor.request):
            found.pop("start", None)
            await publish("start", None)
            await until(lambda: "start" in found)
            assert found["start"] == {"from": "outside", "to": "start"}
        await executor.drain()
    assert {channel: told["from"] for channel, told in found.items()} == {
        "start": "outside",
        "added": "outside",
        "said": "talking",
        "asked": "a part of it",
        "returned": "returning",
        "yielded": "yielding",
    }
    assert all(told["to"] == channel for channel, told in found.items())


async def test_a_header_that_was_given_is_left_as_it_is(make_executor: MakeExecutor) -> None:
    """What a publisher says itself wins; what came with a message that it passes on does not."""
    found: list[dict[str, str]] = []

    @agent(subscribe="start", publish="next")
    async def passing(ctx: Context) -> None:
        ctx.publish("next", ctx.message)
        ctx.publish("next", 1, headers={"from": "myself", "own": "1"})

    agents = [passing, headers_at("next", found)]
    async with make_executor(agents, around_attempt=Stamping()) as executor:
        await executor.run("start", Message(1, headers={"from": "the outside", "x": "1"}))
    assert found == [
        {"x": "1", "from": "passing", "to": "next"},
        {"from": "myself", "own": "1", "to": "next"},
    ]


async def test_no_hook_makes_a_request_of_a_message(make_executor: MakeExecutor) -> None:
    """The header by which requests are told cannot be added."""
    found: list[dict[str, str]] = []

    class Asking(Noting):
        def outgoing(self, channel: str) -> Mapping[str, str]:
            return {"dagger-reply-to": "0/"}

    async with make_executor([headers_at("start", found)], around_attempt=Asking()) as executor:
        assert (await executor.run("start", None)).status == "completed"
    assert found == [{}]


async def test_what_does_not_go_out_is_not_asked_for(make_executor: MakeExecutor) -> None:
    """An attempt that fails, a request that was made before, and a run that is there already
    publish nothing, and no header is made.
    """
    asked: list[str] = []

    class Counting(Noting):
        def outgoing(self, channel: str) -> Mapping[str, str]:
            asked.append(channel)
            return {}

    @agent(subscribe="start", publish=["out", "echo"], retry=Immediate())
    async def flaky(ctx: Context) -> None:
        ctx.publish("out", 1)
        await ctx.request("echo", 1)
        if ctx.attempt < 3:
            raise ValueError("again")

    @agent(subscribe="echo")
    async def echo() -> None:
        pass

    async with make_executor([flaky, echo], around_attempt=Counting()) as executor:
        for _ in range(2):
            report = await executor.run("start", None, run_id="case")
            assert report.status == "completed"
    assert asked == ["start", "echo", "out"]


async def test_headers_that_cannot_be_made_fail_the_publisher(make_executor: MakeExecutor) -> None:
    """Where the hook raises, nothing goes out, and whoever publishes is told."""

    class Broken(Noting):
        def outgoing(self, channel: str) -> Mapping[str, str]:
            if channel in ("out", "outside"):
                raise LookupError("no header")
            return {}

    @agent(subscribe=["start", "outside"], publish="out")
    async def fine() -> int:
        return 1

    hook = Broken()
    async with make_executor([fine], config=ONCE, around_attempt=hook) as executor:
        with pytest.raises(HookFailed, match=r"'outside'.*no header"):
            await executor.run("outside", None)
        report: Report = await executor.run("start", None)
    assert hook.ends == ["HookFailed"]
    assert report.outputs == {}
    assert report.error is not None
    assert report.error.type == "HookFailed"


async def test_an_executor_that_starts_again_has_its_hook() -> None:
    """The hook belongs to the executor, each time it is entered."""

    @agent(subscribe="start")
    async def fine() -> int | None:
        return None

    hook = Noting()
    executor = Executor([fine], config=Config(), around_attempt=hook)
    for _ in range(2):
        async with executor:
            await executor.run("start", None)
    assert len(hook.attempts) == 2
