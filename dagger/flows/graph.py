"""A flow as numbers: what the machine needs to know of it, worked out once.

A flow may have a hundred thousand steps, most of which have nothing unusual about them. So what
all have is in columns, and what few have is in traits that steps share.
"""

from __future__ import annotations

from array import array
from collections.abc import Container, Iterable
from itertools import accumulate
from typing import NamedTuple

from dagger.flows.flow import Flow
from dagger.flows.model import MAX_PARALLEL, OnError, Rescue, Step
from dagger.flows.references import needs_of


class Traits(NamedTuple):
    """What is said of a step, as far as it matters for what runs when."""

    on_error: OnError = OnError.FAIL
    decides: bool = False
    """Whether it has a `when`, so that it may run though what it needs was skipped."""
    expands: bool = False
    """Whether it runs once for each of some items."""
    max_parallel: int = MAX_PARALLEL
    priority: int = 0
    rescue: tuple[int, ...] = ()
    """The numbers of its rescue steps, in order."""
    owner: int = -1
    """Of a rescue step, the step that it rescues; -1 of a step."""


class Graph(NamedTuple):
    """The steps of a flow by their numbers: those of the document, then all rescue steps."""

    ids: tuple[str, ...]
    numbers: dict[str, int]
    """By id; not to be changed."""
    needs: array[int]
    """How many steps each of them needs."""
    wants: array[int]
    """The numbers of steps that need others, in one column: see `wanted_by`."""
    first: array[int]
    """For each step, where in `wants` those begin that need it; they end where the next begin."""
    traits: tuple[Traits, ...]
    steps: int
    """How many of them are steps; the others are rescue steps."""
    fail_fast: bool
    by_priority: bool
    """Whether any has a priority, so that their order is not just that of the document."""

    def wanted_by(self, number: int) -> Iterable[int]:
        """The steps that need a step, in their order."""
        return self.wants[self.first[number] : self.first[number + 1]]


def graph(flow: Flow) -> Graph:
    """The graph of a flow that has no errors."""
    rescues = [(owner, each) for owner, step in enumerate(flow.steps) for each in step.rescue]
    ids = (*(step.id for step in flow.steps), *(each.id for _, each in rescues))
    numbers = dict(zip(ids, range(len(ids)), strict=True))
    steps = {each.id for each in flow.steps} if rescues else numbers
    needs, wants, first = _edges(flow, numbers, steps)
    traits = _all_traits(flow, rescues)
    return Graph(
        ids=ids,
        numbers=numbers,
        needs=needs,
        wants=wants,
        first=first,
        traits=traits,
        steps=len(flow.steps),
        fail_fast=flow.fail_fast,
        by_priority=any(each.priority for each in set(traits)),
    )


def _edges(
    flow: Flow, numbers: dict[str, int], steps: Container[str]
) -> tuple[array[int], array[int], array[int]]:
    """Who needs whom, in the columns of a Graph: counted first, so that each has its place.

    Nobody waits for what is not among `steps`: a rescue step, but for who rescues.
    """
    counts, needed = array("q", bytes(8 * len(numbers))), array("q")
    wanted = array("q", bytes(8 * (len(numbers) + 1)))
    for number, names in enumerate(needs_of(flow, steps)):
        counts[number] = len(names)
        for name in names:
            need = numbers[name]
            needed.append(need)
            wanted[need + 1] += 1
    first = array("q", accumulate(wanted))
    wants, free, place = array("q", bytes(8 * len(needed))), first[:], 0
    for number, count in enumerate(counts):
        for need in needed[place : place + count]:
            wants[free[need]] = number
            free[need] += 1
        place += count
    return counts, wants, first


def _all_traits(flow: Flow, rescues: list[tuple[int, Rescue]]) -> tuple[Traits, ...]:
    """The traits of each; what is the same is there once."""
    shared: dict[Traits, Traits] = {}
    found = []
    ahead = len(flow.steps)
    for step in flow.steps:
        rescue = tuple(range(ahead, ahead := ahead + len(step.rescue)))
        made = _traits(flow, step, rescue)
        found.append(shared.setdefault(made, made))
    for owner, each in rescues:
        priority = flow.said(each, "priority") or 0
        found.append(Traits(decides=each.when is not None, priority=priority, owner=owner))
    return tuple(found)


def _traits(flow: Flow, step: Step, rescue: tuple[int, ...]) -> Traits:
    defaults = flow.defaults
    return Traits(
        step.on_error or defaults.on_error or OnError.FAIL,
        step.when is not None,
        step.foreach is not None,
        step.max_parallel or defaults.max_parallel or MAX_PARALLEL,
        (defaults.priority or 0) if step.priority is None else step.priority,
        rescue,
    )
