"""`executor.request`: the outside asks, and the reply is kept with the run."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from dagger import (
    Agent,
    Context,
    ExecutionError,
    Executor,
    ExecutorStopped,
    LoopClock,
    MemoryStore,
    Message,
    NoResponder,
    RequestDropped,
    RequestFailed,
    RequestTimeout,
    ResponderFailed,
    RunConflict,
    Store,
    agent,
)
from dagger.testing import LaggingStore
from tests.promises.conftest import MakeExecutor
from tests.virtual import START, on_virtual_time
from tests.waiting import in_hand, turns, until


@agent(subscribe="ask", publish="done")
async def double(payload: int) -> int:
    """What was asked, twice."""
    return payload * 2


@pytest.mark.parametrize("value", [1, None, False, {"a": [1]}, [], "text"])
async def test_the_reply_is_what_the_handler_returns(
    make_executor: MakeExecutor, value: Any
) -> None:
    """Whatever it is, it is returned, and is in the report of the run."""

    @agent(subscribe="ask")
    async def echo(payload: Any) -> Any:
        return payload

    async with make_executor([echo]) as executor:
        assert await executor.request("ask", value, run_id="r") == value
        report = await executor.live("r").result()
    assert (report.status, report.reply, report.outputs) == ("completed", value, {})
    assert report.to_dict()["reply"] == value


async def test_the_run_goes_on_after_the_reply(make_executor: MakeExecutor) -> None:
    """The reply comes as soon as it is there; what else the request causes is done all the same."""
    gate = anyio.Event()

    @agent(subscribe="ask", publish="more")
    async def answer(payload: int, ctx: Context) -> str:
        ctx.reply(payload + 1)
        return "more to do"

    @agent(subscribe="more", publish="done")
    async def later(payload: str) -> str:
        await gate.wait()
        return payload

    async with make_executor([answer, later]) as executor:
        assert await executor.request("ask", 1, run_id="r") == 2
        assert executor.live("r").report().ended is None
        gate.set()
        report = await executor.live("r").result()
    assert report.outputs == {"done": ["more to do"]}


async def test_asked_again_it_is_the_same_reply(
    make_executor: MakeExecutor, store: Store | None
) -> None:
    """Under one run id one request is made, by whichever process asks, and has one reply."""
    heard: list[int] = []

    @agent(subscribe="ask", publish="done")
    async def count(payload: int) -> int:
        heard.append(payload)
        return len(heard)

    async with make_executor([count], store=store) as executor:
        assert await executor.request("ask", 5, run_id="r") == 1
        assert await executor.request("ask", 5, run_id="r") == 1
        with pytest.raises(RunConflict):
            await executor.request("ask", 6, run_id="r")
        with pytest.raises(RunConflict):
            await executor.run("ask", 5, run_id="r")
        await executor.run("ask", 5, run_id="plain")
        with pytest.raises(RunConflict):
            await executor.request("ask", 5, run_id="plain")
        with pytest.raises(ExecutionError, match="not begun with a request"):
            await executor.live("plain").reply()
    assert heard == [5, 5]
    if store is not None:
        async with make_executor([count], store=store) as executor:
            assert await executor.request("ask", 5, run_id="r") == 1
            assert executor.live("r").report().reply == 1
        assert heard == [5, 5]


async def test_a_reply_that_comes_after_a_restart(
    make_executor: MakeExecutor, store: Store | None
) -> None:
    """Who asked under a run id and died asks again, and gets the reply of the first request."""
    if store is None:
        return
    inside, gate = anyio.Event(), anyio.Event()
    heard: list[str] = []

    @agent(subscribe="ask")
    async def slow(message: Message) -> int:
        heard.append(message.id)
        inside.set()
        await gate.wait()
        return len(heard)

    async with make_executor([slow], store=store) as executor, anyio.create_task_group() as tasks:

        async def ask() -> None:
            with pytest.raises(ExecutorStopped):
                await executor.request("ask", 1, run_id="r")

        tasks.start_soon(ask)
        await inside.wait()
        await executor.stop()
    gate.set()
    async with make_executor([slow], store=store) as executor:
        assert await executor.request("ask", 1, run_id="r") == 2
    assert heard == ["r.0.0", "r.0.0"]


@pytest.mark.parametrize("how", ["failed", "rejected", "cancelled", "nobody", "late"])
async def test_why_there_is_no_reply(
    make_executor: MakeExecutor, store: Store | None, how: str
) -> None:
    """A typed error says it, and the same one whenever it is asked again."""
    inside = anyio.Event()

    @agent(
        subscribe="other" if how == "nobody" else "ask", max_attempts=1,
        input_schema={"type": "string"} if how == "rejected" else True,
    )  # fmt: skip
    async def answer(payload: Any) -> None:
        inside.set()
        if how == "failed":
            raise ValueError("cannot answer") from KeyError("which")
        await anyio.sleep_forever()

    told: list[RequestFailed] = []
    kinds = {
        "failed": ResponderFailed,
        "rejected": ResponderFailed,
        "cancelled": RequestDropped,
        "nobody": NoResponder,
        "late": RequestTimeout,
    }

    async def ask(executor: Executor) -> None:
        within = 0.01 if how == "late" else None
        with pytest.raises(RequestFailed) as caught:
            await executor.request("ask", 1, timeout=within, run_id="r")
        told.append(caught.value)

    async with make_executor([answer], store=store) as executor:
        executor.channel("ask")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, executor)
            if how == "cancelled":
                await inside.wait()
                await executor.live("r").cancel()
        await ask(executor)
        assert executor.live("r").report().reply is None
        if how == "late":
            await executor.live("r").cancel()
    if store is not None:
        async with make_executor([answer], store=store) as executor:
            executor.channel("ask")
            await ask(executor)
    assert {type(each) for each in told} == {kinds[how]}
    assert len({str(each) for each in told}) == 1
    assert all(vars(each) == vars(told[0]) for each in told)


def test_a_timeout_goes_on_through_a_restart() -> None:
    """It is over when it would have been, and stays so; what is late is done all the same."""
    clock, store = LoopClock(START), MemoryStore()
    ended: list[float] = []

    @agent(subscribe="ask", publish="done")
    async def slow(ctx: Context) -> str:
        await ctx.sleep(300)
        return "late"

    async def main() -> None:
        async with Executor([slow], store=store, clock=clock) as executor:
            with anyio.move_on_after(60):
                await executor.request("ask", 1, run_id="r", timeout=100)
        async with Executor([slow], store=store, clock=clock) as executor:
            for _ in range(2):
                with pytest.raises(RequestTimeout) as caught:
                    await executor.request("ask", 1, run_id="r", timeout=1_000)
                assert caught.value.seconds == 100
                ended.append(clock.now() - START)
            report = await executor.live("r").result()
            assert report.ok
            assert report.seconds == pytest.approx(300)
            with pytest.raises(RequestTimeout):
                await executor.request("ask", 1, run_id="r")

    on_virtual_time(main)
    assert ended == [pytest.approx(100), pytest.approx(100)]


async def test_a_reply_leaves_once_it_is_on_disk(make_executor: MakeExecutor) -> None:
    """Whoever asks from outside sees no reply that a crash could take back."""
    store = LaggingStore()
    async with make_executor([double], store=store) as executor:
        assert await executor.request("ask", 4) == 8
        assert store.durable == store.position


async def test_the_first_to_end_replies(make_executor: MakeExecutor) -> None:
    """Where several agents hear it, the reply is that of the first; the others go on."""
    gate = anyio.Event()

    @agent(subscribe="ask")
    async def slow() -> str:
        await gate.wait()
        return "slow"

    @agent(subscribe="ask")
    async def quick() -> str:
        return "quick"

    async with make_executor([slow, quick]) as executor:
        assert await executor.request("ask", 1, run_id="r") == "quick"
        gate.set()
        report = await executor.live("r").result()
    assert (report.reply, report.agents["slow"].dispositions) == ("quick", {"ok": 1})


async def test_a_request_that_waits_does_not_stop_anybody(make_executor: MakeExecutor) -> None:
    """Many ask at once, each in a run of its own, and each gets its own reply."""
    replies: dict[int, int] = {}

    async with make_executor([double]) as executor:

        async def ask(number: int) -> None:
            replies[number] = await executor.request("ask", number, max_messages=5)

        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(ask, number)
    assert replies == {number: number * 2 for number in range(20)}


async def test_a_fork_has_a_reply_of_its_own(
    make_executor: MakeExecutor, store: Store | None
) -> None:
    """What is asked anew in a fork is replied to anew."""
    if store is None:
        return
    async with make_executor([double], store=store) as executor:
        assert await executor.request("ask", 4, run_id="r") == 8
        await executor.live("r").result()
        other = await executor.fork("r", "r.0.0", payload=5)
        assert await other.reply() == 10
        assert executor.live("r").report().reply == 8


async def test_bad_options_are_refused(make_executor: MakeExecutor) -> None:
    """Before a run is begun."""
    async with make_executor([double]) as executor:
        odd: list[dict[str, Any]] = [
            {"timeout": 0},
            {"timeout": "1"},
            {"run_id": ""},
            {"run_id": 7},
        ]
        for options in odd:
            with pytest.raises(ExecutionError):
                await executor.request("ask", 1, **options)
        assert executor.runs() == []


@agent(subscribe="ask")
async def never(payload: Any) -> None:
    """No reply, ever."""
    await anyio.sleep_forever()


async def test_whoever_waits_is_told_that_the_executor_stops(make_executor: MakeExecutor) -> None:
    """Nobody waits for ever: without a store the request is cancelled, else it stays open."""
    agents: list[Agent] = [never]
    caught: list[Exception] = []
    async with make_executor(agents) as executor, anyio.create_task_group() as tasks:

        async def ask() -> None:
            try:
                await executor.request("ask", 1)
            except (RequestDropped, ExecutorStopped) as error:
                caught.append(error)

        tasks.start_soon(ask)
        await until(lambda: in_hand(executor, "never") == 1)
        await turns()
        await executor.stop()
    assert len(caught) == 1
