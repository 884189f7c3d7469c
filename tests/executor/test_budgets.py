"""Accounts against a model: however invocations spend, wait and end, what is set aside holds."""

from __future__ import annotations

from typing import Any, NamedTuple

import anyio
from hypothesis import given
from hypothesis import strategies as st

from dagger import Budget, BudgetExceeded, Config, Context, Immediate, MemoryStore, agent
from dagger.testing import assert_conserved, explore_crashes, simulate, simulated

LIMIT = 100


class Block(NamedTuple):
    """What one block of one invocation does."""

    wanted: int
    inner: int
    """Of a block within it, which spends first."""
    spent: int
    """At most as much as is wanted."""
    seconds: int
    """How long it takes, with half of it before it spends."""
    end: str


class Job(NamedTuple):
    """What one invocation does, from when on, and which of two budgets it draws on."""

    begins: int
    side: int
    blocks: list[Block]


ENDS = ("ends", "ends", "raises", "hangs", "is cancelled")


def _block(wanted: int, inner: int, spent: int, seconds: int, end: str) -> Block:
    return Block(wanted, inner % (wanted + 1), spent % (wanted + 1), seconds, end)


BLOCKS = st.builds(
    _block,
    wanted=st.integers(1, 60),
    inner=st.integers(0, 60),
    spent=st.integers(0, 60),
    seconds=st.integers(0, 4),
    end=st.sampled_from(ENDS),
)
JOBS = st.lists(
    st.builds(Job, st.integers(0, 5), st.integers(0, 1), st.lists(BLOCKS, max_size=3)),
    min_size=1,
    max_size=10,
)


class Model:
    """What should be: what was spent of each purse, and what each open block still holds."""

    def __init__(self, limits: dict[str, int]) -> None:
        self.limits = limits
        self.spent = dict.fromkeys(limits, 0)
        self.held: dict[str, tuple[tuple[str, ...], int]] = {}  # by the id of the invocation
        self.wrong: list[str] = []  # what is not as it should be

    def reached(self, purse: str) -> int:
        """What nobody else may have of it."""
        held = (left for purses, left in self.held.values() if purse in purses)
        return self.spent[purse] + sum(held)

    def may(self, purses: tuple[str, ...], wanted: int) -> bool:
        """Whether there is so much left of each."""
        return all(self.reached(each) + wanted <= self.limits[each] for each in purses)

    def spend(self, node: str, amount: int) -> None:
        """Out of what the invocation holds."""
        purses, left = self.held[node]
        self.held[node] = purses, left - amount
        for each in purses:
            self.spent[each] += amount

    def expect(self, so: bool, what: str) -> None:
        """A handler cannot fail a test: what is wrong is noted."""
        self.wrong += [] if so else [what]


class Worker:
    """Carries out blocks, and holds each decision against the model."""

    def __init__(self, model: Model) -> None:
        self.model = model

    async def block(self, block: Block, purses: tuple[str, ...], ctx: Context) -> None:
        """Set something aside, and spend of it."""
        model, expected = self.model, self.model.may(purses, block.wanted)
        try:
            async with ctx.budget(tokens=block.wanted) as budget:
                model.expect(expected, f"{block} was let in")
                model.held[ctx.node_id] = purses, block.wanted
                try:
                    await self._within(block, budget, ctx)
                finally:
                    del model.held[ctx.node_id]
        except BudgetExceeded as error:
            model.expect(not expected, f"{block} was refused: {error}")

    async def _within(self, block: Block, budget: Any, ctx: Context) -> None:
        await anyio.sleep(block.seconds / 2)
        async with ctx.budget(tokens=block.inner):
            left = block.wanted - block.inner
            self.model.expect(budget.left.tokens == left, f"{budget.left} is left of {block}")
            first = min(block.inner, block.spent)
            await self._spend(first, ctx)
            await anyio.sleep(block.seconds / 2)
        await self._spend(block.spent - first, ctx)
        match block.end:
            case "raises":
                raise ValueError
            case "hangs":
                await anyio.sleep_forever()
            case "is cancelled":
                with anyio.CancelScope() as scope:
                    scope.cancel()
                    await anyio.sleep_forever()

    async def _spend(self, tokens: int, ctx: Context) -> None:
        self.model.spend(ctx.node_id, tokens)
        await ctx.spend(tokens)
        for purse, limit in self.model.limits.items():
            self.model.expect(self.model.reached(purse) <= limit, f"{purse} is promised twice")


async def carry_out(jobs: list[Job], store: MemoryStore) -> None:
    """Let all jobs go on at once; fail unless it comes to what the model says."""
    model = Model({"run": LIMIT, "0": 70, "1": 60})
    worker = Worker(model)

    @agent(subscribe="start", publish="side")
    async def start(payload: Any, ctx: Context) -> None:
        for side in (0, 1):
            ctx.publish("side", side, budget=Budget(tokens=model.limits[str(side)]))

    @agent(subscribe="side", publish="job", publish_each=True)
    async def side(payload: int) -> list[int]:
        return [at for at, job in enumerate(jobs) if job.side == payload]

    @agent(subscribe="job", concurrency=10, max_attempts=2, timeout=20, on_failure="continue")
    async def work(payload: int, ctx: Context) -> None:
        job = jobs[payload]
        await anyio.sleep(job.begins)
        for block in job.blocks:
            await worker.block(block, ("run", str(job.side)), ctx)

    config = Config(retry_strategy=Immediate(), max_tokens=LIMIT)
    async with simulated(start, side, work, store=store, config=config) as executor:
        live = await executor.start("start", None, run_id="run")
        report = await live.result()
        assert model.wrong == []
        assert model.held == {}
        assert report.status == "completed"
        assert_conserved(report)
        assert report.tokens == model.spent["run"] <= LIMIT
        used = [each.used.tokens for each in report.budget.messages]
        assert used == [model.spent["0"], model.spent["1"]]
        assert live.reserved == []
        assert report.tokens == sum(node.tokens for node in report.tree.nodes())


@given(jobs=JOBS, seed=st.integers(0, 5))
def test_what_is_set_aside_is_there_and_nothing_leaks(jobs: list[Job], seed: int) -> None:
    """Each block is let in exactly if there is as much left of all that it draws on; nothing is
    overspent, and nothing stays held by what has ended, was cancelled or timed out.
    """
    simulate(lambda: carry_out(jobs, MemoryStore()), seed=seed)


def test_nothing_that_was_set_aside_outlives_the_process() -> None:
    """Wherever a process dies, the next one has all that was not spent to set aside."""

    @agent(subscribe="start", publish="out")
    async def work(payload: Any, ctx: Context) -> str:
        async with ctx.budget(tokens=LIMIT):
            await ctx.sleep(60)
            async with ctx.budget(tokens=LIMIT):
                await ctx.sleep(60)
        return "done"

    async def day(store: Any) -> Any:
        config = Config(max_tokens=LIMIT, snapshot_every_records=2)
        async with simulated(work, store=store, config=config) as executor:
            report = await executor.run("start", None, run_id="run")
            return report.status, report.outputs, report.tokens

    def check(crash: Any) -> None:
        assert crash.simulate(day) == ("completed", {"out": ["done"]}, 0)

    assert explore_crashes(check) > 3


def test_a_fork_has_what_was_spent_and_all_of_the_time() -> None:
    """A fork goes on with the budgets of its messages as they were, their seconds begun anew."""

    @agent(subscribe="start", publish="work")
    async def start(payload: Any, ctx: Context) -> None:
        await ctx.sleep(60)
        ctx.publish("work", None)

    @agent(subscribe="work", publish="out")
    async def work(payload: Any, ctx: Context) -> None:
        await ctx.spend(10)
        await ctx.sleep(60)

    async def main() -> list[Any]:
        async with simulated(start, work, store=MemoryStore()) as executor:
            budget = Budget(tokens=15, seconds=150)
            first = await executor.run("start", None, run_id="first", budget=budget)
            await anyio.sleep(100)
            fork = await executor.fork("first", "first.1.0", run_id="fork")
            second = await fork.result()
            return [each.budget.messages[0] for each in (first, second)]

    before, after = simulate(main)
    assert (before.used.tokens, before.used.seconds) == (10, 120)
    assert (after.used.tokens, after.used.seconds) == (10, 60)
    assert after.left.tokens == 5
