"""The execution tree as people see it."""

from __future__ import annotations

from pathlib import Path

import networkx
from hypothesis import given, settings

from dagger.state.tree import Tree
from dagger.views.nodes import OpenNode, OutputEdge
from dagger.views.picture import STYLES
from dagger.views.tree import COLLAPSE_ABOVE, ExecutionTree
from dagger.words.outcomes import DISPOSITIONS, Disposition
from dagger.words.records import Failure
from tests.views import drawn

WHY = Failure("TimeoutExceeded", "attempt took longer than 30 s")


def research() -> ExecutionTree:
    """A planner with three searchers: one ok, one dead, one running; one output."""
    tree = Tree()
    tree.add(1, 0, 0, "start", "planner", Disposition.OK, 1, 10.0, 10.5)
    tree.spend(1, 900)
    tree.add(3, 1, 1, "queries", "searcher", Disposition.DEAD, 3, 11.0, 41.0)
    tree.fail(3, WHY)
    tree.add(2, 1, 0, "queries", "searcher", Disposition.OK, 1, 11.0, 12.0)
    still = [OpenNode(4, 1, 2, "queries", "searcher", "running")]
    return ExecutionTree("r1", tree.nodes(), open=still, outputs=[OutputEdge("answers", 2, 0)])


def wide(count: int) -> ExecutionTree:
    """One walker that caused `count` parsers."""
    tree = Tree()
    tree.add(1, 0, 0, "start", "walker", Disposition.OK, 1, 1.0, 2.0)
    for place in range(count):
        tree.add(place + 2, 1, place, "files", "parser", Disposition.OK, 1, 1.0, 2.0)
    return ExecutionTree("wide", tree.nodes())


def test_nodes_come_in_the_order_they_ended_and_then_the_open_ones() -> None:
    """Each node has its id, the message that led to it, and how it went."""
    planner, dead, ok, running = research().nodes()
    assert [planner.id, planner.message_id] == ["planner:r1.1", "r1.0.0"]
    assert (planner.status, planner.attempts, planner.seconds, planner.tokens) == (
        "ok",
        1,
        0.5,
        900,
    )
    assert (dead.id, dead.status, dead.attempts, dead.seconds) == ("searcher:r1.3", "dead", 3, 30.0)
    assert dead.error == "TimeoutExceeded: attempt took longer than 30 s"
    assert (ok.id, ok.message_id, ok.error) == ("searcher:r1.2", "r1.1.0", None)
    assert (running.status, running.attempts, running.seconds) == ("running", 0, None)


def test_children_are_what_a_node_caused() -> None:
    """From the roots down by `children`, every node is met once."""
    tree = research()
    (root,) = tree.roots
    assert [child.id for child in tree.children(root)] == [
        "searcher:r1.3",
        "searcher:r1.2",
        "searcher:r1.4",
    ]
    assert tree.children(tree.children(root)[0]) == ()


@given(drawn.trees())
def test_roots_and_children_are_the_whole_tree(tree: ExecutionTree) -> None:
    """Nodes of the outside world and of forgotten parents are roots; the rest hang below."""
    met = list(tree.roots)
    for node in met:
        met += tree.children(node)
    assert sorted(met) == sorted(tree.nodes())
    assert len(tree) == len(met)


def test_a_tree_stays_what_it_was_when_it_was_made() -> None:
    """What a run does later is not in a tree that was made before, looked at or not."""
    columns = Tree()
    columns.add(1, 0, 0, "start", "planner", Disposition.OK, 1, 1.0, 2.0)
    tree = ExecutionTree("r", columns.nodes())
    columns.add(2, 0, 0, "start", "planner", Disposition.OK, 1, 1.0, 2.0)
    assert len(tree) == 1
    assert repr(tree) == "<ExecutionTree of run 'r': 1 nodes>"


@given(drawn.trees())
def test_networkx_gets_every_node(tree: ExecutionTree) -> None:
    """One node an invocation, an edge for each kept parent, and a forest of them."""
    graph = tree.to_networkx()
    assert set(graph) == {node.id for node in tree.nodes()}
    assert graph.number_of_nodes() == len(tree)
    assert graph.number_of_edges() == len(tree) - len(tree.roots)
    assert len(tree) == 0 or networkx.is_forest(graph)


def test_networkx_gets_what_is_known_of_a_node() -> None:
    """Attributes are plain values, on the nodes and on the messages between them."""
    graph = research().to_networkx()
    assert graph.graph == {"run_id": "r1", "forgotten": 0}
    assert graph.nodes["searcher:r1.3"] == {
        "agent": "searcher",
        "status": "dead",
        "channel": "queries",
        "message": "r1.1.1",
        "attempts": 3,
        "started": 11.0,
        "ended": 41.0,
        "seconds": 30.0,
        "error": "TimeoutExceeded: attempt took longer than 30 s",
        "tokens": 0,
        "cost": 0.0,
        "notes": (),
    }
    edge = graph.edges["planner:r1.1", "searcher:r1.3"]
    assert edge == {"channel": "queries", "message": "r1.1.1"}


@drawn.needs_graphviz
@given(drawn.trees(max_size=60))
@settings(max_examples=20)
def test_the_picture_of_any_tree_is_accepted(tree: ExecutionTree) -> None:
    """Graphviz draws every tree, collapsed or not, without a warning."""
    drawn.dot(tree.to_dot(None))
    drawn.dot(tree.to_dot("agent"))


@drawn.needs_graphviz
def test_the_picture_shows_who_what_and_why() -> None:
    """Agent, status, attempts, time, error and tokens are on the nodes; outputs are notes."""
    assert set(drawn.shown(research().to_dot())) == {
        "run r1",
        "planner\n500 ms · 900 tokens",
        "searcher\n1.0 s",
        "searcher\ndead\n30.0 s · 3 attempts\nTimeoutExceeded: attempt took longer than\n30 s",
        "searcher\nrunning",
        "answers\noutput",
    }


def test_the_legend_has_what_occurs_and_nothing_else() -> None:
    """Each status of the tree is in the legend with its count, and no other status."""
    source = research().to_dot()
    assert all(entry in source for entry in ("4 nodes", "ok 2", "dead 1", "running 1"))
    assert not any(f"{name} 0" in source or f">{name} 1" in source for name in ("dropped", "ok"))


def test_every_status_has_its_own_look() -> None:
    """No two statuses look the same, even in black and white."""
    assert set(STYLES) == {*DISPOSITIONS, "pending", "running", "waiting"}
    assert len({(look.style, look.width, look.borders) for look in STYLES.values()}) == len(STYLES)


def test_a_small_picture_draws_every_node_and_a_large_one_counts_them() -> None:
    """Above 500 nodes the picture is collapsed, unless it is told otherwise."""
    small, large = wide(COLLAPSE_ABOVE - 1), wide(COLLAPSE_ABOVE)
    assert small.to_dot().count('"parser:wide.') > COLLAPSE_ABOVE
    assert "parser \N{MULTIPLICATION SIGN} 500" in large.to_dot()
    assert large.to_dot(None).count("label=<<B>parser</B>") == COLLAPSE_ABOVE
    assert "parser \N{MULTIPLICATION SIGN} 499" in small.to_dot("agent")


def test_a_run_of_any_depth_can_be_drawn() -> None:
    """A path of 20,000 nodes is drawn and written without recursion."""
    tree = Tree()
    for delivery in range(1, 20_001):
        agent = "ping" if delivery % 2 else "pong"
        tree.add(delivery, delivery - 1, 0, agent, agent, Disposition.OK, 1, 1.0, 2.0)
    deep = ExecutionTree("deep", tree.nodes())
    assert deep.to_dot().count(" -> ") == 3
    assert deep.to_dot(None).count(" -> ") == 20_000
    assert len(deep.text().splitlines()) == 4


@drawn.needs_graphviz
def test_a_tree_is_rendered_to_a_file(tmp_path: Path) -> None:
    """`render` draws by the file's suffix and gives its path."""
    path = research().render(tmp_path / "run.svg")
    assert "searcher" in path.read_text()


def test_text_is_collapsed_and_limited() -> None:
    """`text` merges what is alike and keeps to its limit."""
    text = wide(600).text(limit=1)
    assert text.splitlines() == [
        "run wide · 601 nodes",
        "└── start → walker · 1.0 s",
        "… 1 more line",
    ]
