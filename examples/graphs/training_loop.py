"""Training with early stopping: a node that loops while it gets better, with restarts.

`graph.loop` calls one node again while a condition on the state holds. The numbers are real: a
line is fitted to points by gradient descent, and what counts is the loss on points that it was
not fitted to. Where the steps are too large it gets worse from the start: then the router goes
back with half the learning rate.
"""

from dataclasses import dataclass, field

import anyio

from dagger import Executor, Graph, Graphs, NodeContext

POINTS = [(x / 10, 3 * x / 10 + 1 + (0.1 if x % 3 else -0.2)) for x in range(40)]
TRAINING, HELD_BACK = POINTS[::2], POINTS[1::2]
PATIENCE = 3


@dataclass
class Training:
    """What the nodes share; nodes are given it as this class."""

    rate: float
    slope: float = 0.0
    offset: float = 0.0
    losses: list[float] = field(default_factory=list)
    tried: list[float] = field(default_factory=list)
    result: str = ""


def loss(slope: float, offset: float, points: list[tuple[float, float]]) -> float:
    """The mean squared error of a line."""
    return sum((slope * x + offset - y) ** 2 for x, y in points) / len(points)


def improves(state: Training) -> bool:
    """Whether it is worth another epoch: early stopping, with patience."""
    best = min(range(len(state.losses)), key=state.losses.__getitem__)
    return len(state.losses) - 1 - best < PATIENCE


graph = Graph("train", Training, reducers={"losses": "append", "tried": "append"})


@graph.node
def begin(state: Training, ctx: NodeContext) -> dict[str, object]:
    """Begin at zero, with the learning rate as it is."""
    ctx.remove_state("losses")
    return {"slope": 0.0, "offset": 0.0, "tried": state.rate}


@graph.node
def epoch(state: Training) -> dict[str, object]:
    """One step down the gradient."""
    slope, offset, count = state.slope, state.offset, len(TRAINING)
    wrong = [(slope * x + offset - y, x) for x, y in TRAINING]
    slope -= state.rate * sum(2 * error * x for error, x in wrong) / count
    offset -= state.rate * sum(2 * error for error, _ in wrong) / count
    return {"slope": slope, "offset": offset, "losses": loss(slope, offset, HELD_BACK)}


graph.loop("epoch", improves, max_iterations=200)


@graph.node
def halve(state: Training) -> dict[str, object]:
    """Try again with smaller steps."""
    return {"rate": state.rate / 2}


@graph.node
def finish(state: Training) -> dict[str, object]:
    """Say what the line is."""
    return {"result": f"y = {state.slope:.2f} x + {state.offset:.2f}"}


graph.add_edge("begin", "epoch").add_edge("halve", "begin")
worse = "${{ state.losses[-1] > state.losses[0] }}"
graph.add_conditional_edge("epoch", worse, {True: "halve", False: "finish"})

graphs = Graphs(graph)


async def main() -> None:
    """One training, and how it went."""
    async with Executor(graphs.agents) as executor:
        report = await graphs.run(executor, graph, Training(rate=0.4))
        state = report.state
        print(report.status, "|", state["result"], "| held back:", round(state["losses"][-1], 4))
        print("rates tried:", state["tried"])
        print("epochs of the last:", len(state["losses"]), "of", report.visits["epoch"], "in all")


if __name__ == "__main__":
    anyio.run(main)

# Output:
# completed | y = 3.00 x + 1.01 | held back: 0.0205
# rates tried: [0.4, 0.2, 0.1]
# epochs of the last: 41 of 49 in all
