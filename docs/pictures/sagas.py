"""A picture of undoing: the steps of a flow that fails, and behind them what undoes them.

It is drawn from what happened: the trip of docs/sagas.md runs in virtual time, and it is noted when
each of its steps and compensations began and ended, and what a compensation was given.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import anyio

from dagger import Context, Flow, FlowReport, Flows, step
from dagger.testing import simulate, simulated
from dagger.views import dot

SECONDS = {"flight": 1.0, "hotel": 2.0, "car": 1.0, "tour": 60.0, "pay": 1.0, "undo": 1.0}
"""How long each step takes, and each compensation."""

NEEDS = {
    "flight": (),
    "hotel": ("flight",),
    "car": ("flight",),
    "tour": ("flight",),
    "pay": ("hotel", "car"),
}

LOOKS = {
    "succeeded": ("#009e73", "#e6f5f0"),
    "failed": ("#d55e00", "#fbe5da"),
    "cancelled": (dot.QUIET, "#eaeef2"),
    "undone": ("#0072b2", "#eaf4fa"),
}
"""Line and fill by what became of it; after Okabe and Ito, as in the pictures of runs."""

WORDS = {"failed": "fails", "cancelled": "is stopped"}

Notes = dict[str, list[Any]]
"""When each began and ended, in seconds; of a compensation also what it was given."""


def trip() -> str:
    """The trip, its steps from left to right, and then what undoes them."""
    report, notes = simulate(_travelled)
    return dot.digraph("saga", _drawn(report, notes))


async def _travelled() -> tuple[FlowReport, Notes]:
    notes: Notes = {}
    began = anyio.current_time()

    async def noted(name: str, seconds: float, *given: str | None) -> None:
        notes[name] = [anyio.current_time() - began, None, *given]
        try:
            await anyio.sleep(seconds)
        finally:
            notes[name][1] = anyio.current_time() - began

    @step(retry={"kind": "immediate", "max_attempts": 1})
    async def book(what: str) -> str:
        await noted(what, SECONDS[what])
        if what == "pay":
            raise PermissionError("the card was refused")
        return what.upper()

    @step
    async def cancel(booking: str | None, ctx: Context) -> None:
        step = ctx.channel.removeprefix("trip.").removesuffix(":undo")
        await noted(f"undo {step}", SECONDS["undo"], booking)

    flow = Flow("trip")
    for name, needs in NEEDS.items():
        undo = {"uses": "cancel", "with": {"booking": f"${{{{ steps.{name}.output }}}}"}}
        compensate = None if name == "pay" else undo
        given = {"what": name}
        flow = flow.step(name, "book", with_=given, needs=needs, compensate=compensate)
    flows = Flows(flow, uses=[book, cancel])
    async with simulated(*flows.agents) as executor:
        return await flows.run(executor, flow, run_id="trip"), notes


def _drawn(report: FlowReport, notes: Notes) -> Iterator[str]:
    yield from dot.preamble(nodesep=0.2, ranksep=0.55, newrank="true")
    for each in report.steps:
        yield _box(each.id, each.id, WORDS.get(each.status, "succeeds"), notes, each.status)
        yield from (dot.edge(need, each.id) for need in NEEDS[each.id])
    assert report.undo is not None
    undone = {name: f"undo {name}" for name in report.undo.undone}
    for name, undo in undone.items():
        given = "given null" if notes[undo][2] is None else f"given {notes[undo][2]}"
        yield _box(undo, f"cancel the {name}", given, notes, "undone")
        # What came after is undone before.
        yield from (dot.edge(undo, undone[need]) for need in NEEDS[name] if need in undone)
    starts = [undo for undo in undone.values() if notes[undo][0] == notes["pay"][1]]
    yield dot.node("fails", label=dot.text("the flow fails", size=10), **dot.NOTE)
    yield dot.edge("pay", "fails")
    stopped = [each.id for each in report.steps if each.status == "cancelled"]
    yield from (dot.edge(each, "fails", dir="back", style="dashed") for each in stopped)
    yield from (dot.edge("fails", undo) for undo in starts)
    for column in (("hotel", "car", "tour"), starts):
        yield f"{{ rank=same; {'; '.join(map(dot.node, column))} }}"
    yield from (dot.edge(*pair, style="invis") for pair in pairwise(("hotel", "car", "tour")))
    yield from (dot.edge(*pair, style="invis") for pair in pairwise(starts))


def _box(name: str, title: str, words: str, notes: Notes, became: str) -> str:
    line, fill = LOOKS[became]
    began, ended = notes[name][:2]
    about = [f"{began:g} s to {ended:g} s", words]
    label = dot.lines(
        dot.text(title, bold=True), *(dot.text(each, size=9, colour=dot.QUIET) for each in about)
    )
    return dot.node(name, label=label, style="rounded,filled", color=line, fillcolor=fill)
