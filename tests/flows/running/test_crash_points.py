"""Flows whose process dies at any of its writes: the next one goes on to the same end."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from typing import Any

import anyio
import pytest

from dagger import Config, Flow, Flows, Store, step
from dagger.flows.functions import StepFunction
from dagger.testing import Crash, assert_conserved, simulated
from dagger.words.outcomes import RunStatus
from tests.conftest import PROVE, Figures
from tests.crashing import crashed
from tests.state.meaning import live_state

NEVER = 10**9
CONFIG = Config(retry_strategy="immediate", snapshot_every_records=7, max_payload_bytes=20_000)


def _undo(name: str) -> dict[str, Any]:
    return {"uses": "undo", "with": {"name": name}}


INNER = (
    Flow("inner", inputs={"order": {}}, output="${{ steps.label.output }}")
    .step(
        "label",
        "act",
        with_={"name": "label"},
        idempotency_key="label ${{ inputs.order }}",
        compensate=_undo("label"),
    )
    .step("call", "act", with_={"name": "call"}, needs="label", compensate=_undo("call"))
)
FLOW = (
    Flow("shop", inputs={"end": {}}, output="${{ steps.last.output }}")
    .step(
        "reserve",
        "act",
        with_={"name": "reserve"},
        idempotency_key="reserve ${{ run.id }}",
        compensate=_undo("reserve"),
    )
    .step(
        "pack",
        "act",
        foreach=[1, 2],
        with_={"name": "pack ${{ item }}", "reserved": "${{ steps.reserve.output }}"},
        idempotency_key="pack ${{ run.id }} ${{ item }}",
        compensate=_undo("pack ${{ item }}"),
    )
    .step(
        "ship",
        INNER,
        with_={"order": "${{ run.id }}"},
        needs="pack",
        compensate=_undo("ship ${{ steps.ship.output }}"),
    )
    .step("last", "last", with_={"end": "${{ inputs.end }}"}, needs="ship")
)
TWICE = replace(FLOW, output=["${{ steps.last.output }}", "${{ steps.last.output }}"])
"""The same with an output that may be larger than a message."""
KEYED = {f"{each} run" for each in ("reserve", "label")} | {"pack run 1", "pack run 2"}
UNDONE = ["ship made label", "pack 1", "pack 2", "reserve"]


class Outside:
    """The world outside, where effects are known by their idempotency keys."""

    def __init__(self) -> None:
        self.effects: Counter[str] = Counter()
        self.undone: Counter[str] = Counter()
        self.settled: Counter[str] = Counter()
        """How often what is recorded as undone had been undone by then."""

    def functions(self) -> list[StepFunction]:
        """What the steps use."""

        @step
        async def act(name: str, idempotency_key: str, reserved: str = "") -> str:
            assert reserved in ("", "made reserve")
            self.effects[idempotency_key] += 1
            return f"made {name}"

        @step
        async def undo(name: str) -> None:
            self.undone[name] += 1

        @step(retry={"kind": "immediate", "max_attempts": 1})
        async def last(end: str) -> str:
            if end == "cancelled":
                await anyio.sleep_forever()
            if end == "failed":
                raise LookupError("at last")
            return "done" if end == "succeeded" else "x" * 15_000

        return [act, undo, last]

    def look(self, kept: Any) -> None:
        """Note what is recorded as undone as a process begins."""
        recorded = {"reserve": "reserve", "pack[0]": "pack 1", "pack[1]": "pack 2"}
        recorded["ship"] = "ship made label"
        for key, name in recorded.items():
            if ("request", f"undo:{key}") in (kept or {}):
                self.settled.setdefault(name, self.undone[name])


async def day(outside: Outside, end: str, store: Store) -> dict[str, Any]:
    """A run to its end, and what came of it."""
    flow = TWICE if end == "too large" else FLOW
    flows = Flows(flow, uses=outside.functions(), config=CONFIG)
    async with simulated(*flows.agents, store=store, config=CONFIG) as executor:
        for run in live_state(executor).runs.values():
            if 1 in run.deliveries:
                outside.look(run.deliveries[1].kept)
        live = await flows.start(executor, flow, {"end": end}, run_id="run")
        if end == "cancelled":
            await anyio.sleep(60)
            if live.status is RunStatus.RUNNING:
                await live.cancel("enough")
        report = await live.result()
        assert_conserved(report)
        told = flows.report(live)
        return {
            "run": report.status,
            "flow": told.status,
            "output": told.output,
            "steps": {each.id: each.status for each in told.steps},
            "undone": None if told.undo is None else sorted(told.undo.undone),
            "problems": None if told.undo is None else (told.undo.failed, told.undo.left),
            "outputs": report.outputs.get("shop:output"),
        }


@pytest.mark.parametrize("end", ["succeeded", "failed", "cancelled", "too large"])
@pytest.mark.parametrize("times", [1, 2] if PROVE else [1])
def test_a_crash_at_any_write_changes_no_end(end: str, times: int, figures: Figures) -> None:
    """Died at any write, a run ends as it would have: each keyed effect is there once, what was
    begun is undone where it has not succeeded, and what is known to be undone not again.
    """
    alone = Outside()
    undisturbed = Crash(NEVER).simulate(partial(day, alone, end))
    assert undisturbed["flow"] == ("failed" if end == "too large" else end)
    assert {*alone.effects} > KEYED
    order = [*alone.undone]
    assert sorted(order) == ([] if end == "succeeded" else sorted(UNDONE))
    assert [*order[:1], *order[-1:]] == ([] if end == "succeeded" else [UNDONE[0], UNDONE[-1]])

    def check(crash: Crash) -> None:
        outside = Outside()
        assert crash.simulate(partial(day, outside, end)) == undisturbed
        assert {*outside.effects} == {*alone.effects}
        assert max(outside.effects.values()) <= 1 + crash.happened
        assert {*outside.undone} == {*alone.undone}
        assert all(1 <= each <= 1 + crash.happened for each in outside.undone.values())
        for name, before in outside.settled.items():
            assert outside.undone[name] == before

    points = crashed(check, times)
    figures(f"a flow, {end}: died {times} times at {points} writes; the same end each time")
