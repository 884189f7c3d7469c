"""Races: a planted one is found by some seed and by that seed again; what is right is right
under all of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from dagger import Agent, Context, Immediate, MemoryStore, agent
from dagger.testing import LaggingStore, assert_conserved, explore, simulate, simulated
from tests.conftest import PROVE, Figures
from tests.testing.workload import NewStore, workload

SEEDS = range(1_000 if PROVE else 50)
SOME = SEEDS[: len(SEEDS) // 4]
AGENTS = 4

Deposit = Callable[[Context], Coroutine[Any, Any, None]]
Program = Callable[[], Coroutine[Any, Any, int]]


async def read_and_write(ctx: Context) -> None:
    """The planted race: whoever comes between reading and settling is overwritten."""
    balance = ctx.shared.get("balance", 0)
    await anyio.lowlevel.checkpoint()
    ctx.shared.set("balance", balance + 1)


async def write_what_was_read(ctx: Context) -> None:
    """Right: who was overtaken fails, and tries again."""
    balance, version = ctx.shared.get("balance", 0), ctx.shared.version("balance")
    await anyio.lowlevel.checkpoint()
    ctx.shared.set("balance", balance + 1, if_version=version)


async def increment(ctx: Context) -> None:
    """Right: it commutes."""
    await anyio.lowlevel.checkpoint()
    ctx.shared.increment("balance")


async def update(ctx: Context) -> None:
    """Right: it is applied at settle."""
    await anyio.lowlevel.checkpoint()
    ctx.shared.update("balance", lambda balance: (balance or 0) + 1)


def bank(deposit: Deposit) -> Program:
    """A program in which several agents pay in one each; the balance in the end."""

    def teller(number: int) -> Agent:
        @agent(
            name=f"teller {number}",
            subscribe="open",
            max_attempts=2 * AGENTS,
            retry=Immediate(),
        )
        async def pay_in(ctx: Context) -> None:
            await deposit(ctx)

        return pay_in

    async def main() -> int:
        async with simulated(*map(teller, range(AGENTS))) as executor:
            report = await executor.run("open", None)
            assert report.ok, str(report)
            assert_conserved(report)
            return int(executor.shared.get("balance"))

    return main


def test_a_planted_race_is_found_and_found_again(figures: Figures) -> None:
    """Some seeds lose an update and some do not; the seed that is told does it again."""
    race = bank(read_and_write)
    found = explore(race, seeds=SEEDS)
    assert found[AGENTS]
    assert found.total() - found[AGENTS]

    async def checked() -> int:
        balance = await race()
        assert balance == AGENTS
        return balance

    with pytest.raises(AssertionError) as caught:
        explore(checked, seeds=SEEDS)
    told = re.fullmatch(r"seed (\d+): simulate\(checked, seed=\1\) .*", caught.value.__notes__[-1])
    assert told
    for _ in range(3):
        with pytest.raises(AssertionError):
            simulate(checked, seed=int(told[1]))
    lost = found.total() - found[AGENTS]
    figures(f"a lost update under {lost} of {found.total()} seeds, first under seed {told[1]}")


async def hopes() -> str:
    """The planted race: one waits for as long as the other has always taken so far."""

    @agent(subscribe="start")
    async def write(ctx: Context) -> None:
        await anyio.lowlevel.checkpoint()
        ctx.cache.set("written", True)

    @agent(subscribe="start", publish="out")
    async def read(ctx: Context) -> bool:
        for _ in range(6):
            await anyio.lowlevel.checkpoint()
        return bool(ctx.cache.get("written", False))

    async with simulated(write, read) as executor:
        report = await executor.run("start", None)
        return "right" if report.outputs["out"] == [True] else "wrong"


def test_a_race_that_no_loop_shows_is_found(figures: Figures) -> None:
    """What goes well in asyncio's own order, every time, goes wrong under a seed in many."""
    assert simulate(hopes, seed=None) == "right"
    found = explore(hopes, seeds=range(200))
    assert 0 < found["wrong"] < 0.2 * found.total()
    figures(
        f"a hopeful wait that asyncio never punishes: wrong under {found['wrong']} of "
        f"{found.total()} seeds"
    )


@pytest.mark.parametrize("deposit", [write_what_was_read, increment, update])
def test_what_is_right_is_right_under_every_seed(deposit: Deposit) -> None:
    """Versions, increments and updates lose nothing, whoever comes between."""
    assert explore(bank(deposit), seeds=SOME) == {AGENTS: len(SOME)}


@pytest.mark.parametrize("store", [None, MemoryStore, LaggingStore])
def test_everything_adds_up_under_every_seed(store: NewStore | None, figures: Figures) -> None:
    """Full queues, failures, waits, timeouts, a cancellation: all runs end, all counts add up."""

    async def main() -> tuple[str, ...]:
        return await workload(store() if store else None)()

    found = explore(main, seeds=SEEDS if store is MemoryStore else SOME)
    assert all(run == "cancelled" for _, run, _ in found)
    kind = store.__name__ if store else "no store"
    figures(f"a racy workload under {found.total()} seeds with {kind}: 0 hung, 0 lost")
