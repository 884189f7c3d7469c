"""Nodes that must not overlap do not, whichever of them comes first."""

from __future__ import annotations

import anyio
import pytest

from dagger import Graph, Graphs, Need, NodeContext
from dagger.testing import simulate, simulated


@pytest.mark.parametrize("first", ["one", "other"])
def test_who_has_begun_is_waited_for(first: str) -> None:
    """Only one of the two says it; it holds for both, also where the other comes later."""
    times: dict[str, tuple[float, float]] = {}

    graph = Graph("apart")

    @graph.node
    async def begin() -> list[str]:
        return ["one", "late"] if first == "one" else ["other", "late"]

    @graph.node
    async def late() -> str:
        await anyio.sleep(1)
        return "other" if first == "one" else "one"

    async def work(ctx: NodeContext) -> None:
        began = anyio.current_time()
        await anyio.sleep(3)
        times[ctx.node] = began, anyio.current_time()

    graph.add_node("one", work)
    graph.add_node("other", work, needs={"one": Need.SEQUENTIAL})
    graph.add_edge("begin", ["one", "other", "late"]).add_edge("late", ["one", "other"])
    graphs = Graphs(graph)

    async def main() -> None:
        async with simulated(*graphs.agents) as executor:
            assert (await graphs.run(executor, graph)).status == "completed"

    simulate(main)
    (_, end), (start, _) = sorted(times.values())
    assert start == end == 3
