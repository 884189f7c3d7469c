"""Checkpoints and forks: a run goes on elsewhere, and as if something had been otherwise."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypedDict

import anyio
import pytest

from dagger import Executor, MemoryStore
from dagger.graphs import Checkpoint, Graph, GraphReport, Graphs, GraphStatus, NodeContext
from dagger.graphs.running.keeping import Keeping
from dagger.testing import simulate, simulated
from dagger.words.errors import CheckpointRefused, DefinitionError, ExecutionError, StateRefused
from dagger.words.packing import pack
from tests.graphs.conducting import machine_of
from tests.graphs.running.pipeline import END_STATE, Outside, pipeline, seen_through
from tests.waiting import until

FRESH = """
import sys, anyio
from dagger import Executor
from dagger.graphs import Checkpoint, Graphs
from tests.graphs.conducting import machine_of
from tests.graphs.running.pipeline import Outside, pipeline

async def main():
    graphs = Graphs(pipeline(Outside()))
    async with Executor(graphs.agents) as executor:
        run = await graphs.restore(executor, Checkpoint.from_json(sys.stdin.read()))
        await run.result()
        await run.live.answer("check", "yes")
        print(sorted((await run.result()).state.items()))

anyio.run(main)
"""


class Counted(TypedDict, total=False):
    left: int
    right: int
    sum: int
    log: Annotated[list[str], "append"]


async def waiting(executor: Executor, graphs: Graphs) -> Any:
    """A run that waits for its question to be answered."""
    run = await graphs.start(executor, "pipe", {}, run_id="run")
    await run.result()
    return run


async def test_a_checkpoint_goes_on_anywhere() -> None:
    """As a text, in a fresh executor and in a fresh process: nothing is done again."""
    outside, later = Outside(), Outside()
    graphs = Graphs(pipeline(outside))
    async with Executor(graphs.agents) as executor:
        run = await waiting(executor, graphs)
        text = run.checkpoint().to_json()
        assert Checkpoint.from_json(text).to_json() == text
    graphs = Graphs(pipeline(later))
    async with Executor(graphs.agents) as executor:
        run = await graphs.restore(executor, Checkpoint.from_json(text))
        await run.result()
        await run.live.answer("check", "yes")
        assert (await run.result()).state == END_STATE
    assert later == Counter()
    done = await anyio.run_process(
        [sys.executable, "-c", FRESH], input=text.encode(), cwd=Path(__file__).parents[3]
    )
    assert done.stdout.decode().strip() == repr(sorted(END_STATE.items()))


async def test_a_checkpoint_of_another_definition_is_refused() -> None:
    """It goes on under the definition that it was made under, and no other; nor is rubbish one."""
    graphs = Graphs(pipeline(Outside()))
    other = Graphs(pipeline(Outside(), extra=True))
    async with Executor(graphs.agents) as executor:
        checkpoint = (await waiting(executor, graphs)).checkpoint()
    async with Executor(other.agents) as executor:
        with pytest.raises(CheckpointRefused, match="has changed"):
            await other.restore(executor, checkpoint)
    async with Executor(graphs.agents) as executor:
        broken = replace(checkpoint, machine={**checkpoint.machine, "branches": None})
        with pytest.raises(CheckpointRefused, match=r"its machine at \$.branches: value is not"):
            await graphs.restore(executor, broken)
        broken = replace(checkpoint, machine={**checkpoint.machine, "executions": []})
        with pytest.raises(CheckpointRefused, match="of which nothing is in work"):
            await graphs.restore(executor, broken)
        broken = replace(checkpoint, machine={**checkpoint.machine, "now": float("inf")})
        with pytest.raises(CheckpointRefused, match=r"its machine at \$.now: inf is not a JSON"):
            await graphs.restore(executor, broken)
        with pytest.raises(CheckpointRefused, match="of graph 'pope', which is not here; known"):
            await graphs.restore(executor, replace(checkpoint, graph="pope"))
        assert not executor.runs()
    whole = json.loads(checkpoint.to_json())
    for text, problem in (
        ("{}", "lacks 'graph'"),
        ("[]", "object"),
        ("rubbish", "not JSON"),
        (json.dumps({**whole, "graph": 5}), "its 'graph' is 5, and not a text"),
        (json.dumps({**whole, "machine": None}), "its 'machine' is None, and not an object"),
    ):
        with pytest.raises(CheckpointRefused, match=problem):
            Checkpoint.from_json(text)


async def test_the_states_of_a_run_are_told() -> None:
    """One for each node that came to an end, in order; with a store, of an ended run as well."""
    graphs = Graphs(pipeline(Outside()))
    async with Executor(graphs.agents) as executor:
        run = await waiting(executor, graphs)
        states = run.states()
        assert [each.position for each in states] == list(range(len(states)))
        assert sorted(each.node for each in states) == sorted(
            ["", "begin", "left", "right", "turn", "turn", "turn", "sub/inner"]
        )
        assert states[0].state == {}
    async with Executor(graphs.agents, store=MemoryStore()) as executor:
        await seen_through(executor, graphs)
        states = graphs.find(executor, "run").states()
        assert states[-1].node == "join"
        assert {each.status for each in states if "/" in each.node} == {"completed"}
        assert states[-1].state == END_STATE
        assert len(states) == 10


async def test_a_run_is_forked_from_each_of_its_states() -> None:
    """From wherever, with an edited state: questions are asked again, what is inside goes on there,
    and the parent does not change by a byte.
    """
    store = MemoryStore()
    graphs = Graphs(pipeline(Outside()))
    async with Executor(graphs.agents, store=store) as executor:
        await seen_through(executor, graphs)
        run = graphs.find(executor, "run")
        number = run.live.state.number
        before = [pack(record) for _, record in store.history(number)]
        states = run.states()
        for info in states[:-1]:
            fork = await run.fork(info.position, state={"edited": info.position})
            report = await fork.result()
            asked = [each.name for each in fork.live.questions]
            if info.node != "check":
                assert asked == ["check"]
                await fork.live.answer("check", "no")
                report = await fork.result()
            assert report.status is GraphStatus.COMPLETED, report.reason
            wanted = {**END_STATE, "edited": info.position}
            assert report.state == {**wanted, "answer": "no" if asked else "yes"}
        with pytest.raises(ExecutionError, match="no state"):
            await run.fork(len(states) - 1)
        with pytest.raises(ExecutionError, match="no state"):
            await run.fork(99)
        assert [pack(record) for _, record in store.history(number)] == before


async def test_a_fork_is_of_what_all_branches_see() -> None:
    """An edited key has its new value in branches that had changed it as well; what the state
    cannot have is refused.
    """
    graph = Graph("g", Counted)

    @graph.node
    async def left(state: Any) -> Any:
        return {"left": state.get("left", 0) + 1}

    @graph.node
    async def join(state: Any) -> Any:
        return {"sum": state["left"] + state["right"]}

    graph.add_node("right", lambda: {"right": 10}).add_node("again", left)
    graph.add_edge("start", ["left", "right"]).add_edge("left", "again")
    graph.add_edge("again", "join").add_edge("right", "join")
    graphs = Graphs(graph)
    async with Executor(graphs.agents, store=MemoryStore()) as executor:
        run = await graphs.start(executor, graph)
        assert (await run.result()).state == {"left": 2, "right": 10, "sum": 12}
        first = next(each for each in run.states() if each.node == "left")
        fork = await run.fork(first.position, state={"left": 100})
        assert (await fork.result()).state["sum"] == 111
        for wrong in ({"left": "many"}, {"lft": 1}, {"log": "left"}):
            with pytest.raises(StateRefused, match=r"l[eo][fg]"):
                await run.fork(first.position, state=wrong)


async def test_a_changed_definition_holds_the_run() -> None:
    """Reopened under another definition a run is left paused, and told what has changed; with
    `accept_changes` it goes on under that.
    """
    store = MemoryStore()
    graphs = Graphs(pipeline(Outside()))
    async with Executor(graphs.agents, store=store) as executor:
        await waiting(executor, graphs)
    changed = Graphs(pipeline(Outside(), extra=True))
    async with Executor(changed.agents, store=store) as executor:
        run = changed.find(executor, "run")
        assert run.live.status == "paused"
        assert "has changed since the run began" in (run.live.state.obstacle or "")
        assert '+   "name": "extra",' in (run.live.state.obstacle or "")
    changed = Graphs(pipeline(Outside(), extra=True), accept_changes=True)
    async with Executor(changed.agents, store=store) as executor:
        run = changed.find(executor, "run")
        await run.result()
        if run.live.status == "paused":
            await run.resume()
            await run.result()
        await run.live.answer("check", "yes")
        report = await run.result()
        assert report.status is GraphStatus.COMPLETED, report.reason
        assert report.state["log"][-1] == "extra"


def chain(*names: str, name: str = "g", **options: Any) -> Graph:
    """A chain of nodes, of which `ask` asks."""
    graph = Graph(name, **options)
    for before, node in zip(("", *names), names, strict=False):
        if node == "ask":
            graph.ask(node, "?", key="answer")
        else:
            graph.add_node(node, lambda ctx: {"log": ctx.node})
        if before:
            graph.add_edge(before, node)
    return graph


LOG: Any = {"reducers": {"log": "append"}}


async def held(was: Graph, now: Graph, *, accept_changes: bool) -> GraphReport:
    """The report of a run that waited under one definition, under another."""
    store = MemoryStore()
    async with Executor((graphs := Graphs(was)).agents, store=store) as executor:
        await (await graphs.start(executor, was, run_id="run")).result()
    graphs = Graphs(now, accept_changes=accept_changes)
    async with Executor(graphs.agents, store=store) as executor:
        return graphs.find(executor, "run").report()


async def test_a_held_run_is_reported_as_it_stood() -> None:
    """A run whose graph has changed has its nodes, its state, and the reason in its report."""
    report = await held(chain("a", "ask", **LOG), chain("b", "ask", **LOG), accept_changes=False)
    assert report.status is GraphStatus.PAUSED
    assert report.reason.startswith("graph 'g' has changed since the run began; put it back, or")
    assert '-   "name": "a",' in report.reason
    assert (report.nodes, report.state) == ({"a": "completed", "ask": "ready"}, {"log": ["a"]})


def branching(**options: Any) -> Graph:
    """Two branches, of which one asks before they join."""
    graph = chain("a", "ask", "join", **options)
    graph.add_node("side", lambda ctx: {"log": ctx.node}).add_edge("side", "join")
    return graph.add_edge("start", ["a", "side"])


@pytest.mark.parametrize(
    ("was", "now", "problem"),
    [
        (chain("a", "ask"), chain("a"), "it stands at node 'ask', which there is none of any more"),
        (branching(**LOG), branching(), "branches have updated 'log', which has no reducer any"),
        (
            chain("a", "b", "ask"),
            chain("b", "a", "ask"),
            "what has run at node 'a' would have been",
        ),
        (
            Graph("g").add_subgraph("sub", chain("a", "ask", name="inner")),
            Graph("g").add_subgraph("sub", chain("a", name="inner")),
            "in 'sub' it stands at node 'ask', which there is none of any more",
        ),
        (
            Graph("g").add_subgraph("sub", chain("a", "ask", name="inner")),
            Graph("g").add_node("sub", print),
            "node 'sub', at which it stands, is no graph any more",
        ),
    ],
)
async def test_a_change_that_does_not_fit_is_not_accepted(
    was: Graph, now: Graph, problem: str
) -> None:
    """Where a run cannot go on under its new definition it stays paused, and says why."""
    report = await held(was, now, accept_changes=True)
    assert report.status is GraphStatus.PAUSED
    assert report.reason.startswith(f"graph 'g' has changed since the run began: {problem}")
    assert "; put that back, or cancel the run" in report.reason


async def test_a_long_loop_keeps_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of very many turns keeps its machine and not the replies, and says the same."""
    kept: list[int] = []
    graph = Graph("g")

    @graph.node
    async def turn(state: Any) -> Any:
        kept.append(len(run.live.state.deliveries[1].kept or ()))
        return {"n": state["n"] + 1}

    graph.loop("turn", lambda state: state["n"] < 1_200, max_iterations=2_000)
    graphs = Graphs(graph)
    async with Executor(graphs.agents, store=MemoryStore()) as executor:
        run = await graphs.start(executor, graph, {"n": 0})
        report = await run.result()
        assert report.state == {"n": 1_200}
        assert max(kept) < 1_100
        assert kept[-1] < kept[490]
        assert len(run.states()) > 1_000


def test_the_last_checkpoint_can_be_gone_on_from() -> None:
    """However often one is kept, the last one is of a run that had not ended."""
    graph = Graph("g")
    for name in ("a", "b", "c"):
        graph.add_node(name, partial(anyio.sleep, 1))
    graphs = Graphs(graph.add_edge("a", "b").add_edge("b", "c"), checkpoint_every=0.5)

    async def main() -> Any:
        async with simulated(*graphs.agents, store=MemoryStore()) as executor:
            run = await graphs.start(executor, graph)
            await run.result()
            last = run.last_checkpoint()
            assert last is not None
            again = await (await graphs.restore(executor, last)).result()
            return last.machine["statuses"], again.status

    assert simulate(main) == ({"a": "completed", "b": "completed", "c": "running"}, "completed")


@pytest.mark.parametrize("stored", [False, True])
def test_checkpoints_are_kept_by_themselves(stored: bool) -> None:
    """So often as is said, and there when the process is gone: the last one goes on anywhere."""
    turns = 50
    graph = Graph("g")

    @graph.node
    async def turn(ctx: NodeContext) -> None:
        await ctx.sleep(1)
        ctx.set_state("n", ctx.get_state("n", 0) + 1)

    graph.loop("turn", lambda state: state["n"] < turns)
    graphs = Graphs(graph, checkpoint_every=10)
    store = MemoryStore() if stored else None

    async def main() -> Any:
        async with simulated(*graphs.agents, store=store) as executor:
            run = await graphs.start(executor, graph, run_id="run")
            await until(lambda: run.last_checkpoint() is not None)
            first = run.last_checkpoint()
            assert (await run.result()).state == {"n": turns}
            last = run.last_checkpoint() if stored else first
        async with simulated(*graphs.agents) as executor:
            found = []
            for each in (first, last):
                assert each is not None
                again = await graphs.restore(executor, Checkpoint.from_json(each.to_json()))
                report = await again.result()
                found.append((each.machine["state"]["set"]["n"], report.state["n"]))
            return found

    (first, end), (last, end_too) = simulate(main)
    assert first == 11
    assert last == (41 if stored else 11)
    assert end == end_too == turns


@pytest.mark.parametrize("every", [0, -1, float("inf")])
def test_an_interval_is_some_time(every: float) -> None:
    """What is no interval is refused as the graphs are put together."""
    with pytest.raises(DefinitionError, match="seconds above 0"):
        Graphs(pipeline(Outside()), checkpoint_every=every)


async def test_a_large_state_is_kept_less_often() -> None:
    """What is written for a reply does not grow with the state: the larger it is, the later."""
    machine = machine_of(Graph("g").add_node("a"))
    machine.begin({"large": "x" * 4_000_000}, 1.0)
    keeping = Keeping(None)
    due = [number for number in range(1, 5_000) if keeping.is_due(machine)]
    assert due == [2_000, 4_000]
