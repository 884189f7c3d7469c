"""Streams: items are delivered at once, none is repeated, and what is void is told."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from dagger import (
    Agent,
    ChannelFull,
    Context,
    Emission,
    ExecutionError,
    Message,
    Outcome,
    Retraction,
    Store,
    StreamDiffers,
    StreamItem,
    agent,
    gather,
)
from tests.patience import PATIENCE, SLOWER
from tests.promises.conftest import MakeExecutor
from tests.promises.gates import Gate
from tests.state.meaning import live_state
from tests.waiting import in_hand, pending, until

Heard = list[tuple[Any, int, int, bool]]
"""Payload, attempt, index, restarted."""


def hearer(heard: Heard, **options: Any) -> Agent:
    """Notes the items that it gets."""

    @agent(name="hear", subscribe="items", **options)
    async def hear(payload: Any, message: Message) -> None:
        place = message.stream
        assert place is not None
        assert place.node_id == message.source
        heard.append((payload, place.attempt, place.index, place.restarted))

    return hear


# -- at once -------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["emit", "stream", "thread"])
async def test_items_are_delivered_while_the_handler_runs(
    make_executor: MakeExecutor, how: str
) -> None:
    """What is emitted is handled by others before the invocation settles."""
    heard: Heard = []
    enough, told = threading.Event(), anyio.Event()

    @agent(subscribe="start", publish="items")
    async def emit(payload: Any, ctx: Context) -> None:
        for number in range(3):
            await ctx.emit("items", number)
        await told.wait()

    @agent(subscribe="start", publish="items", stream=True)
    async def stream(payload: Any) -> AsyncIterator[int]:
        for number in range(3):
            yield number
        await told.wait()

    @agent(subscribe="start", publish="items", stream=True)
    def thread(payload: Any) -> Iterator[int]:
        home = threading.get_ident()
        for number in range(3):
            yield number
            assert threading.get_ident() == home
        assert enough.wait(PATIENCE)

    made = {"emit": emit, "stream": stream, "thread": thread}[how]
    async with make_executor([made, hearer(heard)]) as executor:
        run = await executor.start("start", None)
        await until(lambda: len(heard) == 3)
        assert run.report().open == 1
        enough.set()
        told.set()
        report = await run.result()
    assert heard == [(number, 1, number, False) for number in range(3)]
    assert (report.status, report.messages, report.conserved) == ("completed", 4, True)
    assert len(report.tree.nodes()) == 4


async def test_an_item_is_a_message_like_any(make_executor: MakeExecutor) -> None:
    """It has key, headers, source and parent, is checked, and is an output if nobody hears it."""
    seen: list[Message] = []
    ids: list[str] = []

    @agent(
        subscribe="start",
        publish={"items": {"type": "integer"}, "out": None},
        max_attempts=1,
    )
    async def emitting(payload: Any, ctx: Context) -> None:
        ids.append(await ctx.emit("items", 1, key="k", headers={"h": "v"}))
        await ctx.emit("out", "unheard")
        await ctx.emit("items", "not a number")

    @agent(subscribe="items")
    async def hear(message: Message) -> None:
        seen.append(message)

    async with make_executor([emitting, hear]) as executor:
        report = await executor.run("start", None, run_id="r")
    [message] = seen
    assert (message.id, message.key, message.headers["h"]) == (*ids, "k", "v")
    assert (message.source, message.parent_id) == ("emitting:r.1", "r.0.0")
    assert message.stream == StreamItem("emitting:r.1", 1, 0, restarted=False)
    assert report.outputs == {"out": ["unheard"]}
    assert report.error is not None
    assert report.error.type == "ValidationError"


async def test_who_passes_an_item_on_streams_nothing(make_executor: MakeExecutor) -> None:
    """A message that is published anew is no item, whatever its headers were."""
    seen: list[StreamItem | None] = []

    @agent(subscribe="start", publish="items", stream=True)
    async def talk(payload: Any) -> AsyncIterator[int]:
        yield 1

    @agent(subscribe="items", publish="again")
    async def pass_on(message: Message) -> Message:
        return message

    @agent(subscribe="again")
    async def hear(message: Message) -> None:
        seen.append(message.stream)

    async with make_executor([talk, pass_on, hear]) as executor:
        await executor.run("start", None)
    assert seen == [None]


async def test_an_agent_does_not_hear_its_own_items(make_executor: MakeExecutor) -> None:
    """Unless it says so, as for all that it publishes."""
    seen: list[int] = []

    @agent(subscribe=["start", "items"], publish="items", stream=True)
    async def deaf(payload: int) -> AsyncIterator[int]:
        yield payload

    @agent(subscribe=["start", "items"], publish="items", stream=True, hears_itself=True)
    async def all_ears(payload: int) -> AsyncIterator[int]:
        seen.append(payload)
        if payload < 3:
            yield payload + 1

    async with make_executor([deaf]) as executor:
        assert (await executor.run("start", 1)).outputs == {"items": [1]}
    async with make_executor([all_ears]) as executor:
        await executor.run("start", 1)
    assert seen == [1, 2, 3]


async def test_items_descend_from_their_invocation(make_executor: MakeExecutor) -> None:
    """A scope stays open for what was emitted in it: gather gets all of it."""

    @agent(subscribe="start", publish="items", stream=True)
    async def talk(payload: int) -> AsyncIterator[int]:
        for number in range(payload):
            yield number

    @agent(subscribe="items", publish="squares", concurrency=3)
    async def square(payload: int) -> int:
        await anyio.lowlevel.checkpoint()
        return payload**2

    @agent(subscribe=gather("squares"), scope="start", publish="sums")
    async def add(payload: list[int]) -> int:
        return sum(payload)

    async with make_executor([talk, square, add]) as executor:
        report = await executor.run("start", 5)
    assert report.outputs == {"sums": [30]}


async def test_a_responder_may_stream_before_it_replies(make_executor: MakeExecutor) -> None:
    """Items go out at once, the reply when the invocation settles."""
    heard: Heard = []

    @agent(subscribe="start", publish=["ask", "out"])
    async def asker(payload: Any, ctx: Context) -> None:
        ctx.publish("out", await ctx.request("ask", payload))

    @agent(subscribe="ask", publish="items")
    async def answer(payload: Any, ctx: Context) -> str:
        await ctx.emit("items", "half")
        await until(lambda: len(heard) == 1)
        return "whole"

    async with make_executor([asker, answer, hearer(heard)]) as executor:
        report = await executor.run("start", None)
    assert (heard, report.outputs) == ([("half", 1, 0, False)], {"out": ["whole"]})


# -- none twice ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "heard"),
    [
        ("abc", "abc", ["a10", "b11", "c12"]),
        ("abc", "abcd", ["a10", "b11", "c12", "d23"]),
        ("abc", "axyz", ["a10", "b11", "c12", "x21!", "y22", "z23"]),
        ("abc", "xbc", ["a10", "b11", "c12", "x20!", "b21", "c22"]),
        ("", "ab", ["a20", "b21"]),
    ],
)
async def test_a_new_attempt_repeats_none_and_tells_what_is_void(
    make_executor: MakeExecutor, first: str, second: str, heard: list[str]
) -> None:
    """The same items are not sent again; the first that differs is restarted, the rest is new."""
    got: Heard = []

    @agent(subscribe="start", publish="items", stream=True)
    async def talk(payload: Any, ctx: Context) -> AsyncIterator[str]:
        for letter in first if ctx.attempt == 1 else second:
            yield letter
        if ctx.attempt == 1:
            raise ValueError("once more")

    async with make_executor([talk, hearer(got)]) as executor:
        report = await executor.run("start", None)
    assert [f"{what}{attempt}{index}{'!' * anew}" for what, attempt, index, anew in got] == heard
    assert report.conserved
    notes = [note for node in report.tree.nodes() for note in node.notes]
    assert len(notes) == any(each.endswith("!") for each in heard)


async def test_an_item_that_was_said_has_its_id(make_executor: MakeExecutor) -> None:
    """`ctx.emit` returns the same id for the same item, and another for what took its place."""
    ids: list[list[str]] = []

    @agent(subscribe="start", publish="items")
    async def emitting(payload: Any, ctx: Context) -> None:
        ids.append([await ctx.emit("items", each) for each in ("a", f"b{ctx.attempt // 2}")])
        if ctx.attempt < 3:
            raise ValueError("once more")

    async with make_executor([emitting]) as executor:
        await executor.run("start", None)
    first, second, third = ids
    assert first[0] == second[0] == third[0]
    assert second[1] == third[1] != first[1]


async def test_an_attempt_that_says_less_retracts_the_rest(
    make_executor: MakeExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    """Who ends well with fewer items than were sent before says so: event, warning and tree."""

    @agent(subscribe="start", publish="items", stream=True)
    async def talk(payload: Any, ctx: Context) -> AsyncIterator[str]:
        for letter in "abcd" if ctx.attempt == 1 else "ab":
            yield letter
        if ctx.attempt == 1:
            raise ValueError("once more")

    async with make_executor([talk]) as executor:
        run = await executor.start("start", None, run_id="r")
        events = [event async for event in run.watch()]
        report = await run.result()
    [told] = [event for event in events if isinstance(event, Retraction)]
    assert (told.node_id, told.index, told.count) == ("talk:r.1", 2, 2)
    [node] = report.tree.nodes()
    assert node.notes == ("retracted its items from 2 on",)
    [warning] = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert "talk:r.1 ended with 2 items, fewer than" in warning.getMessage()
    assert report.conserved


@pytest.mark.parametrize("kind", ["stream", "emit"])
async def test_a_re_execution_repeats_none(
    make_executor: MakeExecutor, lasting: Store, kind: str
) -> None:
    """Who goes on after a restart sends only what was not sent."""
    got: Heard = []
    lives: list[int] = []

    async def pause() -> None:
        if len(lives) == 1:
            await anyio.sleep_forever()

    @agent(subscribe="start", publish="items", stream=True)
    async def stream(payload: Any) -> AsyncIterator[int]:
        for number in range(6):
            if number == 3:
                await pause()
            yield number

    @agent(subscribe="start", publish="items")
    async def emit(payload: Any, ctx: Context) -> None:
        for number in range(6):
            if number == 3:
                await pause()
            await ctx.emit("items", number)

    talk = stream if kind == "stream" else emit
    for _ in range(2):
        lives.append(1)
        async with make_executor([talk, hearer(got)], store=lasting) as executor:
            if len(lives) == 1:
                await executor.start("start", None, run_id="r")
                await until(lambda: len(got) == 3)
            else:
                report = await executor.live("r").result()
    assert got == [(number, 1, number, False) for number in range(6)]
    assert (report.status, report.messages) == ("completed", 7)


async def test_a_re_execution_that_says_something_else_fails_its_attempt(
    make_executor: MakeExecutor, lasting: Store
) -> None:
    """StreamDiffers names the item; another attempt says what it says, and consumers are told."""
    got: Heard = []
    errors: list[StreamDiffers] = []
    lives: list[int] = []

    @agent(subscribe="start", publish="items")
    async def talk(payload: Any, ctx: Context) -> None:
        await ctx.emit("items", "same")
        try:
            await ctx.emit("items", len(lives))
        except StreamDiffers as error:
            errors.append(error)
            raise
        if len(lives) == 1:
            await anyio.sleep_forever()

    for _ in range(2):
        lives.append(1)
        async with make_executor([talk, hearer(got)], store=lasting) as executor:
            if len(lives) == 1:
                await executor.start("start", None, run_id="r")
                await until(lambda: len(got) == 2)
            else:
                report = await executor.live("r").result()
    [error] = errors
    assert (error.node_id, error.attempt, error.index) == ("talk:r.1", 1, 1)
    assert "streamed another item 1 than before" in str(error)
    assert got == [("same", 1, 0, False), (1, 1, 1, False), (2, 2, 1, True)]
    assert (report.status, report.retries) == ("completed", 1)


async def test_the_order_of_keys_does_not_count(make_executor: MakeExecutor) -> None:
    """The same JSON is the same item."""
    got: Heard = []

    @agent(subscribe="start", publish="items", stream=True)
    async def talk(payload: Any, ctx: Context) -> AsyncIterator[Any]:
        yield {"a": 1, "b": 2} if ctx.attempt == 1 else {"b": 2, "a": 1}
        if ctx.attempt == 1:
            raise ValueError("once more")

    async with make_executor([talk, hearer(got)]) as executor:
        await executor.run("start", None)
    assert len(got) == 1


async def test_a_redriven_letter_goes_on_with_its_stream(make_executor: MakeExecutor) -> None:
    """In an open run, the same invocation repeats none, and ids are given once."""
    got: Heard = []
    mended: list[bool] = []

    @agent(subscribe="start", publish="items", max_attempts=1, stream=True)
    async def talk(payload: Any) -> AsyncIterator[str]:
        yield "a"
        yield "x" if mended else "b"
        if not mended:
            raise ValueError("not yet")

    async with (
        make_executor([talk, hearer(got)]) as executor,
        await executor.start("start", None) as run,
    ):
        await until(lambda: bool(executor.dead_letters.list()))
        mended.append(True)
        [letter] = executor.dead_letters.list()
        await executor.dead_letters.redrive(letter.id)
        await until(lambda: len(got) == 3)
    report = await run.result()
    assert got == [("a", 1, 0, False), ("b", 1, 1, False), ("x", 1, 1, True)]
    assert report.conserved


# -- room, budgets and ends ----------------------------------------------------------


@pytest.mark.parametrize("kind", ["async", "thread"])
async def test_a_stream_waits_for_room(make_executor: MakeExecutor, kind: str) -> None:
    """A generator that streams into a full blocking queue stands still until there is room."""
    yielded: list[int] = []

    @agent(subscribe="start", publish="work", stream=True)
    async def slow(payload: Any) -> AsyncIterator[int]:
        for number in range(6):
            yielded.append(number)
            yield number

    @agent(subscribe="start", publish="work", stream=True)
    def plain(payload: Any) -> Iterator[int]:
        for number in range(6):
            yielded.append(number)
            yield number

    gate = Gate(capacity=2, overflow="block")
    talk = slow if kind == "async" else plain
    async with make_executor([talk, gate.agent]) as executor:
        run = await executor.start("start", None)
        await until(lambda: pending(executor, "work") == 2 and len(yielded) == 4)
        gate.open.set()
        report = await run.result()
    assert gate.handled == list(range(6))
    assert report.status == "completed"


@pytest.mark.parametrize("overflow", ["reject", "drop_oldest"])
async def test_a_full_queue_does_as_it_is_told(make_executor: MakeExecutor, overflow: str) -> None:
    """Under "reject" the item is refused, under "drop_oldest" the oldest makes way, and is told."""
    refused: list[int] = []

    @agent(subscribe="start", publish="work")
    async def talk(payload: Any, ctx: Context) -> None:
        await ctx.emit("work", 0)
        await until(lambda: in_hand(executor, "work") == 1)
        for number in range(1, 4):
            try:
                await ctx.emit("work", number)
            except ChannelFull:
                refused.append(number)
        gate.open.set()

    gate = Gate(capacity=1, overflow=overflow)
    async with make_executor([talk, gate.agent]) as executor:
        run = await executor.start("start", None)
        ends = [each async for each in run.outcomes()]
        report = await run.result()
    assert refused == ([2, 3] if overflow == "reject" else [])
    assert gate.handled == ([0, 1] if overflow == "reject" else [0, 3])
    dropped = [each for each in ends if isinstance(each, Outcome) and each.status == "dropped"]
    assert len(dropped) == (0 if overflow == "reject" else 2)
    assert report.conserved


async def test_items_count_as_messages(make_executor: MakeExecutor) -> None:
    """`max_messages` ends a stream that is longer."""

    @agent(subscribe="start", publish="items", stream=True)
    async def endless(payload: Any) -> AsyncIterator[int]:
        number = 0
        while True:
            yield number
            number += 1

    async with make_executor([endless]) as executor:
        report = await executor.run("start", None, max_messages=10)
    assert (report.status, report.messages) == ("over_budget", 10)
    assert report.conserved


@pytest.mark.parametrize("kind", ["async", "thread"])
@pytest.mark.parametrize("how", ["timeout", "cancel"])
async def test_a_stream_can_be_interrupted(
    make_executor: MakeExecutor, kind: str, how: str
) -> None:
    """Amid an item that waits for room too; the generator is closed, and what was sent stays."""
    for slower in SLOWER:  # else its time may be over before it waits
        closed: list[bool] = []
        gate = Gate(capacity=1, overflow="block", on_failure="continue")
        talk = talking(kind, closed, 0.1 * slower if how == "timeout" else None)
        async with make_executor([talk, gate.agent]) as executor:
            run = await executor.start("start", None)
            if how == "cancel":
                await until(lambda run=run: run.report().messages == 3)  # type: ignore[misc]
                report = await run.cancel()
            else:
                await until(lambda run=run: bool(run.report().dead_letters))  # type: ignore[misc]
                gate.open.set()
                report = await run.result()
        if report.messages == 3:
            break
    assert closed == [True]
    assert gate.handled == ([0] if how == "cancel" else [0, 1])
    assert report.status == ("cancelled" if how == "cancel" else "failed")
    assert report.messages == 3
    assert report.conserved


def talking(kind: str, closed: list[bool], timeout: float | None) -> Agent:
    """An agent that streams ten items, and notes when its generator is closed."""
    options: dict[str, Any] = {
        "subscribe": "start", "publish": "work", "stream": True,
        "max_attempts": 1, "timeout": timeout,
    }  # fmt: skip

    @agent(**options)
    async def slow(payload: Any) -> AsyncIterator[int]:
        try:
            for number in range(10):
                yield number
        finally:
            closed.append(True)

    @agent(**options)
    def plain(payload: Any) -> Iterator[int]:
        try:
            yield from range(10)
        finally:
            closed.append(True)

    return slow if kind == "async" else plain


async def test_two_items_at_once_are_refused(make_executor: MakeExecutor) -> None:
    """Whoever emits in several tasks is told that they could come in another order."""

    @agent(subscribe="start", publish="items", max_attempts=1)
    async def hasty(payload: Any, ctx: Context) -> None:
        async with anyio.create_task_group() as tasks:
            for number in range(2):
                tasks.start_soon(ctx.emit, "items", number)

    async with make_executor([hasty]) as executor:
        report = await executor.run("start", None)
    assert report.error is not None
    assert "emit one after the other" in str(report.error)


async def test_nothing_of_a_settled_stream_is_remembered(make_executor: MakeExecutor) -> None:
    """Its digests are let go of with its delivery."""

    @agent(subscribe="start", publish="items", stream=True)
    async def talk(payload: Any) -> AsyncIterator[int]:
        for number in range(20):
            yield number

    async with make_executor([talk]) as executor:
        async with await executor.start("start", None) as run:
            await until(lambda: not run.state.deliveries)
            assert not live_state(executor).runs[run.state.number].deliveries
        assert len((await run.result()).outputs["items"]) == 20


# -- watching ------------------------------------------------------------------------


async def test_items_are_told_as_they_come(make_executor: MakeExecutor) -> None:
    """Watchers see channel, id, attempt, index and value of each before the invocation ends."""
    seen: list[Emission] = []
    gate = anyio.Event()

    @agent(subscribe="start", publish="items", stream=True)
    async def talk(payload: Any) -> AsyncIterator[Any]:
        for number in range(3):
            yield {"number": number}
        await gate.wait()

    async with make_executor([talk]) as executor:
        run = await executor.start("start", None, run_id="r")
        async for event in run.watch():
            if isinstance(event, Emission):
                seen.append(event)
                if len(seen) == 3:
                    gate.set()
        tree = (await run.result()).tree
    assert [(each.agent, each.channel, each.attempt, each.index) for each in seen] == [
        ("talk", "items", 1, number) for number in range(3)
    ]
    assert [each.value for each in seen] == [{"number": number} for number in range(3)]
    assert len({each.message_id for each in seen}) == 3
    assert len(tree.nodes()) == 1


@agent(subscribe="start", publish="items", stream=True)
async def counting(payload: int) -> AsyncIterator[int]:
    """Count."""
    for number in range(payload):
        yield number


@agent(subscribe="items", publish="out", capacity=1, overflow="drop_oldest")
async def forgetful(payload: int) -> int:
    """Drop most of what comes."""
    await anyio.lowlevel.checkpoint()
    return payload


def values(events: list[Any]) -> list[Any]:
    """What the items among them say."""
    return [each.value for each in events if isinstance(each, Emission)]


async def test_who_comes_back_misses_nothing(make_executor: MakeExecutor, lasting: Store) -> None:
    """A watcher that goes on behind its cursor, again and again, is told all, and nothing twice:
    while the run goes on, after its end, and in another executor.
    """
    seen: list[Any] = []
    cursor = "0"
    async with make_executor([counting, forgetful], store=lasting) as executor:
        run = await executor.start("start", 30, run_id="r")
        for _ in range(15):
            events = run.watch(after=cursor)
            seen += [await anext(events), await anext(events)]
            cursor = events.cursor
        await run.result()
        for _ in range(5):
            events = run.watch(after=cursor)
            seen.append(await anext(events))
            cursor = events.cursor
        whole = [event async for event in run.watch(after="0")]
    async with make_executor([counting, forgetful], store=lasting) as executor:
        events = executor.live("r").watch(after=cursor)
        seen += [event async for event in events]
        assert [event async for event in executor.live("r").watch(after="0")] == whole
        assert [event async for event in executor.live("r").watch(after=events.cursor)] == []
    assert seen == whole
    assert values(seen) == list(range(30))
    outcomes = [each for each in seen if isinstance(each, Outcome)]
    assert len(outcomes) == len({each.node_id for each in outcomes}) == 31


async def test_who_reads_slowly_misses_nothing(make_executor: MakeExecutor, lasting: Store) -> None:
    """With a cursor, what falls out of the buffer is read in the store."""
    async with make_executor([counting], config={"watcher_buffer": 2}, store=lasting) as executor:
        run = await executor.start("start", 50)
        events = run.watch(after="0")
        seen: list[Any] = [await anext(events), await anext(events)]
        await run.result()
        seen += [event async for event in events]
    assert values(seen) == list(range(50))
    assert len(seen) == 51


async def test_all_runs_are_watched_behind_a_cursor(
    make_executor: MakeExecutor, lasting: Store
) -> None:
    """`executor.watch(after=)` tells of every run that is kept, in the order of the journal."""
    async with make_executor([counting], store=lasting) as executor:
        for count in (2, 3):
            await executor.run("start", count)
        events = executor.watch(after="0")
        seen = [await anext(events) for _ in range(3)]
        await executor.run("start", 4)
    async with make_executor([counting], store=lasting) as executor:
        events = executor.watch(after=events.cursor)
        seen += [await anext(events) for _ in range(9)]
        run = await executor.start("start", 1)
        seen += [await anext(events) for _ in range(2)]
        await run.result()
    assert values(seen) == [0, 1, 0, 1, 2, 0, 1, 2, 3, 0]


@pytest.mark.parametrize("after", ["", "x", "1.", "-1", "1.2.3", 10**30, None, "99999"])
async def test_a_cursor_that_is_none_is_refused(
    make_executor: MakeExecutor, store: Store | None, after: Any
) -> None:
    """With what one is; None is no cursor, and means from now on."""
    async with make_executor([counting], store=store) as executor:
        run = await executor.start("start", 1)
        if after is None:
            assert run.watch(after=after).cursor == ""
        else:
            with pytest.raises(ExecutionError, match="store" if store is None else "cursor"):
                run.watch(after=after)
        await run.result()
