"""Own messages: an agent does not receive what it published itself."""

from __future__ import annotations

from typing import Any

import anyio

from dagger import Agent, Context, agent
from tests.promises.conftest import MakeExecutor


def talker(heard: list[Any], **options: Any) -> Agent:
    """An agent that answers on the channel it hears, three times."""

    @agent(name="talker", subscribe="talk", publish="talk", **options)
    async def talk(payload: int) -> int | None:
        heard.append(payload)
        return payload + 1 if payload < 3 else None

    return talk


async def test_an_agent_does_not_hear_itself(make_executor: MakeExecutor) -> None:
    """What an agent publishes on a channel it subscribes to goes to the others only."""
    heard: list[Any] = []
    others: list[Any] = []

    @agent(subscribe="talk")
    async def other(payload: Any) -> None:
        others.append(payload)

    async with make_executor([talker(heard), other]) as executor:
        report = await executor.run("talk", 0)
    assert heard == [0]
    assert others == [0, 1]
    assert report.status == "completed"


async def test_a_message_only_its_sender_could_hear_is_an_output(
    make_executor: MakeExecutor,
) -> None:
    """A message that nobody but its publisher subscribes to is an output of the run."""
    async with make_executor([talker([])]) as executor:
        report = await executor.run("talk", 0)
    assert report.outputs == {"talk": [1]}


async def test_hears_itself_says_otherwise(make_executor: MakeExecutor) -> None:
    """With `hears_itself=True` an agent gets its own messages like all others."""
    heard: list[Any] = []
    async with make_executor([talker(heard, hears_itself=True)]) as executor:
        report = await executor.run("talk", 0)
    assert heard == [0, 1, 2, 3]
    assert report.outputs == {}


async def test_two_agents_hear_each_other(make_executor: MakeExecutor) -> None:
    """Only a publisher's own messages are kept from it, not those of agents like it."""
    heard: list[tuple[str, int]] = []

    def player(name: str) -> Agent:
        @agent(name=name, subscribe="ball", publish="ball")
        async def play(payload: int) -> int | None:
            heard.append((name, payload))
            return payload + 1 if payload < 6 else None

        return play

    async with make_executor([player("ping"), player("pong")]) as executor:
        await executor.run("ball", 5)
    assert sorted(heard) == [("ping", 5), ("ping", 6), ("pong", 5), ("pong", 6)]


async def test_requests_are_exempt(make_executor: MakeExecutor) -> None:
    """A request reaches its own agent, which can so ask itself for a part of the work."""

    @agent(subscribe="sum", publish=["sum", "out"], concurrency=1)
    async def total(payload: list[int], ctx: Context) -> int | None:
        if len(payload) < 2:
            return sum(payload)
        half = len(payload) // 2
        left = await ctx.request("sum", payload[:half])
        right = await ctx.request("sum", payload[half:])
        if ctx.message.headers:
            return int(left + right)
        ctx.publish("out", left + right)
        return None

    async with make_executor([total]) as executor:
        report = await executor.run("sum", [1, 2, 3, 4, 5])
    assert report.outputs == {"out": [15]}
    assert report.status == "completed"


async def test_a_successor_does_not_hear_what_its_namesake_published(
    make_executor: MakeExecutor,
) -> None:
    """An agent stays the same one, by name, when it is unregistered and registered again."""
    heard: list[Any] = []
    inside, release = anyio.Event(), anyio.Event()

    @agent(name="talker", subscribe="talk", publish="talk")
    async def first(payload: int) -> int:
        inside.set()
        await release.wait()
        return payload + 1

    async with make_executor([first]) as executor:
        live = await executor.start("talk", 0)
        await inside.wait()
        executor.unregister("talker")
        executor.register(talker(heard))
        release.set()
        report = await live.result()
    assert heard == []
    assert report.outputs == {"talk": [1]}
