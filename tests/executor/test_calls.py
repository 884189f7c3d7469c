"""Calls: requests in flight together, heard of one by one."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from dagger import Agent, Config, Context, ExecutionError, Executor, MemoryStore, agent, all_of
from dagger.authoring.calls import CancelAsked, Returned
from dagger.words.errors import (
    NoResponder,
    RequestDropped,
    RequestRefused,
    RequestTimeout,
    ResponderFailed,
    RunCancelled,
    SerializationError,
)
from dagger.words.records import LATE
from tests.waiting import turns, until

CONFIG = Config(max_attempts=1)


class Desk:
    """Who answers requests on `work`, in an order that the test decides."""

    def __init__(self, *names: str) -> None:
        self.gates = {name: anyio.Event() for name in names}
        self.taken: list[str] = []
        self.stopped: list[str] = []
        self.agents: list[Agent] = [self._agent()]

    def _agent(self) -> Agent:
        @agent(subscribe="work", concurrency=10, on_failure="continue", overflow="block")
        async def clerk(payload: str) -> str:
            self.taken.append(payload)
            try:
                await self.gates[payload].wait()
            except anyio.get_cancelled_exc_class():
                self.stopped.append(payload)
                raise
            if payload.startswith("bad"):
                raise LookupError(payload)
            return payload.upper()

        return clerk


def asking(heard: list[Any], *names: str, **options: Any) -> Agent:
    """An agent that calls for all of them at once, and notes what it hears."""

    @agent(subscribe="start", publish=["work", "nowhere"], **options)
    async def boss(payload: Any, ctx: Context) -> None:
        heard.clear()
        with ctx.calls() as calls:
            for name in names:
                await calls.send("work", name, key=name)
            while len(calls):
                found = await calls.next()
                assert isinstance(found, Returned)
                heard.append((found.key, found.value))

    return boss


async def test_replies_come_one_by_one_as_they_are_given() -> None:
    """Each with the key of its request, a failure as the error that the request would raise."""
    desk, heard = Desk("a", "bad", "c"), list[Any]()

    @agent(subscribe="start", publish=["work", "nowhere"])
    async def boss(payload: Any, ctx: Context) -> None:
        with ctx.calls() as calls:
            for name in ("a", "bad", "c"):
                await calls.send("work", name, key=name)
            await calls.send("nowhere", 1, key="lost")
            while len(calls):
                heard.append(await calls.next())

    async with Executor([boss, *desk.agents], config=CONFIG) as executor:
        live = await executor.start("start", 1)
        await until(lambda: len(desk.taken) == 3)
        for count, name in enumerate(("c", "bad", "a"), 2):
            desk.gates[name].set()
            await until(lambda count=count: len(heard) == count)  # type: ignore[misc]
        report = await live.result()
    assert [each.key for each in heard] == ["lost", "c", "bad", "a"]
    assert [each.value for each in heard] == [None, "C", None, "A"]
    kinds = [type(each.error) for each in heard]
    assert kinds == [NoResponder, type(None), ResponderFailed, type(None)]
    assert heard[2].error.failure.type == "LookupError"
    assert report.status == "completed"


async def test_after_a_restart_replies_come_in_the_order_of_before() -> None:
    """What was there is heard again in the order in which it came, whatever the order of the
    requests; the rest as it comes. No request is sent twice.
    """
    store, heard = MemoryStore(), list[Any]()
    desk = Desk("a", "b", "c", "d")
    boss = asking(heard, "a", "b", "c", "d")
    async with Executor([boss, *desk.agents], config=CONFIG, store=store) as executor:
        await executor.start("start", 1, run_id="r")
        await until(lambda: len(desk.taken) == 4)
        for count, name in enumerate(("d", "b"), 1):
            desk.gates[name].set()
            await until(lambda count=count: len(heard) == count)  # type: ignore[misc]
    desk = Desk("a", "c")
    async with Executor([boss, *desk.agents], config=CONFIG, store=store) as executor:
        live = await executor.start("start", 1, run_id="r")
        await until(lambda: len(heard) == 2 and len(desk.taken) == 2)
        assert [key for key, _ in heard] == ["d", "b"]
        desk.gates["c"].set()
        await until(lambda: len(heard) == 3)
        desk.gates["a"].set()
        await live.result()
    assert heard == [("d", "D"), ("b", "B"), ("c", "C"), ("a", "A")]
    assert sorted(desk.taken) == ["a", "c"]


async def test_calls_may_be_cancelled() -> None:
    """Whoever handles them is stopped, what has not begun never does, and the replies say so;
    others go on.
    """
    desk, heard = Desk("a", "b"), list[Any]()
    started = anyio.Event()

    @agent(subscribe="rest", overflow="block")
    async def slow(payload: str) -> None:
        desk.taken.append(payload)
        await anyio.sleep_forever()

    @agent(subscribe="start", publish=["work", "rest"])
    async def boss(payload: Any, ctx: Context) -> None:
        with ctx.calls() as calls:
            await calls.send("work", "a", key="a")
            await calls.send("work", "b", key="b")
            await calls.send("rest", "c", key="c")
            await calls.send("rest", "d", key="d")  # which waits for the end of c
            await started.wait()
            calls.cancel("b", "c", "d")
            calls.cancel("d", "nothing that there is")
            for _ in range(3):
                heard.append(await calls.next())
            desk.gates["a"].set()
            heard.append(await calls.next())

    async with Executor([boss, slow, *desk.agents], config=CONFIG) as executor:
        live = await executor.start("start", 1)
        await until(lambda: len(desk.taken) == 3)
        started.set()
        report = await live.result()
    assert desk.stopped == ["b"]
    assert sorted(desk.taken) == ["a", "b", "c"]
    assert sorted(each.key for each in heard[:3]) == ["b", "c", "d"]
    assert all(isinstance(each.error, RequestDropped) for each in heard[:3])
    assert (heard[3].key, heard[3].value) == ("a", "A")
    assert report.dispositions == {"ok": 2, "cancelled": 3}


async def test_a_key_is_in_flight_once() -> None:
    """A second call of it is refused while the first is out."""
    desk, heard = Desk("a"), list[Any]()

    @agent(subscribe="start", publish="work")
    async def boss(payload: Any, ctx: Context) -> None:
        with ctx.calls() as calls:
            await calls.send("work", "a", key="k")
            with pytest.raises(ExecutionError, match="two calls with key 'k' in flight"):
                await calls.send("work", "a", key="k")
            assert len(calls) == 1
            desk.gates["a"].set()
            heard.append(await calls.next())
            assert len(calls) == 0

    async with Executor([boss, *desk.agents], config=CONFIG) as executor:
        report = await executor.run("start", 1)
    assert report.status == "completed"
    assert desk.taken == ["a"]


def deciding(heard: list[Any]) -> Agent:
    """An agent that asks for too much, besides what it asks for, and goes by what it hears."""

    @agent(subscribe="start", publish="work")
    async def boss(payload: Any, ctx: Context) -> None:
        heard.clear()
        with ctx.calls() as calls:
            await calls.send("work", "a", key="a")
            try:
                await calls.send("work", "x" * 3_000, key="large")
            except SerializationError as error:
                calls.refuse("work", error, key="large")
                with pytest.raises(ExecutionError, match="in flight"):
                    calls.refuse("work", error, key="large")
            await calls.send("work", "b", key="b")
            while len(calls):
                found = await calls.next()
                assert isinstance(found, Returned)
                heard.append(found)

    return boss


async def test_what_cannot_be_sent_is_heard_of_in_its_turn() -> None:
    """With why; and again so after a restart, where it could be sent: who decides by what it has
    heard decides the same.
    """
    small, store, heard = Config(max_payload_bytes=2_000), MemoryStore(), list[Any]()
    desk = Desk("a", "b")
    async with Executor([deciding(heard), *desk.agents], config=small, store=store) as executor:
        await executor.start("start", 1, run_id="r")
        await until(lambda: len(desk.taken) == 2 and len(heard) == 1)
        desk.gates["b"].set()
        await until(lambda: len(heard) == 2)
    desk, again = Desk("a"), list[Any]()
    desk.gates["a"].set()
    async with Executor([deciding(again), *desk.agents], store=store) as executor:
        report = await executor.run("start", 1, run_id="r")
    assert [each.key for each in heard] == ["large", "b"]
    assert [each.key for each in again] == ["large", "b", "a"]
    assert desk.taken == ["a"]
    for found in (heard[0], again[0]):
        assert isinstance(found.error, RequestRefused)
        assert found.error.failure.type == "SerializationError"
        assert "2000 allowed" in str(found.error)
    assert report.status == "completed"


async def test_what_was_sent_is_not_refused_any_more() -> None:
    """Where a request that is out could not be sent after a restart, its reply is waited for."""
    store, heard = MemoryStore(), list[Any]()
    desk = Desk("a", "x" * 3_000, "b")
    async with Executor([deciding(heard), *desk.agents], config=CONFIG, store=store) as executor:
        await executor.start("start", 1, run_id="r")
        await until(lambda: len(desk.taken) == 3)
    for gate in desk.gates.values():
        gate.set()
    small = Config(max_payload_bytes=3_005)
    async with Executor([deciding(heard), *desk.agents], config=small, store=store) as executor:
        report = await executor.run("start", 1, run_id="r")
    assert sorted(each.key for each in heard) == ["a", "b", "large"]
    assert [each.error for each in heard] == [None] * 3
    assert report.status == "completed"


async def test_a_call_is_waited_for_as_long_as_it_says() -> None:
    """When its time is over it has failed; what comes later is heard by nobody."""
    desk, heard = Desk("a"), list[Any]()

    @agent(subscribe="start", publish="work")
    async def boss(payload: Any, ctx: Context) -> None:
        with ctx.calls() as calls:
            await calls.send("work", "a", key="k", timeout=0.01)
            heard.append(await calls.next())
            desk.gates["a"].set()

    async with Executor([boss, *desk.agents], config=CONFIG) as executor:
        report = await executor.run("start", 1)
    assert isinstance(heard[0].error, RequestTimeout)
    assert report.status == "completed"


@pytest.mark.parametrize("kept", [True, False])
async def test_who_is_late_may_be_stopped_and_waited_for(kept: bool) -> None:
    """With `stops` a call is heard of, as late, when its handler has come to an end; after a
    restart in between as well.
    """
    store, heard, log = MemoryStore(), list[Any](), list[str]()
    tidy = anyio.Event()

    @agent(subscribe="work", cleans_up=True, publish="nowhere", on_failure="continue")
    async def worker(ctx: Context) -> None:
        log.append("begins")
        with ctx.calls() as calls:
            assert isinstance(await calls.next(), CancelAsked)
            await tidy.wait()
        log.append("is tidy")
        raise RunCancelled(ctx.run_id, "late")

    @agent(subscribe="start", publish="work")
    async def boss(ctx: Context) -> None:
        with ctx.calls() as calls:
            await calls.send("work", 1, key="k", timeout=0.01, stops=True)
            heard.append(await calls.next())
            log.append("heard")

    async with Executor([boss, worker], config=CONFIG, store=store) as executor:
        live = await executor.start("start", 1, run_id="run")
        await until(lambda: (LATE, "k") in (live.state.deliveries[1].kept or {}))
        await turns()
        assert not heard
        if not kept:
            tidy.set()
            await live.result()
    if kept:
        tidy.set()
        async with Executor([boss, worker], config=CONFIG, store=store) as executor:
            await executor.live("run").result()
    assert log[-2:] == ["is tidy", "heard"]
    assert isinstance(heard[0].error, RequestTimeout)


async def test_what_was_done_before_under_a_key_is_told_as_that() -> None:
    """A reply to an earlier request of the same idempotency key is a duplicate."""
    desk, heard = Desk("a"), list[Any]()
    desk.gates["a"].set()

    @agent(subscribe="start", publish="work")
    async def boss(payload: Any, ctx: Context) -> None:
        with ctx.calls() as calls:
            for key in ("one", "other"):
                await calls.send("work", "a", key=key, idempotency_key="same")
                heard.append(await calls.next())

    async with Executor([boss, *desk.agents], config=CONFIG) as executor:
        await executor.run("start", 1)
    assert [(each.key, each.value, each.duplicate) for each in heard] == [
        ("one", "A", False),
        ("other", "A", True),
    ]
    assert desk.taken == ["a"]


async def test_whoever_waits_for_a_reply_takes_no_worker() -> None:
    """While one is parked another delivery of the same agent is handled."""
    desk, heard = Desk("a"), list[Any]()

    @agent(subscribe="start", publish="work")
    async def boss(payload: str, ctx: Context) -> None:
        heard.append(payload)
        if payload == "first":
            with ctx.calls() as calls:
                await calls.send("work", "a", key="a")
                await calls.next()

    async with Executor([boss, *desk.agents], config=CONFIG) as executor:
        live = await executor.start("start", "first")
        await until(lambda: desk.taken == ["a"])
        await live.publish("start", "second")
        await until(lambda: heard == ["first", "second"])
        await turns()
        desk.gates["a"].set()
        await live.result()


@pytest.mark.parametrize("other", ["request", "message"])
async def test_who_is_waited_for_no_more_ends_with_what_he_has_in_hand(other: str) -> None:
    """Of a join all parts end with the request, unless another of them is somebody else's."""
    noted: list[str] = []
    sent, begun, gate = anyio.Event(), anyio.Event(), anyio.Event()

    @agent(subscribe=all_of("left", "right"))
    async def both(payload: Any) -> str:
        begun.set()
        try:
            await gate.wait()
        except anyio.get_cancelled_exc_class():
            noted.append("both stopped")
            raise
        return "made"

    @agent(subscribe="start", publish="left")
    async def one(payload: Any, ctx: Context) -> None:
        with ctx.calls() as calls:
            await calls.send("left", 1, key="l")
            sent.set()
            await begun.wait()
            calls.cancel("l")
            found = await calls.next()
            assert isinstance(found, Returned)
            noted.append(type(found.error).__name__)
        gate.set()

    @agent(subscribe="start", publish="right")
    async def two(payload: Any, ctx: Context) -> None:
        await sent.wait()
        if other == "request":
            noted.append(await ctx.request("right", 2))
        else:
            ctx.publish("right", 2)

    async with Executor([both, one, two]) as executor:
        await executor.run("start", 0)
    wanted = ["RequestDropped", "made" if other == "request" else "both stopped"]
    assert sorted(noted) == wanted
