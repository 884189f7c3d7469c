"""Undoing against what was done: random flows with compensations, ended at random moments."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import anyio
from hypothesis import given
from hypothesis import strategies as st

from dagger import Config, Context, Flow, FlowReport, Flows, step
from dagger.flows import Compensation, OnError, Rescue, Step
from dagger.flows.functions import StepFunction
from dagger.testing import assert_conserved, simulate, simulated

ATTEMPTS = 3
CONFIG = Config()
RETRY = {"kind": "linear", "delay": 0.2, "max_attempts": ATTEMPTS}
FOR_LONG = 1e6
HALF = "${{ 1 / inputs.all }}"
"""An argument that cannot be worked out where there is nothing at all."""


@dataclass(frozen=True)
class Case:
    """A flow, which of its steps fail, how often each compensation does, and whether arguments
    can be worked out: `all` is 1, or else 0.
    """

    flow: Flow
    bad: frozenset[str]
    undo_fails: dict[str, int]
    all: int


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Up to ten steps; many can be undone, some were done by an earlier run. Those that are bad
    fail where they run, or before they are sent.
    """
    steps: list[Step] = []
    bad: set[str] = set()
    fails: dict[str, int] = {}
    for number in range(draw(st.integers(1, 10))):
        id = f"s{number}"
        needs = draw(st.sets(st.sampled_from(range(number)), max_size=2)) if number else set()
        foreach = draw(st.sampled_from([None, None, [], [0], [0, 0, 0]]))
        if draw(st.integers(0, 3)) == 0:
            bad.add(id)
        rescued = draw(st.booleans())
        fails |= {id: draw(st.sampled_from([0, 0, 1, ATTEMPTS])), f"{id}r": 0}
        item = None if foreach is None else "${{ index }}"
        known = draw(st.sampled_from(["", "", "key", "cache"]))
        steps.append(
            Step(
                id,
                "act",
                with_={"step": id, "item": item, "half": draw(st.sampled_from([1, HALF]))},
                needs=tuple(f"s{each}" for each in sorted(needs)),
                when=draw(st.sampled_from([None, None, True, False])),
                foreach=foreach,
                compensate=_undo(id, item)
                if known != "cache" and draw(st.integers(0, 3))
                else None,
                idempotency_key=f"{id} ${{{{ index }}}}"
                if known == "key" and item
                else id
                if known == "key"
                else None,
                cache=FOR_LONG if known == "cache" else None,
                on_error=draw(st.sampled_from([None, OnError.CONTINUE])),
                rescue=(
                    Rescue(
                        f"{id}r",
                        "act",
                        with_={"step": f"{id}r", "item": None, "half": 1},
                        compensate=_undo(f"{id}r", None),
                    ),
                )
                if rescued
                else (),
            )
        )
    bad.add("end")  # most end by that, if nothing else ends them
    fails["end"] = 0
    after = tuple(each.id for each in steps[-2:])
    given = {"step": "end", "item": None, "half": 1}
    steps.append(Step("end", "act", with_=given, needs=after, when=True))
    inputs = {"all": {"default": 1}}
    flow = Flow("f", inputs=inputs, steps=tuple(steps), fail_fast=draw(st.booleans()))
    return Case(flow, frozenset(bad), fails, draw(st.sampled_from([1, 1, 0])))


def _undo(id: str, item: str | None) -> Compensation:
    given = {"step": id, "item": item, "output": f"${{{{ steps.{id}.output }}}}"}
    return Compensation("undo", given, retry=RETRY)


class World:
    """What was done and undone, and when."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.bad: frozenset[str] = frozenset()  # none, in the first run
        self.acted: list[str] = []
        self.done: list[str] = []
        self.tries: Counter[str] = Counter()
        self.given: dict[str, Any] = {}
        """What compensations were given."""
        self.undoing: dict[str, tuple[float, float]] = {}
        """When compensations first began, and last ended."""

    def functions(self) -> list[StepFunction]:
        """What steps use, and what undoes them."""

        @step(retry="immediate")
        async def act(step: str, item: int | None, half: float, ctx: Context) -> str:
            key = _key(step, item)
            await anyio.sleep(random.random())
            if step in self.bad and random.random() < 0.5:
                raise LookupError(key)
            self.acted.append(key)
            await anyio.sleep(random.random())
            if step in self.bad:
                raise LookupError(key)
            self.done.append(key)
            return f"made by {key}"

        @step
        async def undo(step: str, item: int | None, output: Any) -> None:
            key = _key(step, item)
            begun = self.undoing.get(key, (anyio.current_time(),))[0]
            self.tries[key] += 1
            self.given[key] = output
            await anyio.sleep(random.random())
            self.undoing[key] = begun, anyio.current_time()
            if self.tries[key] <= self.case.undo_fails[step]:
                raise OSError(f"cannot undo {key}")

        return [act, undo]


def _key(step: str, item: int | None) -> str:
    return step if item is None else f"{step}[{item}]"


def carried_out(
    world: World, seed: int, cancel_after: float | None, timeout: float | None
) -> FlowReport:
    """The report of a second run of a flow, which ends so."""
    flow = world.case.flow
    flows = Flows(flow, uses=world.functions(), config=CONFIG)

    async def main() -> FlowReport:
        async with simulated(*flows.agents, config=CONFIG) as executor:
            first = await flows.run(executor, flow)
            assert first.status == "succeeded"
            assert not world.undoing
            world.bad = world.case.bad
            world.acted.clear()
            world.done.clear()
            live = await flows.start(executor, flow, {"all": world.case.all}, timeout=timeout)
            if cancel_after is not None:
                await anyio.sleep(cancel_after)
                if live.report().ended is None:
                    await live.cancel("enough")
            report = await live.result()
            assert_conserved(report)
            return flows.report(live)

    return simulate(main, seed=seed)


def before(flow: Flow) -> dict[str, set[str]]:
    """Of each step those that came before it, rescue steps included."""
    found: dict[str, set[str]] = {}
    rescues = {each.id: {x.id for x in each.rescue} for each in flow.steps}
    for each in flow.steps:
        needs = {*each.needs}
        found[each.id] = needs.union(*(found[x] | rescues[x] for x in needs))
        for rescue in each.rescue:
            found[rescue.id] = found[each.id] | {each.id}
    return found


moments = st.none() | st.floats(0.001, 6)


@given(cases(), st.integers(0, 99), moments, moments)
def test_what_was_done_is_undone(
    case: Case, seed: int, cancel_after: float | None, timeout: float | None
) -> None:
    """However a run ends that has not succeeded, all that it did is undone, and nothing else:
    what came after before what it came after, and each once unless that fails.
    """
    world = World(case)
    report = carried_out(world, seed, cancel_after, timeout)
    if report.status == "succeeded":
        assert report.undo is None
        assert not world.undoing
        return
    undoable = {each.id for each in case.flow.all_steps() if each.compensate is not None}
    wanted = {key for key in world.acted if key.partition("[")[0] in undoable}
    undone = {*world.undoing}
    assert wanted <= undone
    for key in undone - wanted:  # nobody knows whether it has acted
        step = report.step(key.partition("[")[0])
        assert step.status in ("failed", "cancelled", "succeeded")
        assert key not in world.done
    _check_report(world, report)
    _check_order(world)
    assert world.given == {key: f"made by {key}" if key in world.done else None for key in undone}


def _check_report(world: World, report: FlowReport) -> None:
    fails = world.case.undo_fails
    undone = {*world.undoing}
    hopeless = {key for key in undone if fails[key.partition("[")[0]] >= ATTEMPTS}
    undo = report.undo
    if undo is None:
        assert not undone
        return
    assert ({*undo.undone}, undo.failed, undo.left) == (
        undone - hopeless,
        {key: f"OSError: cannot undo {key}" for key in hopeless},
        (),
    )
    assert world.tries == {key: min(ATTEMPTS, 1 + fails[key.partition("[")[0]]) for key in undone}


def _check_order(world: World) -> None:
    came_before = before(world.case.flow)
    for one, other in combinations(world.undoing, 2):
        for early, late in ((one, other), (other, one)):
            if early.partition("[")[0] in came_before[late.partition("[")[0]]:
                assert world.undoing[late][1] <= world.undoing[early][0], (early, late)
