"""What channels do over whatever store: subclass `ChannelSuite` and say how an executor is made.

Its tests run on asyncio and on trio, by anyio's pytest plugin.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from dagger.authoring.agent import Agent
from dagger.authoring.context import Context
from dagger.authoring.decorator import agent
from dagger.executor.executor import Executor
from dagger.testing.conserved import assert_conserved
from dagger.words.errors import ChannelFull


@pytest.mark.anyio
class ChannelSuite:
    """The promises of channels; `executor` is the one thing to provide."""

    def executor(self, agents: Iterable[Agent], **options: Any) -> Executor:
        """`Executor(agents, **options)` over a new store, not entered yet."""
        raise NotImplementedError

    async def test_every_subscriber_gets_every_message_once(self) -> None:
        """A message goes to each agent that subscribes to its channel, and to each just once."""
        heard: list[tuple[str, Any]] = []
        hearers = [_hearer(name, heard, "numbers") for name in ("a", "b", "c")]
        async with self.executor([_spread("numbers"), *hearers]) as executor:
            report = await executor.run("start", 20)
        assert sorted(heard) == [(name, number) for name in "abc" for number in range(20)]
        assert report.status == "completed"
        assert report.channels["numbers"].messages == 20
        assert {name: report.agents[name].delivered for name in "abc"} == dict.fromkeys("abc", 20)
        assert_conserved(report)

    async def test_an_agent_of_two_channels_gets_a_message_of_each(self) -> None:
        """An agent that subscribes to several channels gets every message of every one of them."""
        heard: list[tuple[str, Any]] = []

        @agent(subscribe="start", publish=["left", "right"])
        async def split(payload: Any, ctx: Context) -> None:
            ctx.publish("left", payload)
            ctx.publish("right", payload)

        @agent(subscribe=["left", "right", "left"])
        async def join(channel: str, payload: Any) -> None:
            heard.append((channel, payload))

        async with self.executor([split, join]) as executor:
            report = await executor.run("start", "x")
        assert sorted(heard) == [("left", "x"), ("right", "x")]
        assert_conserved(report)

    async def test_no_two_agents_share_a_payload(self) -> None:
        """What one agent does to its payload, nobody else sees."""
        heard: list[list[int]] = []

        def changing(name: str) -> Agent:
            @agent(name=name, subscribe="start")
            async def change(payload: list[int]) -> None:
                payload.append(len(payload))
                await anyio.lowlevel.checkpoint()
                heard.append(payload)

            return change

        sent = [0]
        async with self.executor([changing("a"), changing("b")]) as executor:
            await executor.run("start", sent)
        assert (sent, heard) == ([0], [[0, 1], [0, 1]])

    async def test_one_worker_keeps_the_order(self) -> None:
        """An agent with one worker starts a run's deliveries in the order of publication."""
        heard: list[tuple[str, Any]] = []
        async with self.executor([_spread("work"), _hearer("one", heard, "work")]) as executor:
            await executor.run("start", 50)
        assert heard == [("one", number) for number in range(50)]

    async def test_nobody_hears_itself(self) -> None:
        """What an agent publishes goes to the others, unless it wants to hear itself."""
        heard: list[tuple[str, int]] = []

        def talker(name: str, **options: Any) -> Agent:
            @agent(name=name, subscribe="talk", publish="talk", **options)
            async def talk(payload: int) -> int | None:
                heard.append((name, payload))
                return payload + 1 if payload < 2 else None

            return talk

        async with self.executor([talker("shy")]) as executor:
            report = await executor.run("talk", 0)
        assert report.outputs == {"talk": [1]}
        async with self.executor([talker("loud", hears_itself=True)]) as executor:
            await executor.run("talk", 0)
        assert heard == [("shy", 0), ("loud", 0), ("loud", 1), ("loud", 2)]

    async def test_what_nobody_hears_is_an_output(self) -> None:
        """A message without a subscriber is a result of the run, counted."""
        async with self.executor([_spread("out")]) as executor:
            report = await executor.run("start", 3)
        assert (report.status, report.outputs) == ("completed", {"out": [0, 1, 2]})
        assert_conserved(report)

    async def test_a_failed_attempt_publishes_nothing(self) -> None:
        """What an attempt held back before it raised never takes place."""

        @agent(subscribe="start", publish="out", max_attempts=2)
        async def flaky(payload: Any, ctx: Context) -> str:
            ctx.publish("out", f"held back by {ctx.attempt}")
            if ctx.attempt < 2:
                raise ValueError(ctx.attempt)
            return f"returned by {ctx.attempt}"

        async with self.executor([flaky]) as executor:
            report = await executor.run("start", None)
        assert report.outputs == {"out": ["held back by 2", "returned by 2"]}
        assert_conserved(report)

    async def test_the_oldest_is_dropped(self) -> None:
        """With drop_oldest a full queue makes room at its old end, and counts what it dropped."""
        held = _Held(capacity=2, overflow="drop_oldest")
        async with self.executor([held.agent]) as executor:
            run = await executor.start("work", 0)
            await held.inside.wait()
            for number in (1, 2, 3, 4):
                await run.publish("work", number)
            held.let_go.set()
            report = await run.result()
        assert held.handled == [0, 3, 4]
        assert report.agents["held"].dispositions == {"ok": 3, "dropped": 2}
        assert_conserved(report)

    async def test_what_is_rejected_never_enters(self) -> None:
        """With reject a full queue refuses whoever publishes, and takes more once it has room."""
        held = _Held(capacity=1, overflow="reject")
        async with self.executor([held.agent]) as executor:
            run = await executor.start("work", 0)
            await held.inside.wait()
            await run.publish("work", 1)
            with pytest.raises(ChannelFull):
                await run.publish("work", 2)
            held.let_go.set()
            report = await run.result()
        assert held.handled == [0, 1]
        assert report.status == "completed"
        assert_conserved(report)

    async def test_who_blocks_loses_nothing(self) -> None:
        """With block a publisher waits until there is room, and everything arrives in order."""
        held = _Held(capacity=1, overflow="block")
        sent: list[int] = []
        async with self.executor([held.agent]) as executor:
            run = await executor.start("work", 0)
            await held.inside.wait()

            async def send() -> None:
                for number in (1, 2, 3):
                    await run.publish("work", number)
                    sent.append(number)

            async with run, anyio.create_task_group() as tasks:
                tasks.start_soon(send)
                for _ in range(20):
                    await anyio.lowlevel.checkpoint()
                assert sent in ([], [1])  # the others wait
                held.let_go.set()
            report = await run.result()
        assert (held.handled, sent) == ([0, 1, 2, 3], [1, 2, 3])
        assert_conserved(report)

    async def test_every_end_is_counted(self) -> None:
        """Handled, rejected and dead add up to what was published."""

        @agent(subscribe="numbers", max_attempts=1, on_failure="continue")
        async def odd(payload: int) -> None:
            if payload % 2 == 0:
                raise ValueError(payload)

        @agent(subscribe="start", publish="numbers", publish_each=True)
        async def spread() -> list[Any]:
            return [*range(6), "not a number"]

        async with self.executor([spread, odd]) as executor:
            report = await executor.run("start", None)
        assert report.agents["odd"].dispositions == {"ok": 3, "dead": 3, "rejected": 1}
        assert_conserved(report)


class _Held:
    """An agent that notes what it is given, and holds on to it until it is let go."""

    def __init__(self, **options: Any) -> None:
        self.handled: list[Any] = []
        self.inside, self.let_go = anyio.Event(), anyio.Event()

        @agent(name="held", subscribe="work", **options)
        async def hold(payload: Any) -> None:
            self.handled.append(payload)
            self.inside.set()
            await self.let_go.wait()

        self.agent: Agent = hold


def _hearer(name: str, heard: list[tuple[str, Any]], channel: str) -> Agent:
    """An agent that notes what it was given."""

    @agent(name=name, subscribe=channel)
    async def note(payload: Any) -> None:
        heard.append((name, payload))

    return note


def _spread(channel: str) -> Agent:
    """An agent that publishes so many numbers as it is told."""

    @agent(name="spread", subscribe="start", publish=channel, publish_each=True)
    async def spread(payload: int) -> list[int]:
        return list(range(payload))

    return spread
