"""Runs whose graph has changed since they began: how they stood, and what does not fit."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from dagger.graphs.branches import Stage
from dagger.graphs.describing import definition_from
from dagger.graphs.graph import Graph
from dagger.graphs.library import Library
from dagger.graphs.machine import Machine
from dagger.graphs.model import START, Definition
from dagger.graphs.reducers import last, reducer
from dagger.graphs.running.coordinator import KEPT
from dagger.graphs.running.past import Replay, kept_now
from dagger.graphs.shape import Shape
from dagger.state.queues import Delivery
from dagger.state.run import Run
from dagger.words.errors import DefinitionError
from dagger.words.payload import decode

Data = Mapping[str, Any]


def begun_under(delivery: Delivery) -> tuple[str, Data] | None:
    """The digest and the data of the definition that a run goes on under; None if it has not
    begun.
    """
    kept = [place for place in (delivery.kept or {}) if place[0] == f"step:{KEPT}"]
    if not kept:
        return None
    assert delivery.kept is not None
    return kept[-1][1], decode(delivery.kept[kept[-1]].value)


def difference(was: Data, now: Data) -> str:
    """What differs, line by line."""
    before, after = (json.dumps(each, indent=1).splitlines() for each in (was, now))
    told = "as it was begun", "as it is now"
    return "\n".join(difflib.unified_diff(before, after, *told, n=1, lineterm=""))


def stood(run: Run, graph: Graph, library: Library) -> Machine | None:
    """The machine of an open run as it stood, under the definition that it had; None where that
    cannot be said any more.
    """
    went = _went(run, graph, library)
    return None if went is None else went[1]


def misfit(run: Run, graph: Graph, definition: Definition, library: Library) -> str:
    """Why an open run cannot go on under another definition; "" if it can."""
    went = _went(run, graph, library)
    for problem in () if went is None else _gone(went[1], definition):
        return problem
    try:
        names, _ = _replayed(run, definition, library)
    except Exception as error:  # it was never meant to be told this
        return f"what has run does not fit to it ({type(error).__name__}: {error})"
    for was, now in zip(went[0] if went is not None else (), names, strict=False):
        if was != now:
            return f"what has run at node {was!r} would have been at node {now!r}"
    return ""


Went = tuple[list[str], Machine]
"""The nodes that came to an end, one after the other, and the machine then."""


def _went(run: Run, graph: Graph, library: Library) -> Went | None:
    """How a run went under the definition that it had."""
    delivery = run.deliveries.get(1)
    begun = None if delivery is None else begun_under(delivery)
    if begun is None:
        return None
    try:
        was = definition_from(begun[1])
        return _replayed(run, was, _library(graph, was, library))
    except Exception:  # what it needs of Python may be gone
        return None


def _replayed(run: Run, definition: Definition, library: Library) -> Went:
    found = list(Replay(definition, library, run).machines(kept_now(run)))
    return [name for name, _ in found], found[-1][1]


def _gone(machine: Machine, definition: Definition) -> Iterator[str]:
    """What the machine of a run needs, and a definition has not."""
    branches = machine.branches
    standing = [each.node for each in branches.live.values() if each.stage is not Stage.ENDED]
    known = {name for name in machine.nodes if name not in machine.definition.nodes}
    known |= definition.nodes.keys() | ({START} & definition.choices.keys())
    for name in (*standing, *(each.node for each in machine.executions.values())):
        if name not in known:
            yield f"it stands at node {name!r}, which there is none of any more"
    views = [each.view for each in (*branches.live.values(), *branches.ended)]
    for view in (layer for each in views for layer in (*each.layers, each)):
        for key in view.raw:
            if key not in definition.reducers:
                yield f"branches have updated {key!r}, which has no reducer any more"
    for each in machine.executions.values():
        if each.within is None:
            continue
        inner = definition.subgraphs.get(definition.nodes[each.node].uses)
        if inner is None:
            yield f"node {each.node!r}, at which it stands, is no graph any more"
        else:
            yield from (f"in {each.node!r} {problem}" for problem in _gone(each.within, inner))


def _library(graph: Graph | None, was: Definition, known: Library | None) -> Library:
    """What a machine of an earlier definition needs of Python, as far as it is still there."""
    functions = {} if graph is None else graph.functions
    reducers = {}
    for key, name in was.reducers.items():
        try:
            reducers[key] = reducer(name, functions)
        except DefinitionError:
            reducers[key] = last
    subgraphs = {
        name: _library(
            None if graph is None else graph.subgraphs.get(name),
            each,
            None if known is None else known.subgraphs.get(name),
        )
        for name, each in was.subgraphs.items()
    }
    holds = (lambda dependency, view: True) if known is None else known.holds
    return Library(reducers, holds, subgraphs, Shape(dict, "") if graph is None else graph.shape)
