"""Whatever happens, in whatever order: everything ends, nothing hangs, and all counts add up."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import anyio
from hypothesis import given
from hypothesis import strategies as st

from dagger import Agent, Config, Context, Executor, Linear, LoopClock, MemoryStore, agent
from dagger.testing import simulate
from dagger.words.errors import DaggerError
from tests.promises.conftest import Audited
from tests.virtual import on_virtual_time

KINDS = (
    "returns",
    "fails",
    "fails once",
    "sleeps",
    "is busy",
    "is too slow",
    "asks",
    "requests",
    "requests in vain",
    "spreads",
    "is deaf",
    "is shielded",
    "spends",
    "steps",
    "branches",
    "repeats",
    "requests a repeat",
)

kinds = st.sampled_from(KINDS)
indices = st.integers(0, 5)
names = st.sampled_from(["worker", "echo", "sink"])
limits = st.fixed_dictionaries(
    {},
    optional={
        "timeout": st.sampled_from([1.0, 15.0, 200.0]),
        "max_messages": st.integers(1, 12),
        "max_tokens": st.integers(1, 30),
        "idempotency_key": st.sampled_from("ab"),
    },
)
actions = st.one_of(
    st.tuples(st.just("start"), kinds, limits),
    st.tuples(st.just("publish"), indices, kinds),
    st.tuples(st.just("publish again"), indices, st.sampled_from("ab")),
    st.tuples(st.just("cancel"), indices, st.none()),
    st.tuples(st.just("cancel one"), indices, indices),
    st.tuples(st.just("answer"), indices, st.none()),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 1.0, 6.0, 40.0]), st.none()),
    st.tuples(st.just("replace"), names, st.none()),
    st.tuples(st.just("unregister"), names, st.none()),
)


class Trouble:
    """Agents that do what they are told, and a count of the handlers that are at it."""

    def __init__(self, overflow: str, capacity: int, concurrency: int) -> None:
        self.running = 0
        self.options: dict[str, Any] = {
            "overflow": overflow,
            "capacity": capacity,
            "concurrency": concurrency,
        }

    def make(self, name: str) -> Agent:
        """The agent of that name, made anew."""
        made: dict[str, Callable[[], Agent]] = {
            "worker": self._worker,
            "echo": self._echo,
            "sink": self._sink,
        }
        return made[name]()

    def _worker(self) -> Agent:
        @agent(
            name="worker",
            subscribe="start",
            publish=["start", "echo", "sink"],
            hears_itself=True,
            timeout=20,
            retry=Linear(5),
            **self.options,
        )
        async def work(payload: str, ctx: Context) -> None:
            self.running += 1
            try:
                await self._do(payload, ctx)
            finally:
                self.running -= 1

        return work

    def _echo(self) -> Agent:
        @agent(name="echo", subscribe="echo", max_attempts=1, **self.options)
        async def echo(payload: str) -> str:
            await anyio.sleep(2)
            if payload == "vain":
                raise LookupError("in vain")
            return payload

        return echo

    def _sink(self) -> Agent:
        @agent(name="sink", subscribe="sink", on_failure="continue", **self.options)
        async def sink(payload: int) -> None:
            await anyio.sleep(1)

        return sink

    async def _do(self, kind: str, ctx: Context) -> None:
        match kind:
            case "fails":
                raise ValueError(kind)
            case "fails once" if ctx.attempt == 1:
                raise ValueError(kind)
            case "is busy":
                await anyio.sleep(10)
            case "is too slow":
                await anyio.sleep(100)
            case "is deaf":
                while True:
                    with contextlib.suppress(anyio.get_cancelled_exc_class()):
                        await anyio.sleep_forever()
                    with anyio.CancelScope(shield=True):  # or virtual time would stand still
                        await anyio.sleep(1)
            case "is shielded":
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(30)
            case _:
                await self._ask(kind, ctx)

    async def _ask(self, kind: str, ctx: Context) -> None:
        """What is done through the context."""
        match kind:
            case "sleeps":
                await ctx.sleep(10)
            case "asks":
                await ctx.ask("?")
            case "requests":
                await ctx.request("echo", kind)
            case "requests in vain":
                await ctx.request("echo", "vain")
            case "repeats":
                for known in "aab":
                    ctx.publish("start", "sleeps", idempotency_key=known)
            case "requests a repeat":
                await ctx.request("start", "returns", idempotency_key="a")
            case "spreads":
                for number in range(4):
                    ctx.publish("sink", number)
                ctx.publish("start", "returns")
            case "spends":
                await ctx.spend(tokens=10)
            case "steps":
                await ctx.step("step", anyio.sleep, 3)
            case "branches":
                async with anyio.create_task_group() as tasks:
                    for each in ("sleeps", "requests", "steps"):
                        tasks.start_soon(self._ask, each, ctx)


class Story:
    """One sequence of actions on one executor."""

    def __init__(self, executor: Executor, trouble: Trouble) -> None:
        self.executor = executor
        self.trouble = trouble
        self.runs: list[Any] = []

    async def act(self, action: str, what: Any, how: Any) -> None:
        """Do one thing; an error that Dagger raises on purpose is an answer like any other."""
        with contextlib.suppress(DaggerError), anyio.move_on_after(5):
            match action:
                case "start":
                    self.runs.append(await self.executor.start("start", what, **how))
                case "wait":
                    await anyio.sleep(what)
                case "replace":
                    self.executor.register(self.trouble.make(what), replace=True)
                case "unregister":
                    self.executor.unregister(what)
                case _ if self.runs:
                    await self._on_run(action, self.runs[what % len(self.runs)], how)

    async def _on_run(self, action: str, run: Any, how: Any) -> None:
        match action:
            case "publish":
                await run.publish("start", how)
            case "publish again":
                await run.publish("start", "sleeps", idempotency_key=how)
            case "cancel":
                await run.cancel()
            case "cancel one":
                nodes = [each for each in run.tree.nodes() if each.ended is None]
                if nodes:
                    await run.cancel_invocation(nodes[how % len(nodes)].id)
            case "answer":
                for question in run.questions:
                    await run.answer(question.id, "yes")


def play(main: Callable[[], Any], seed: int | None) -> None:
    """Run it on a clock that jumps: where everything waits for ever, it jumps to a failure.

    On trio, or on asyncio in an order that is drawn by the seed.
    """

    async def patiently() -> None:
        with anyio.fail_after(1_000_000):
            await main()

    if seed is not None:
        simulate(patiently, seed=seed)
    else:
        on_virtual_time(patiently)


options = st.tuples(
    st.sampled_from(["drop_oldest", "block", "reject"]), st.integers(1, 4), st.integers(1, 3)
)
stories = st.lists(actions, min_size=1, max_size=25)
seeds = st.none() | st.integers(0, 1_000)
CONFIG = Config(cancel_grace=3, max_open_runs=4)


@given(options, stories, seeds)
def test_everything_ends_when_the_block_is_left(
    choice: tuple[str, int, int], story: list[tuple[str, Any, Any]], seed: int | None
) -> None:
    """Behind the block all runs and waiters have ended, and only handlers that refused are left."""
    ended: list[Any] = []

    async def wait(run: Any) -> None:
        ended.append(await run.result())

    async def main() -> None:
        trouble = Trouble(*choice)
        agents = [trouble.make(name) for name in ("worker", "echo", "sink")]
        executor = Audited(agents, config=CONFIG, clock=LoopClock())
        async with anyio.create_task_group() as waiters, executor:
            teller = Story(executor, trouble)
            for action, what, how in story:
                known = len(teller.runs)
                await teller.act(action, what, how)
                for run in teller.runs[known:]:
                    waiters.start_soon(wait, run)
        reports = [run.report() for run in teller.runs]
        assert all(report.ended is not None and report.open == 0 for report in reports)
        assert len(ended) == len(reports)
        assert trouble.running <= sum(len(report.abandoned) for report in reports)

    play(main, seed)


@given(options, st.lists(stories, min_size=1, max_size=3), seeds)
def test_everything_ends_over_several_executors(
    choice: tuple[str, int, int], acts: list[list[tuple[str, Any, Any]]], seed: int | None
) -> None:
    """What one executor left open goes on with the next, and can be brought to its end."""

    async def main() -> None:
        store, clock = MemoryStore(), LoopClock()
        trouble = Trouble(*choice)
        for story in acts:
            agents = [trouble.make(name) for name in ("worker", "echo", "sink")]
            executor = Audited(agents, store=store, config=CONFIG, clock=clock)
            async with executor:
                teller = Story(executor, trouble)
                teller.runs = [executor.live(each.run_id) for each in executor.runs()]
                for action, what, how in story:
                    await teller.act(action, what, how)
        agents = [trouble.make(name) for name in ("worker", "echo", "sink")]
        executor = Audited(agents, store=store, config=CONFIG, clock=clock)
        async with executor:
            with anyio.move_on_after(1_000):
                await executor.drain()
            for each in executor.runs():
                await executor.live(each.run_id).cancel()
            assert all(each.ended is not None for each in executor.runs())
            assert await executor.drain() == []

    play(main, seed)
