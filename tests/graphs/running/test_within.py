"""Graphs within others: each begins as it would alone, and gives what the outer state can have."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any
from uuid import uuid4

import pytest
from pydantic import BaseModel

from dagger import Executor, MemoryStore
from dagger.graphs import END, Checkpoint, Graph, GraphReport, Graphs, GraphStatus, NodeContext
from dagger.words.errors import GraphError


class Inner(BaseModel):
    x: int = 7
    log: Annotated[list[str], "append"] = []


class Strict(BaseModel):
    x: int


@dataclass
class Outer:
    log: list[str] = field(default_factory=list)
    n: int = 0


async def ran(graph: Graph, state: Any = None) -> GraphReport:
    """The report of one run."""
    graphs = Graphs(graph)
    async with Executor(graphs.agents) as executor:
        return await graphs.run(executor, graph, state)


def inner(of: Any = Inner) -> Graph:
    """It says what it sees of `x`."""
    graph = Graph("inner", of)

    @graph.node
    def look(ctx: NodeContext) -> Any:
        return {"log": [f"x is {ctx.get_state('x')}"]} if graph.shape.has("log") else None

    graph.add_node("large", lambda: {"log": ["large"]})
    return graph.add_conditional_edge("look", "${{ state.x > 5 }}", {True: "large", False: END})


def around(within: Graph, of: Any = dict, **options: Any) -> Graph:
    """A graph that is nothing but another one."""
    return Graph("outer", of).add_subgraph("sub", within, **options)


@pytest.mark.parametrize("options", [{}, {"inputs": {"log": "log"}}])
async def test_a_graph_within_begins_as_it_would_alone(options: Any) -> None:
    """Keys that it is not given have their defaults, whether it is given some keys or sees all;
    what it has not changed is not handed on.
    """
    alone = await ran(inner())
    report = await ran(around(inner(), **options))
    assert alone.state == {"x": 7, "log": ["x is 7", "large"]}
    assert report.state == {"log": ["x is 7", "large"]}
    given = await ran(around(inner(), inputs={"x": "n"}), {"n": 2})
    assert given.state == {"n": 2, "log": ["x is 2"]}


async def test_a_default_is_handed_on_where_that_is_said() -> None:
    """A key of `outputs` is what it was in the end, also if nobody has changed it."""
    assert (await ran(around(inner(), outputs={"x": "y"}))).state == {"y": 7}
    assert (await ran(around(inner(), outputs={"x": "x"}))).state == {"x": 7}


@pytest.mark.parametrize(
    ("of", "options", "state", "problem"),
    [
        (Strict, {}, {}, "'x' of its state: it is missing"),
        (Strict, {"inputs": {"x": "n"}}, {"x": 1}, "'x' of its state: it is missing"),
        (Inner, {}, {"x": "many"}, "'x' of its state: value is not of type \"integer\""),
        (
            *(Inner, {"inputs": {"log": "l"}}, {"l": [1]}),
            "'log' of its state: $.log[0]: value is not of type \"string\"",
        ),
    ],
)
async def test_what_it_cannot_begin_with_fails_its_node(
    of: Any, options: Any, state: Any, problem: str
) -> None:
    """Keys that it needs, and values that fit: the reason names the graph, the node and the key."""
    report = await ran(around(inner(of), **options), state)
    told = f"graph 'inner' cannot begin as node 'sub': {problem}"
    assert report.status is GraphStatus.FAILED
    assert report.reason == f"node 'sub' failed: InputsRefused: {told}"
    handled = await ran(around(inner(of), on_error="handle", **options), state)
    assert handled.status is GraphStatus.COMPLETED
    assert handled.state["error"] == {"node": "sub", "type": "InputsRefused", "message": told}


async def test_what_it_gives_fits_the_state_around_it() -> None:
    """Of all that it has changed, the keys that the outer state has; each of them is checked."""
    within = Graph("inner").add_node("a", lambda: {"n": 3, "scratch": "own"})
    assert (await ran(around(within, Outer))).state == {"log": [], "n": 3}
    wrong = Graph("inner").add_node("a", lambda: {"n": "three"})
    report = await ran(around(wrong, Outer))
    told = "node 'sub' cannot set 'n' of the state: value is not of type \"integer\""
    assert report.reason == f"node 'sub' failed: StateRefused: {told}"


def test_its_defaults_are_the_same_after_a_restart() -> None:
    """One that is made anew each time is refused, by name, unless it is given."""

    @dataclass
    class Keyed:
        key: str = field(default_factory=lambda: uuid4().hex)

    within = Graph("inner", Keyed).add_node("a", lambda: None)
    within.build()
    with pytest.raises(GraphError, match="whose default of 'key' is another one each time"):
        around(within).build()
    around(within, inputs={"key": "id"}).build()


async def test_each_run_has_a_default_of_its_own() -> None:
    """What a factory makes is made once for each run: in its states and forks it is the same, and
    begun again under its id it is that run.
    """

    @dataclass
    class Keyed:
        key: str = field(default_factory=lambda: uuid4().hex)

    store, graph = MemoryStore(), Graph("g", Keyed).add_node("a", lambda: None)
    graphs = Graphs(graph)
    async with Executor(graphs.agents, store=store) as executor:
        keys = {(await graphs.run(executor, graph)).state["key"] for _ in range(3)}
        run = await graphs.start(executor, graph, run_id="one")
        own = (await run.result()).state["key"]
        assert [each.state["key"] for each in run.states()] == [own] * 2
        assert (await (await run.fork(0)).result()).state["key"] == own
    assert len({*keys, own}) == 4
    graphs = Graphs(Graph("g", Keyed).add_node("a", lambda: None))
    async with Executor(graphs.agents, store=store) as executor:
        assert (await graphs.run(executor, "g", run_id="one")).state["key"] == own


@pytest.mark.parametrize("options", [{}, {"inputs": {"log": "log"}, "outputs": {"log": "log"}}])
async def test_defaults_are_there_in_checkpoints_and_forks(options: Any) -> None:
    """A graph within that is gone on with in the middle still sees them."""
    within = Graph("inner", Inner)
    within.ask("well", "well?", key="x")

    @within.node
    def look(ctx: NodeContext) -> Any:
        return {"log": [f"x was {ctx.get_state('x')}"]}

    within.add_edge("look", "well").add_edge("start", "look")
    graph = around(within, **options)
    graphs = Graphs(graph)
    async with Executor(graphs.agents, store=MemoryStore()) as executor:
        run = await graphs.start(executor, graph)
        await run.result()
        saved = Checkpoint.from_json(run.checkpoint().to_json())
        again = [await graphs.restore(executor, saved), await run.fork(0), await run.fork(1)]
        for each in again:
            await each.result()
            await each.live.answer("well", 3)
            wanted = {"log": ["x was 7"]} if options else {"log": ["x was 7"], "x": 3}
            assert (await each.result()).state == wanted
