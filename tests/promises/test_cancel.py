"""Cancel: handlers are cancelled and awaited, what is pending is cancelled, all is counted."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from dagger import Agent, Context, Executor, Linear, agent
from dagger.words.errors import ContextClosed, RunClosed
from tests.patience import PATIENCE
from tests.promises.conftest import MakeExecutor
from tests.promises.gates import endless
from tests.waiting import idle, in_hand, turns, until


async def test_a_cancelled_run_ends_and_counts_everything(make_executor: MakeExecutor) -> None:
    """What is in hand is cancelled and awaited, what is pending is cancelled, both are counted."""
    ended: list[int] = []
    async with make_executor([endless(ended, concurrency=2)]) as executor:
        run = await executor.start("start", 0)
        for number in range(1, 5):
            await run.publish("start", number)
        await until(lambda: in_hand(executor) == 2)
        report = await run.cancel("no need any more")

    assert sorted(ended) == [0, 1]
    assert report.status == "cancelled"
    assert report.reason == "no need any more"
    assert report.dispositions == {"cancelled": 5}
    assert report.ended is not None
    assert report.open == 0


async def test_a_handler_is_awaited(make_executor: MakeExecutor) -> None:
    """The run ends once the cleanup of its handlers has ended, not before."""
    cleaned = anyio.Event()
    may_end = anyio.Event()

    @agent(subscribe="start")
    async def tidy(payload: Any) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await may_end.wait()
            cleaned.set()

    async with make_executor([tidy]) as executor:
        run = await executor.start("start", None)
        await until(lambda: in_hand(executor) == 1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run.cancel)
            await until(lambda: run.status == "cancelling")
            await turns()
            assert run.report().ended is None
            may_end.set()
        assert cleaned.is_set()
        assert run.status == "cancelled"


async def test_cancelling_twice_is_cancelling_once(make_executor: MakeExecutor) -> None:
    """Any number of cancels, at once or later, give the one report with the first reason."""
    async with make_executor([endless([])]) as executor:
        run = await executor.start("start", None)
        await until(lambda: in_hand(executor) == 1)
        async with anyio.create_task_group() as tasks:
            for reason in ("one", "two", "three"):
                tasks.start_soon(run.cancel, reason)
        reason = run.report().reason
        report = await run.cancel("much later")
    assert report.reason == reason
    assert reason in ("one", "two", "three")
    assert report.dispositions == {"cancelled": 1}


async def test_a_run_that_has_ended_cannot_be_cancelled(make_executor: MakeExecutor) -> None:
    """Cancelling an ended run changes nothing and gives its report."""

    @agent(subscribe="start")
    async def quick(payload: Any) -> None: ...

    async with make_executor([quick]) as executor:
        run = await executor.start("start", None)
        await run.result()
        assert (await run.cancel()).status == "completed"


async def test_a_cancel_harms_no_other_run(make_executor: MakeExecutor) -> None:
    """The workers of a cancelled run go on with those of others as if nothing had been."""
    attempts: list[tuple[str, int]] = []

    @agent(subscribe="start", publish="out")
    async def some(payload: str, ctx: Context) -> str:
        attempts.append((payload, ctx.attempt))
        if payload == "stuck":
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                raise LookupError("swallowed") from None
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        return payload

    async with make_executor([some]) as executor:
        stuck = await executor.start("start", "stuck")
        await until(lambda: in_hand(executor) == 1)
        others = [await executor.start("start", "fine") for _ in range(3)]
        assert (await stuck.cancel()).status == "cancelled"
        reports = [await run.result() for run in others]
    assert [report.status for report in reports] == ["completed"] * 3
    assert attempts == [("stuck", 1)] + [("fine", 1)] * 3


@pytest.mark.parametrize("ending", ["returns", "raises", "publishes"])
async def test_nothing_leaves_a_run_that_winds_down(
    make_executor: MakeExecutor, ending: str
) -> None:
    """A handler that swallows its cancellation and goes on to its end has no effect any more."""

    @agent(subscribe="start", publish="start", hears_itself=True)
    async def stubborn(payload: Any, ctx: Context) -> Any:
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            if ending == "raises":
                raise ValueError("its own") from None
            if ending == "publishes":
                ctx.publish("start", "again")
            return "again"

    async with make_executor([stubborn]) as executor:
        run = await executor.start("start", None)
        await until(lambda: in_hand(executor) == 1)
        report = await run.cancel()
    assert report.status == "cancelled"
    assert report.messages == 1
    assert report.dispositions == {"cancelled": 1}


async def test_what_a_cleanup_raises_is_told(make_executor: MakeExecutor) -> None:
    """A handler that fails while it is cancelled is cancelled, and its error is in the report."""

    @agent(subscribe="start")
    async def unclean(payload: Any) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise ValueError("while it cleaned up")

    async with make_executor([unclean]) as executor:
        run = await executor.start("start", None)
        await until(lambda: in_hand(executor) == 1)
        report = await run.cancel()
    assert report.status == "cancelled"
    assert report.dispositions == {"cancelled": 1}
    assert report.dead_letters == ()
    assert report.error is not None
    assert report.error.message == "while it cleaned up"


# -- wherever it waits ---------------------------------------------------------------


async def sleeping(ctx: Context) -> None:
    """Wait in `ctx.sleep`."""
    await ctx.sleep(1000)


async def asking(ctx: Context) -> None:
    """Wait for people."""
    await ctx.ask("for ever?")


async def requesting(ctx: Context) -> None:
    """Wait for another agent."""
    await ctx.request("silent", None)


async def stepping(ctx: Context) -> None:
    """Wait in a step."""
    await ctx.step("forever", anyio.sleep_forever)


async def branching(ctx: Context) -> None:
    """Wait in several ways at once."""
    async with anyio.create_task_group() as tasks:
        for wait in (sleeping, asking, requesting, stepping):
            tasks.start_soon(wait, ctx)


@pytest.mark.parametrize("wait", [sleeping, asking, requesting, stepping, branching])
async def test_a_handler_is_cancelled_wherever_it_waits(
    make_executor: MakeExecutor, wait: Callable[[Context], Any]
) -> None:
    """A wait of any kind ends with its run, and its agent is as good as new."""
    ended: list[str] = []

    @agent(subscribe="start", publish="silent")
    async def waiter(payload: str, ctx: Context) -> None:
        if payload == "quick":
            return
        try:
            await wait(ctx)
        finally:
            ended.append(payload)

    @agent(subscribe="silent")
    async def silent(payload: Any) -> None:
        await anyio.sleep_forever()

    async with make_executor([waiter, silent]) as executor:
        run = await executor.start("start", "slow")
        await until(lambda: in_hand(executor, "waiter") == 1)
        await turns()
        report = await run.cancel()
        assert ended == ["slow"]
        assert report.status == "cancelled"
        assert set(report.dispositions) == {"cancelled"}
        assert report.questions == ()
        for _ in range(3):
            assert (await executor.run("start", "quick")).status == "completed"
        await idle(executor)


async def test_a_delayed_retry_is_cancelled(make_executor: MakeExecutor) -> None:
    """A delivery that waits for its next attempt ends with its run, and is not tried again."""
    attempts: list[int] = []

    @agent(subscribe="start", retry=Linear(1000))
    async def failing(payload: Any, ctx: Context) -> None:
        attempts.append(ctx.attempt)
        raise ValueError("later")

    async with make_executor([failing]) as executor:
        run = await executor.start("start", None)
        await until(lambda: run.report().retries == 1)
        report = await run.cancel()
    assert report.dispositions == {"cancelled": 1}
    assert attempts == [1]


async def test_a_settle_that_waits_for_room_is_cancelled(make_executor: MakeExecutor) -> None:
    """A handler that has returned, and waits to settle, settles nothing in a cancelled run."""

    @agent(subscribe="start", publish="work", publish_each=True)
    async def spread(payload: Any, ctx: Context) -> list[int]:
        ctx.cache.set("settled", True)
        return [1, 2, 3]

    @agent(subscribe="work", capacity=1, overflow="block")
    async def worker(payload: Any) -> None:
        await anyio.sleep_forever()

    async with make_executor([spread, worker]) as executor:
        run = await executor.start("work", 0)
        await until(lambda: in_hand(executor, "worker") == 1)
        await run.publish("work", 0)
        await run.publish("start", None)
        await until(lambda: in_hand(executor, "spread") == 1)
        await turns()
        report = await run.cancel()
        assert run.cache.get("settled") is None
    assert report.messages == 3
    assert report.dispositions == {"cancelled": 3}


async def test_a_publisher_that_waits_for_room_is_told(make_executor: MakeExecutor) -> None:
    """Who waits outside for room in a run that is cancelled gets RunClosed."""

    @agent(subscribe="work", capacity=1, overflow="block")
    async def worker(payload: Any) -> None:
        await anyio.sleep_forever()

    async with make_executor([worker]) as executor:
        run = await executor.start("work", 0)
        await until(lambda: in_hand(executor) == 1)
        await run.publish("work", 1)
        async with anyio.create_task_group() as tasks:

            async def publish() -> None:
                with pytest.raises(RunClosed):
                    await run.publish("work", 2)

            tasks.start_soon(publish)
            await turns()
            await run.cancel()
        assert run.report().messages == 2


async def test_a_thread_is_awaited(make_executor: MakeExecutor) -> None:
    """A plain handler cannot be cancelled: the run waits for its thread, which counts no more."""
    may_end, refused = threading.Event(), list[str]()

    @agent(subscribe="start", publish="out")
    def thread(payload: Any, ctx: Context) -> str:
        may_end.wait(PATIENCE)
        for call in (lambda: ctx.publish("out", 1), lambda: ctx.log("late")):
            try:
                call()
            except ContextClosed:
                refused.append("refused")
        return "too late"

    async with make_executor([thread]) as executor:
        run = await executor.start("start", None)
        await until(lambda: in_hand(executor) == 1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run.cancel)
            await until(lambda: run.status == "cancelling")
            await turns()
            assert run.report().ended is None
            may_end.set()
        report = await run.result()
    assert refused == ["refused"] * 2
    assert report.status == "cancelled"
    assert report.outputs == {}
    assert report.abandoned == ()


# -- what ignores it -----------------------------------------------------------------

SHORT = {"cancel_grace": 0.03}


def deaf(contexts: list[Context], **options: Any) -> Agent:
    """An agent whose handler swallows every cancellation."""

    @agent(name="deaf", subscribe="start", publish=["out", "silent"], **options)
    async def ignore(payload: Any, ctx: Context) -> Any:
        contexts.append(ctx)
        while payload == "deaf":
            with contextlib.suppress(BaseException):  # what a careless handler does
                await anyio.sleep_forever()

    return ignore


async def test_what_ignores_cancellation_is_fenced(make_executor: MakeExecutor) -> None:
    """After the grace the run ends without the handler, and names it as abandoned."""
    contexts: list[Context] = []
    async with make_executor([deaf(contexts)], config=SHORT) as executor:
        run = await executor.start("start", "deaf")
        await until(lambda: len(contexts) == 1)
        report = await run.cancel()

    assert report.status == "cancelled"
    assert report.dispositions == {"cancelled": 1}
    assert report.abandoned == (contexts[0].node_id,)
    assert report.error is not None
    assert report.error.type == "Abandoned"


async def test_a_fenced_context_refuses_everything(make_executor: MakeExecutor) -> None:
    """No call of an abandoned handler's context has an effect: each raises ContextClosed."""
    contexts: list[Context] = []
    async with make_executor([deaf(contexts)], config=SHORT) as executor:
        run = await executor.start("start", "deaf")
        await until(lambda: len(contexts) == 1)
        await run.cancel()
        [ctx] = contexts
        plain: list[Callable[[], Any]] = [
            lambda: ctx.publish("out", 1),
            lambda: ctx.log("x"),
            lambda: ctx.cache.set("a", 1),
            lambda: ctx.cache.get("a"),
            lambda: ctx.shared.set("a", 1),
            lambda: ctx.tasks.add_task("kind", None, 1),
            lambda: ctx.tasks.claim_task("kind", "deaf"),
        ]
        for call in plain:
            with pytest.raises(ContextClosed):
                call()
        awaited: list[Callable[[], Any]] = [
            lambda: ctx.step("s", anyio.sleep, 0),
            lambda: ctx.sleep(0),
            lambda: ctx.ask("?"),
            lambda: ctx.request("silent", 1),
            lambda: ctx.emit("out", 1),
            lambda: ctx.spend(tokens=1),
        ]
        for call in awaited:
            with pytest.raises(ContextClosed):
                await call()


async def test_the_slot_of_an_abandoned_handler_is_free(make_executor: MakeExecutor) -> None:
    """Once it is given up, the agent handles other runs, with its full concurrency."""
    contexts: list[Context] = []
    async with make_executor([deaf(contexts)], config=SHORT) as executor:
        for _ in range(3):
            run = await executor.start("start", "deaf")
            await until(lambda: in_hand(executor) == 1)
            other = await executor.start("start", "fine")
            await run.cancel()
            assert (await other.result()).status == "completed"
        await idle(executor)


async def swallow_scopes() -> None:
    """Ignore cancellation from within cancel scopes of its own."""
    while True:
        try:
            with anyio.move_on_after(1000):
                await anyio.sleep_forever()
        except BaseException:
            pass


async def swallow_groups() -> None:
    """Ignore cancellation from within task groups of its own."""
    while True:
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(anyio.sleep_forever)
        except BaseException:
            pass


async def swallow_finally() -> None:
    """Ignore cancellation in a cleanup that never ends."""
    try:
        await anyio.sleep_forever()
    finally:
        while True:
            with contextlib.suppress(BaseException):
                await anyio.sleep_forever()


@pytest.mark.parametrize("swallow", [swallow_scopes, swallow_groups, swallow_finally])
async def test_it_ends_however_cancellation_is_ignored(
    make_executor: MakeExecutor, swallow: Callable[[], Any]
) -> None:
    """A handler with scopes and groups of its own is given up as well, and harms nobody."""

    @agent(subscribe="start")
    async def stubborn(payload: Any) -> None:
        if payload == "stubborn":
            await swallow()

    async with make_executor([stubborn], config=SHORT) as executor:
        run = await executor.start("start", "stubborn")
        await until(lambda: in_hand(executor) == 1)
        report = await run.cancel()
        assert len(report.abandoned) == 1
        assert (await executor.run("start", "fine")).status == "completed"


@pytest.mark.parametrize("wait", [sleeping, asking])
async def test_a_shielded_wait_is_given_up(
    make_executor: MakeExecutor, wait: Callable[[Context], Any]
) -> None:
    """A run does not wait for a shielded handler beyond the grace; its slot is free at once."""
    shields: list[anyio.CancelScope] = []

    @agent(subscribe="start")
    async def shielded(payload: Any, ctx: Context) -> None:
        if payload == "shielded":
            with anyio.CancelScope(shield=True) as shield:
                shields.append(shield)
                await wait(ctx)

    async with make_executor([shielded], config=SHORT) as executor:
        run = await executor.start("start", "shielded")
        await until(lambda: in_hand(executor) == 1)
        await turns()
        report = await run.cancel()
        assert len(report.abandoned) == 1
        for _ in range(3):
            assert (await executor.run("start", "fine")).status == "completed"
        shields[0].cancel()  # what is shielded must end by itself before the block can be left
        await idle(executor)


async def test_handlers_of_an_agent_that_is_gone_are_cancelled(
    make_executor: MakeExecutor,
) -> None:
    """What an unregistered or replaced agent has in hand is cancelled with its run."""
    ended: list[str] = []
    async with make_executor([endless(ended)]) as executor:
        first = await executor.start("start", "unregistered")
        await until(lambda: in_hand(executor) == 1)
        executor.unregister("endless")
        assert (await first.cancel()).status == "cancelled"

        executor.register(endless(ended))
        second = await executor.start("start", "replaced")
        await until(lambda: in_hand(executor) == 1)
        executor.register(endless(ended), replace=True)
        assert (await second.cancel()).status == "cancelled"
    assert ended == ["unregistered", "replaced"]


async def test_a_handler_may_cancel_its_own_run(make_executor: MakeExecutor) -> None:
    """A handler that reaches for its live run and cancels it is cancelled like any other."""
    box: list[Executor] = []

    @agent(subscribe="start")
    async def suicidal(payload: Any, ctx: Context) -> None:
        await box[0].live(ctx.run_id).cancel("from inside")

    async with make_executor([suicidal]) as executor:
        box.append(executor)
        report = await executor.run("start", None)
    assert report.status == "cancelled"
    assert report.reason == "from inside"
