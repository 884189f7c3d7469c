"""A graph with a loop, a parallel join, a question and a graph within; its effects are counted."""

from __future__ import annotations

from collections import Counter
from typing import Any

from dagger import Executor
from dagger.graphs import END, Graph, GraphReport, Graphs, NodeContext

Outside = Counter[str]
"""How often each thing was done to the outside world."""

END_STATE = {
    "log": ["begin", "left", "right", "inner", "join"],
    "n": 3,
    "answer": "yes",
    "paid": ["begin", "left", "inner"],
}


def pipeline(outside: Outside, *, extra: bool = False) -> Graph:
    """The graph; `extra` is another definition of it."""

    async def pay(ctx: NodeContext) -> Any:
        async def charge() -> None:
            outside[ctx.node] += 1

        await ctx.step("charge", charge)
        return {"log": [ctx.node], "paid": [ctx.node]}

    async def note(ctx: NodeContext) -> Any:
        return {"log": [ctx.node]}

    async def count(ctx: NodeContext) -> Any:
        return {"n": ctx.get_state("n", 0) + 1}

    reducers = {"log": "append", "paid": "append"}
    inner = Graph("inside", reducers=reducers).add_node("inner", pay)
    graph = Graph("pipe", reducers=reducers)
    graph.add_node("begin", pay).add_node("left", pay).add_node("right", note)
    graph.add_node("turn", count).loop("turn", "${{ state.n < 3 }}")
    graph.add_subgraph("sub", inner).ask("check", "well?", key="answer")
    graph.add_node("join", note)
    graph.add_edge("begin", ["left", "right", "turn"]).add_edge("turn", "sub")
    graph.add_edge("sub", "check")
    for name in ("left", "right", "check"):
        graph.add_edge(name, "join")
    if extra:
        graph.add_node("extra", note).add_edge("join", "extra")
    return graph.add_conditional_edge("join", "${{ state.answer }}", {"yes": END, "no": END})


async def seen_through(
    executor: Executor, graphs: Graphs, run_id: str = "run", answer: str = "yes"
) -> GraphReport:
    """The report of a run to its end, with somebody who answers."""
    run = await graphs.start(executor, "pipe", {}, run_id=run_id)
    report = await run.result()
    while not report.status.ended:
        for question in run.live.questions:
            await run.live.answer(question.id, answer)
        report = await run.result()
    return report
