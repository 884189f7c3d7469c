"""The DOT writer: any text at all is shown as it is."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from dagger.views import dot
from dagger.views.wording import clean
from tests.views import drawn

NASTY = [
    "",
    " ",
    "\\",
    '\\"',
    '"',
    "a\\",
    "\\N\\G\\L\\n\\l",
    "<b>bold</b>",
    "<",
    "&amp; &lt; &#65; &",
    "a\nb\r\nc\rd",
    "\n",
    "\0\t\x1b[31m\x7f\x85",
    "\ud800 \ufffe \u202e",
    "é 漢字 🦜",
    "]; evil -> x [",
    'x"' * 10_000,
]

texts = st.lists(drawn.any_text, min_size=1, max_size=60)


def _tidy(text: str) -> str:
    """Text without its white space, which a layout may change."""
    return "".join(text.split())


def _as_names(labels: list[str]) -> str:
    names = {label: f"{label}{at}" for at, label in enumerate(labels)}
    nodes = [dot.node(name, label=label) for label, name in names.items()]
    edges = [dot.edge(names[labels[0]], name, label=label) for label, name in names.items()]
    return dot.digraph(labels[0], [*nodes, *edges])


def _as_labels(labels: list[str]) -> str:
    rich = [
        dot.lines(dot.text(label, bold=True), dot.text(label, size=9, colour="#d55e00"))
        for label in labels
    ]
    plain = [dot.node(f"p{at}", label=label) for at, label in enumerate(labels)]
    legend = dot.legend(labels[0], [(label, "#ffffff", "#000000") for label in labels])
    nodes = [dot.node(f"r{at}", label=label) for at, label in enumerate(rich)]
    return dot.digraph("labels", [*dot.preamble(label=legend), *plain, *nodes])


@drawn.needs_graphviz
@given(texts)
@settings(max_examples=25)
@example(NASTY)
def test_any_text_makes_valid_dot(labels: list[str]) -> None:
    """Whatever names and labels are made of, Graphviz accepts the source without a warning."""
    drawn.dot(_as_names(labels), "canon")
    drawn.dot(_as_labels(labels), "plain")


@drawn.needs_graphviz
@given(texts)
@settings(max_examples=25)
@example(NASTY)
def test_a_label_shows_its_text(labels: list[str]) -> None:
    """A picture shows the text itself: no escape, entity or tag in it means anything."""
    seen = drawn.shown(_as_labels(labels))
    plain, rich = seen[: len(labels)], seen[len(labels) :]
    for label, one, two in zip(labels, plain, rich, strict=True):
        expected = _tidy(clean(label))
        if len(clean(label)) > dot.LONGEST:
            expected = _tidy(clean(label)[: dot.LONGEST - 1] + "…")
        assert _tidy(one) == expected
        assert _tidy(two) == expected * 2


@drawn.needs_graphviz
def test_names_are_never_cut() -> None:
    """Two nodes whose long names differ at the end only are two nodes."""
    long = "x" * 5000
    source = dot.digraph("names", [dot.node(f"{long}1"), dot.node(f"{long}2")])
    assert len(drawn.shown(source)) == 2


def test_source_reads_like_dot() -> None:
    """One statement a line, attributes in brackets, numbers bare."""
    statements = [dot.node("a", label='say "hi"', width=1.5), dot.edge("a", "b"), dot.node("b")]
    assert dot.digraph("g", statements) == (
        'digraph "g" {\n  "a" [label="say \\"hi\\"", width=1.5];\n  "a" -> "b";\n  "b";\n}\n'
    )
