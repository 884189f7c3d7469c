"""Tracing: the spans of a run hang together, whatever happens to it."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest

from dagger import (
    Agent,
    Attempt,
    Config,
    Context,
    Executor,
    Immediate,
    LmdbStore,
    MemoryStore,
    Message,
    Store,
    agent,
    all_of,
    gather,
)
from dagger.testing import Crash, explore_crashes, simulated
from tests.waiting import in_hand, until

pytest.importorskip("opentelemetry.sdk", reason="OpenTelemetry's SDK is not installed")

from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from dagger.otel import Tracing, tracing

CONFIG = Config(retry_strategy=Immediate())


class Traced:
    """Spans as they come, and what is known of them."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.hook: Tracing = tracing(self.provider)
        self.tracer = self.provider.get_tracer("test")

    def named(self, name: str) -> list[ReadableSpan]:
        """The spans of that name that have ended, oldest first."""
        return [each for each in self.exporter.get_finished_spans() if each.name == name]

    def one(self, name: str) -> ReadableSpan:
        """The only one."""
        [span] = self.named(name)
        return span

    @property
    def processes(self) -> list[ReadableSpan]:
        """The spans of attempts."""
        spans = self.exporter.get_finished_spans()
        return [each for each in spans if each.name.startswith("process ")]

    @property
    def traces(self) -> set[int]:
        """All traces that there are."""
        return {each.context.trace_id for each in self.exporter.get_finished_spans()}


@pytest.fixture
def traced() -> Iterator[Traced]:
    """A tracer provider of the test's own, with all of its spans in memory."""
    found = Traced()
    yield found
    found.provider.shutdown()


def executor(traced: Traced, *agents: Agent, store: Store | None = None) -> Executor:
    """An executor that is traced."""
    return Executor(agents, store=store, config=CONFIG, around_attempt=traced.hook)


def is_child(span: ReadableSpan, parent: ReadableSpan) -> bool:
    """Whether a span is right below another one."""
    return (
        span.parent is not None
        and span.parent.span_id == parent.context.span_id
        and span.context.trace_id == parent.context.trace_id
    )


def comes_of(process: ReadableSpan, *sends: ReadableSpan) -> bool:
    """Whether an attempt links to these spans of messages, in this order, and to no other."""
    links = [(each.context.trace_id, each.context.span_id) for each in process.links]
    return links == [(each.context.trace_id, each.context.span_id) for each in sends]


def told(span: ReadableSpan) -> dict[str, Any]:
    """The attributes of a span."""
    return dict(span.attributes or {})


@agent(subscribe="start", publish="next")
async def first(payload: Any) -> Any:
    """Pass it on."""
    return payload


@agent(subscribe="next", publish="out")
def second(payload: Any) -> Any:
    """Pass it on from a thread."""
    return payload


async def test_each_message_and_attempt_has_a_span(traced: Traced) -> None:
    """A message's is the child of who publishes it, an attempt's of its message's, and links."""
    with traced.tracer.start_as_current_span("caller"):
        async with executor(traced, first, second) as running:
            report = await running.run("start", 1, run_id="case")
    assert report.outputs == {"out": [1]}
    caller, send, process = map(traced.one, ("caller", "send start", "process start"))
    send_next, process_next, send_out = map(traced.one, ("send next", "process next", "send out"))
    chain = [caller, send, process, send_next, process_next, send_out]
    assert all(is_child(span, above) for above, span in pairwise(chain))
    assert comes_of(process, send)
    assert comes_of(process_next, send_next)
    assert len(traced.exporter.get_finished_spans()) == len(chain)


async def test_spans_say_what_the_conventions_want(traced: Traced) -> None:
    """Kinds and attributes are those of messaging systems; what is our own is told apart."""
    async with executor(traced, first, second) as running:
        await running.run("start", 1, run_id="case")
    send, process = traced.one("send next"), traced.one("process next")
    assert (send.kind, process.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    assert told(send) == {
        "messaging.system": "dagger",
        "messaging.operation.type": "send",
        "messaging.operation.name": "send",
        "messaging.destination.name": "next",
        "messaging.message.conversation_id": "case",
    }
    found = told(process)
    assert str(found.pop("messaging.dagger.node.id")).startswith("second:case.")
    assert str(found.pop("messaging.message.id")).startswith("case.")
    assert found == {
        "messaging.system": "dagger",
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.destination.name": "next",
        "messaging.consumer.group.name": "second",
        "messaging.message.conversation_id": "case",
        "messaging.dagger.attempt": 1,
        "messaging.dagger.reexecution": False,
    }
    assert process.status.status_code is StatusCode.UNSET


async def test_each_attempt_links_to_the_same_message(traced: Traced) -> None:
    """Retries have spans of their own, siblings; those that failed say of what."""

    @agent(subscribe="start", publish="out")
    async def flaky(payload: Any, ctx: Context) -> int:
        ctx.publish("out", 0)
        if ctx.attempt < 3:
            raise ConnectionError("try again")
        return ctx.attempt

    async with executor(traced, flaky) as running:
        await running.run("start", None)
    attempts, send = traced.named("process start"), traced.one("send start")
    assert [told(each)["messaging.dagger.attempt"] for each in attempts] == [1, 2, 3]
    assert all(is_child(each, send) and comes_of(each, send) for each in attempts)
    codes = [each.status.status_code for each in attempts]
    assert codes == [StatusCode.ERROR, StatusCode.ERROR, StatusCode.UNSET]
    assert [told(each).get("error.type") for each in attempts] == ["ConnectionError"] * 2 + [None]
    assert [len(each.events) for each in attempts] == [1, 1, 0]
    sent = traced.named("send out")
    assert len(sent) == 2
    assert all(is_child(each, attempts[2]) for each in sent)


@pytest.mark.parametrize("plain", [True, False])
async def test_spans_of_the_handler_are_within_its_attempt(traced: Traced, plain: bool) -> None:
    """What a handler or a step traces itself, in threads too, is a child of the attempt."""

    def work() -> None:
        with traced.tracer.start_as_current_span("work"):
            pass

    @agent(subscribe="start")
    async def stepping(ctx: Context) -> None:
        await ctx.sleep(0.001)
        await ctx.step("work", work)

    @agent(subscribe="start")
    def threaded() -> None:
        work()

    async with executor(traced, threaded if plain else stepping) as running:
        await running.run("start", None)
    assert is_child(traced.one("work"), traced.one("process start"))


async def test_a_request_is_made_within_the_attempt(traced: Traced) -> None:
    """The responder's span descends from the requester's, where that asked."""

    @agent(subscribe="start", publish="square")
    async def asking(ctx: Context) -> None:
        with traced.tracer.start_as_current_span("asking"):
            await ctx.request("square", 3)

    @agent(subscribe="square")
    def square(payload: int) -> int:
        return payload**2

    async with executor(traced, asking, square) as running:
        await running.run("start", None)
        assert await running.request("square", 2) == 4
    outer, asked, send = map(traced.one, ("process start", "asking", "send start"))
    first_send, second_send = traced.named("send square")
    answers = {each.parent.span_id: each for each in traced.named("process square") if each.parent}
    answer = answers[first_send.context.span_id]
    chain = [send, outer, asked, first_send, answer]
    assert all(is_child(span, above) for above, span in pairwise(chain))
    assert second_send.parent is None


async def test_a_join_links_to_each_part(traced: Traced) -> None:
    """Where parts of one trace meet, that goes on; the links say which they are."""

    @agent(subscribe="start", publish=["a", "b"])
    async def split(ctx: Context) -> None:
        ctx.publish("a", 1)
        ctx.publish("b", 2)

    @agent(subscribe=all_of("a", "b"), publish="out")
    async def both(payload: dict[str, int]) -> int:
        return sum(payload.values())

    async with executor(traced, split, both) as running:
        await running.run("start", None)
    a, b, joined = map(traced.one, ("send a", "send b", "process b"))
    assert comes_of(joined, a, b)
    assert is_child(joined, b)
    assert is_child(traced.one("send out"), joined)
    assert told(joined)["messaging.batch.message_count"] == 2
    assert len(traced.traces) == 1


async def test_parts_of_several_traces_have_a_trace_of_their_own(traced: Traced) -> None:
    """A join whose parts come from different callers links to all, and is the child of none."""

    @agent(subscribe=gather("start"))
    async def all_(payload: list[int]) -> None:
        assert sorted(payload) == [1, 2]

    async with executor(traced, all_) as running:
        async with await running.start("start", 1) as run:
            await run.publish("start", 2)
        await run.result()
    joined = traced.one("process start")
    assert comes_of(joined, *traced.named("send start"))
    assert joined.parent is None


# -- restarts ----------------------------------------------------------------------------


@pytest.fixture(params=["memory", "lmdb"])
def store(request: pytest.FixtureRequest, memory_path: Path) -> Callable[[], Store]:
    """Opens the same store each time."""
    if request.param == "lmdb":
        return lambda: LmdbStore(memory_path / "store")
    kept = MemoryStore()
    return lambda: kept


async def test_a_trace_goes_on_after_a_restart(traced: Traced, store: Callable[[], Store]) -> None:
    """An invocation that an executor leaves behind has a span in the next one: the same parent,
    the same link. What comes of it is in the same trace.
    """

    @agent(subscribe="next", publish="out")
    async def asking(ctx: Context) -> Any:
        await ctx.step("begin", int)
        return await ctx.ask("go on?", name="go")

    with traced.tracer.start_as_current_span("caller"):
        async with executor(traced, first, asking, store=store()) as running:
            await running.run("start", 1, run_id="case")
    async with executor(traced, first, asking, store=store()) as running:
        await until(lambda: in_hand(running) == 1)
        await running.live("case").answer("go", True)
        report = await running.run("start", 1, run_id="case")
    assert report.outputs == {"out": [True]}
    before, after = traced.named("process next")
    send = traced.one("send next")
    assert (told(before)["error.type"], before.status.status_code) == (
        "cancelled",
        StatusCode.ERROR,
    )
    assert not told(before)["messaging.dagger.reexecution"]
    assert told(after)["messaging.dagger.reexecution"]
    assert told(after)["messaging.dagger.attempt"] == 1
    assert all(is_child(each, send) and comes_of(each, send) for each in (before, after))
    assert is_child(traced.one("send out"), after)
    assert len(traced.traces) == 1


def test_a_trace_goes_on_after_a_crash_at_any_write() -> None:
    """Whichever write the process dies at, all spans of a run are in one trace, and each attempt
    links to the spans of the messages that it handles.
    """

    @agent(subscribe="start", publish=["parts", "echo"])
    async def split(ctx: Context) -> None:
        await ctx.sleep(1)
        for number in range(2):
            ctx.publish("parts", await ctx.request("echo", number))

    @agent(subscribe="echo")
    async def echo(payload: int) -> int:
        return payload

    @agent(subscribe="parts", publish="done", concurrency=2)
    async def flaky(payload: int, ctx: Context) -> int:
        if ctx.attempt < 2:
            raise ValueError("again")
        return payload

    @agent(subscribe=gather("done"), publish="out")
    def together(payload: list[int]) -> list[int]:
        return sorted(payload)

    async def program(hook: Tracing, store: Store) -> Any:
        agents = [split, echo, flaky, together]
        options: dict[str, Any] = {"store": store, "config": CONFIG, "around_attempt": hook}
        async with simulated(*agents, **options) as running:
            return (await running.run("start", None, run_id="case")).outputs

    def check(crash: Crash) -> None:
        traced = Traced()
        assert crash.simulate(partial(program, traced.hook)) == {"out": [[0, 1]]}
        spans = traced.exporter.get_finished_spans()
        began = traced.named("send start")  # again, where the first was not on disk
        [trace_id] = {each.context.trace_id for each in traced.named("process done")}
        assert trace_id in {each.context.trace_id for each in began}
        last = [each for each in spans if each.context.trace_id == trace_id]
        sends = {each.context.span_id for each in last if each.name.startswith("send ")}
        for process in traced.processes:
            if process.context.trace_id == trace_id:
                assert process.links
                assert {each.context.span_id for each in process.links} <= sends
        channels = {each.name for each in last if each.name.startswith("process ")}
        assert channels >= {"process parts", "process done"}

    assert explore_crashes(check) > 10


async def test_what_was_sent_untraced_has_no_parent(traced: Traced) -> None:
    """A message without a context begins a trace, whoever has woken the worker."""
    kept = MemoryStore()
    async with Executor([first], store=kept) as running:
        run = await running.start("start", 1, run_id="case", wait=True)
        await run.pause()
    with traced.tracer.start_as_current_span("somebody"):
        async with executor(traced, first, store=kept) as running:
            await running.live("case").resume()
            await running.run("start", 1, run_id="case")
    process = traced.one("process start")
    assert (process.parent, list(process.links)) == (None, [])


# -- what is in spans --------------------------------------------------------------------

SECRET = "a-secret-that-nobody-may-see"


@pytest.mark.parametrize("shown", [False, True])
async def test_payloads_are_not_in_spans(traced: Traced, shown: bool) -> None:
    """No value of a payload is, not even by an error that quotes it, unless that is wished."""

    @agent(subscribe="start", publish={"out": {"type": "integer"}})
    async def wrong(payload: str) -> str:
        return payload

    @agent(subscribe="start")
    def quoting(payload: str) -> None:
        raise ValueError(payload)

    hook = tracing(traced.provider, error_messages=shown)
    config = Config(max_attempts=1)
    async with Executor([wrong, quoting], config=config, around_attempt=hook) as running:
        await running.run("start", Message(SECRET, key=SECRET, headers={"password": SECRET}))
    spans = traced.named("process start")
    assert {told(each)["error.type"] for each in spans} == {
        "ValueError",
        "dagger.words.errors.ValidationError",
    }
    for span in spans:
        [event] = span.events
        assert event.name == "exception"
        assert "exception.stacktrace" in (event.attributes or {})
        assert (SECRET in span.to_json()) is shown
    assert SECRET not in traced.one("send start").to_json()


async def test_a_timeout_is_an_error(traced: Traced) -> None:
    """An attempt that was cancelled says so, the same on each loop."""

    @agent(subscribe="start", timeout=0.01, max_attempts=1)
    async def slow() -> None:
        await anyio.sleep_forever()

    async with executor(traced, slow) as running:
        await running.run("start", None)
    span = traced.one("process start")
    assert told(span)["error.type"] == "cancelled"
    assert span.status.status_code is StatusCode.ERROR


async def test_baggage_goes_on(traced: Traced) -> None:
    """What a caller has for baggage is there in all that comes of it."""
    found: list[object] = []

    @agent(subscribe="next")
    def reading() -> None:
        found.append(baggage.get_baggage("tenant"))

    async with executor(traced, first, reading) as running:
        token = context.attach(baggage.set_baggage("tenant", "seven"))
        await running.run("start", 1)
        context.detach(token)
    assert found == ["seven"]


async def test_a_hook_around_it_is_outside_of_the_span(traced: Traced) -> None:
    """A hook that calls this one has its own context, before and after."""
    seen: list[bool] = []

    async def both(attempt: Attempt, handler: Callable[[], Awaitable[Any]]) -> None:
        seen.append(trace.get_current_span().get_span_context().is_valid)
        await traced.hook(attempt, handler)
        seen.append(trace.get_current_span().get_span_context().is_valid)

    async with Executor([first], around_attempt=both) as running:
        await running.run("start", 1)
    assert seen == [False, False]
    assert traced.one("process start").parent is None


async def test_without_a_provider_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """Where the program has set up no tracing, agents run as ever, and messages have no headers."""
    found: list[Any] = []

    @agent(subscribe="start")
    async def note(message: Message) -> None:
        found.append(message.headers)

    async with Executor([note], around_attempt=tracing(trace.NoOpTracerProvider())) as running:
        assert (await running.run("start", None)).status == "completed"
    assert found == [{}]
    assert [each for each in caplog.records if each.levelno > logging.INFO] == []


ROOT = Path(__file__).parents[2]

RUN = """
import dagger

@dagger.agent(subscribe="start", publish="out")
async def fine(payload):
    return payload

print(dagger.run([fine], "start", 1).outputs)
"""


def said(program: str) -> str:
    """What a program prints in an interpreter of its own."""
    paths = f"import sys\nsys.path[:0] = {[str(ROOT), str(ROOT / 'agents')]!r}\n"
    command = [sys.executable, "-c", paths + program]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


def test_nothing_is_imported_without_it() -> None:
    """A program that does not trace loads nothing of OpenTelemetry, though it is installed."""
    ending = 'import sys\nprint(any("opentelemetry" in name for name in sys.modules))'
    assert said(RUN + ending).split("\n")[:2] == ["{'out': [1]}", "False"]


def test_what_is_missing_is_named() -> None:
    """Without OpenTelemetry's API the import says what to install."""
    program = """
import sys
sys.modules["opentelemetry"] = None
try:
    import dagger.otel
except ImportError as error:
    print(error)
"""
    assert "dagger-runtime[otel]" in said(program)
