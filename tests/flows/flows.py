"""Flows as the tests need them: any that there may be, and shapes that grow."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from dagger.flows import Compensation, Defaults, Flow, OnError, Rescue, Schedule, Step

ids = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,8}", fullmatch=True)
texts = st.text(st.characters(codec="utf-8"), max_size=20)
seconds = st.integers(1, 10**6) | st.floats(0.001, 1e6)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
).filter(lambda value: "${{" not in str(value))
arguments = st.dictionaries(texts, values, max_size=3).filter(lambda given: "${{" not in str(given))
retries = st.sampled_from(
    [None, "immediate", "linear:2", {"kind": "exponential", "max_attempts": 4}]
)
uses = st.sampled_from(["fetch", "my-agent", "a.b", "résumé"])
whens = st.sampled_from([None, True, False, "inputs.x > 1", "${{ run.id }}"])
resources = st.sampled_from([None, {"cpu": 1, "custom": {"db": 2}}])
priorities = st.none() | st.integers(-1000, 1000)

compensations = st.builds(
    Compensation, uses, with_=arguments, retry=retries, timeout=st.none() | seconds
)


def rescues(id: str) -> st.SearchStrategy[Rescue]:
    """Rescue steps of one id."""
    return st.builds(
        Rescue,
        st.just(id),
        uses,
        description=texts,
        with_=arguments,
        when=whens,
        retry=retries,
        resources=resources,
        compensate=st.none() | compensations,
        priority=priorities,
    )


@st.composite
def flows(draw: st.DrawFn, max_size: int = 3) -> Flow:
    """Any flow that has no errors: its steps need only those before them."""
    names = draw(st.lists(ids, min_size=2, max_size=2 * max_size, unique=True))
    half = (len(names) + 1) // 2
    steps = []
    for number, id in enumerate(names[:half]):
        needs = draw(st.lists(st.sampled_from(names[:number]), unique=True)) if number else []
        foreach = draw(st.none() | st.lists(values, max_size=3) | st.just("${{ inputs.x }}"))
        rescued = [draw(rescues(each)) for each in names[half:][number : number + 1]]
        on_error = draw(st.none() | st.sampled_from(OnError))
        undo = draw(st.none() | compensations)
        steps.append(
            Step(
                id,
                draw(uses),
                description=draw(texts),
                with_=draw(arguments),
                needs=tuple(needs),
                when=draw(whens),
                foreach=foreach,
                max_parallel=draw(st.none() | st.integers(1, 9)) if foreach is not None else None,
                retry=draw(retries),
                timeout=draw(st.none() | seconds),
                idempotency_key=draw(st.none() | st.just("${{ inputs.x }}")),
                compensate=undo,
                on_error=on_error,
                rescue=tuple(rescued) if foreach is None else (),
                cache=draw(st.none() | seconds) if undo is None else None,
                resources=draw(resources),
                priority=draw(priorities),
            )
        )
    return Flow(
        draw(ids),
        description=draw(texts),
        inputs={
            "x": {"default": 2},
            **{each: {"default": 0} for each in draw(st.lists(ids, max_size=2))},
        },
        defaults=draw(
            st.builds(Defaults, retry=retries, on_error=st.none() | st.sampled_from(OnError))
        ),
        fail_fast=draw(st.booleans()),
        steps=tuple(steps),
        output=draw(values),
        schedule=None,
    )


schedules = st.sampled_from(
    [Schedule("0 4 * * *"), Schedule("every 5m", "Europe/Paris", "all", "queue", 3, {"x": 1})]
)


# -- shapes -----------------------------------------------------------------------------

Needs = list[tuple[int, ...]]
"""For each step, the numbers of those that it needs."""


def chain(size: int) -> Needs:
    """Each step needs the one before it."""
    return [(number - 1,) if number else () for number in range(size)]


def fan_out(size: int) -> Needs:
    """All need the first."""
    return [(0,) if number else () for number in range(size)]


def diamonds(size: int) -> Needs:
    """One, two that need it, one that needs both, and so on."""
    needs: Needs = [()]
    while len(needs) + 3 <= size:
        top = len(needs) - 1
        needs += [(top,), (top,), (top + 1, top + 2)]
    return needs


def scattered(size: int) -> Needs:
    """Each needs up to three of the fifty before it."""
    dice = random.Random(7)
    near = [range(max(0, number - 50), number) for number in range(size)]
    return [tuple(sorted({dice.choice(each) for _ in each[:3]})) for each in near]


SHAPES: dict[str, Callable[[int], Needs]] = {
    "chain": chain,
    "fan_out": fan_out,
    "diamonds": diamonds,
    "scattered": scattered,
}


def shaped(needs: Needs, **options: Any) -> Flow:
    """A flow of steps s0, s1, ... that need each other so."""
    steps = (
        Step(f"s{number}", "work", needs=tuple(f"s{each}" for each in others))
        for number, others in enumerate(needs)
    )
    return Flow("shaped", steps=tuple(steps), **options)
