"""Messages: immutable, with an id of their own, and a payload that is nobody else's."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import anyio
import pytest

from dagger import Agent, Context, MemoryStore, Message, agent
from tests.promises.conftest import MakeExecutor


def collector(messages: list[Message], channel: str = "out") -> Agent:
    """An agent that keeps every message it is given."""

    @agent(name="collector", subscribe=channel)
    async def collect(message: Message) -> None:
        messages.append(message)

    return collect


async def test_a_message_says_where_it_comes_from(make_executor: MakeExecutor) -> None:
    """A message has its channel, run, publisher, cause and time."""
    messages: list[Message] = []
    nodes: list[str] = []

    @agent(subscribe="start", publish="out")
    async def send(payload: Any, ctx: Context, message: Message) -> Any:
        nodes.append(ctx.node_id)
        messages.append(message)
        return payload

    async with make_executor([send, collector(messages)]) as executor:
        report = await executor.run("start", {"k": [1]}, run_id="r")
    first, second = messages
    assert (first.channel, first.run_id, first.source, first.parent_id) == ("start", "r", "", None)
    assert (second.channel, second.run_id) == ("out", "r")
    assert second.payload == {"k": [1]}
    assert second.source == nodes[0]
    assert second.parent_id == first.id
    assert (second.key, second.task_id, second.headers) == (None, None, {})
    assert report.started <= first.timestamp <= second.timestamp <= (report.ended or 0)
    with pytest.raises(FrozenInstanceError):
        second.channel = "other"  # type: ignore[misc]


async def test_the_same_facts_are_in_the_context(make_executor: MakeExecutor) -> None:
    """A handler that asks for single values gets what the message says."""
    seen: list[Any] = []

    @agent(subscribe="start")
    async def look(
        payload: Any, message: Message, ctx: Context, channel: str, node_id: str
    ) -> None:
        assert payload is message.payload
        assert ctx.message.id == message.id
        assert (ctx.channel, ctx.node_id) == (channel, node_id) == (message.channel, node_id)
        assert ctx.run_id == message.run_id
        seen.append(node_id)

    async with make_executor([look]) as executor:
        report = await executor.run("start", 1)
    assert seen == [report.tree.nodes()[0].id]


async def test_no_two_agents_share_a_mutable_value(make_executor: MakeExecutor) -> None:
    """What an agent does to its payload is seen neither by others nor by the next attempt."""
    seen: list[Any] = []

    def spoiler(name: str) -> Agent:
        @agent(name=name, subscribe=["start", "next"], publish="next", max_attempts=2)
        async def spoil(payload: dict[str, Any], ctx: Context) -> Any:
            seen.append((name, ctx.channel, [*payload["list"]]))
            payload["list"].append(name)
            await anyio.lowlevel.checkpoint()
            if ctx.attempt == 1:
                raise ValueError("again")
            sent = payload if ctx.channel == "start" else None
            if sent:
                ctx.publish("next", sent)
                sent["list"].append("after it was published")
            return None

        return spoil

    first: dict[str, list[Any]] = {"list": [0]}
    async with make_executor([spoiler("a"), spoiler("b")]) as executor:
        live = await executor.start("start", first)
        first["list"].append("outside")
        report = await live.result()
    assert report.status == "completed"
    on_start = [lists for _, channel, lists in seen if channel == "start"]
    on_next = [(name, tuple(lists)) for name, channel, lists in seen if channel == "next"]
    assert on_start == [[0]] * 4
    assert sorted(on_next) == sorted([("a", (0, "b")), ("b", (0, "a"))] * 2)


async def test_ids_are_unique(make_executor: MakeExecutor) -> None:
    """Over runs, channels, publishers and the outside no two messages have one id."""
    messages: list[Message] = []

    @agent(subscribe="start", publish=["out", "more"])
    async def send(payload: int, ctx: Context, message: Message) -> None:
        messages.append(message)
        for number in range(payload):
            ctx.publish("out", number)
            ctx.publish("out", Message.new("me", number))
            ctx.publish("out", message)

    @agent(subscribe="out", publish="more", publish_each=True)
    async def again(message: Message) -> list[Any]:
        messages.append(message)
        return [1, message]

    async with make_executor([send, again, collector(messages, "more")]) as executor:
        ids: list[str | None] = ["a", "a.1", None]
        for run_id in ids:
            live = await executor.start("start", 3, run_id=run_id)
            async with live:
                for _ in range(3):
                    await live.publish("start", 2)
                    await live.publish("start", Message.new("outside", 2))
            await live.result()
    assert len(messages) > 300
    assert len({message.id for message in messages}) == len(messages)


async def test_ids_are_derived_so_that_an_attempt_gives_them_again(
    make_executor: MakeExecutor,
) -> None:
    """The ids of what an agent publishes depend on its invocation and the place alone."""
    ids: list[list[str]] = []
    messages: list[Message] = []

    @agent(subscribe="start", publish="out", max_attempts=3)
    async def send(payload: Any, ctx: Context) -> Any:
        made = [ctx.publish("out", number) for number in range(2)]
        made.append(ctx.publish("out", Message.new("me", 2)))
        made.append(ctx.publish("out", 3, key="k", headers={"h": "1"}))
        ids.append(made)
        if ctx.attempt < 3:
            raise ValueError("again")
        return 4

    async with make_executor([send, collector(messages)]) as executor:
        await executor.run("start", {}, run_id="r")
    assert ids[0] == ids[1] == ids[2]
    assert [message.id for message in messages] == [*ids[0], "r.1.4"]


async def test_a_reexecution_gives_the_same_ids() -> None:
    """What a run publishes after its executor was opened again has the ids it would have had."""
    store = MemoryStore()
    messages: list[Message] = []
    ids: list[str] = []
    hold = anyio.Event()

    @agent(subscribe="start", publish="out")
    async def send(ctx: Context) -> None:
        ids.append(ctx.publish("out", 1))
        if len(ids) == 1:
            hold.set()
            await anyio.sleep_forever()

    from dagger import Executor

    async with Executor([send, collector(messages)], store=store) as executor:
        await executor.start("start", {}, run_id="r")
        await hold.wait()
    async with Executor([send, collector(messages)], store=store) as executor:
        await executor.run("start", {}, run_id="r")
    assert ids == [messages[0].id] * 2


async def test_a_message_made_by_hand_is_published(make_executor: MakeExecutor) -> None:
    """`Message.new` and `Message.with_task_id` carry source, task, key and headers along."""
    messages: list[Message] = []

    @agent(subscribe="start", publish="out")
    async def send(payload: Any, executor: Any) -> None:
        await executor.publish("out", Message.new("by hand", 1))
        await executor.publish("out", Message.with_task_id("by hand", "t1", 2))
        full = Message(3, "by hand", key="k", headers={"h": "v"}, task_id="t2")
        await executor.publish("out", full)
        await executor.publish("out", full, key="other", headers={"x": "y"})

    async with make_executor([send, collector(messages)]) as executor:
        live = await executor.start("start", Message.new("the user", {}))
        await live.result()
    assert [message.payload for message in messages] == [1, 2, 3, 3]
    assert {message.source for message in messages} == {"by hand"}
    assert [message.task_id for message in messages] == [None, "t1", "t2", "t2"]
    assert [message.key for message in messages] == [None, None, "k", "other"]
    assert [message.headers for message in messages] == [{}, {}, {"h": "v"}, {"x": "y"}]
    assert {message.channel for message in messages} == {"out"}


async def test_a_message_from_outside_keeps_the_id_it_was_given(
    make_executor: MakeExecutor,
) -> None:
    """Who publishes from outside may give a message its id; the receipt says it."""
    messages: list[Message] = []
    message = Message.new("the user", 1)
    async with make_executor([collector(messages, "start")]) as executor:
        receipt = await executor.publish("start", message)
        await executor.live(receipt.run_id).result()
        plain = await executor.publish("start", 2)
        await executor.live(plain.run_id).result()
    assert receipt.message_id == message.id == messages[0].id
    assert plain.message_id == messages[1].id
    assert messages[0].source == "the user"


async def test_a_message_that_is_passed_on_is_a_new_one(make_executor: MakeExecutor) -> None:
    """Publishing a received message gives it a new id, source and parent; the rest stays."""
    messages: list[Message] = []

    @agent(subscribe="start", publish="out")
    async def forward(message: Message, executor: Any) -> None:
        messages.append(message)
        await executor.publish("out", message)

    async with make_executor([forward, collector(messages)]) as executor:
        first = Message({"k": 1}, "user", key="k", headers={"h": "v"}, task_id="t")
        await executor.run("start", first)
    received, passed = messages
    assert passed.id != received.id
    assert passed.parent_id == received.id
    assert passed.source.startswith("forward:")
    assert (passed.payload, passed.key, passed.headers, passed.task_id) == (
        {"k": 1},
        "k",
        {"h": "v"},
        "t",
    )


@pytest.mark.parametrize("where", ["inside", "outside"])
async def test_odd_keys_and_headers_do_no_harm(make_executor: MakeExecutor, where: str) -> None:
    """Whatever is given as key or header is kept as text, or refused; nothing breaks."""
    messages: list[Message] = []
    odd = [
        {"key": 5},
        {"headers": {"n": 1, "none": None, "list": [1]}},
        {"key": "\ud800", "headers": {"\ud800": "\udfff"}},
        {"headers": {"reply-to": "me@example.org"}},
        {"headers": {"dagger-reply-to": "1/x"}},
        {"headers": {"dagger-reply-to": "nonsense"}},
    ]
    problems: list[Exception] = []

    @agent(subscribe="start", publish="out")
    async def send(ctx: Context) -> None:
        for options in odd if where == "inside" else ():
            try:
                ctx.publish("out", 1, **options)  # type: ignore[arg-type]
            except Exception as error:
                problems.append(error)

    async with make_executor([send, collector(messages)]) as executor:
        live = await executor.start("start", {})
        async with live:
            for options in odd if where == "outside" else ():
                try:
                    await live.publish("out", 1, **options)  # type: ignore[arg-type]
                except Exception as error:
                    problems.append(error)
        report = await live.result()
    assert report.status == "completed"
    assert len(messages) + len(problems) == len(odd)
    for message in messages:
        assert all(type(part) is str for pair in message.headers.items() for part in pair)
        assert message.key is None or type(message.key) is str
        assert message.headers.get("reply-to", "me@example.org") == "me@example.org"
