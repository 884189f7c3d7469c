"""Graphs as documents: there and back, and what is wrong with one is told and never crashes."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger.graphs import END, Dependency, Graph, Need, dump, load, parse
from dagger.graphs.describing import definition_data, definition_from
from dagger.words.errors import DefinitionError, GraphError
from tests.graphs.test_machine_model import Block, Written, programs


def work(state: Any) -> None:
    """What every node does."""


FUNCTIONS = dict.fromkeys(("classify", "answer", "escalate", "x", "undo it", "answer:undo"), work)

TEXT = """\
name: support
description: Tickets
nodes:
- {name: classify, uses: classify, to: [answer]}
- {name: answer, uses: answer, retry: exponential, timeout: 3, on_error: handle,
   needs: {classify: {type: required, lifecycle: periodic, interval: 60}}}
- {name: check, kind: ask, question: {prompt: "Who takes it?", key: owner, choices: [me, you]}}
- {name: again, kind: loop, uses: x, loop: {condition: "${{ state.n < 3 }}", max_iterations: 5}}
- {name: sub, kind: subgraph, uses: inner, inputs: {a: b}, outputs: {c: d}}
edges: {start: [classify], answer: [again], again: [sub]}
choices:
  classify: {router: "${{ state.urgent }}", targets: {"true": check, "false": answer}}
reducers: {log: append}
subgraphs:
  inner:
    name: inner
    nodes: [{name: x, uses: x}, {name: y, uses: x}]
    edges: {start: [x]}
    choices: {x: {router: "${{ state.a }}", targets: {"1": y, "2": end}}}
"""


def test_there_and_back() -> None:
    """What is dumped is parsed to the same graph, all its parts included."""
    graph = parse(TEXT, FUNCTIONS)
    again = parse(dump(graph), FUNCTIONS)
    assert again.build() == graph.build()
    assert dump(again) == dump(graph)
    assert parse(json.dumps(definition_data(graph.build())), FUNCTIONS).build() == graph.build()


@given(programs())
def test_any_definition_is_plain_data(program: Block) -> None:
    """Whatever a graph is made of, its definition goes to JSON and comes back."""
    definition = Written(program).graph.definition()
    data = json.loads(json.dumps(definition_data(definition)))
    assert definition_from(data) == definition


def test_a_graph_within_may_have_expressions() -> None:
    """Routers and loops of a graph within are expressions as well."""
    graph = parse(TEXT, FUNCTIONS)
    assert graph.build().subgraphs["inner"].choices["x"].is_expression


def test_conditions_that_are_functions_have_names() -> None:
    """A condition of a need that is a function is found again by its name."""
    graph = Graph("g").add_node("a", work)
    need = Dependency(Need.REQUIRED, condition=lambda state: state["strict"])
    graph.add_node("b", work, needs={"a": need}).add_edge("a", "b")
    again = parse(dump(graph), graph.functions)
    assert again.build() == graph.build()


def test_a_file_is_loaded(tmp_path: Path) -> None:
    """A document may be a file."""
    path = tmp_path / "support.yaml"
    path.write_text(TEXT, "utf-8")
    assert load(path, FUNCTIONS).build() == parse(TEXT, FUNCTIONS).build()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "mapping"),
        ("[1, 2]", "mapping"),
        ("name: x", "nodes"),
        ("name: [", "not YAML"),
        ("name: g\nnodes: 3", "no graph"),
        ("name: g\nnodes: [3]", "no graph"),
        ("name: g\nnodes: [{name: a, uses: nobody}]", "no function 'nobody'"),
        ("name: g\nnodes: [{name: a, uses: x, colour: red}]", "colour"),
        ("name: g\nnodes: [{name: a, uses: x, kind: blob}]", "$.nodes[0].kind"),
        ("name: g\nnodes: [{name: a, uses: x}, {name: a, uses: answer}]", "'a'"),
        ("name: g\nnodes: [{name: a, uses: x}]\nedges: {a: [b]}", "'b'"),
        ("name: g\nnodes: [{name: a, uses: x}]\nsurprise: 3", "surprise"),
        ("name: g\nnodes: [{name: a, uses: x, timeout: soon}]", "$.nodes[0].timeout"),
        ("name: g\nnodes: [{name: start, uses: x}]", "start"),
        ("name: g\nnodes: [{name: a, kind: subgraph, uses: ghost}]", "ghost"),
        ("name: g\nnodes: [{name: a, kind: ask}]", "'a'"),
    ],
)
def test_a_wrong_document_is_told(text: str, problem: str) -> None:
    """What is wrong is said in words of the document."""
    with pytest.raises(GraphError) as caught:
        parse(text, FUNCTIONS)
    assert problem in str(caught.value)


VALUES = st.recursive(
    st.sampled_from([None, True, 0, -1, 1.5, "", "a", "${{ x", "${{ state.x }}", "start", "end"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=3,
)


@given(st.data())
def test_no_document_crashes(data: st.DataObject) -> None:
    """A document with anything in the place of any of its parts is a graph, or a GraphError."""
    document = definition_data(parse(TEXT, FUNCTIONS).build())
    place: Any = document
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            break
        place = inner
    place[key] = data.draw(VALUES)
    with suppress(GraphError):
        parse(json.dumps(document), FUNCTIONS)


def test_a_document_imports_nothing() -> None:
    """Functions are found by the names that they are given under; a module is never one."""
    sys.modules.pop("antigravity", None)
    for name in ("antigravity:fly", "antigravity.fly", "os:system", "!!python/name:os.system x"):
        with pytest.raises(DefinitionError):
            parse(f"name: g\nnodes: [{{name: a, uses: {json.dumps(name)}}}]", FUNCTIONS)
    with pytest.raises(GraphError):
        parse("!!python/object/apply:os.system ['true']", FUNCTIONS)
    assert "antigravity" not in sys.modules


def test_a_huge_document_is_refused() -> None:
    """Who sends megabytes is told so."""
    with pytest.raises(GraphError, match="characters"):
        parse("x" * 5_000_000)


def test_the_end_is_a_target() -> None:
    """A router of a document may lead to the end."""
    graph = Graph("g").add_node("x", work).add_conditional_edge("x", "${{ 1 }}", {"1": END})
    assert parse(dump(graph), FUNCTIONS).build() == graph.build()
