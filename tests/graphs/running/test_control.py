"""Control: runs that are held, cancelled, bounded and undone."""

from __future__ import annotations

from collections import Counter
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from dagger import Config, Executor, LoopClock, MemoryStore, ResourcePool
from dagger.graphs import Graph, Graphs, GraphStatus, NodeContext, NodeStatus
from dagger.graphs.model import OnError
from dagger.testing import simulate, simulated
from dagger.words.errors import ExecutionError
from tests.virtual import START, on_virtual_time
from tests.waiting import until


class Gate:
    """A node that runs until it is let go."""

    def __init__(self) -> None:
        self.entered = 0
        self.most = 0
        self.inside = 0
        self.opened = anyio.Event()

    async def __call__(self, ctx: NodeContext) -> Any:
        self.entered += 1
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await self.opened.wait()
        finally:
            self.inside -= 1
        return {ctx.node: "done"}


def gated(gate: Gate) -> Graph:
    """Three gates side by side, and a node behind them."""

    async def through(ctx: NodeContext) -> Any:
        return await gate(ctx)

    graph = Graph("g").add_node("s", lambda: None)
    for name in ("x", "y", "z"):
        graph.add_node(name, through).add_edge("s", name).add_edge(name, "after")
    return graph.add_node("after", lambda: {"after": 1})


async def test_a_run_is_held_and_goes_on() -> None:
    """While it is paused nothing begins, and it says so, and why; what runs is finished."""
    gate = Gate()
    graphs = Graphs(gated(gate))
    async with Executor(graphs.agents) as executor:
        run = await graphs.start(executor, "g")
        await until(lambda: gate.inside == 3)
        await run.pause("lunch")
        assert (run.status, run.report().reason) == (GraphStatus.PAUSED, "lunch")
        gate.opened.set()
        await until(lambda: gate.inside == 0)
        assert (await run.result()).status is GraphStatus.PAUSED
        await run.resume()
        report = await run.result()
        assert (report.status, report.reason) == (GraphStatus.COMPLETED, "")
        assert report.state["after"] == 1


async def test_a_run_that_is_held_is_known_after_a_restart() -> None:
    """Nobody carries it out, and it is told all the same where it stands, node by node."""
    store, gate = MemoryStore(), Gate()
    graphs = Graphs(gated(gate))
    async with Executor(graphs.agents, store=store) as executor:
        run = await graphs.start(executor, "g", {"given": 1}, run_id="r")
        await until(lambda: gate.inside == 3)
        await run.pause()
    async with Executor(graphs.agents, store=store) as executor:
        run = graphs.find(executor, "r")
        report = run.report()
        assert report.status is GraphStatus.PAUSED
        assert run.checkpoint().machine["status"] == "running"
        assert report.nodes["s"] == "completed"
        assert report.nodes["after"] == "pending"
        assert report.state == {"given": 1}


async def test_a_node_is_cancelled() -> None:
    """One node ends, cancelled, and its branch with it; the others and their join go on."""
    gate = Gate()
    graphs = Graphs(gated(gate))
    async with Executor(graphs.agents) as executor:
        run = await graphs.start(executor, "g")
        await until(lambda: gate.inside == 3)
        assert await run.cancel_node("y") == 1
        assert await run.cancel_node("after") == 0
        with pytest.raises(ExecutionError, match="has no node 'aftr'; did you mean 'after'"):
            await run.cancel_node("aftr")
        gate.opened.set()
        report = await run.result()
        assert report.status is GraphStatus.COMPLETED
        assert report.nodes["y"] == "cancelled"
        assert report.state == {"x": "done", "z": "done", "after": 1}


@pytest.mark.parametrize("name", ["in/x", "x"])
async def test_a_node_of_a_graph_within_is_cancelled(name: str) -> None:
    """It is named as the report names it, or by its own name; the graph as a whole is not one."""
    gate = Gate()
    graph = Graph("outer").add_subgraph("in", gated(gate))
    graphs = Graphs(graph)
    async with Executor(graphs.agents) as executor:
        run = await graphs.start(executor, graph)
        await until(lambda: gate.inside == 3)
        with pytest.raises(ExecutionError, match="node 'in' is a graph; cancel its nodes"):
            await run.cancel_node("in")
        assert await run.cancel_node(name) == 1
        gate.opened.set()
        assert (await run.result()).state == {"y": "done", "z": "done", "after": 1}


async def test_a_question_is_cancelled() -> None:
    """A node that asks people can be cancelled as any other."""
    graph = Graph("g").ask("check", "well?", key="k")
    graphs = Graphs(graph)
    async with Executor(graphs.agents) as executor:
        run = await graphs.start(executor, graph)
        await run.result()
        assert await run.cancel_node("check") == 1
        async for _ in run.live.outcomes():
            pass
        report = await run.result()
        assert (report.status, report.nodes["check"]) == (GraphStatus.COMPLETED, "cancelled")


async def test_a_run_is_cancelled() -> None:
    """All that runs is cancelled, nothing else begins, and the report says why."""
    gate = Gate()
    graphs = Graphs(gated(gate))
    async with Executor(graphs.agents) as executor:
        run = await graphs.start(executor, "g")
        await until(lambda: gate.inside == 3)
        report = await run.cancel_all("enough")
        assert (report.status, report.reason) == (GraphStatus.CANCELLED, "enough")
        assert gate.inside == 0
        assert {report.nodes[name] for name in "xyz"} == {"cancelled"}
        assert report.nodes["after"] in ("skipped", "cancelled")
        assert run.status is GraphStatus.CANCELLED


async def test_nodes_of_a_run_are_bounded() -> None:
    """`max_concurrent` bounds the nodes of one run that run at once."""
    gate = Gate()
    graphs = Graphs(gated(gate))
    async with Executor(graphs.agents) as executor:
        run = await graphs.start(executor, "g", max_concurrent=2)
        await until(lambda: gate.inside >= 1)
        gate.opened.set()
        report = await run.result()
        assert report.status is GraphStatus.COMPLETED
        assert gate.most <= 2


async def test_metrics_count_nodes_and_visits() -> None:
    """Of a run under way: those that have completed, that run, and that have not begun."""
    gate = Gate()
    graphs = Graphs(gated(gate))
    async with Executor(graphs.agents) as executor:
        run = await graphs.start(executor, "g")
        await until(lambda: gate.inside == 3)
        metrics = run.report().metrics
        assert (metrics.completed, metrics.running, metrics.pending) == (1, 3, 1)
        assert metrics.resources == {}
        gate.opened.set()
        metrics = (await run.result()).metrics
        assert (metrics.completed, metrics.running, metrics.visits) == (5, 0, 5)


async def test_a_node_that_waits_for_its_turn_is_ready() -> None:
    """Of two nodes that need the one unit there is of a resource one runs and has it, and the other
    is ready; the metrics say what the run has, and what it has spent.
    """
    gate = Gate()

    async def work(ctx: NodeContext) -> Any:
        await ctx.spend(tokens=7)
        return await gate(ctx)

    graph = Graph("g")
    for name in ("one", "other"):
        graph.add_node(name, work, resources={"gpu": 1}).add_edge("start", name)
    graphs = Graphs(graph)
    async with Executor(graphs.agents, resources=ResourcePool(gpu=1)) as executor:
        run = await graphs.start(executor, "g")
        await until(lambda: gate.inside == 1)
        report = run.report()
        assert sorted(report.nodes.values()) == [NodeStatus.READY, NodeStatus.RUNNING]
        assert (report.metrics.running, report.metrics.pending) == (1, 1)
        assert report.metrics.resources == {"gpu": 1}
        gate.opened.set()
        metrics = (await run.result()).metrics
        assert (metrics.completed, metrics.resources, metrics.spent.tokens) == (2, {}, 14)


async def test_a_node_whose_router_is_asked_runs_no_more() -> None:
    """Where an ask node has its answer, and its router is still asked where to go, there is nothing
    to be cancelled: the branch goes on.
    """
    gate, asked = anyio.Event(), anyio.Event()

    async def route(state: Any) -> str:
        asked.set()
        await gate.wait()
        return "b"

    graph = Graph("g").ask("q", "?", key="k").add_node("b", lambda: {"b": 1})
    graph.add_conditional_edge("q", route, ["b"])
    graphs = Graphs(graph)
    async with Executor(graphs.agents) as executor:
        run = await graphs.start(executor, "g")
        await run.result()
        await run.live.answer("q", "yes")
        await asked.wait()
        assert await run.cancel_node("q") == 0
        assert NodeStatus.READY not in run.report().nodes.values()
        gate.set()
        report = await run.result()
    assert (report.status, report.state) == (GraphStatus.COMPLETED, {"k": "yes", "b": 1})


def test_a_run_and_a_node_have_their_time() -> None:
    """A node that takes too long times out, and so does a run; both are told."""

    async def main() -> None:
        graph = Graph("g")

        @graph.node(timeout=5, on_error="handle")
        async def slow() -> None:
            await anyio.sleep(3600)

        @graph.node
        async def slower() -> None:
            await anyio.sleep(3600)

        graph.add_edge("slow", "slower")
        graphs = Graphs(graph)
        async with Executor(graphs.agents, clock=LoopClock(START)) as executor:
            report = await graphs.run(executor, graph, timeout=60)
            assert report.nodes == {"slow": "timeout", "slower": "cancelled"}
            assert report.status is GraphStatus.CANCELLED
            assert report.state["error"]["type"] == "TimeoutExceeded"

    on_virtual_time(main)


def undoable(log: list[Any], at_last: Any, **kinds: Any) -> Graph:
    """Nodes that are undone, one of them in a graph within; the last one does as it is told."""
    inner = Graph("inner")

    def undoing(name: str) -> Any:
        async def undo(ctx: NodeContext, update: Any) -> None:
            assert ctx.get_state(name) == 1, "it sees the state of its own graph"
            log.append((name, update))
            if name in kinds:
                await kinds[name]()

        return undo

    def doing(name: str) -> Any:
        async def do() -> Any:
            return {name: 1}

        return do

    graph = Graph("g").add_node("a", doing("a"), undo=undoing("a"))
    inner.add_node("x", doing("x"), undo=undoing("x"))
    graph.add_subgraph("sub", inner)
    graph.add_node("b", doing("b"), undo=undoing("b")).add_node("last", at_last)
    return graph.add_edge("a", "sub").add_edge("sub", "b").add_edge("b", "last")


async def failing() -> None:
    """It fails."""
    raise ValueError("no")


async def test_what_was_done_is_undone() -> None:
    """Where a node fails, those before it are undone, the last first, each with what it changed;
    those of a graph within are as well.
    """
    log: list[Any] = []
    graph = undoable(log, failing)
    graphs = Graphs(graph)
    async with Executor(graphs.agents) as executor:
        report = await graphs.run(executor, graph)
    assert report.status is GraphStatus.FAILED
    assert log == [("b", {"b": 1}), ("x", {"x": 1}), ("a", {"a": 1})]
    assert report.undone == ("a", "sub", "b")


async def test_an_undo_that_fails_is_told() -> None:
    """The others are undone all the same, and the report says which was not."""
    log: list[Any] = []
    graph = undoable(log, failing, b=failing)
    graphs = Graphs(graph)
    async with Executor(graphs.agents) as executor:
        report = await graphs.run(executor, graph)
    assert [name for name, _ in log] == ["b", "x", "a"]
    assert report.undone == ("a", "sub")
    assert report.stuck == {"b": "ValueError: no"}


async def test_a_thousand_undos_may_be_too_big_to_be_sent() -> None:
    """Each is told as not undone, those before them are undone, and the run has ended."""
    log, count, limit = list[str](), 1_000, 4_000

    async def undo(ctx: NodeContext) -> None:
        log.append(ctx.node)

    def change() -> dict[str, str]:
        return {"x": "y" * (limit - 150)}

    graph = Graph("g").add_node("first", lambda: {"x": ""}, undo=undo)
    last, long = "first", "n" * 200  # which is said where it is undone, and not where it is done
    for number in range(count):
        graph.add_node(f"{long}{number}", change, undo=undo).add_edge(last, f"{long}{number}")
        last = f"{long}{number}"
    graph.add_node("fails", failing).add_edge(last, "fails")
    config = Config(max_payload_bytes=limit, max_attempts=1)
    graphs = Graphs(graph)
    async with Executor(graphs.agents, config=config) as executor:
        run = await graphs.start(executor, "g")
        await run.live.result()
        assert run.live.report().status == "failed"
        assert run.report().status is GraphStatus.FAILED
        letter = run.live.report().dead_letters[-1]
    assert log == ["first"]
    assert letter.failure.type == "GraphFailed"
    assert "undone: first; " in letter.failure.message


@pytest.mark.parametrize("how", ["cancel", "timeout"])
def test_who_is_cancelled_is_undone(how: str) -> None:
    """A run that is cancelled, or takes too long, is undone before it ends."""
    log: list[Any] = []

    async def main() -> Any:
        graph = undoable(log, anyio.lowlevel.checkpoint)
        begun = anyio.Event()

        @graph.node(name="more")
        async def more() -> None:
            begun.set()
            await anyio.sleep(3600)

        graph.add_edge("last", "more")
        graphs = Graphs(graph)
        async with Executor(graphs.agents, clock=LoopClock(START)) as executor:
            limits: Any = {"timeout": 60} if how == "timeout" else {}
            run = await graphs.start(executor, graph, **limits)
            await begun.wait()
            return await (run.cancel_all() if how == "cancel" else run.result())

    report = on_virtual_time(main)
    assert report.status is GraphStatus.CANCELLED
    assert [name for name, _ in log] == ["b", "x", "a"]
    assert report.undone == ("a", "sub", "b")


def test_who_is_cancelled_at_the_end_has_completed_or_is_undone() -> None:
    """However close to its end a run is cancelled, its status, its report and what was undone say
    the same.
    """
    ends = Counter[str]()

    async def last() -> None:
        await anyio.sleep(1)

    async def main() -> None:
        log: list[Any] = []
        graph = undoable(log, last)
        graphs = Graphs(graph)
        async with simulated(*graphs.agents) as executor:
            run = await graphs.start(executor, graph)
            await anyio.sleep(1)
            report = await run.cancel_all()
        ends[report.status] += 1
        completed = report.status is GraphStatus.COMPLETED
        assert (run.live.status == "completed") is completed
        assert (report.undone == ()) is completed
        assert bool(report.state) or not completed

    for seed in range(40):
        simulate(main, seed=seed)
    assert set(ends) == {"completed", "cancelled"}, ends


async def test_a_state_that_cannot_be_given_is_undone() -> None:
    """A state that is too large for a message fails the run at its end, with the reason."""
    log: list[Any] = []
    graph = Graph("g").add_node("a", lambda: {"x": "x" * 3_000}, undo=lambda: log.append("undo a"))
    graph.add_node("b", lambda: {"y": "y" * 3_000}).add_edge("a", "b")
    graphs, config = Graphs(graph), Config(max_payload_bytes=5_000)
    async with Executor(graphs.agents, config=config, store=MemoryStore()) as executor:
        run = await graphs.start(executor, graph)
        report = await run.result()
        states = [each.node for each in run.states()]
    assert (report.status, report.undone, log) == (GraphStatus.FAILED, ("a",), ["undo a"])
    assert report.reason.startswith("the state of the graph cannot be given: ")
    assert run.live.status == "failed"
    assert states == ["", "a", "b", "", ""]


def test_undoing_has_its_time() -> None:
    """After `cleanup_timeout` what is not undone is left, and named; the run ends."""
    log: list[Any] = []

    async def forever() -> None:
        await anyio.sleep(10**6)

    async def main() -> Any:
        graph = undoable(log, failing, b=forever)
        graphs = Graphs(graph)
        async with Executor(graphs.agents, clock=LoopClock(START)) as executor:
            run = await graphs.start(executor, graph, cleanup_timeout=60, timeout=3600)
            return await run.result()

    report = on_virtual_time(main)
    assert report.status in (GraphStatus.FAILED, GraphStatus.CANCELLED)
    assert report.undone == ()
    assert set(report.left) == {"a", "sub", "b"}


async def test_priority_and_resources_reach_the_executor() -> None:
    """What nodes say of them are policies of the agents that call them."""
    graph = Graph("g").add_node("a", lambda: None, priority=7, resources={"gpu": 1})
    graph.add_node("b", lambda: None, on_error=OnError.HANDLE).add_edge("a", "b")
    agents = {each.name: each for each in Graphs(graph).agents}
    assert agents["g.a"].priority == 7
    assert agents["g.a"].resources is not None
    assert agents["g.b"].resources is None
