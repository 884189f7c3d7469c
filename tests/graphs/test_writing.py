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
