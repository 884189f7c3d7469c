"""A picture of waiting: one invocation, and what each of its processes does of what it waits for.

It is drawn from what happened: a handler with a step, a sleep, a question and another step runs
in three executors on one store, in virtual time, and it is noted how far each of them came.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from itertools import pairwise
from typing import Any

import anyio

from dagger import Agent, Context, MemoryStore, agent
from dagger.testing import simulate, simulated
from dagger.views import dot

WAITS = ("step book", "sleep", "ask seat", "step print")
LOOKS = {
    "called": ("#009e73", "#e6f5f0", "called, and kept"),
    "over": ("#009e73", "#e6f5f0", "done, and kept"),
    "kept": (dot.QUIET, "#f6f8fa", "kept: not done again"),
    "waits": ("#b87a00", "#fdf6e6", "waits"),
}
"""Line, fill and words of what may have become of a wait."""

Life = dict[str, str]
"""By wait, one of LOOKS; in the order in which the handler came there."""


def restarts() -> str:
    """The lives of one invocation, from top to bottom."""
    lives = simulate(_lived)
    return dot.digraph("waiting", _drawn(lives))


async def _lived() -> list[Life]:
    """Three processes: one ends during the sleep, one waits for an answer, one gets it."""
    lives: list[Life] = []
    traveller, store = _traveller(lives), MemoryStore()
    lives.append({})
    async with simulated(traveller, store=store) as executor:
        await executor.start("trips", "Oslo", run_id="oslo")
        await anyio.sleep(3600)
    lives.append({})
    async with simulated(traveller, store=store) as executor:
        await executor.run("trips", "Oslo", run_id="oslo")
    lives.append({})
    async with simulated(traveller, store=store) as executor:
        await executor.live("oslo").answer("seat", "window")
        await executor.live("oslo").result()
    return lives


def _traveller(lives: list[Life]) -> Agent:
    """An agent that notes in the last of the lives what becomes of its waits there."""

    def called(name: str) -> Callable[[], None]:
        return lambda: lives[-1].update({name: "called"})

    async def met(name: str, wait: Awaitable[Any]) -> None:
        life, before = lives[-1], lives[:-1]
        life[name] = "waits"
        await wait
        if life[name] != "called":
            done = any(each.get(name, "waits") != "waits" for each in before)
            life[name] = "kept" if done else "over"

    @agent(subscribe="trips")
    async def travel(ctx: Context) -> None:
        first, night, seat, last = WAITS
        await met(first, ctx.step("book", called(first)))
        await met(night, ctx.sleep(24 * 3600))
        await met(seat, ctx.ask("window or aisle?", name="seat"))
        await met(last, ctx.step("print", called(last)))

    return travel


def _drawn(lives: list[Life]) -> Iterator[str]:
    yield from dot.preamble(nodesep=0.18, ranksep=0.3, newrank="true")
    for number, life in enumerate(lives, start=1):
        yield dot.node(f"life {number}", label=dot.text(f"process {number}", bold=True), **dot.NOTE)
        names = [f"life {number}", *(f"{wait} {number}" for wait in life)]
        for wait, became in life.items():
            line, fill, words = LOOKS[became]
            label = dot.lines(dot.text(wait, bold=True), dot.text(words, size=9, colour=dot.QUIET))
            look = {"style": "rounded,filled", "color": line, "fillcolor": fill}
            yield dot.node(f"{wait} {number}", label=label, **look)
        end = f"end {number}"
        words = "settles" if life.get(WAITS[-1]) == "called" else "the process ends"
        yield dot.node(end, label=dot.text(f" {words}", size=10, colour=dot.QUIET), shape="plain")
        for tail, head in zip(names, [*names[1:], end], strict=True):
            yield dot.edge(tail, head)
    for name in ("life", *WAITS):  # each wait a column
        column = [
            dot.node(f"{name} {number}")
            for number, life in enumerate(lives, start=1)
            if name == "life" or name in life
        ]
        yield f"{{ rank=same; {'; '.join(column)} }}"
        yield from (f"{above} -> {below} [style=invis]" for above, below in pairwise(column))
