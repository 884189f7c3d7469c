"""A flow as numbers: what the machine needs to know of it, worked out once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dagger.flows.model import MAX_PARALLEL, Flow, OnError, Rescue, Step
from dagger.flows.references import needs_of


class Unit(NamedTuple):
    """A step or rescue step, as the machine knows it; others are their numbers."""

    id: str
    needs: int
    """How many steps it needs."""
    wanted_by: tuple[int, ...]
    """The steps that need it."""
    on_error: OnError
    decides: bool
    """Whether it has a `when`, so that it may run though what it needs was skipped."""
    expands: bool
    """Whether it runs once for each of some items."""
    max_parallel: int
    priority: int
    rescue: tuple[int, ...]
    """Its rescue steps, in order."""
    owner: int
    """The step that it rescues; -1 if it is a step itself."""


class Graph(NamedTuple):
    """The units of a flow in order, rescue steps behind all steps."""

    units: tuple[Unit, ...]
    numbers: dict[str, int]
    """By id."""
    steps: int
    """How many of the units are steps; the others are rescue steps."""
    fail_fast: bool
    by_priority: bool
    """Whether any step has a priority, so that their order is not just that of the document."""


def graph(flow: Flow) -> Graph:
    """The graph of a flow that has no errors."""
    steps = flow.steps
    rescues = [(owner, each) for owner, step in enumerate(steps) for each in step.rescue]
    numbers = {step.id: number for number, step in enumerate(steps)}
    for number, (_, rescue) in enumerate(rescues, len(steps)):
        numbers[rescue.id] = number
    needs = needs_of(flow)
    wanted_by: list[list[int]] = [[] for _ in steps]
    for number, names in enumerate(needs):
        for name in names:
            wanted_by[numbers[name]].append(number)
    units = (*_steps(flow, needs, wanted_by, numbers), *_rescues(flow, rescues))
    by_priority = any(unit.priority for unit in units)
    return Graph(units, numbers, len(steps), flow.fail_fast, by_priority)


def _steps(
    flow: Flow,
    needs: tuple[tuple[str, ...], ...],
    wanted_by: list[list[int]],
    numbers: dict[str, int],
) -> Iterator[Unit]:
    for number, step in enumerate(flow.steps):
        yield Unit(
            id=step.id,
            needs=len(needs[number]),
            wanted_by=tuple(wanted_by[number]),
            on_error=flow.said(step, "on_error") or OnError.FAIL,
            decides=step.when is not None,
            expands=step.foreach is not None,
            max_parallel=flow.said(step, "max_parallel") or MAX_PARALLEL,
            priority=_priority(flow, step),
            rescue=tuple(numbers[each.id] for each in step.rescue),
            owner=-1,
        )


def _rescues(flow: Flow, rescues: list[tuple[int, Rescue]]) -> Iterator[Unit]:
    for owner, each in rescues:
        yield Unit(
            id=each.id,
            needs=0,
            wanted_by=(),
            on_error=OnError.FAIL,
            decides=each.when is not None,
            expands=False,
            max_parallel=1,
            priority=_priority(flow, each),
            rescue=(),
            owner=owner,
        )


def _priority(flow: Flow, step: Step | Rescue) -> int:
    priority: int | None = flow.said(step, "priority")
    return priority or 0
