"""What is said of a graph holds, however it is said."""

from __future__ import annotations

from dataclasses import dataclass, field

from dagger import Executor, Graph, Graphs


@dataclass
class Found:
    """A state of a class that knows nothing of reducers."""

    names: list[str] = field(default_factory=list)


async def test_updates_of_a_class_are_no_values() -> None:
    """A key whose reducer the graph says takes updates that its annotation would refuse."""
    graph = Graph("names", Found, reducers={"names": "append"})
    graph.add_node("find", lambda: {"names": "Ada"})
    graphs = Graphs(graph)
    async with Executor(graphs.agents) as executor:
        report = await graphs.run(executor, graph, {"names": ["Bo"]})
    assert report.state == {"names": ["Bo", "Ada"]}


async def test_reducers_of_one_name_are_two() -> None:
    """Each key has its own function, also where two have one name, or that of a node."""

    def longest(value: str | None, update: str) -> str:
        return max(value or "", update, key=len)

    graph = Graph(
        "sums",
        reducers={
            "sum": lambda value, update: (value or 0) + update,
            "product": lambda value, update: (value or 1) * update,
            "name": longest,
        },
    )
    graph.add_node("two", lambda: {"sum": 2, "product": 2, "name": "two"})
    graph.add_node("longest", lambda: {"sum": 3, "product": 3, "name": "three"})
    graphs = Graphs(graph.add_edge("two", "longest"))
    async with Executor(graphs.agents) as executor:
        report = await graphs.run(executor, graph)
    assert report.state == {"sum": 5, "product": 6, "name": "three"}
