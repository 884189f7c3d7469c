"""What graphs cost: nodes in a row, turns of a loop, branches joined, and a state that is large."""

from __future__ import annotations

import gc
import resource
import time
from typing import Any

from dagger import Executor
from dagger.graphs import Graph, Graphs
from tests.bench.scenarios import ROUNDS


async def graph_nodes(nodes: int = 1_000) -> dict[str, float]:
    """Microseconds a node of a chain, in memory; the best of some runs."""
    graphs = Graphs(chain(nodes))
    async with Executor(graphs.agents) as executor:
        times = [await timed(executor, graphs, "chain") for _ in range(ROUNDS + 2)]
    return {"us": min(times) / nodes * 1e6}


async def graph_loop(turns: int = 10_000) -> dict[str, float]:
    """MB that the process grows by in the second half of a loop, and microseconds a turn."""
    sizes: list[float] = []

    async def turn(ctx: Any) -> None:
        number = ctx.get_state("i", 0) + 1
        if number in (turns // 2, turns):
            gc.collect()
            sizes.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
        ctx.set_state("i", number)

    graph = Graph("loop").add_node("turn", turn)
    graph.loop("turn", lambda state: state["i"] < turns, max_iterations=2 * turns)
    graphs = Graphs(graph)
    async with Executor(graphs.agents) as executor:
        seconds = await timed(executor, graphs, "loop")
    return {"mb": sizes[1] - sizes[0], "us": seconds / turns * 1e6}


async def graph_join(branches: int = 1_000) -> dict[str, float]:
    """Seconds that a split into 1,000 branches takes that are all joined; the best of some runs."""

    async def nothing() -> None:
        return None

    async def note() -> dict[str, list[str]]:
        return {"log": ["x"]}

    graph = Graph("fan", reducers={"log": "append"}).add_node("a", nothing)
    for number in range(branches):
        graph.add_node(f"n{number}", note).add_edge("a", f"n{number}").add_edge(f"n{number}", "z")
    graphs = Graphs(graph.add_node("z", nothing))
    async with Executor(graphs.agents) as executor:
        return {"s": min([await timed(executor, graphs, "fan") for _ in range(ROUNDS + 2)])}


async def graph_big_state(nodes: int = 300, keys: int = 1_000) -> dict[str, float]:
    """What a node that touches one key costs with 10 MB of state, against an empty one.

    Only the time between nodes counts: a run that begins with 10 MB has to write them down.
    """
    state = {f"k{number}": "v" * 10_000 for number in range(keys)}
    marks: list[float] = []

    async def touch(ctx: Any) -> None:
        marks.append(time.perf_counter())
        ctx.set_state("k5", (ctx.get_state("k5") or "")[:10] + "y")

    graphs = Graphs(chain(nodes, touch))
    found: dict[str, list[float]] = {"empty": [], "big": []}
    async with Executor(graphs.agents) as executor:
        for _ in range(ROUNDS):
            for name, given in (("empty", {}), ("big", state)):
                marks.clear()
                await timed(executor, graphs, "chain", given)
                found[name].append((marks[-1] - marks[0]) / (nodes - 1) * 1e6)
    best = {f"{name}_us": min(times) for name, times in found.items()}
    return {"ratio": best["big_us"] / best["empty_us"], **best}


def chain(nodes: int, function: Any = None) -> Graph:
    """Nodes one after the other, each with a function of its own, or all with one."""
    graph = Graph("chain")
    for number in range(nodes):

        async def touch(ctx: Any) -> None:
            ctx.set_state("x", 1)

        graph.add_node(f"n{number}", function or touch)
        if number:
            graph.add_edge(f"n{number - 1}", f"n{number}")
    return graph


async def timed(executor: Executor, graphs: Graphs, name: str, state: Any = None) -> float:
    """Seconds of the processor that one run takes."""
    gc.collect()
    started = time.process_time()
    report = await graphs.run(executor, name, state or {})
    seconds = time.process_time() - started
    assert report.status == "completed", report.reason
    return seconds
