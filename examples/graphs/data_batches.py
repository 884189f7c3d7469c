"""Batches of data: a node for each chunk, validation, and a branch for what goes wrong.

`split` adds a node for each chunk. Where too many rows are no good, another branch is taken. What
cannot be stored is an error, which `on_error="handle"` puts into the state, under `error`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, TypedDict

import anyio

from dagger import Executor, Graph, Graphs, NodeContext

SIZE = 4


class Batch(TypedDict, total=False):
    """What the nodes share."""

    rows: list[str]
    good: Annotated[list[int], "append"]
    bad: Annotated[list[str], "append"]
    shelf: str
    total: int
    verdict: str
    error: dict[str, str]


graph = Graph("batches", Batch, description="Rows, validated in chunks, and stored.")
SHELVES: dict[str, int] = {"main": 0}


@graph.node(to="join")
async def split(state: Batch, ctx: NodeContext) -> list[str]:
    """A node for each chunk of the rows."""
    chunks = range(0, len(state["rows"]), SIZE)
    found = [ctx.add_node(f"chunk {first}", "validate", then="join") for first in chunks]
    return found or ["join"]


async def validate(state: Batch, ctx: NodeContext) -> Batch:
    """Tell good rows from bad ones, in the chunk that this node is for."""
    first = int(ctx.node.removeprefix("chunk "))
    await anyio.sleep(0.01 / (first + 1))  # the first is the slowest
    rows = state["rows"][first : first + SIZE]
    good = [int(row) for row in rows if row.isdigit()]
    return {"good": good, "bad": [row for row in rows if not row.isdigit()]}


graph.functions["validate"] = validate


@graph.node
def join(state: Batch) -> Batch:
    """All chunks are there, in the order of the rows."""
    return {"total": sum(state.get("good", []))}


@graph.node(on_error="handle")
def store(state: Batch) -> Batch:
    """Put the total on its shelf. Raises KeyError where there is none."""
    SHELVES[state["shelf"]] += state["total"]
    return {"verdict": f"stored {state['total']}"}


@graph.node
def reject(state: Batch) -> Batch:
    """Too much of it is wrong."""
    return {"verdict": f"rejected, for {state['bad']}"}


@graph.node
def report(state: Batch) -> Batch:
    """It could not be stored."""
    return {"verdict": f"not stored: {state['error']['type']} {state['error']['message']}"}


def fine(state: Batch) -> bool:
    """Whether at most a quarter of the rows is bad."""
    return len(state.get("bad", [])) * 4 <= len(state["rows"])


graph.add_conditional_edge("join", fine, {True: "store", False: "reject"})
graph.add_conditional_edge("store", "${{ 'error' in state }}", {True: "report", False: "end"})

graphs = Graphs(graph)
ROWS = ["3", "1", "4", "1", "5", "9", "2", "six", "5", "3"]
BATCHES: dict[str, Mapping[str, Any]] = {
    "good": {"rows": ROWS, "shelf": "main"},
    "bad": {"rows": [*ROWS, "five", "8", "nine", "seven"], "shelf": "main"},
    "lost": {"rows": ROWS, "shelf": "attic"},
    "empty": {"rows": [], "shelf": "main"},
}


async def main() -> None:
    """Four batches: what becomes of each, and what is on the shelves then."""
    async with Executor(graphs.agents) as executor:
        for name, batch in BATCHES.items():
            run = await graphs.run(executor, graph, batch)
            print(f"{name}: {run.status} | {run.state['verdict']}")
            chunks = sum(node.startswith("chunk") for node in run.nodes)
            print(f"   {chunks} chunks, {run.metrics.visits} visits, store: {run.nodes['store']}")
    print(SHELVES)


if __name__ == "__main__":
    anyio.run(main)

# Output:
# good: completed | stored 33
#    3 chunks, 6 visits, store: completed
# bad: completed | rejected, for ['six', 'five', 'nine', 'seven']
#    4 chunks, 7 visits, store: skipped
# lost: completed | not stored: KeyError 'attic'
#    3 chunks, 7 visits, store: failed
# empty: completed | stored 0
#    0 chunks, 3 visits, store: completed
# {'main': 33}
