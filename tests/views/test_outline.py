"""The execution tree as text."""

from __future__ import annotations

from hypothesis import given

from dagger.views.merge import merge
from dagger.views.nodes import OutputEdge
from dagger.views.outline import outline
from dagger.views.tree import ExecutionTree
from dagger.words.records import Failure
from tests.views.drawn import chain, node, trees

TIMES = "\N{MULTIPLICATION SIGN}"


def test_an_outline_reads_from_the_message_to_the_agent() -> None:
    """One line a group: channel, agent, count, status, what it took and why it failed."""
    nodes = [node(1, 0, "walk"), node(2, 1, "parse"), node(3, 1, "parse"), node(4, 2, "count")]
    nodes.append(node(5, 1, "parse", "dead")._replace(failure=Failure("SyntaxError", "line 3")))
    nodes.append(node(6, 0, "watch", "waiting")._replace(attempts=0))
    outputs = [OutputEdge("totals", 4, 0, 2)]
    assert outline(merge(nodes, outputs), "r").splitlines() == [
        "run r · 6 nodes",
        "├── walk → walk · 500 ms",
        f"│   ├── parse → parse {TIMES} 2 · 1.0 s in all",
        "│   │   └── count → count · 500 ms",
        f"│   │       └── totals → output {TIMES} 2",
        "│   └── parse → parse dead · 500 ms · SyntaxError: line 3",
        "└── watch → watch waiting",
    ]


def test_a_loop_is_named_and_not_followed() -> None:
    """A path that leads back ends in a line that says whereto."""
    assert outline(merge(chain(["ping", "pong"] * 50), ()), "r").splitlines() == [
        "run r · 100 nodes",
        f"└── ping → ping {TIMES} 50 · 25.0 s in all",
        f"    └── pong → pong {TIMES} 50 · 25.0 s in all",
        f"        └── ↺ ping → ping {TIMES} 49",
    ]


def test_what_is_forgotten_is_counted() -> None:
    """Nodes whose parents are gone hang under a line that counts what is gone."""
    text = outline(merge([node(9, 5, "late")], ()), "r", forgotten=1200)
    assert text.splitlines() == [
        "run r · 1 node",
        "└── … 1,200 earlier nodes, no longer kept",
        "    └── late → late · 500 ms",
    ]


def test_a_long_outline_is_cut_and_says_so() -> None:
    """Beyond the limit lines are counted, not printed; depth is no limit."""
    lines = outline(merge(chain([f"a{at}" for at in range(150)]), ()), "r", limit=10).splitlines()
    assert len(lines) == 12
    assert lines[-1] == "… 140 more lines"


def test_names_cannot_break_the_outline() -> None:
    """Line ends and escape sequences in names and errors stay inside their line."""
    bad = node(1, 0, "a\nb\x1b[31m", "dead")._replace(failure=Failure("E", "x\r\n\x1b]0;y"))
    text = outline(merge([bad], [OutputEdge("c\n", 1, 0)]), "r\n")
    assert len(text.splitlines()) == 3
    assert "\x1b" not in text


@given(trees())
def test_every_status_and_count_is_in_the_outline(tree: ExecutionTree) -> None:
    """The outline of any tree has a line for each group, output and link that leads back."""
    merged = merge(tree.nodes(), tree.outputs)
    lines = outline(merged, "r", forgotten=tree.forgotten).splitlines()
    gone = tree.forgotten > 0 or any(source == -2 for source, _ in (*merged.links, *merged.outputs))
    assert len(lines) == 1 + len(merged.links) + len(merged.outputs) + gone
