"""What Graphviz makes of a DOT source, and trees and topologies for it to draw."""

from __future__ import annotations

import shutil
import subprocess
from xml.etree import ElementTree

import pytest
from hypothesis import strategies as st

from dagger.state.tree import Node
from dagger.views.nodes import OpenNode, OutputEdge, TreeNode
from dagger.views.topology import AgentShape, ChannelShape, Topology
from dagger.views.tree import ExecutionTree
from dagger.words.outcomes import Disposition
from dagger.words.records import Failure

needs_graphviz = pytest.mark.skipif(
    shutil.which("dot") is None, reason="Graphviz is not installed: no `dot` on the PATH"
)

SVG = "{http://www.w3.org/2000/svg}"

any_text = st.text(st.characters(exclude_categories=()), max_size=30)
"""Text of any characters at all: controls, lone surrogates and noncharacters too."""


names = st.sampled_from(["a", "b", "c", "d", '"', "<i>"])
agent_shapes = st.builds(
    AgentShape,
    name=names,
    subscribes=st.lists(names, max_size=3).map(tuple),
    publishes=st.just("*") | st.lists(names, max_size=3).map(tuple),
    description=st.text(max_size=80),
    overflow=st.sampled_from(["drop_oldest", "block", "block", "reject"]),
    capacity=st.none() | st.just(1000),
    input_schema=st.sampled_from([None, True, {"type": "string"}, {"type": "object"}]),
    hears_itself=st.booleans(),
)
topologies = st.builds(
    Topology,
    agents=st.lists(agent_shapes, max_size=6, unique_by=lambda agent: agent.name).map(tuple),
    channels=st.lists(st.builds(ChannelShape, names), max_size=3).map(tuple),
)


def dot(source: str, format: str = "plain") -> str:
    """What `dot` writes for a source; fails unless it accepts it without a word."""
    done = subprocess.run(["dot", f"-T{format}"], input=source.encode(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    return done.stdout.decode()


def shown(source: str) -> list[str]:
    """The text on each node of the picture, by line, as a reader of the SVG sees it."""
    root = ElementTree.fromstring(dot(source, "svg"))
    nodes = [group for group in root.iter(f"{SVG}g") if group.get("class") == "node"]
    return ["\n".join(text.text or "" for text in node.iter(f"{SVG}text")) for node in nodes]


def node(delivery: int, parent: int, agent: str, status: str = "ok") -> TreeNode:
    """A node on the channel that is named like its agent."""
    return TreeNode("r", delivery, parent, 0, agent, agent, status, 1, 1.0, 1.5)


def chain(agents: list[str]) -> list[TreeNode]:
    """Nodes of which each caused the next."""
    return [node(at, at - 1, agent) for at, agent in enumerate(agents, 1)]


def _failure(disposition: int) -> Failure | None:
    return Failure("ValueError", 'no "such" <thing>') if disposition in (4, 5) else None


@st.composite
def trees(draw: st.DrawFn, max_size: int = 25) -> ExecutionTree:
    """A run as it may stand: ended and open deliveries, some with forgotten parents, outputs."""
    names = st.sampled_from(["a", "b", 'q"\\', "<b>"])
    size = draw(st.integers(0, max_size))
    ended, open_nodes = [], []
    for delivery in range(3, size + 3):
        parent = draw(st.integers(0, delivery - 1))
        place, channel, agent = draw(st.integers(0, 3)), draw(names), draw(names)
        if draw(st.booleans()):
            end = draw(st.sampled_from(Disposition))
            row = (delivery, parent, place, channel, agent, end, draw(st.integers(0, 2)), 1.0, 2.0)
            ended.append(Node(*row, _failure(end), draw(st.integers(0, 9))))
        else:
            status = draw(st.sampled_from(["pending", "running", "waiting"]))
            open_nodes.append(OpenNode(delivery, parent, place, channel, agent, status))
    outputs = [
        OutputEdge(draw(names), draw(st.integers(0, size + 2)), 0, draw(st.integers(1, 9)))
        for _ in range(draw(st.integers(0, 3)))
    ]
    forgotten = draw(st.sampled_from([0, 0, 7]))
    run_id = draw(st.sampled_from(["r", "a:b.c", '"\\\n']))
    return ExecutionTree(
        run_id, draw(st.permutations(ended)), open=open_nodes, outputs=outputs, forgotten=forgotten
    )
