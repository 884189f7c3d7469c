"""Pictures of graphs: a definition, a run laid over it, what branches see, and where nodes stand.

Runs are in virtual time. What a branch saw and returned is noted by its nodes; where runs and
nodes may stand is drawn from the tables that the code has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import anyio

from dagger import Graph, GraphReport, Graphs, NodeContext
from dagger.graphs import END, to_dot
from dagger.graphs.picture import COLOURS
from dagger.graphs.status import GRAPH_MOVES, NODE_MOVES, GraphStatus, NodeStatus
from dagger.testing import simulate, simulated
from dagger.views import dot

# -- a definition, and a run of it -----------------------------------------------------


def definition() -> str:
    """The graph as it is written."""
    return to_dot(_survey().build())


def execution() -> str:
    """The same after a run, in which nobody had to be asked."""
    return to_dot(_survey().build(), simulate(_surveyed))


def _survey() -> Graph:
    within = Graph("statistics").add_node("mean", lambda: {"mean": 4.2})
    graph = Graph("survey", reducers={"rounds": "add"})

    @graph.node
    async def load() -> dict[str, Any]:
        """Read the answers."""
        return {"rounds": 0}

    @graph.node(on_error="handle")
    async def clean() -> dict[str, Any]:
        """Drop what makes no sense."""
        return {"rounds": 1}

    @graph.node
    async def judge() -> None:
        """Is it good enough?"""

    @graph.node
    async def publish() -> None:
        """Put it on the web."""

    graph.add_subgraph("statistics", within)
    graph.ask("review", "Publish it all the same?", key="approved", choices=["yes", "no"])
    graph.add_edge("load", ["clean", "statistics"])
    graph.add_edge("clean", "judge").add_edge("statistics", "judge")
    graph.loop("clean", "${{ state.rounds < 3 }}")
    graph.add_conditional_edge("judge", "${{ state.mean > 4 }}", {True: "publish", False: "review"})
    graph.add_conditional_edge("review", "${{ state.approved }}", {"yes": "publish", "no": END})
    return graph


async def _surveyed() -> GraphReport:
    graphs = Graphs(_survey())
    async with simulated(*graphs.agents) as executor:
        return await graphs.run(executor, "survey")


# -- what branches see -----------------------------------------------------------------

Noted = dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]]
"""By node, what it saw of the state and what it returned."""

ARTICLE = {
    "outline": {"lines": "title"},
    "facts": {"source": "Knuth", "lines": "fact"},
    "check": {"lines": "says Knuth"},
    "jokes": {"mood": "good", "lines": "joke"},
    "edit": {"done": True},
}
"""What each node returns."""

EDGES = {"outline": ["facts", "jokes"], "facts": ["check"], "check": ["edit"], "jokes": ["edit"]}


def branches() -> str:
    """The run of an article: a split, a branch of two nodes, one of one, and a join."""
    return dot.digraph("branches", _branches(simulate(_written)))


async def _written() -> Noted:
    noted: Noted = {}
    graph = Graph("article", reducers={"lines": "append"})

    async def write(state: dict[str, Any], ctx: NodeContext) -> Mapping[str, Any]:
        await anyio.sleep(1)
        noted[ctx.node] = state, ARTICLE[ctx.node]
        return ARTICLE[ctx.node]

    for name in ARTICLE:
        graph.add_node(name, write)
    for source, targets in EDGES.items():
        graph.add_edge(source, targets)
    graphs = Graphs(graph)
    async with simulated(*graphs.agents) as executor:
        await graphs.run(executor, graph)
    return noted


LOOKS = {"facts": "#0072b2", "check": "#0072b2", "jokes": "#009e73"}
"""The lines of a branch's nodes."""


def _branches(noted: Noted) -> Iterator[str]:
    yield from dot.preamble(ranksep=0.5, nodesep=0.35)
    for name in ARTICLE:
        saw, returned = noted[name]
        pieces = [dot.text(name, bold=True)]
        pieces += [dot.text(f"sees {each}", size=9, colour=dot.QUIET) for each in _keys(saw)]
        pieces += [dot.text(f"returns {each}", size=9) for each in _keys(returned)]
        line = LOOKS.get(name, dot.QUIET)
        yield dot.node(name, label=dot.lines(*pieces), style="rounded", color=line)
    for source, targets in EDGES.items():
        split = len(targets) > 1
        for number, target in enumerate(targets, start=1):
            words = f"named {('first', 'second')[number - 1]}" if split else ""
            yield dot.edge(source, target, label=words)


def _keys(state: Mapping[str, Any]) -> Iterator[str]:
    if not state:
        yield "nothing"
    for key, value in state.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        yield f"{key}: {shown}"


# -- where runs and nodes stand --------------------------------------------------------


def runs() -> str:
    """Where a run may stand, and what may follow."""
    return dot.digraph("runs", _runs())


def nodes() -> str:
    """The same of a node, without what begins another visit of it."""
    return dot.digraph("nodes", _nodes())


def _runs() -> Iterator[str]:
    yield from dot.preamble(ranksep=0.5)
    looks = {GraphStatus.PAUSED: NodeStatus.BLOCKED, GraphStatus.IDLE: NodeStatus.PENDING}
    for each in GraphStatus:
        yield _status(each, looks.get(each) or NodeStatus(each), ended=each.ended)
        yield from (dot.edge(each, after) for after in GraphStatus if after in GRAPH_MOVES[each])


def _nodes() -> Iterator[str]:
    yield from dot.preamble(ranksep=0.5)
    for each in NodeStatus:
        yield _status(each, each, ended=each.ended)
        for after in NodeStatus:
            again = each.ended and not after.ended
            if after in NODE_MOVES[each] and not again:
                yield dot.edge(each, after)


def _status(name: str, looks: NodeStatus, *, ended: bool) -> str:
    double = {"peripheries": 2} if ended else {}
    label = dot.text(name, bold=True)
    return dot.node(name, label=label, style="rounded,filled", **COLOURS[looks], **double)
