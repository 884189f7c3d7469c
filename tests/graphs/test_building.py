"""Graphs as they are written: what is wrong with one is said at once, all of it and by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypedDict

import pytest

from dagger.graphs import END, START, Dependency, Graph, Graphs, NodeKind, dump, parse
from dagger.words.errors import DefinitionError, GraphError


def nothing() -> None:
    """A node that does nothing."""


def graph_of(*names: str, name: str = "g", **options: Any) -> Graph:
    """A chain of nodes that do nothing."""
    graph = Graph(name, **options)
    for before, node in zip(("", *names), names, strict=False):
        graph.add_node(node, nothing)
        if before:
            graph.add_edge(before, node)
    return graph


def test_all_that_is_wrong_is_said_at_once() -> None:
    """One error has every problem, in sentences that name the nodes and guess what was meant."""
    graph = graph_of("load", "count")
    graph.add_edge("count", "laod").add_edge("ghost", "load")
    graph.add_node("island", nothing, needs={"cuont": "required"})
    graph.add_node("spin", nothing).add_edge("load", "spin").add_edge("spin", "spin")
    graph.add_node("round", nothing, kind="loop").add_edge("load", "round")
    graph.add_node("tries", nothing, retry="often").add_edge("load", "tries")
    graph.add_conditional_edge("tries", "${{ state. }}", [END])
    with pytest.raises(GraphError) as caught:
        graph.build()
    told = "\n".join(caught.value.problems)
    for wanted in (
        "'count' leads to 'laod', which is no node; did you mean 'load'?",
        "an edge comes from 'ghost'",
        "node 'island' cannot be reached",
        "'island' needs 'cuont', which there is none of; did you mean 'count'?",
        "from node 'spin' no way leads to an end",
        "node 'round' is a loop",
        "node 'tries': ",
        "the router of 'tries': ",
    ):
        assert wanted in told
    assert str(caught.value).count("\n") >= 7


def test_an_empty_graph_is_none() -> None:
    """A graph needs a node."""
    with pytest.raises(GraphError, match="no nodes"):
        Graph("g").build()


@pytest.mark.parametrize("name", ["a", START, END])
@pytest.mark.parametrize("kind", ["node", "ask", "subgraph"])
def test_a_name_is_taken_once(name: str, kind: str) -> None:
    """No two nodes have one name, and none that of the start or the end."""
    graph = graph_of("a")
    adding = {
        "node": lambda: graph.add_node(name, nothing),
        "ask": lambda: graph.ask(name, "well?", key="k"),
        "subgraph": lambda: graph.add_subgraph(name, graph_of("x")),
    }
    problem = "already" if name == "a" else "no node can be called"
    with pytest.raises(DefinitionError, match=problem):
        adding[kind]()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"colour": "red"}, "'colour'"),
        ({"on_error": "shrug"}, "'shrug'"),
        ({"kind": "blob"}, "'blob'"),
        ({"needs": {"a": "mandatory"}}, "'mandatory'"),
        ({"needs": ["a"]}, "needs= says of each node what is needed"),
    ],
)
def test_a_wrong_option_is_told(options: Any, problem: str) -> None:
    """What is no option, or no value of one, is refused where it is said."""
    with pytest.raises(DefinitionError, match=problem):
        graph_of("a").add_node("b", nothing, **options)


@pytest.mark.parametrize(
    "options",
    [{"timeout": -1}, {"timeout": "soon"}, {"priority": "high"}, {"resources": {"gpu": "x"}}],
)
def test_a_wrong_policy_is_told(options: Any) -> None:
    """What the executor would refuse of a node is refused before anything runs."""
    graph = graph_of("a")
    with pytest.raises(DefinitionError):
        Graphs(graph.add_node("b", nothing, **options).add_edge("a", "b"))


@pytest.mark.parametrize(
    "options", [{"retry": "exponential"}, {"timeout": 1}, {"undo": nothing}, {"resources": {}}]
)
def test_what_is_said_of_a_function_is_for_no_graph(options: Any) -> None:
    """A node that is a graph has nothing to try again or to undo: its nodes have."""
    graph = Graph("g").add_subgraph("a", graph_of("x", name="inner"), **options)
    with pytest.raises(GraphError, match="say it of the nodes in its graph"):
        graph.build()


def test_what_calls_no_function_cannot_loop() -> None:
    """Graphs within and questions are gone back to by edges."""
    graph = Graph("g").ask("a", "well?", key="k")
    graph.add_subgraph("b", graph_of("x", name="inner"))
    for name in ("a", "b"):
        with pytest.raises(DefinitionError, match="lead an edge back"):
            graph.loop(name, "${{ true }}")


def test_graphs_within_are_checked() -> None:
    """What is wrong with a graph within is said by its name, however deep it is."""
    broken = graph_of("x", name="broken").add_edge("x", "y")
    middle = Graph("middle").add_subgraph("b", broken)
    with pytest.raises(GraphError, match="graph 'broken': 'x' leads to 'y', which is no node"):
        Graph("g").add_subgraph("a", middle).build()


def test_a_graph_within_is_given_keys_that_there_are() -> None:
    """Where the state of a graph has a type, what it is given and gives has to be a key of it."""

    class Inner(TypedDict):
        words: list[str]

    class Outer(TypedDict):
        parts: list[str]

    graph = Graph("g", Outer)
    inner = graph_of("x", name="inner", state=Inner)
    graph.add_subgraph("a", inner, inputs={"words": "pats"}, outputs={"word": "parts"})
    with pytest.raises(GraphError) as caught:
        graph.build()
    assert caught.value.problems == (
        "inputs of node 'a' name 'pats', which the state of graph 'g' has no key for",
        "outputs of node 'a' name 'word', which the state of graph 'inner' has no key for",
    )


def test_graphs_of_one_name_are_refused() -> None:
    """No graph is within itself, and no two different ones of one name are within one."""
    one, other = graph_of("x", name="one"), graph_of("y", name="one")
    outer = Graph("outer").add_subgraph("a", one)
    with pytest.raises(DefinitionError, match="two graphs are called 'one'"):
        outer.add_subgraph("b", other)
    with pytest.raises(DefinitionError, match="node 'o' cannot be graph 'outer'"):
        one.add_subgraph("o", outer)
    with pytest.raises(DefinitionError, match="two graphs are called 'one'"):
        outer.add_subgraph("c", Graph("middle").add_subgraph("b", other)).build()
    with pytest.raises(DefinitionError, match="two graphs are called 'one'"):
        Graphs(one, other)


@pytest.mark.parametrize("kind", ["start", "end"])
def test_a_start_and_an_end_call_nothing(kind: str) -> None:
    """A function that would never be called is refused, and so is a way on from an end."""
    with pytest.raises(DefinitionError, match=f"of kind '{kind}', which calls no function"):
        Graph("g").add_node("a", nothing, kind=kind)
    with pytest.raises(GraphError, match="node 'a' is an end, and leads to 'b'"):
        Graph("g").add_node("a", kind="end").add_node("b", nothing).add_edge("a", "b").build()


def test_a_run_begins_at_a_start() -> None:
    """A start need not be the first node, nor be led to; in a document it needs no function."""
    graph = graph_of("a").add_node("s", kind="start").add_node("e", kind="end")
    graph.add_edge("s", "a").add_edge("a", "e")
    assert graph.build().edges[START] == ("s",)
    assert parse(dump(graph), {"a": nothing}).build() == graph.build()


def test_a_condition_of_a_need_is_checked() -> None:
    """An expression that is none is found when the graph is built."""
    graph = graph_of("a").add_node("b", nothing, needs={"a": Dependency(condition="${{ 1 + }}")})
    with pytest.raises(GraphError, match="'b' needs 'a'"):
        graph.add_edge("a", "b").build()


def test_a_reducer_is_of_a_key() -> None:
    """Where the state has keys, a reducer of another one is a mistake."""

    class Shape(TypedDict):
        log: list[str]

    with pytest.raises(GraphError, match="'lgo'"):
        graph_of("a", state=Shape, reducers={"lgo": "append"}).build()


def test_an_unknown_reducer_is_told() -> None:
    """A reducer is one of ours or a function."""
    with pytest.raises(DefinitionError, match="no reducer 'sum'"):
        Graphs(graph_of("a", reducers={"k": "sum"}))


def test_a_reducer_that_is_misspelt_is_told() -> None:
    """An annotation may say anything, but nearly the name of a reducer is meant as one."""

    class Shape(TypedDict):
        count: Annotated[int, "ad"]
        what: Annotated[str, "a sentence about it"]

    with pytest.raises(DefinitionError, match="no reducer 'ad'; did you mean 'add'"):
        Graph("g", Shape)


def test_where_a_node_goes_may_be_its_annotation() -> None:
    """`-> Literal[...]` says where a function may go: its targets are reached, and checked."""

    def choose() -> Literal["b", "c"]:
        return "b"

    graph = Graph("g").add_node("a", choose).add_node("b", nothing).add_node("c", nothing)
    assert graph.build().nodes["a"].to == ("b", "c")

    def lost() -> Literal["b", "x"] | None:
        return "x"

    graph = Graph("g").add_node("a", lost).add_node("b", nothing)
    with pytest.raises(GraphError, match="'a' leads to 'x'"):
        graph.build()


def test_a_node_without_a_function_is_told() -> None:
    """What a node calls has to be there when its agents are made."""
    with pytest.raises(DefinitionError, match="node 'a' has no function"):
        Graphs(Graph("g").add_node("a"))


def test_a_function_asks_for_what_there_is() -> None:
    """A node may ask for the state and its context, and for nothing else."""

    def greedy(state: Any, database: Any) -> None: ...

    with pytest.raises(DefinitionError, match="'database'"):
        Graphs(Graph("g").add_node("a", greedy))


def test_a_router_asks_for_the_state_alone() -> None:
    """Where nothing of the context is there to be given, asking for it is refused."""
    graph = graph_of("a").add_conditional_edge("a", lambda ctx: ctx.node, {"a": END})
    with pytest.raises(DefinitionError, match="may ask for state by name, and not for 'ctx'"):
        Graphs(graph)
    with pytest.raises(DefinitionError, match="may ask for state, ctx by name"):
        Graphs(Graph("g").add_node("a", lambda update: update))


def test_a_router_that_says_always_the_same_is_none() -> None:
    """A text without an expression is refused where a router is wanted."""
    graph = graph_of("a").add_conditional_edge("a", "state.kind", {"x": END})
    with pytest.raises(GraphError, match=r"'a': 'state\.kind' has no expression"):
        graph.build()


def test_what_is_called_at_once_is_plain() -> None:
    """Reducers and conditions of needs cannot be async."""

    async def late(*_: Any) -> Any:
        """What nobody waits for."""

    graph = graph_of("a", reducers={"k": late})
    graph.add_node("b", nothing, needs={"a": Dependency(condition=late)}).add_edge(START, "b")
    with pytest.raises(GraphError) as caught:
        graph.add_edge(START, "a").build()
    assert [problem.partition(";")[0] for problem in caught.value.problems] == [
        "the reducer of 'k' is async",
        "node 'b' needs 'a' under a condition that is async",
    ]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"prompt": {"about": "${{ state. }}"}}, "the prompt of 'q': expression"),
        ({"prompt": "well?", "timeout": -1}, "timeout= is seconds above 0, not -1"),
    ],
)
def test_what_is_asked_is_checked(options: Any, problem: str) -> None:
    """A prompt that nobody could be shown is refused, and a time in which nobody could answer."""
    with pytest.raises(GraphError, match=problem):
        Graph("g").ask("q", key="k", **options).build()


def test_a_loop_is_of_a_node() -> None:
    """What is looped is there, and goes round at least once."""
    with pytest.raises(DefinitionError, match="no node 'b'"):
        graph_of("a").loop("b", "${{ true }}")
    with pytest.raises(GraphError, match="at least once"):
        graph_of("a").loop("a", "${{ true }}", max_iterations=0).build()
    assert graph_of("a").loop("a", "${{ true }}").build().nodes["a"].kind is NodeKind.LOOP


def test_a_node_has_one_router() -> None:
    """Two routers of one node are a mistake."""
    graph = graph_of("a").add_conditional_edge("a", "${{ state.x }}", [END])
    with pytest.raises(DefinitionError, match="a router already"):
        graph.add_conditional_edge("a", "${{ state.y }}", [END])


@pytest.mark.parametrize("name", ["x/y", "a.b", "g:report", " "])
def test_the_name_of_a_graph_is_no_part_of_a_channel(name: str) -> None:
    """Channels of graphs are never the same, whatever their nodes and functions are called."""
    with pytest.raises(GraphError, match="is no name for a graph"):
        graph_of("a", name=name).build()


class Typed(TypedDict, total=False):
    k: int
    log: Annotated[list[str], "append"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"choices": [1, "x"]}, "the answer 'x' of node 'a' is nothing that 'k' of the state can"),
        ({"default": "x"}, "the answer 'x' of node 'a' is nothing that 'k' of the state can be"),
        ({"choices": []}, "node 'a' has no choices"),
        ({"choices": [{1}]}, "node 'a': choices= the schema is not JSON at"),
        ({"default": {1}}, "node 'a': default= set is not JSON"),
        ({"choices": [1], "default": 2}, "node 'a': its default will not do: value is not one of"),
        ({"choices": [1], "schema": {}}, "node 'a' takes choices= or schema=, and not both"),
        ({"schema": {"type": "strin"}}, "node 'a': schema= the schema is not valid at"),
        ({"schema": {"minimum": 3}, "default": 2}, "node 'a': its default will not do"),
    ],
)
def test_a_question_that_nobody_could_answer_is_refused(options: Any, problem: str) -> None:
    """Choices, a schema and a default have to go together, and with the type of the state."""
    with pytest.raises(GraphError) as caught:
        Graph("g", Typed).ask("a", "?", key="k", **options).build()
    assert [each[: len(problem)] for each in caught.value.problems] == [problem]


def test_an_answer_may_be_an_update() -> None:
    """Of a key with a reducer the answer is no value, and may be anything."""
    Graph("g", Typed).ask("a", "?", key="log", choices=["x", "y"], default="x").build()


@pytest.mark.parametrize("name", [7, "", None])
def test_a_name_is_a_text(name: Any) -> None:
    """What is no name is refused where it is said."""
    graph = graph_of("a")
    ways: list[Callable[[], Any]] = [
        lambda: Graph(name),
        lambda: graph.add_node(name, nothing),
        lambda: graph.ask(name, "?", key="k"),
        lambda: graph.add_subgraph(name, Graph("i")),
    ]
    for wrong in ways:
        with pytest.raises(DefinitionError, match="is a text of at least one character, not"):
            wrong()
    if name != "":
        for source, target in (("a", name), (name, "a"), ("a", [name])):
            with pytest.raises(DefinitionError, match="from a node to others, by their names, not"):
                graph.add_edge(source, target)


def test_unknown_resources_are_told() -> None:
    """By the node, with what was meant."""
    graph = Graph("g").add_node("a", nothing, resources={"gpus": 4})
    with pytest.raises(GraphError, match="node 'a': resources= has no 'gpus'; did you mean 'gpu'"):
        graph.build()
    graph = Graph("g").add_node("a", nothing, resources={"wings": 2})
    with pytest.raises(GraphError, match="has no 'wings'; known: cpu, memory_mb, gpu, io, network"):
        graph.build()


@pytest.mark.parametrize("labels", [{None: "a"}, {True: "a", "true": END}, {1: "a", "1": END}])
def test_a_label_that_could_not_be_chosen_is_refused(labels: Any) -> None:
    """Labels are texts, each of them once; None chooses nothing."""
    with pytest.raises(DefinitionError, match="the router of 'a' in graph 'g'"):
        graph_of("a").add_conditional_edge("a", "${{ state.x }}", labels)
