"""Routers decide after any kind of node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from dagger import Executor, Graph, Graphs
from dagger.graphs import START, GraphStatus, dump, parse

State = Mapping[str, Any]

WAYS = ["left", "right"]


def with_ends(graph: Graph) -> Graph:
    """Two nodes that tell where a run went."""
    graph.add_node("left", lambda: {"went": "left"})
    return graph.add_node("right", lambda: {"went": "right"})


async def test_the_answer_of_a_person_decides() -> None:
    """The router of an ask node sees the answer."""
    graph = Graph("asked").ask("way", "Which way?", key="way", choices=["left", "right"])
    with_ends(graph).add_conditional_edge("way", "${{ state.way }}", ["left", "right"])
    graphs = Graphs(graph)
    async with Executor(graphs.agents) as executor:
        run = await graphs.start(executor, graph)
        await run.result()
        await run.live.answer("way", "right")
        assert (await run.result()).state == {"way": "right", "went": "right"}


async def test_what_a_graph_within_came_to_decides() -> None:
    """The router of a subgraph sees what that has changed."""
    inner = Graph("inner").add_node("choose", lambda: {"way": "left"})
    graph = with_ends(Graph("outer").add_subgraph("choice", inner))
    graph.add_conditional_edge("choice", lambda state: state["way"], ["left", "right"])
    graphs = Graphs(graph)
    async with Executor(graphs.agents) as executor:
        assert (await graphs.run(executor, graph)).state == {"way": "left", "went": "left"}


async def test_a_failure_that_is_handled_can_be_routed() -> None:
    """The router of a node that failed sees the error, in a graph within too."""

    def fail() -> None:
        raise ValueError("no")

    inner = Graph("inner").add_node("fail", fail)
    graph = with_ends(Graph("outer").add_subgraph("try", inner, on_error="handle"))
    graph.add_conditional_edge("try", "${{ 'error' in state }}", {True: "left", False: "right"})
    graphs = Graphs(graph)
    async with Executor(graphs.agents) as executor:
        report = await graphs.run(executor, graph)
    assert report.state["went"] == "left"


async def test_a_router_that_fails_is_not_asked_again() -> None:
    """The run fails, whatever the node says of its own errors."""

    def fail() -> None:
        raise ValueError("no")

    graph = with_ends(Graph("lost").add_node("fail", fail, on_error="handle"))
    graph.add_conditional_edge("fail", lambda state: "nowhere", ["left", "right"])
    graphs = Graphs(graph)
    async with Executor(graphs.agents) as executor:
        report = await graphs.run(executor, graph)
    assert report.status == "failed"
    assert "RouteUnknown" in report.reason


@pytest.mark.parametrize("said", ["router", "expression", "node", "document"])
async def test_a_run_may_begin_with_a_choice(said: str) -> None:
    """A router decides where a run begins: of the start, and of a node that is one."""
    graph = with_ends(Graph("chosen"))
    choose: Any = "${{ state.way }}" if said == "expression" else lambda state: state["way"]
    if said == "node":
        graph.add_node("begin", kind="start").add_conditional_edge("begin", choose, WAYS)
    else:
        graph.add_conditional_edge(START, choose, WAYS)
    if said == "document":
        graph = parse(dump(graph), functions=graph.functions)
    graphs = Graphs(graph)
    async with Executor(graphs.agents) as executor:
        report = await graphs.run(executor, graph, {"way": "right"})
    assert report.state == {"way": "right", "went": "right"}
    assert report.nodes["left"] == "skipped"


async def test_a_choice_at_the_start_that_fails_is_told() -> None:
    """A run whose first router fails has a reason, and ends."""
    graph = with_ends(Graph("chosen"))
    graph.add_conditional_edge(START, lambda state: state["way"], WAYS)
    graphs = Graphs(graph)
    async with Executor(graphs.agents) as executor:
        report = await graphs.run(executor, graph)
    assert report.status is GraphStatus.FAILED
    assert report.reason == "the router of node 'start' failed: KeyError: 'way'"
