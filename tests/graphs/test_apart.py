"""Nodes that must not overlap do not, whichever of them comes first."""

from __future__ import annotations

import anyio
import pytest

from dagger import Graph, Graphs, Need, NodeContext
from dagger.testing import simulate, simulated


@pytest.mark.parametrize(("first", "second"), [("one", "other"), ("other", "one")])
def test_who_has_begun_is_waited_for(first: str, second: str) -> None:
    """Only one of the two says it; it holds for both, also where the other comes later."""
    times: dict[str, tuple[float, float]] = {}

    async def work(ctx: NodeContext) -> None:
        began = anyio.current_time()
        await anyio.sleep(3)
        times[ctx.node] = began, anyio.current_time()

    async def pause() -> None:
        await anyio.sleep(1)

    graph = Graph("apart").add_node("begin", lambda: None).add_node("pause", pause)
    graph.add_node("one", work).add_node("other", work, needs={"one": Need.SEQUENTIAL})
    graph.add_edge("begin", [first, "pause"]).add_edge("pause", second)
    graphs = Graphs(graph)

    async def main() -> None:
        async with simulated(*graphs.agents) as executor:
            assert (await graphs.run(executor, graph)).status == "completed"

    simulate(main)
    assert times == {first: (0, 3), second: (3, 6)}
