"""Flows as they are carried out against a simple model: random ones, outcomes and orders."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import anyio
from hypothesis import given
from hypothesis import strategies as st

from dagger import Config, Context, Flow, FlowReport, Flows, Report, step
from dagger.flows import OnError, Rescue, Step
from dagger.flows.functions import StepFunction
from dagger.testing import assert_conserved, simulate, simulated
from tests.flows.model import Case, Fate, cases, expected

ATTEMPTS = 3
CONFIG = Config()
RETRY = {"kind": "linear", "delay": 0.3, "max_attempts": ATTEMPTS}
ARGUMENTS = ("step", "item", "seen")
INNER = Flow(
    "inner",
    inputs={name: {} for name in ARGUMENTS},
    steps=(Step("w", "work", with_={x: f"${{{{ inputs.{x} }}}}" for x in ARGUMENTS}, retry=RETRY),),
    output="${{ steps.w.output }}",
)

Piece = tuple[str, int | None]
"""A step, or an item of one."""


def work_of(case: Case, inner: frozenset[str]) -> Flow:
    """The flow of a case as one that can be carried out; the steps in `inner` use another."""
    steps = tuple(_step(each, case.fates, each.id in inner) for each in case.flow.steps)
    output = {each.id: f"${{{{ steps.{each.id}.output }}}}" for each in steps}
    subflows = {"./inner.yml": INNER}
    return replace(case.flow, steps=steps, output=output, subflows=subflows)


def _step(said: Step, fates: Mapping[str, Fate], inner: bool) -> Step:
    seen = {need: f"${{{{ steps.{need}.output }}}}" for need in said.needs}
    item = None if said.foreach is None else "${{ index }}"
    leaves_out = said.foreach is not None and said.on_error is OnError.SKIP
    return replace(
        said,
        uses="./inner.yml" if inner else "work",
        retry=None if inner else RETRY,
        with_={"step": said.id, "item": item, "seen": seen},
        when=None if said.when is None else fates[said.id].ends != "no",
        foreach=None if said.foreach is None else [*map(str, fates[said.id].items)],
        rescue=() if leaves_out else tuple(_rescue(each, fates) for each in said.rescue),
    )


def _rescue(said: Rescue, fates: Mapping[str, Fate]) -> Rescue:
    given: dict[str, Any] = {"step": said.id, "item": None, "seen": {}}
    when = "run.flow == 'f'" if fates[said.id].ends != "no" else "run.flow == 'g'"
    return replace(said, uses="work", with_=given, when=when, retry=RETRY)


class World:
    """Where the steps of a case do what it says, and what is noted of that."""

    def __init__(self, case: Case, seed: int) -> None:
        self.fates = case.fates
        self.calls: list[tuple[Piece, int]] = []
        """What was called, and in which attempt."""
        self.seen: dict[str, Any] = {}
        self.at_work: list[Piece] = []
        self.most: dict[str, int] = {}
        """Items of a step that were at work at once."""
        self.ended: list[Piece] = []
        self.last_begun = 0.0
        self.first_fatal: float | None = None
        """When a step failed for good, of those whose failure ends the flow."""
        self._fatal = {x.id for x in case.flow.steps if x.on_error in (None, OnError.FAIL)}
        self._fatal -= {x.id for x in case.flow.steps if x.rescue}
        self._seed = seed

    def attempts(self, piece: Piece) -> int:
        """How many attempts it takes, or is given in vain."""
        return 1 + random.Random(f"{self._seed} {piece}").randrange(ATTEMPTS)

    def goes_well(self, piece: Piece) -> bool:
        """Whether its last attempt does."""
        id, item = piece
        return self.fates[id].ends == "ok" if item is None else self.fates[id].items[item]

    def function(self) -> StepFunction:
        """What all steps use."""

        @step
        async def work(step: str, item: int | None, seen: dict[str, Any], ctx: Context) -> str:
            piece = step, item
            self.calls.append((piece, ctx.attempt))
            self.seen[step] = seen
            self.last_begun = anyio.current_time()
            self.at_work.append(piece)
            at_once = sum(each == step for each, _ in self.at_work)
            self.most[step] = max(self.most.get(step, 0), at_once)
            try:
                await anyio.sleep(random.random())
            finally:
                self.at_work.remove(piece)
            if not self.goes_well(piece):
                if ctx.attempt == ATTEMPTS and step in self._fatal:
                    self.first_fatal = self.first_fatal or anyio.current_time()
                raise LookupError(f"attempt {ctx.attempt} of {piece}")
            if ctx.attempt < self.attempts(piece):
                raise LookupError(f"attempt {ctx.attempt} of {piece}")
            self.ended.append(piece)
            return _result(piece)

        return work


def _result(piece: Piece) -> str:
    id, item = piece
    return id if item is None else f"{id}[{item}]"


def carried_out(
    case: Case, flow: Flow, world: World, seed: int, cancel_after: float | None = None
) -> tuple[FlowReport, Report]:
    """The reports of a flow, and of its run."""
    flows = Flows(flow, uses=[world.function()], config=CONFIG)

    async def main() -> tuple[FlowReport, Report]:
        async with simulated(*flows.agents, config=CONFIG) as executor:
            live = await flows.start(executor, flow)
            if cancel_after is not None:
                await anyio.sleep(cancel_after)
                if live.report().ended is None:
                    await live.cancel("enough")
            report = await live.result()
            return flows.report(live), report

    found = simulate(main, seed=seed)
    assert_conserved(found[1])
    assert world.at_work == []
    return found


class Model:
    """What a flow that finishes what it can comes to."""

    def __init__(self, case: Case) -> None:
        self.ends = expected(case)
        self._fates = case.fates
        self._steps = {each.id: each for each in case.flow.steps}

    def runs(self, id: str) -> bool:
        """Whether a step is begun."""
        before = [self.ends[need] for need in self._steps[id].needs]
        skipped = self._steps[id].when is None and "skipped" in before
        return self.ends[id] != "blocked" and not skipped and self._fates[id].ends != "no"

    def rescues(self, id: str) -> list[str]:
        """Those rescue steps of a step that are begun, in their order."""
        step = self._steps[id]
        if not self.runs(id) or self._fates[id].ends == "ok" or _leaves_out(step):
            return []
        ran = []
        for each in step.rescue:
            if self._fates[each.id].ends != "no":
                ran.append(each.id)
            if self._fates[each.id].ends == "bad":
                break
        return ran

    def output(self, id: str) -> Any:
        """What those that need a step see of it."""
        step, fate, status = self._steps[id], self._fates[id], self.ends[id]
        if status == "succeeded" and self.rescues(id):
            return self.rescues(id)[-1]
        if step.foreach is None or not self.runs(id):
            return id if status == "succeeded" else None
        found = [f"{id}[{at}]" if good else None for at, good in enumerate(fate.items)]
        if status == "succeeded":
            return [each for each in found if each is not None]
        return found if step.on_error is OnError.CONTINUE else None

    def pieces(self, id: str) -> set[Piece]:
        """What is begun of a step: all its items at most."""
        if not self.runs(id):
            return set()
        items = range(len(self._fates[id].items))
        return {(id, None)} if self._steps[id].foreach is None else {(id, each) for each in items}


def _leaves_out(step: Step) -> bool:
    return step.foreach is not None and step.on_error is OnError.SKIP


inner_steps = st.frozensets(st.sampled_from([f"s{number}" for number in range(12)]), max_size=3)


@given(cases(), inner_steps, st.integers(0, 99))
def test_a_flow_comes_to_what_the_rules_say(case: Case, inner: frozenset[str], seed: int) -> None:
    """Whatever ends first: what runs, how often, how it ends and what others see of it is so."""
    flow, world, model = work_of(case, inner), World(case, seed), Model(case)
    report, ended = carried_out(case, flow, world, seed)
    assert {id: report.step(id).status for id in model.ends} == model.ends
    _check_calls(case, world, model)
    for said in flow.steps:
        if model.runs(said.id) and (model.pieces(said.id)):
            assert world.seen[said.id] == {need: model.output(need) for need in said.needs}
        ran = model.rescues(said.id)
        for rescue in said.rescue:
            told = report.step(rescue.id).status
            good = case.fates[rescue.id].ends == "ok"
            assert told == (
                "skipped" if rescue.id not in ran else "succeeded" if good else "failed"
            )
    fatal = [
        said.id
        for said in flow.steps
        if model.ends[said.id] == "failed" and said.on_error is not OnError.CONTINUE
    ]
    assert (report.status, ended.status) == (
        ("failed", "failed") if fatal else ("succeeded", "completed")
    )
    if not fatal:
        output = {id: model.output(id) for id in model.ends}
        assert ended.outputs["f:output"] == [report.output] == [output]
    else:
        assert report.step(report.reason.split("'")[1]).id in fatal


def _check_calls(case: Case, world: World, model: Model) -> None:
    """Each piece was called as often as its fate says, one attempt after the other."""
    wanted: dict[Piece, int] = {}
    for said in case.flow.steps:
        pieces = model.pieces(said.id) | {(each, None) for each in model.rescues(said.id)}
        may_stop = said.foreach is not None and said.on_error in (None, OnError.FAIL)
        called = {piece for piece, _ in world.calls}
        stops = may_stop and not all(case.fates[said.id].items)
        for piece in pieces:
            if piece in called or not stops:
                good = world.goes_well(piece)
                wanted[piece] = world.attempts(piece) if good else ATTEMPTS
        assert world.most.get(said.id, 0) <= (said.max_parallel or 10)
    found: dict[Piece, list[int]] = {}
    for piece, attempt in world.calls:
        found.setdefault(piece, []).append(attempt)
    assert found == {piece: [*range(1, count + 1)] for piece, count in wanted.items()}
    order = [piece[0] for piece, _ in world.calls]
    for said in case.flow.steps:
        before = [*said.needs, *(x for need in said.needs for x in model.rescues(need))]
        if said.id in order:
            begun = order.index(said.id)
            assert not {*order[begun:]} & {*before}, "what it needs has ended before"
        ran = model.rescues(said.id)
        firsts = [order.index(each) for each in [*([said.id] if said.id in order else []), *ran]]
        assert firsts == sorted(firsts), "rescue steps follow their step, in their order"


@given(cases(fail_fast=True), inner_steps, st.integers(0, 99), st.none() | st.floats(0.001, 4))
def test_a_flow_that_ends_early_starts_nothing_more(
    case: Case, inner: frozenset[str], seed: int, cancel_after: float | None
) -> None:
    """Failing fast or cancelled at any time: what ends by itself ends as the rules say, what
    does not is stopped, and nothing starts later.
    """
    flow, world, model = work_of(case, inner), World(case, seed), Model(case)
    report, ended = carried_out(case, flow, world, seed, cancel_after)
    for said in flow.steps:
        may_be = {model.ends[said.id], "cancelled"}
        if said.rescue and case.fates[said.id].ends == "bad":
            may_be |= {"skipped"} if said.on_error is OnError.SKIP else {"failed"}
        if said.on_error is OnError.CONTINUE and said.foreach is not None:
            may_be |= {"failed"}
        assert report.step(said.id).status in may_be, said
    assert len({*world.ended}) == len(world.ended), "nothing is done twice"
    over = cancel_after if ended.status == "cancelled" else world.first_fatal
    if over is not None:
        assert world.last_begun <= over
    wanted = {"succeeded": "completed"}.get(report.status, report.status)
    assert ended.status == wanted
    if cancel_after is None:
        fatal = any(
            report.step(each.id).status == "failed" and each.on_error is not OnError.CONTINUE
            for each in flow.steps
        )
        assert report.status == ("failed" if fatal else "succeeded")
