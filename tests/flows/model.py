"""A simple model of flows: random ones, what becomes of their steps, and how each then ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from hypothesis import strategies as st

from dagger.flows import Flow, OnError, Rescue, Step


@dataclass(frozen=True)
class Fate:
    """What becomes of a step if it runs."""

    ends: str
    """"ok", "bad" or "no": its condition is false."""
    items: tuple[bool, ...] = ()
    """Of a step with items, whether each succeeds."""


@dataclass(frozen=True)
class Case:
    """A flow, and what becomes of its steps."""

    flow: Flow
    fates: dict[str, Fate] = field(hash=False)


@st.composite
def cases(draw: st.DrawFn, *, fail_fast: bool = False) -> Case:
    """Up to twelve steps that need some of those before them."""
    fates: dict[str, Fate] = {}
    steps: list[Step] = []
    for number in range(draw(st.integers(1, 12))):
        id = f"s{number}"
        needs = draw(st.sets(st.sampled_from(range(number)), max_size=3)) if number else set()
        when = draw(st.booleans())
        fates[id] = Fate(draw(st.sampled_from(["ok", "ok", "bad", *(["no"] if when else [])])))
        foreach = draw(st.sampled_from([None, None, "${{ inputs.x }}"]))
        if foreach is not None and fates[id].ends != "no":
            items = tuple(draw(st.lists(st.booleans(), max_size=4)))
            fates[id] = Fate("ok" if all(items) else "bad", items)
        rescue = tuple(
            Rescue(f"{id}r{at}", "w") for at in range(draw(st.sampled_from([0, 0, 1, 2])))
        )
        for each in rescue:
            fates[each.id] = Fate(draw(st.sampled_from(["ok", "bad", "no"])))
        steps.append(
            Step(
                id,
                "w",
                needs=tuple(f"s{each}" for each in sorted(needs)),
                when=True if when else None,
                foreach=foreach,
                max_parallel=draw(st.integers(1, 3)) if foreach else None,
                on_error=draw(st.sampled_from([None, *OnError])),
                rescue=rescue,
                priority=draw(st.integers(-1, 1)),
            )
        )
    return Case(Flow("f", fail_fast=fail_fast, steps=tuple(steps)), fates)


def expected(case: Case) -> dict[str, str]:
    """How each step ends in a flow that finishes what it can, by the rules of the page."""
    steps = {each.id: each for each in case.flow.steps}

    @cache
    def end(id: str) -> str:
        step, fate = steps[id], case.fates[id]
        before = [(steps[need], end(need)) for need in step.needs]
        if any(_blocks(need, status) for need, status in before):
            return "blocked"
        if step.when is None and any(status == "skipped" for _, status in before):
            return "skipped"
        if fate.ends == "no":
            return "skipped"
        if fate.ends == "ok" or (step.foreach and step.on_error is OnError.SKIP):
            return "succeeded"
        rescued = [case.fates[each.id].ends for each in step.rescue]
        if "ok" in rescued and "bad" not in rescued:
            return "succeeded"
        return "skipped" if step.on_error is OnError.SKIP else "failed"

    return {id: end(id) for id in steps}


def _blocks(need: Step, status: str) -> bool:
    return status == "blocked" or (status == "failed" and need.on_error is not OnError.CONTINUE)
