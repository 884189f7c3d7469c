"""Graphs as documents: there and back, and what is wrong with one is told and never crashes."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, TypedDict

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from dagger.graphs import END, Dependency, Graph, Need, dump, load, parse
from dagger.graphs.describing import definition_data, definition_from
from dagger.graphs.grammar import SCHEMA, grammar
from dagger.rules.documents.structure import fitted
from dagger.rules.documents.tree import node_of
from dagger.words.errors import DefinitionError, GraphError
from tests.flows.test_fuzz import PIECES
from tests.flows.test_grammar import places
from tests.graphs.test_machine_model import Block, Written, programs
from tests.rules.documents.values import TEXTS, mappings


class State(TypedDict):
    """What a state may hold."""

    log: list[str]


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
    in_json = dump(graph, as_json=True)
    assert json.loads(in_json) == definition_data(graph.build())
    assert parse(in_json, FUNCTIONS).build() == graph.build()


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


@pytest.mark.parametrize("default", [{}, {"default": None}, {"default": 5}])
def test_a_default_is_one_if_it_is_there(default: Any) -> None:
    """A question has a default where a document has one, null as well, and nowhere else."""
    asked = {"prompt": "?", "key": "k", "timeout": 3, **default}
    data = {"name": "g", "nodes": [{"name": "a", "kind": "ask", "question": asked}]}
    graph = parse(json.dumps(data))
    question = graph.build().nodes["a"].question
    assert question is not None
    assert (question.has_default, question.default) == (bool(default), default.get("default"))
    assert json.loads(dump(graph, as_json=True))["nodes"] == data["nodes"]
    assert parse(dump(graph)).build() == graph.build()


def test_what_is_no_usual_value_is_written() -> None:
    """A priority of 0 is one, and comes back."""
    graph = Graph("g").add_node("a", work, priority=0)
    assert parse(dump(graph), graph.functions).build() == graph.build()


def test_one_name_means_one_function() -> None:
    """A graph that a document could not say is not dumped, and both graphs are named."""
    inner = Graph("inner").add_node("a", lambda: {"of": "inner"})
    outer = Graph("outer").add_node("a", lambda: {"of": "outer"}).add_subgraph("sub", inner)
    outer.add_edge("a", "sub")
    outer.build()
    with pytest.raises(DefinitionError, match="in graph 'outer' and another one in graph 'inner'"):
        dump(outer)


def test_graphs_within_have_types() -> None:
    """The state of a graph within is given by its name, so that it comes back as it was."""
    inner = Graph("inner", State).add_node("x", work)
    outer = Graph("outer").add_subgraph("sub", inner)
    again = parse(dump(outer), FUNCTIONS, states={"inner": State})
    assert again.subgraphs["inner"].shape.of is State
    assert again.subgraphs["inner"].is_like(Graph.of(inner.build(), FUNCTIONS, State))
    with pytest.raises(DefinitionError, match="states= names 'innr', which no graph within is"):
        parse(dump(outer), FUNCTIONS, states={"innr": State})


def test_a_file_is_loaded(tmp_path: Path) -> None:
    """A document may be a file."""
    path = tmp_path / "support.yaml"
    path.write_text(TEXT, "utf-8")
    assert load(path, FUNCTIONS).build() == parse(TEXT, FUNCTIONS).build()


def said(text: str) -> list[str]:
    """What is wrong with a text, without its path."""
    with pytest.raises(GraphError) as caught:
        parse(text, FUNCTIONS)
    return [each.removeprefix("graph.yml:") for each in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "1:1: the document is empty"),
        ("[1, 2]", "1:1: the document must be a mapping with 'name' and 'nodes', not a list"),
        ("name: x", "1:1: the document lacks 'nodes'"),
        ("name: a: b", "1:8: this is not YAML: mapping values are not allowed in this context"),
        ("name: g\nnodes: 3", "2:8: $.nodes: nodes must be a list of at least one node, not 3"),
        ("name: g\nnodes: [3]", "2:9: $.nodes[0]: a node must be a mapping with 'name', not 3"),
        (
            "name: g\nnodes: [{name: a, uses: clasify}]",
            "2:25: $.nodes[0].uses: there is no function 'clasify'; did you mean 'classify'?",
        ),
        (
            "name: g\nnodes: [{name: a, uses: x, on_error: aks}]",
            "2:38: $.nodes[0].on_error: on_error must be 'fail', 'handle' or 'ask', not 'aks'; "
            "did you mean 'ask'?",
        ),
        (
            "name: g\nnodes: [{name: a, uses: x, timeout: soon}]",
            "2:37: $.nodes[0].timeout: timeout must be a number of seconds above 0, not 'soon'",
        ),
        (
            "name: g\nnodes: [{name: a, uses: x}, {name: a, uses: answer}]",
            "2:36: $.nodes[1].name: there is a node 'a' already",
        ),
        (
            "name: g\nnodes: [{name: start, uses: x}]",
            "2:16: $.nodes[0].name: no node can be called 'start', which is where branches begin "
            "or end",
        ),
        (
            "name: g\nnodes: [{name: a, uses: x}]\nnode: 3",
            "3:1: $.node: unknown key 'node' in the document; did you mean 'nodes'?",
        ),
        (
            "name: g\nnodes: [{name: a, uses: x, resources: {gpu: -1}}]",
            "2:45: $.nodes[0].resources.gpu: gpu must be a number of at least 0, not -1",
        ),
        (
            "name: g\nnodes: [{name: a, uses: x, resources: {custom: {gpu: 1}}}]",
            "2:39: $.nodes[0].resources: Resources(custom=) names resources of your own, not 'gpu'",
        ),
        (
            "name: g\nnodes: [{name: a, uses: x}, {name: b, uses: x, needs: {a: {interval: 3}}}]",
            "2:59: $.nodes[1].needs.a: interval= belongs to lifecycle=PERIODIC, which needs it",
        ),
        (
            "name: g\nnodes: [{name: a, uses: x}]\nchoices: {a: {router: x, targets: {no: end, "
            "true: end}}}",
            '3:45: $.choices.a.targets: the key true is not a text; quote it: "true"',
        ),
        (
            "name: g\nname: h\nnodes: [{name: a}]",
            "2:1: $.name: the key 'name' is here twice; it was on line 1",
        ),
        (
            "name: g\nnodes: [{name: !!str a}]",
            "2:16: $.nodes[0].name: the tag !!str is not allowed; quote a value to make it a text",
        ),
        (
            "--- {name: g, nodes: [{name: a}]}\n--- {}",
            "2:1: a second document begins here; a file holds one graph",
        ),
        (
            "%YAML 1.1\n---\nname: g\nnodes: [{name: a}]",
            "1:1: this says that it is YAML 1.1; a graph is YAML 1.2",
        ),
        ("name: g\nnodes: [{name: \ud800}]", "2:16: the document is not UTF-8 here"),
        (
            "name: ''\nnodes: [{name: a, uses: x}]",
            "1:7: $.name: name must be a text of at least one character, not ''",
        ),
        (
            "name: g\nnodes: [{name: a}]",
            "2:9: $.nodes[0]: node 'a' calls a function, and nothing says which: uses='a'",
        ),
        (
            "name: g\nnodes: [{name: a, kind: end, uses: x}]",
            "2:36: $.nodes[0].uses: node 'a' is of kind 'end', which calls nothing",
        ),
        (
            "name: g\nnodes: [{name: a, uses: x, question: {prompt: b, key: c}}]",
            "2:38: $.nodes[0].question: node 'a' asks nobody; only one of kind 'ask' has a "
            "question",
        ),
        (
            "name: g\nnodes: [{name: a, uses: x, outputs: {b: c}}]",
            "2:37: $.nodes[0].outputs: node 'a' is no graph; only one of kind 'subgraph' has "
            "outputs",
        ),
        (
            "name: g\nnodes: [{name: a, kind: ask, question: {prompt: b, key: c, schema: "
            "{type: st}}}]",
            "2:68: $.nodes[0].question.schema: node 'a': schema= the schema is not valid at "
            "$.type: 'st' is not valid under any of the given schemas",
        ),
        (
            "name: g\nnodes: [{name: a, kind: ask, question: {prompt: b, key: c, choices: [1], "
            "default: 2}}]",
            "2:83: $.nodes[0].question.default: node 'a': its default will not do: value is not "
            "one of 1",
        ),
        (
            "name: g\nnodes: [{name: a, uses: x}]\nchoices: {a: {router: x, targets: {no: end}, "
            "is_expression: true}}",
            "3:61: $.choices.a.is_expression: 'x' has no ${{ ... }} in it, and names a function; "
            "leave is_expression out",
        ),
        (
            "name: g\nnodes: [{name: a, uses: x, loop: {condition: '${{ 1 }}', is_expression: "
            "false}}]",
            "2:73: $.nodes[0].loop.is_expression: '${{ 1 }}' is an expression; leave is_expression "
            "out",
        ),
        (
            "name: g\nnodes: [{name: a, uses: x}]\nreducers: {k: appnd}",
            "3:15: $.reducers.k: there is no reducer 'appnd'; did you mean 'append'?",
        ),
        (
            "name: g\nnodes: [{name: a, uses: i}]\n"
            "subgraphs: {i: {name: i, nodes: [{name: b, uses: x}]}}",
            "2:25: $.nodes[0].uses: 'i' is a graph, which only a node of kind 'subgraph' can be",
        ),
        (
            "name: g\nnodes: [{name: a, kind: subgraph, uses: i}]\n"
            "subgraphs: {i: {name: g, nodes: [{name: b, uses: x}]}}",
            "3:23: $.subgraphs.i.name: there is another graph 'g' already",
        ),
        ("[" * 100_000, "1:501: more than 500 brackets are open here"),
        ("- " * 500, "1:129: $" + "[0]" * 64 + ": this is nested deeper than 64"),
        ("x" * 5_000_000, "1:1: the document has more than 4,194,304 bytes"),
    ],
    ids=lambda text: text[:40],
)
def test_a_wrong_document_is_told(text: str, problem: str) -> None:
    """What is wrong is said in words of the document, with line, column and JSON path."""
    if "this is not YAML" in problem and not yaml.__with_libyaml__:
        pytest.skip("these are the words of libyaml, which is not there")
    assert said(text) == [problem]


def test_all_that_is_wrong_is_said_at_once() -> None:
    """Whatever is written wrongly is told in the order of the lines, in graphs within as well."""
    text = """\
name: g
nodes:
- {name: a, kind: blob, uses: &here x, colour: red}
- {name: a, uses: nobody}
- [b]
edges: {a: b}
subgraphs:
  inner:
    nodes: [{name: end, undo: unknown}]
"""
    wrong = [each.partition(": ")[2].partition(" ")[0] for each in said(text)]
    assert wrong == [
        "$.nodes[0].kind:",
        "$.nodes[0].uses:",
        "$.nodes[0].colour:",
        "$.nodes[1].name:",
        "$.nodes[1].uses:",
        "$.nodes[2]:",
        "$.edges.a:",
        "$.subgraphs.inner:",
        "$.subgraphs.inner.nodes[0].name:",
        "$.subgraphs.inner.nodes[0].undo:",
    ]


SENSELESS = """\
name: g
nodes:
- {name: a, uses: x, to: [gone], retry: often}
- {name: b, uses: x, kind: loop, needs: {b: {}, c: {}, a: {condition: "${{ 1 + }}"}}}
- {name: d, uses: x, loop: {condition: "${{ ( }}", max_iterations: 0}}
- {name: "it's", uses: ghost, kind: subgraph}
- {name: f, kind: ask}
- {name: g, uses: x, to: [g]}
- {name: h, uses: x}
edges: {ghost: [a], a: [b, lost, h], h: [h]}
choices:
  "it's": {router: "${{ state. }}", targets: {}}
  d: {router: x, targets: {nowhere: a, "1": nowhere}}
reducers: {k: append}
subgraphs:
  i: {name: i, nodes: [{name: a, uses: x}], edges: {a: [z]}}
"""


SAYS = [
    ("3:27 $.nodes[0].to[0]", "'a' leads to 'gone'"),
    ("3:41 $.nodes[0].retry", "node 'a': config 'retry'"),
    ("4:3 $.nodes[1]", "node 'b' is a loop"),
    ("4:42 $.nodes[1].needs.b", "node 'b' needs itself"),
    ("4:49 $.nodes[1].needs.c", "node 'b' needs 'c'"),
    ("4:71 $.nodes[1].needs.a.condition", "node 'b' needs 'a' under"),
    ("5:3 $.nodes[2]", "node 'd' cannot be"),
    ("5:40 $.nodes[2].loop.condition", "the loop of 'd':"),
    ("5:68 $.nodes[2].loop.max_iterations", "the loop of 'd' goes"),
    ("6:3 $.nodes[3]", 'node "it\'s" cannot be'),
    ("6:24 $.nodes[3].uses", 'node "it\'s" is a graph'),
    ("7:3 $.nodes[4]", "node 'f' cannot be"),
    ("7:3 $.nodes[4]", "node 'f' asks people"),
    ("8:3 $.nodes[5]", "node 'g' cannot be"),
    ("9:3 $.nodes[6]", "from node 'h' no way"),
    ("10:9 $.edges.ghost", "an edge comes from 'ghost'"),
    ("10:28 $.edges.a[1]", "'a' leads to 'lost'"),
    ('12:20 $.choices["it\'s"].router', 'the router of "it\'s": '),
    ('12:46 $.choices["it\'s"].targets', 'the router of "it\'s" leads'),
    ('13:45 $.choices.d.targets["1"]', "'d' leads to 'nowhere'"),
    ("14:12 $.reducers.k", "there is a reducer for 'k'"),
    ("16:24 $.subgraphs.i.nodes[0]", "from node 'a' no way"),
    ("16:57 $.subgraphs.i.edges.a[0]", "'a' leads to 'z'"),
]
"""Where each part of it is, and how what is said about that begins."""


def test_what_makes_no_sense_is_told_where_it_is() -> None:
    """Each sentence about a graph has the place of what it is about."""
    with pytest.raises(GraphError) as caught:
        parse(SENSELESS, FUNCTIONS, State, path="odd.yml")
    places = [f"{each.line}:{each.column} {each.part}" for each in caught.value.places]
    told = [each.problem for each in caught.value.places]
    for (place, begins), where, problem in zip(SAYS, places, told, strict=True):
        assert (place, problem[: len(begins)]) == (where, begins)
    assert caught.value.graph == "g"
    assert str(caught.value).splitlines()[:2] == [
        "graph 'g':",
        "odd.yml:3:27: $.nodes[0].to[0]: 'a' leads to 'gone', which is no node",
    ]


def test_a_file_that_is_no_document(tmp_path: Path) -> None:
    """What is too large or is not UTF-8 is refused; what cannot be read is an OSError."""
    path = tmp_path / "graph.yml"
    with path.open("wb") as hole:
        hole.truncate(2**32)
    with pytest.raises(GraphError, match=r"graph.yml:1:1: the document has more than 4,194,304"):
        load(path, FUNCTIONS)
    path.write_bytes(TEXT.replace("Tickets", "Fälle").encode("latin-1"))
    with pytest.raises(GraphError, match=r"graph.yml:2:15: the document is not UTF-8 here"):
        load(path, FUNCTIONS)
    with pytest.raises(OSError, match="no regular file"):
        load(tmp_path, FUNCTIONS)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nothing.yml", FUNCTIONS)


def test_aliases_are_no_bomb() -> None:
    """A few lines that would be billions of values are refused line by line."""
    lines = ["name: g", "nodes: [{name: a, uses: x}]", "description: &a [x]"]
    lines += [f"{each}: &{each} [{'*a, ' * 9}]" for each in "bcdefgh"]
    assert len(said("\n".join(lines))) > 7 * 9


def test_words_that_were_booleans_are_texts() -> None:
    """In YAML 1.2 `no`, `on` and `y` are texts: labels and names need no quotes."""
    graph = parse(
        """\
name: no
nodes: [{name: on, uses: x}, {name: y, uses: x}]
choices: {on: {router: x, targets: {yes: y, no: end}}}
""",
        FUNCTIONS,
    )
    assert graph.build().choices["on"].targets == {"yes": "y", "no": END}


def test_json_is_a_document() -> None:
    """What a program writes as JSON is read, with all that JSON escapes."""
    data = {"name": "g", "description": "\U0001f600 \u2028", "nodes": [{"name": "a", "uses": "x"}]}
    graph = parse(json.dumps(data), FUNCTIONS)
    assert graph.build().description == data["description"]
    text = json.dumps({**data, "nodes": [{"name": "a", "uses": "x", "priority": 2.0}]}, indent="\t")
    assert type(parse(text, FUNCTIONS).build().nodes["a"].priority) is int


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


@st.composite
def spoilt(draw: st.DrawFn) -> str:
    """A document of which some is cut out, doubled, or replaced by what YAML has."""
    text = draw(st.sampled_from([TEXT, SENSELESS, json.dumps(yaml.safe_load(TEXT))]))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        end = at + draw(st.sampled_from([0, 1, 3, 40]))
        made = draw(st.sampled_from(["", text[at:end] * 2, *PIECES]))
        text = text[:at] + made + text[end:]
    return text


def wrong_with(text: str) -> GraphError | None:
    """What is wrong with a text, if anything is."""
    try:
        parse(text, FUNCTIONS)
    except GraphError as error:
        return error
    return None


@given(spoilt() | st.lists(st.sampled_from(PIECES) | st.text(max_size=3)).map("".join))
def test_no_text_crashes(text: str) -> None:
    """A spoilt document, or any text, is a graph, or a GraphError whose places are in it."""
    lines = text.count("\n") + text.count("\r") + 2
    if (error := wrong_with(text)) is not None:
        assert error.places
        for each in error.places:
            assert 0 < each.line <= lines
            assert each.column > 0
            assert each.part.startswith("$")


@given(st.binary() | spoilt().map(lambda text: text.encode("utf-16", "surrogatepass")))
def test_no_file_crashes(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever bytes a file has, what is wrong is a GraphError that names the file."""
    path = tmp_path_factory.getbasetemp() / "any.yml"
    path.write_bytes(content)
    with pytest.raises(GraphError, match=r"any\.yml:\d+:\d+: "):
        load(path, FUNCTIONS)


@given(st.data())
def test_loader_and_schema_agree(data: st.DataObject) -> None:
    """The grammar is a JSON Schema: with any value in any place, both accept it or refuse it."""
    document = definition_data(parse(TEXT, FUNCTIONS).build())
    place, key = data.draw(st.sampled_from(places(document)))
    place[key] = data.draw(VALUES)
    accepted = not fitted(node_of(document), grammar(), "")[1]
    assert accepted == Draft202012Validator(SCHEMA).is_valid(document)


@given(TEXTS, TEXTS, mappings())
def test_any_text_comes_back(name: str, label: str, prompt: dict[str, Any]) -> None:
    """Whatever names, labels and prompts there are, what is dumped is parsed to the same."""
    graph = Graph("g", description=label).add_node(f"{name}1", work)
    graph.ask("q", prompt, key=name, choices=[label, prompt])
    graph.add_conditional_edge(f"{name}1", work, {label: "q", "other": END})
    assert parse(dump(graph), graph.functions).build() == graph.build()


def test_a_document_imports_nothing() -> None:
    """Functions are found by the names that they are given under; a module is never one."""
    sys.modules.pop("antigravity", None)
    for name in ("antigravity:fly", "antigravity.fly", "os:system", "!!python/name:os.system x"):
        with pytest.raises(DefinitionError):
            parse(f"name: g\nnodes: [{{name: a, uses: {json.dumps(name)}}}]", FUNCTIONS)
    with pytest.raises(GraphError):
        parse("!!python/object/apply:os.system ['true']", FUNCTIONS)
    assert "antigravity" not in sys.modules


def test_the_end_is_a_target() -> None:
    """A router of a document may lead to the end."""
    graph = Graph("g").add_node("x", work).add_conditional_edge("x", "${{ 1 }}", {"1": END})
    assert parse(dump(graph), FUNCTIONS).build() == graph.build()
