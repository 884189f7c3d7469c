"""Cancel of one invocation: it ends cancelled, wherever it is, and the rest of its run goes on."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import pytest

from dagger import (
    Agent,
    Context,
    InvocationNotFound,
    Linear,
    LiveRun,
    Report,
    RequestDropped,
    RunClosed,
    Store,
    agent,
    all_of,
    gather,
)
from tests.promises.conftest import MakeExecutor
from tests.promises.gates import Gate, spread
from tests.waiting import idle, in_hand, pending, turns, until


async def ended_alone(run: LiveRun, node: str) -> Report:
    """The report of a run of which one node has been cancelled."""
    await run.cancel_invocation(node)
    report = await run.result()
    assert [each.id for each in report.tree.nodes() if each.status == "cancelled"] == [node]
    return report


async def test_a_running_handler_is_cancelled(make_executor: MakeExecutor) -> None:
    """It is awaited, what it held back takes no effect, and the others go on."""
    log: list[str] = []

    @agent(subscribe="work", publish="out", concurrency=2)
    async def work(payload: int, ctx: Context) -> int:
        if payload == 1:
            ctx.publish("out", 99)
            ctx.cache.set("seen", True)
            try:
                await anyio.sleep_forever()
            finally:
                log.append("cleaned up")
        return payload

    async with make_executor([spread, work]) as executor:
        run = await executor.start("start", [0, 1, 2])
        await until(lambda: run.report().handled == 3 and in_hand(executor) == 1)
        report = await ended_alone(run, f"work:{run.id}.3")
        assert log == ["cleaned up"]
        assert report.status == "completed"
        assert sorted(report.outputs["out"]) == [0, 2]
        assert report.dispositions == {"ok": 3, "cancelled": 1}
        assert run.cache.get("seen") is None
        await idle(executor)


async def test_what_is_pending_is_never_handled(make_executor: MakeExecutor) -> None:
    """It leaves its queue; those behind it do not care."""
    gate = Gate()
    async with make_executor([spread, gate.agent]) as executor:
        run = await executor.start("start", [0, 1, 2])
        await until(lambda: gate.handled == [0])
        await run.cancel_invocation(f"work:{run.id}.3")
        gate.open.set()
        assert (await run.result()).dispositions == {"ok": 3, "cancelled": 1}
        assert gate.handled == [0, 2]


async def test_room_that_it_leaves_is_given(make_executor: MakeExecutor) -> None:
    """Who waits to publish into a full queue goes on."""
    gate = Gate(capacity=1, overflow="block")
    async with make_executor([gate.agent]) as executor:
        async with await executor.start("work", 0) as run:
            await until(lambda: gate.handled == [0])
            await run.publish("work", 1)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(run.publish, "work", 2)
                await turns()
                await run.cancel_invocation(f"work:{run.id}.2")
            gate.open.set()
        assert (await run.result()).dispositions == {"ok": 2, "cancelled": 1}


def parked(kind: str, gate: anyio.Event) -> list[Agent]:
    """An agent that waits in some way, and what it waits for, which comes from the gate."""

    @agent(subscribe="start", publish=["ask", "out"], max_attempts=2, retry=Linear(3600))
    async def waits(ctx: Context) -> None:
        ctx.publish("out", "held back")
        match kind:
            case "sleep":
                await ctx.sleep(3600)
            case "question":
                await ctx.ask("go on?")
            case "request":
                await ctx.request("ask", 1)
            case "retry":
                raise ValueError

    @agent(subscribe="ask")
    async def reply() -> int:
        await gate.wait()
        return 1

    return [waits, reply]


@pytest.mark.parametrize("kind", ["sleep", "question", "request", "retry"])
async def test_what_waits_is_cancelled(make_executor: MakeExecutor, kind: str) -> None:
    """In a sleep, for a person, for a reply, and between two attempts."""
    gate = anyio.Event()
    async with make_executor(parked(kind, gate)) as executor:
        run = await executor.start("start", None)
        await until(lambda: not pending(executor) and (kind != "retry" or not in_hand(executor)))
        await turns()
        node = f"waits:{run.id}.1"
        await run.cancel_invocation(node)
        gate.set()
        report = await run.result()
        assert [each.id for each in report.tree.nodes() if each.status == "cancelled"] == [node]
        assert (report.status, report.outputs, report.questions) == ("completed", {}, ())
        await idle(executor)


async def test_who_waits_to_settle_is_cancelled(make_executor: MakeExecutor) -> None:
    """Room that comes in the same moment is too late: it settles cancelled."""
    gate = Gate(capacity=1, overflow="block")

    @agent(subscribe="start", publish="work")
    async def push(payload: Any) -> Any:
        return payload

    async with make_executor([push, gate.agent]) as executor:
        async with await executor.start("work", 0) as run:
            await until(lambda: gate.handled == [0])
            await run.publish("work", 1)
            await run.publish("start", 2)
            await until(lambda: in_hand(executor, "push") == 1)
            await turns()
            gate.open.set()
            await run.cancel_invocation(f"push:{run.id}.3")
        assert (await run.result()).dispositions == {"ok": 2, "cancelled": 1}


async def test_who_has_asked_is_told(make_executor: MakeExecutor) -> None:
    """A request whose handler was cancelled has no reply, and says so."""
    errors: list[RequestDropped] = []

    @agent(subscribe="start", publish="ask")
    async def asker(ctx: Context) -> None:
        try:
            await ctx.request("ask", 1)
        except RequestDropped as error:
            errors.append(error)

    @agent(subscribe="ask")
    async def deaf() -> None:
        await anyio.sleep_forever()

    async with make_executor([asker, deaf]) as executor:
        run = await executor.start("start", None)
        await until(lambda: in_hand(executor, "deaf") == 1)
        report = await ended_alone(run, f"deaf:{run.id}.2")
        assert report.status == "completed"
    assert [each.disposition for each in errors] == ["cancelled"]


async def test_a_join_counts_without_it(make_executor: MakeExecutor) -> None:
    """A gather has what the others have sent; what lacks a part for ever is told as ever."""

    @agent(subscribe="start", publish=["fast", "slow"])
    async def split(ctx: Context) -> None:
        ctx.publish("fast", 1)
        ctx.publish("slow", 2)

    @agent(subscribe="fast", publish="results")
    async def quick(payload: int) -> int:
        return payload

    @agent(subscribe="slow", publish="results")
    async def slow(payload: int) -> int:
        await anyio.sleep_forever()
        return payload

    @agent(subscribe=gather("results"), publish="out")
    async def collect(payload: list[int]) -> list[int]:
        return payload

    @agent(subscribe=all_of("results", "never"), publish="out")
    async def lacks(payload: Any) -> None:
        """Never whole."""

    async with make_executor([split, quick, slow, collect]) as executor:
        run = await executor.start("start", None)
        await until(lambda: in_hand(executor, "slow") == 1)
        report = await ended_alone(run, f"slow:{run.id}.3")
        assert (report.status, report.outputs) == ("completed", {"out": [[1]]})
    async with make_executor([split, quick, slow, lacks]) as executor:
        run = await executor.start("start", None)
        await until(lambda: in_hand(executor, "slow") == 1)
        await run.cancel_invocation(f"slow:{run.id}.3")
        assert (await run.result()).status == "stalled"


async def test_all_parts_end_with_a_join(make_executor: MakeExecutor) -> None:
    """Whichever part is named, it is the invocation that handles all of them."""

    @agent(subscribe="start", publish=["a", "b"])
    async def split(ctx: Context) -> None:
        ctx.publish("a", 1)
        ctx.publish("b", 2)

    @agent(subscribe=all_of("a", "b"))
    async def both() -> None:
        await anyio.sleep_forever()

    async with make_executor([split, both]) as executor:
        run = await executor.start("start", None)
        await until(lambda: in_hand(executor, "both") == 1)
        await run.cancel_invocation(f"both:{run.id}.2")
        report = await run.result()
        assert (report.status, report.dispositions) == (
            "completed",
            {"ok": 1, "joined": 1, "cancelled": 1},
        )


async def test_what_it_had_claimed_is_free(make_executor: MakeExecutor) -> None:
    """A task is pending again, and the next of its key is handled."""
    handled: list[int] = []

    @agent(subscribe="work", key=lambda payload: "same", concurrency=2)
    async def work(payload: int, ctx: Context) -> None:
        handled.append(payload)
        if payload == 0:
            ctx.tasks.claim_task("job")
            await anyio.sleep_forever()

    async with make_executor([spread, work]) as executor:
        run = await executor.start("start", [0, 1])
        run.tasks.add_task("job", None, 3)
        await until(lambda: handled == [0])
        await run.cancel_invocation(f"work:{run.id}.2")
        await run.result()
        assert handled == [0, 1]


async def test_who_ignores_it_is_given_up(make_executor: MakeExecutor) -> None:
    """After `cancel_grace` it is fenced off and told as abandoned, also in a thread."""
    release = threading.Event()

    @agent(subscribe="start", publish="out")
    def blocked() -> str:
        release.wait()
        return "late"

    async with make_executor([blocked], config={"cancel_grace": 0.01}) as executor:
        run = await executor.start("start", None)
        await until(lambda: in_hand(executor) == 1)
        node = f"blocked:{run.id}.1"
        report = await ended_alone(run, node)
        assert (report.status, report.abandoned, report.outputs) == ("completed", (node,), {})
        release.set()


async def test_who_takes_no_notice_settles_nothing(make_executor: MakeExecutor) -> None:
    """A handler that swallows its cancellation and returns has not succeeded; nor is one that
    fails as it cleans up tried again.
    """

    @agent(subscribe="work", publish="out", concurrency=2)
    async def work(payload: int) -> int:
        try:
            await anyio.sleep_forever()
        except BaseException:
            if payload:
                raise ValueError("while cleaning up") from None
        return payload

    async with make_executor([spread, work]) as executor:
        run = await executor.start("start", [0, 1])
        await until(lambda: in_hand(executor) == 2)
        for number in (2, 3):
            await run.cancel_invocation(f"work:{run.id}.{number}")
        report = await run.result()
        assert (report.status, report.outputs) == ("completed", {})
        assert report.dispositions == {"ok": 1, "cancelled": 2}


async def test_what_is_not_there_is_told(make_executor: MakeExecutor) -> None:
    """A node that has ended, or never was, or a run that has; the open ones are named."""
    gate = Gate()
    async with make_executor([spread, gate.agent]) as executor:
        run = await executor.start("start", [0])
        await until(lambda: gate.handled == [0])
        with pytest.raises(InvocationNotFound, match="has ended: it is ok") as caught:
            await run.cancel_invocation(f"spread:{run.id}.1")
        assert caught.value.known == (f"work:{run.id}.2",)
        for node in ("work", f"work:{run.id}.9", f"spread:{run.id}.2", "", "work:other.2"):
            with pytest.raises(InvocationNotFound):
                await run.cancel_invocation(node)
        gate.open.set()
        await run.result()
        with pytest.raises(RunClosed):
            await run.cancel_invocation(f"work:{run.id}.2")


async def test_several_may_want_the_same(make_executor: MakeExecutor) -> None:
    """Who asks for it while it cleans up waits for the same end."""
    may_end = anyio.Event()

    @agent(subscribe="start")
    async def tidy() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await may_end.wait()

    async with make_executor([tidy]) as executor:
        run = await executor.start("start", None)
        await until(lambda: in_hand(executor) == 1)
        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(run.cancel_invocation, f"tidy:{run.id}.1")
            await turns()
            assert run.report().ended is None
            may_end.set()
        assert (await run.result()).dispositions == {"cancelled": 1}


async def test_it_stays_so_in_the_store(make_executor: MakeExecutor, lasting: Store) -> None:
    """What was cancelled while its run was left alone is not handled by who goes on with it."""
    handled: list[Any] = []

    @agent(subscribe="work", concurrency=1)
    async def work(payload: Any, ctx: Context) -> None:
        handled.append(payload)
        await ctx.ask("go on?")

    async with make_executor([spread, work], store=lasting) as executor:
        run = await executor.start("start", [0, 1], run_id="mine")
        await until(lambda: len(run.questions) == 2)
    handled.clear()
    async with make_executor([], store=lasting, resume=False) as executor:
        await executor.live("mine").cancel_invocation("work:mine.2")
    async with make_executor([spread, work], store=lasting) as executor:
        run = executor.live("mine")
        await until(lambda: handled == [1])
        await run.answer(run.questions[0].id, None)
        assert (await run.result()).dispositions == {"ok": 2, "cancelled": 1}
