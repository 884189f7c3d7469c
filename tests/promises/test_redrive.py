"""Redrive: a dead letter is handled once more, by the same invocation or in a fork."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from dagger import (
    Agent,
    AgentNotFound,
    Config,
    Context,
    ExecutionError,
    Executor,
    LetterNotFound,
    LiveRun,
    MemoryStore,
    RequestFailed,
    RunClosed,
    SerializationError,
    StepFailed,
    Store,
    agent,
)
from dagger.executor.diffing import handled
from dagger.executor.exporting import exported, imported
from dagger.executor.rechecking import recheck
from dagger.state.loading import load_run
from dagger.state.run import Keep
from dagger.state.state import State
from tests.patience import SLOWER
from tests.promises.conftest import MakeExecutor
from tests.state.meaning import meaning, replayed
from tests.waiting import in_hand, turns, until


class Works:
    """An agent "work" that fails until it is told that it will work."""

    def __init__(self, **options: Any) -> None:
        self.works = False
        self.heard: list[tuple[Any, int]] = []
        self.agent = agent(name="work", subscribe="start", publish="out", **options)(self.work)

    async def work(self, payload: Any, ctx: Context) -> Any:
        self.heard.append((payload, ctx.attempt))
        if not self.works:
            raise ValueError(f"not with {payload}")
        return payload


# -- in an open run ------------------------------------------------------------------------


async def test_in_an_open_run_the_same_invocation_goes_on(make_executor: MakeExecutor) -> None:
    """It begins at its first attempt, as the same node; nothing of its end is counted any more."""
    work = Works(max_attempts=2)
    async with make_executor([work.agent]) as executor, await executor.start("start", 1) as run:
        await until(lambda: run.report().dead_letters_total == 1)
        [letter] = executor.dead_letters.list()
        failed = run.report()
        assert failed.dispositions == {"dead": 1}
        work.works = True
        assert await executor.dead_letters.redrive(letter.node_id) is run
        assert executor.dead_letters.list() == []
        await until(lambda: not run.report().open)
        report = run.report()
    assert work.heard == [(1, 1), (1, 2), (1, 1)]
    assert (report.dispositions, report.dead_letters_total) == ({"ok": 1}, 0)
    assert report.outputs == {"out": [1]}
    [node] = report.tree.nodes()
    assert (node.id, node.status) == (letter.node_id, "ok")
    assert run.status == "completed"
    assert report.error == failed.error  # what happened first is still told


async def test_what_was_kept_is_not_done_again(make_executor: MakeExecutor) -> None:
    """Results of steps and replies are those of before; what had failed is tried anew."""
    done: list[str] = []
    works = False

    @agent(subscribe="start", publish=["ask", "flaky", "out"], max_attempts=1)
    async def work(ctx: Context) -> None:
        step = await ctx.step("draw", drawn)
        reply = await ctx.request("ask", 1)
        try:
            second = await ctx.request("flaky", 2, timeout=60)
        except RequestFailed:
            second = None
        try:
            third = await ctx.step("shaky", shaky)
        except StepFailed:
            third = None
        if not works:
            raise ValueError("in the end")
        ctx.publish("out", [step, reply, second, third])

    def drawn() -> str:
        done.append("step")
        return "drawn"

    def shaky() -> str:
        done.append("shaky")
        if not works:
            raise ValueError("shaky")
        return "steady"

    @agent(subscribe=["ask", "flaky"], max_attempts=1, on_failure="continue")
    async def answer(payload: int, ctx: Context) -> int:
        done.append(ctx.message.id)
        if ctx.channel == "flaky" and not works:
            raise ValueError("flaky")
        return payload * 10

    async with make_executor([work, answer]) as executor:
        async with await executor.start("start", 0, run_id="r") as run:
            for _ in range(2):
                await until(lambda: "work:r.1" in letters(executor))
                await executor.dead_letters.redrive("work:r.1")
            await until(lambda: "work:r.1" in letters(executor))
            works = True
            await executor.dead_letters.redrive("work:r.1")
        report = await run.result()
    assert report.outputs == {"out": [["drawn", 10, 20, "steady"]]}
    assert done.count("step") == 1
    assert done.count("shaky") == 4
    asked = [each for each in done if each.startswith("r.")]
    assert len(asked) == len(set(asked)) == 5  # each request has an id of its own


def letters(executor: Executor) -> list[str]:
    """The nodes of all dead letters."""
    return [each.node_id for each in executor.dead_letters.list()]


async def test_with_another_payload(make_executor: MakeExecutor) -> None:
    """It is checked as the first one was; what was rejected may be accepted, or not again."""

    @agent(subscribe="start", publish="out", input_schema={"type": "integer"})
    async def strict(payload: int) -> int:
        return payload + 1

    @agent(subscribe="start", publish="seen")
    async def other(payload: Any) -> Any:
        return payload

    async with make_executor([strict, other]) as executor:
        async with await executor.start("start", "text", run_id="r") as run:
            await until(lambda: run.report().dead_letters_total == 1)
            await executor.dead_letters.redrive("strict:r.1", payload="still text")
            await until(lambda: run.report().dead_letters_total == 1)
            assert executor.dead_letters.show("r.0.0").payload == "still text"
            await executor.dead_letters.redrive("r.0.0", payload=None)
            await until(lambda: run.report().dead_letters_total == 1)
            await executor.dead_letters.redrive("strict:r.1", payload=7)
        report = await run.result()
    assert report.status == "completed"
    assert report.outputs == {"seen": ["text"], "out": [8]}  # others have heard what was said
    assert report.channels["start"].messages == 1


async def test_only_its_own_blame_is_taken_back(make_executor: MakeExecutor) -> None:
    """A run that something else has made fail too has failed, until that is redriven as well."""
    for redriven, status in ((1, "failed"), (2, "completed")):
        work = Works(concurrency=2, max_attempts=1)
        async with make_executor([work.agent]) as executor:
            async with await executor.start("start", 1) as run:
                await run.publish("start", 2)
                await until(lambda: run.report().dead_letters_total == 2)
                work.works = True
                for node in letters(executor)[:redriven]:
                    await executor.dead_letters.redrive(node)
            report = await run.result()
            assert report.status == status
            assert report.dispositions == {
                each: count for each, count in (("dead", 2 - redriven), ("ok", redriven)) if count
            }


async def test_one_that_was_not_to_blame_takes_nothing_back(make_executor: MakeExecutor) -> None:
    """Of an agent with `on_failure="continue"` there is no blame to take back."""
    work = Works(max_attempts=1)

    @agent(subscribe="start", max_attempts=1, on_failure="continue")
    async def optional(payload: Any) -> None:
        raise ValueError("optional")

    async with make_executor([work.agent, optional]) as executor:
        async with await executor.start("start", 1, run_id="r") as run:
            await until(lambda: run.report().dead_letters_total == 2)
            await executor.dead_letters.redrive("optional:r.2")
            await until(lambda: run.report().dead_letters_total == 2)
        report = await run.result()
    assert report.status == "failed"


async def test_it_outlives_the_executor(make_executor: MakeExecutor, lasting: Store) -> None:
    """Before and after it is taken, over any number of restarts: letter, answers, delivery."""
    calls: list[str] = []
    works = False
    gate = anyio.Event()

    def once() -> str:
        calls.append("step")
        return "kept"

    def agents() -> list[Agent]:
        @agent(name="work", subscribe="start", publish="out", max_attempts=1)
        async def work(payload: Any, ctx: Context) -> Any:
            step = await ctx.step("once", once)
            if not works:
                raise ValueError("not yet")
            await gate.wait()
            return [payload, step]

        @agent(name="wait", subscribe="start")
        async def wait(ctx: Context) -> None:
            await ctx.ask("go on?")

        return [work, wait]

    async with make_executor(agents(), store=lasting) as executor:
        await executor.start("start", 1, run_id="r")
        await until(lambda: bool(letters(executor)))
    works = True
    async with make_executor(agents(), store=lasting) as executor:
        await executor.dead_letters.redrive("work:r.1", payload=2)
        await until(lambda: in_hand(executor, "work") == 1)
    gate.set()
    async with make_executor(agents(), store=lasting) as executor:
        live = executor.live("r")
        await until(lambda: "out" in live.report().outputs)
        await live.answer("question-0", True)
        report = await live.result()
    assert report.outputs == {"out": [[2, "kept"]]}
    assert (report.status, calls) == ("completed", ["step"])


async def test_it_is_soon_enough_whenever_it_comes(make_executor: MakeExecutor) -> None:
    """A delay is not waited for again, and what would have expired is taken all the same."""
    work = Works(max_attempts=1)
    async with make_executor([work.agent]) as executor:
        async with dead_in_time(executor, delay=0.01) as (run, ttl):
            await anyio.sleep(ttl)
            work.works = True
            await executor.dead_letters.redrive(letters(executor)[0])
            await until(lambda: not run.report().open)
        report = await run.result()
    assert report.dispositions == {"ok": 1}


@asynccontextmanager
async def dead_in_time(executor: Executor, **times: Any) -> AsyncIterator[tuple[LiveRun, float]]:
    """A run that is held open, whose message was a dead letter before it could expire; and the
    seconds after which it would have.
    """
    for slower in SLOWER:
        ttl = 0.05 * slower
        run = await executor.start("start", 1, ttl=ttl, **times)
        if run.report().ended is None:
            async with run:
                await until(lambda run=run: not run.report().open)  # type: ignore[misc]
                if run.report().dispositions == {"dead": 1}:
                    yield run, ttl
                    return
    raise AssertionError("it has expired each time")


async def test_the_time_to_live_of_before_ends_nothing(make_executor: MakeExecutor) -> None:
    """What expires is the message that was, and not the one that is handled again."""
    work = Works(max_attempts=1)
    async with make_executor([work.agent]) as executor:
        async with dead_in_time(executor) as (run, ttl):
            await run.pause()
            work.works = True
            await executor.dead_letters.redrive(letters(executor)[0])
            await anyio.sleep(ttl)
            await turns()
            assert run.report().open == 1
            await run.resume()
        report = await run.result()
    assert report.dispositions == {"ok": 1}


async def test_a_paused_run_handles_it_when_it_goes_on(make_executor: MakeExecutor) -> None:
    """Redriving lifts no pause."""
    work = Works(max_attempts=1)
    async with make_executor([work.agent]) as executor:
        async with await executor.start("start", 1) as run:
            await until(lambda: run.report().dead_letters_total == 1)
            await run.pause()
            work.works = True
            await executor.dead_letters.redrive(letters(executor)[0])
            await turns()
            assert len(work.heard) == 1
            await run.resume()
        assert (await run.result()).status == "completed"


# -- what cannot be redriven ---------------------------------------------------------------


async def test_what_is_not_there_cannot_be_redriven(make_executor: MakeExecutor) -> None:
    """An unknown letter, a discarded one, one that was redriven already; a payload that is none."""
    work = Works(max_attempts=1)
    async with make_executor([work.agent]) as executor:
        async with await executor.start("start", 1, run_id="r") as run:
            await run.publish("start", 2)
            await until(lambda: run.report().dead_letters_total == 2)
            with pytest.raises(SerializationError):
                await executor.dead_letters.redrive("work:r.1", payload={1})
            executor.dead_letters.discard("work:r.2")
            work.works = True
            await executor.dead_letters.redrive("work:r.1")
            for id in ("work:r.1", "work:r.2", "work:r.3", "r.9.9", ""):
                with pytest.raises(LetterNotFound):
                    await executor.dead_letters.redrive(id)
        report = await run.result()
    assert report.status == "failed"  # of the one that was discarded
    assert report.dead_letters_total == 1


async def test_an_agent_that_is_gone_handles_nothing(make_executor: MakeExecutor) -> None:
    """Nobody would take it, and the run could not end: it stays a dead letter."""
    work = Works(max_attempts=1)
    async with make_executor([work.agent]) as executor:
        async with await executor.start("start", 1) as run:
            await until(lambda: run.report().dead_letters_total == 1)
            executor.unregister("work")
            with pytest.raises(AgentNotFound, match="register it"):
                await executor.dead_letters.redrive(letters(executor)[0])
            executor.register(work.agent)
            work.works = True
            await executor.dead_letters.redrive(letters(executor)[0])
        assert (await run.result()).status == "completed"


async def test_a_run_that_is_ending_takes_nothing_more(make_executor: MakeExecutor) -> None:
    """While it is cancelled it is neither open nor ended."""
    work, inside, gate = Works(max_attempts=1), anyio.Event(), anyio.Event()

    @agent(subscribe="start")
    async def slow() -> None:
        inside.set()
        with anyio.CancelScope(shield=True):
            await gate.wait()

    async with make_executor([work.agent, slow]) as executor:
        run = await executor.start("start", 1)
        await until(lambda: run.report().dead_letters_total == 1)
        await inside.wait()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run.cancel)
            await until(lambda: run.status == "cancelling")
            with pytest.raises(RunClosed):
                await executor.dead_letters.redrive(letters(executor)[0])
            gate.set()
        assert (await run.result()).dead_letters_total == 1


# -- in an ended run -----------------------------------------------------------------------


async def test_in_an_ended_run_it_is_a_fork(make_executor: MakeExecutor, lasting: Store) -> None:
    """The run does not change but for the letter, which is gone; the fork begins with it."""
    work = Works(max_attempts=1)
    async with make_executor([work.agent], store=lasting) as executor:
        before = await executor.run("start", 1, run_id="r")
        work.works = True
        fork = await executor.dead_letters.redrive("work:r.1", payload=2, run_id="again")
        assert letters(executor) == []
        report = await fork.result()
        assert (fork.id, report.status, report.outputs) == ("again", "completed", {"out": [2]})
        after = executor.live("r").report()
        assert (after.status, after.dispositions) == ("failed", before.dispositions)
        with pytest.raises(LetterNotFound):
            await executor.dead_letters.redrive("work:r.1")
        work.works = False
        await executor.run("start", 1, run_id="t")
        with pytest.raises(ExecutionError, match="taken"):
            await executor.dead_letters.redrive("work:t.1", run_id="r")
        assert letters(executor) == ["work:t.1"]


async def test_a_fork_may_be_redriven_in_turn(make_executor: MakeExecutor, lasting: Store) -> None:
    """What fails again is a dead letter of the fork, and its payload is the latest."""
    work = Works(max_attempts=1)
    async with make_executor([work.agent], store=lasting) as executor:
        await executor.run("start", 1, run_id="r")
        second = await executor.dead_letters.redrive("work:r.1", payload=2, run_id="second")
        await second.result()
        assert letters(executor) == ["work:second.1"]
        work.works = True
        third = await executor.dead_letters.redrive("work:second.1")
        report = await third.result()
    assert report.outputs == {"out": [2]}


async def test_without_a_store_there_is_no_fork(make_executor: MakeExecutor) -> None:
    """An ended run of which nothing is kept cannot go on; its letter stays."""
    work = Works(max_attempts=1)
    async with Executor([work.agent], config=Config(max_attempts=1)) as executor:
        await executor.run("start", 1, run_id="r")
        with pytest.raises(ExecutionError, match="give the executor a store"):
            await executor.dead_letters.redrive("work:r.1")
        assert letters(executor) == ["work:r.1"]


async def test_two_at_once_are_one(make_executor: MakeExecutor, lasting: Store) -> None:
    """A letter is redriven once, however many ask for it."""
    work, found = Works(max_attempts=1), list[str]()
    async with make_executor([work.agent], store=lasting) as executor:
        await executor.run("start", 1, run_id="r")
        work.works = True

        async def redrive() -> None:
            try:
                found.append((await executor.dead_letters.redrive("work:r.1")).id)
            except LetterNotFound:
                found.append("")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(redrive)
            tasks.start_soon(redrive)
        await executor.drain()
        assert sum(map(bool, found)) == 1
        assert len(executor.runs()) == 2


# -- what reads the journal ----------------------------------------------------------------


async def redriven_run() -> tuple[MemoryStore, Agent]:
    """The store of a run that was redriven with another payload, and its agent."""
    store = MemoryStore()

    async def strict(payload: int, ctx: Context) -> int:
        await ctx.step("once", lambda: 1)
        if payload < 0:
            raise ValueError("negative")
        return payload

    made = agent(name="strict", subscribe="start", publish="out", max_attempts=1)(strict)
    async with Executor([made], store=store, config=Config(max_attempts=1)) as executor:
        async with await executor.start("start", -1, run_id="r") as run:
            await until(lambda: bool(letters(executor)))
            await executor.dead_letters.redrive("strict:r.1", payload=1)
        await run.result()
    return store, made


async def test_whoever_keeps_no_letters_can_fold_it() -> None:
    """The record says all there is to know: how many letters are kept makes no difference."""
    store, _ = await redriven_run()
    for keep in (Keep(), Keep(outputs=0, dead_letters=0, nodes=1)):
        run = replayed(store, keep).runs[1]
        assert (run.letters, run.blamed, run.handled) == (0, 0, 1)
        assert len(run.tree) == 1


async def test_it_can_be_read_in_every_way() -> None:
    """Rechecking, diffing, exporting: each sees both ends of the invocation, or the last."""
    store, made = await redriven_run()
    assert await recheck(store, 1, [made], allow_bodies=True) == []
    [one] = handled(store, 1)
    assert (one.status, one.payload) == ("ok", b"\x01")
    back = imported(list(exported(store, 1)))
    state = State()
    load_run(state, back.part)
    assert meaning(state.runs[1]) == meaning(replayed(store).runs[1])
