"""Nodes as they run: what they are given, what they return, and how they fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any, Literal, TypedDict

import anyio
import pytest
from pydantic import BaseModel, Field

from dagger import Context, Executor, agent
from dagger.graphs import (
    END,
    START,
    Goto,
    Graph,
    GraphReport,
    Graphs,
    GraphStatus,
    NodeContext,
    dump,
    parse,
)
from dagger.words.errors import (
    ArgumentsRefused,
    CheckpointRefused,
    DaggerError,
    DefinitionError,
    ResponderFailed,
    StateRefused,
    ValidationError,
)


class Ticket(BaseModel):
    text: str
    score: int = 0


@dataclass
class Book:
    title: str
    pages: int = 0


class Typed(TypedDict, total=False):
    count: int
    name: str


async def ran(graph: Graph, state: Any = None, **limits: Any) -> GraphReport:
    """The report of one run."""
    graphs = Graphs(graph)
    async with Executor(graphs.agents) as executor:
        return await graphs.run(executor, graph, state, **limits)


async def test_nodes_are_async_or_plain() -> None:
    """Both kinds of functions are nodes, routers and loops."""
    graph = Graph("g")

    @graph.node
    async def one() -> dict[str, int]:
        return {"n": 1}

    @graph.node
    def two(state: Any) -> dict[str, int]:
        return {"n": state["n"] + 1}

    graph.add_edge("one", "two").loop("two", lambda state: state["n"] < 5)

    def where(state: Any) -> str:
        return "more" if state["n"] < 9 else "enough"

    @graph.node
    def three(ctx: NodeContext) -> None:
        ctx.set_state("n", ctx.get_state("n") + 10)

    graph.add_conditional_edge("two", where, {"more": "three", "enough": END})
    report = await ran(graph)
    assert report.state == {"n": 15}
    assert report.visits == {"one": 1, "two": 4, "three": 1}


async def test_routers_may_be_async() -> None:
    """An async node may have an async router and loop; a plain one is refused with one."""
    graph = Graph("g")

    @graph.node
    async def one(state: Any) -> Any:
        return {"n": state["n"] + 1}

    async def short(state: Any) -> bool:
        return bool(state["n"] < 3)

    graph.loop("one", short).add_conditional_edge("one", short, {"false": END, "true": "one"})
    assert (await ran(graph, {"n": 0})).state == {"n": 3}
    plain = Graph("g").add_node("one", lambda: None).add_conditional_edge("one", short, ["x"])
    with pytest.raises(DefinitionError, match="plain function, and its router"):
        Graphs(plain.add_node("x", one))


async def test_what_a_node_returns() -> None:
    """None, a name, several, an update, a model, and a Goto with an update of its own."""
    graph = Graph("g", reducers={"log": "append"})

    @graph.node
    async def a() -> Literal["b"]:
        return "b"

    @graph.node
    async def b() -> list[Literal["c", "d"]]:
        return ["c", "d"]

    @graph.node(to="e")
    async def c() -> Goto:
        return Goto("e", update={"log": "c"})

    @graph.node
    async def d() -> Ticket:
        return Ticket(text="t")

    @graph.node
    async def e(state: Any) -> Any:
        return Goto(END, {"log": ["e", state["text"]]})

    graph.add_edge("d", "e")
    report = await ran(graph)
    assert report.status is GraphStatus.COMPLETED, report.reason
    assert report.state == {"log": ["c", "e", "t"], "text": "t"}


async def test_a_context_reads_and_writes_the_state() -> None:
    """Get, set, has and remove; what is removed and then set is there, and what was set is seen."""
    graph = Graph("g")
    seen: list[Any] = []

    @graph.node
    async def a(ctx: NodeContext) -> Any:
        seen.append((ctx.get_state("x"), ctx.get_state("no", 7), ctx.has_state("no"), ctx.node))
        ctx.set_state("null", None)
        seen.append((ctx.has_state("null"), ctx.get_state("null", 1)))
        ctx.remove_state("x")
        seen.append(ctx.has_state("x"))
        ctx.remove_state("y")
        ctx.set_state("y", "again")
        ctx.set_state("gone", 1)
        ctx.remove_state("gone")
        ctx.remove_state("never")
        return {"x2": 2}

    report = await ran(graph, {"x": 1, "y": 1})
    assert seen == [(1, 7, False, "a"), (True, None), False]
    assert report.state == {"y": "again", "null": None, "x2": 2}


async def test_typed_access() -> None:
    """A model and a dataclass go into the state and come out as what they were, checked."""
    graph = Graph("g")

    @graph.node
    async def a(ctx: NodeContext) -> None:
        ctx.set_typed("ticket", Ticket(text="t"))
        ctx.set_typed("book", Book("b"))
        assert ctx.get_typed("ticket", Ticket) == Ticket(text="t")
        assert ctx.update_typed("book", pages=3) == Book("b", 3)
        with pytest.raises(DaggerError):
            ctx.update_typed("ticket", score="high")
        with pytest.raises(ArgumentsRefused, match=r"input at \$.pages"):
            ctx.set_typed("book", Book("b", pages="many"))  # type: ignore[arg-type]
        with pytest.raises(StateRefused, match="5 is no dataclass"):
            ctx.set_typed("book", 5)
        with pytest.raises(StateRefused, match="has no field 'pags'; did you mean 'pages'"):
            ctx.update_typed("book", pags=3)
        with pytest.raises(StateRefused, match="nobody has said of what type"):
            ctx.update_typed("nothing", pages=3)
        with pytest.raises(StateRefused):
            ctx.get_typed("nothing", Book)

    report = await ran(graph)
    assert report.status is GraphStatus.COMPLETED, report.reason
    assert report.state == {"ticket": {"text": "t", "score": 0}, "book": {"title": "b", "pages": 3}}


async def test_a_field_with_an_alias_is_updated_by_its_name() -> None:
    """A model is kept by its aliases, and updated by the names of its fields."""

    class Coded(BaseModel):
        code: int = Field(alias="C")

    graph = Graph("g")

    @graph.node
    async def a(ctx: NodeContext) -> None:
        ctx.set_typed("it", Coded(C=1))
        assert ctx.update_typed("it", code=2).code == 2

    assert (await ran(graph)).state == {"it": {"C": 2}}


async def test_the_type_of_a_key_is_that_of_the_state() -> None:
    """Where the state says of what type a value is, nobody has to say it again."""

    class Shelf(BaseModel):
        book: Book

    graph = Graph("g", Shelf)

    @graph.node
    async def a(ctx: NodeContext) -> None:
        assert ctx.update_typed("book", pages=4) == Book("b", 4)

    report = await ran(graph, {"book": {"title": "b"}})
    assert report.state == {"book": {"title": "b", "pages": 4}}, report.reason


async def test_what_a_node_has_updated_it_sees() -> None:
    """A key with a reducer has the value that the update comes to, at once and afterwards."""
    graph, seen = Graph("g", reducers={"log": "append"}), list[Any]()

    @graph.node
    async def a(ctx: NodeContext) -> Any:
        ctx.set_state("log", "one")
        ctx.set_state("log", "two")
        seen.append(ctx.get_state("log"))
        return {"log": "three"}

    report = await ran(graph, {"log": ["zero"]})
    assert seen == [["zero", "one", "two"]]
    assert report.state == {"log": ["zero", "one", "two", "three"]}


async def test_a_function_may_have_parameters_of_its_own() -> None:
    """With defaults; what it asks for by another name, without one, is refused."""

    def a(state: Any, /, times: int = 3) -> Any:
        return {"n": times}

    def b(state: Any, times: int = 3, *rest: Any, **more: Any) -> Any:
        return {"n": state["n"] * times}

    with pytest.raises(DaggerError, match="may ask for state, ctx by name, and"):
        Graphs(Graph("g").add_node("a", a))
    assert (await ran(Graph("g").add_node("b", b), {"n": 2})).state == {"n": 6}


@pytest.mark.parametrize("of", [Ticket, Book])
async def test_a_state_with_a_type_is_built(of: Any) -> None:
    """A node is given the model or the dataclass that the state is of, with its defaults."""
    key = next(iter(of.__annotations__))
    graph = Graph("g", of)
    seen: list[Any] = []

    @graph.node
    async def a(state: Any) -> None:
        seen.append(state)

    await ran(graph, {key: "t"})
    assert seen == [of(**{key: "t"})]


@pytest.mark.parametrize(
    ("state", "problem"),
    [({"cuont": 1}, "did you mean 'count'"), ({"count": "x"}, "$.count"), ([1], "keys")],
)
async def test_a_state_that_does_not_fit_begins_nothing(state: Any, problem: str) -> None:
    """What a run begins with is checked against the type of the state."""
    graph = Graph("g", Typed).add_node("a", lambda: None)
    with pytest.raises(DaggerError) as caught:
        await ran(graph, state)
    assert problem in str(caught.value) or isinstance(caught.value, ValidationError)


@pytest.mark.parametrize(
    ("update", "problem"),
    [({"cuont": 1}, "no such key"), ({"count": "x"}, "'count'"), ({"count": {1}}, "set")],
)
async def test_an_update_that_does_not_fit_fails_the_node(update: Any, problem: str) -> None:
    """What a node changes is checked as well: it fails, and names the key."""
    graph = Graph("g", Typed).add_node("a", lambda: update)
    report = await ran(graph)
    assert report.status is GraphStatus.FAILED
    assert problem in report.reason
    assert "'a'" in report.reason


class Bounded(BaseModel):
    low: int = Field(0, ge=0)
    high: Annotated[int, Field(le=9), "add"] = 0


@dataclass
class Bound:
    low: Annotated[int, Field(ge=0)] = 0
    high: Annotated[int, "add"] = 0


@pytest.mark.parametrize("of", [Bounded, Bound])
async def test_bounds_are_checked(of: Any) -> None:
    """What a field says of its values holds when a run begins, and for each change."""
    graph = Graph("g", of).add_node("a", lambda: {"low": -1, "high": 2})
    report = await ran(graph, of(low=3))
    assert "cannot set 'low' of the state: value is less than the minimum of 0" in report.reason
    with pytest.raises(ValidationError, match="minimum"):
        await ran(graph, {"low": -1})


async def test_a_key_may_be_called_checkpoint() -> None:
    """A state that has it is no checkpoint."""
    graph = Graph("g").add_node("a", lambda: {"a": 1})
    values: list[Any] = [1, {"machine": {"executions": []}}]
    for value in values:
        report = await ran(graph, {"checkpoint": value})
        assert report.state == {"checkpoint": value, "a": 1}
    graphs = Graphs(graph)
    async with Executor(graphs.agents) as executor:
        with pytest.raises(CheckpointRefused):
            await graphs.run(executor, graph, [{"executions": []}])
        assert not executor.runs()


async def test_an_agent_begins_a_graph_as_anybody_does() -> None:
    """What it begins with is checked, and has its defaults, in the run of the agent as well."""

    class State(BaseModel):
        n: int = 3

    graph = Graph("g", State)
    graph.add_node("a", lambda ctx: {"n": ctx.get_state("n") + 1})

    @agent(subscribe="go", publish="*")
    async def go(payload: Any, ctx: Context) -> Any:
        return await ctx.request("g", payload)

    graphs = Graphs(graph)
    async with Executor([*graphs.agents, go]) as executor:
        assert await executor.request("go", {}) == {"n": 4}
        assert await executor.request("go", {"n": 5}) == {"n": 6}
        for wrong, problem in (({"n": "x"}, r"\$.n"), ({"m": 1}, "the state has no key 'm'")):
            with pytest.raises(ResponderFailed, match=problem):
                await executor.request("go", wrong)


async def test_a_key_is_a_text() -> None:
    """Who sets another one is told; it would be lost."""
    report = await ran(Graph("g").add_node("a", lambda: {1: 2}))
    assert report.reason.endswith("node 'a' cannot set 1 of the state: a key is a text")


async def test_a_list_is_appended_to() -> None:
    """What is no list is not taken apart."""
    graph = Graph("g", reducers={"k": "append"}).add_node("a", lambda: {"k": 1})
    assert "'append' is for lists, and what was there is 'abc'" in (
        (await ran(graph, {"k": "abc"})).reason
    )


async def test_nobody_shares_a_mutable_value() -> None:
    """Two branches that change what they were given change each a copy."""
    graph = Graph("g", reducers={"log": "append"})

    @graph.node
    async def b(state: Any) -> Any:
        state["items"].append("b")
        return {"log": [state["items"]]}

    graph.add_node("c", b).add_edge(START, ["b", "c"])
    report = await ran(graph, {"items": []})
    assert report.state == {"items": [], "log": [[], []]}


async def test_a_state_that_is_set_says_how() -> None:
    """Who sets a key of the mapping that a node is given is told what to do instead."""

    def counting(state: Any) -> None:
        state["n"] += 1

    report = await ran(Graph("g").add_node("a", counting), {"n": 1})
    assert "cannot be changed: return {'n': ...}, or ctx.set_state(...)" in report.reason


async def test_a_node_is_tried_again() -> None:
    """A node's own retry: attempts that fail leave nothing behind."""
    graph = Graph("g", reducers={"n": "add"})
    tries: list[int] = []

    @graph.node(retry={"kind": "immediate", "max_attempts": 3})
    async def a(ctx: NodeContext) -> None:
        tries.append(ctx.attempt)
        ctx.set_state("n", 1)
        if ctx.attempt < 3:
            raise ValueError("again")

    report = await ran(graph)
    assert (tries, report.state) == ([1, 2, 3], {"n": 1})


async def test_an_error_is_handled() -> None:
    """With `on_error="handle"` the branch goes on, and its router sees the error."""
    graph = Graph("g")

    @graph.node(on_error="handle")
    async def risky() -> None:
        raise LookupError("nothing there")

    graph.add_node("rescue", lambda state: {"rescued": state["error"]["node"]})
    graph.add_conditional_edge("risky", lambda state: "error" in state, {True: "rescue"})
    report = await ran(graph)
    assert report.status is GraphStatus.COMPLETED
    assert report.state["rescued"] == "risky"
    assert report.state["error"]["type"] == "LookupError"
    assert report.nodes["risky"] == "failed"


async def test_a_router_that_says_nonsense_fails_its_node() -> None:
    """A label that there is none of makes the run fail, and is named; it is not asked for ever."""
    for on_error in ("fail", "handle"):
        graph = Graph("g").add_node("a", lambda: None, on_error=on_error)
        graph.add_conditional_edge("a", lambda state: "sideways", {"up": END})
        report = await ran(graph)
        assert report.status is GraphStatus.FAILED
        assert "'sideways'; it may say up" in report.reason


async def test_nodes_are_added_while_a_run_goes_on() -> None:
    """One node for each chunk, and what follows joins them."""
    graph = Graph("g", reducers={"out": "append"})

    @graph.node
    async def split(state: Any, ctx: NodeContext) -> list[str]:
        return [ctx.add_node(f"work {x}", "work", then="join") for x in state["chunks"]]

    async def work(ctx: NodeContext) -> Any:
        return {"out": [ctx.node]}

    graph.functions["work"] = work
    graph.add_node("join", lambda state: {"count": len(state["out"])}).add_edge("split", "join")
    report = await ran(graph, {"chunks": ["x", "y", "z"]})
    assert report.state["out"] == ["work x", "work y", "work z"]
    assert report.state["count"] == 3


async def test_a_node_that_is_added_has_a_function() -> None:
    """Who adds one with a function that the graph has not is told at once."""
    graph = Graph("g").add_node("split", lambda ctx: ctx.add_node("part", "coutn"))
    graph.functions["count"] = lambda: None
    report = await ran(graph)
    assert report.nodes == {"split": "failed"}
    assert "node 'part' has no function 'coutn'; did you mean 'count'?" in report.reason


async def test_a_node_cannot_take_the_place_of_another() -> None:
    """A name that the graph has already is refused where the node is added."""
    graph = Graph("g")

    @graph.node
    async def a(ctx: NodeContext) -> str:
        return ctx.add_node("b", "a")

    graph.add_node("b", lambda: {"b": 1}).add_edge("a", "b")
    report = await ran(graph)
    assert report.status is GraphStatus.FAILED
    assert "another node 'b' already" in report.reason


@pytest.mark.parametrize("first", ["x", "y"])
async def test_a_node_is_added_once(first: str) -> None:
    """Two nodes may add the same one, and of two that differ one is refused, whoever comes last."""

    def both(then: str) -> Graph:
        graph = Graph("g", reducers={"log": "append"}).add_node("split", lambda: None)
        come = anyio.Event()

        async def add(ctx: NodeContext) -> str:
            if ctx.node != first:
                await come.wait()
            come.set()
            return ctx.add_node("n", "work", then="j1" if ctx.node == "x" else then)

        graph.functions["work"] = lambda: {"log": "n"}
        graph.add_node("x", add, to=["j1", then]).add_node("y", add, to=["j1", then])
        graph.add_node("j1", lambda: {"log": "j1"}).add_node("j2", lambda: {"log": "j2"})
        return graph.add_edge("split", ["x", "y"]).add_edge("j1", "j2")

    assert (await ran(both("j1"))).state == {"log": ["n", "n", "j1", "j2"]}
    report = await ran(both("j2"))
    assert report.status is GraphStatus.FAILED
    assert "graph 'g' has another node 'n' already" in report.reason


async def test_a_node_says_where_it_may_go() -> None:
    """Where it goes besides fails it: joins wait for who may come, and for nobody else."""
    graph = Graph("g").add_node("s", lambda: None).add_node("a", lambda: None)
    graph.add_node("x", lambda: "join", on_error="handle").add_node("join", lambda: None)
    graph.add_edge("s", ["a", "x"]).add_edge("a", "join")
    report = await ran(graph)
    assert report.visits["join"] == 1
    error = report.state["error"]
    assert (error["node"], error["type"]) == ("x", "TargetUnknown")
    problem = "which it does not say; add to='join' to it, or an edge"
    assert error["message"] == f"node 'x' goes to 'join', {problem}"


@pytest.mark.parametrize("added", [False, True])
async def test_where_there_is_no_node_nobody_can_go(added: bool) -> None:
    """A name that no node has fails the node that says it, and the nearest one is told."""

    def go(ctx: NodeContext) -> str:
        return ctx.add_node("new", "go", then="jion") if added else "jion"

    graph = Graph("g").add_node("go", go, to="join").add_node("join", lambda: None)
    report = await ran(graph)
    assert report.nodes["go"] == "failed"
    assert "node 'go' goes to 'jion', which there is none of; did you mean 'join'?" in report.reason


@pytest.mark.parametrize("kind", ["start", "end"])
async def test_nodes_that_do_nothing_are_passed_by(kind: str) -> None:
    """A start and an end need no function."""
    graph = Graph("g").add_node("a", lambda: {"a": 1})
    graph.add_node("b", kind=kind)
    if kind == "end":
        graph.add_edge("a", "b")
    else:
        graph.add_node("c", lambda: {"c": 1})
        graph.add_edge(START, "b").add_edge("b", "a").add_edge("a", "c")
    report = await ran(graph)
    assert report.status is GraphStatus.COMPLETED, report.reason
    assert report.state == ({"a": 1} if kind == "end" else {"a": 1, "c": 1})


@pytest.mark.parametrize("outer", [None, "last", "append"])
async def test_what_a_graph_within_has_gathered_is_handed_on(outer: str | None) -> None:
    """Where the graph around it sets a key, it is what the graph within has made of it; where it
    has a reducer, that gets the updates.
    """
    inner = Graph("inner", reducers={"log": "append"})
    inner.add_node("a", lambda: {"log": "a"}).add_node("b", lambda: {"log": "b"})
    graph = Graph("g", reducers={} if outer is None else {"log": outer})
    graph.add_node("first", lambda: {"log": ["0"]}).add_subgraph("in", inner.add_edge("a", "b"))
    report = await ran(graph.add_edge("first", "in"))
    assert report.state == {"log": ["0", "a", "b"]}


def work() -> None:
    """Do nothing."""


async def test_nodes_may_share_a_function() -> None:
    """Each has policies and an undoing of its own; one that is added has those of the first."""
    log: list[str] = []

    def work(ctx: NodeContext) -> Any:
        log.append(ctx.node)
        if ctx.node == "b" and log.count("b") == 1:
            raise ValueError("again")
        return [ctx.add_node("c", "work", then="d")] if ctx.node == "b" else None

    def fail() -> None:
        raise ValueError("no")

    text = """
        name: g
        nodes:
          - {name: a, uses: work, undo: undo a}
          - {name: b, uses: work, undo: undo b, retry: {kind: immediate, max_attempts: 2}, to: [d]}
          - {name: d, uses: fail}
        edges: {a: [b]}
    """
    functions: dict[str, Any] = {"work": work, "fail": fail}
    for name in "ab":
        functions[f"undo {name}"] = lambda name=name: log.append(f"undo {name}")
    report = await ran(parse(text, functions=functions))
    assert log == ["a", "b", "b", "c", "undo b", "undo a"]
    assert report.undone == ("a", "b")


def test_no_function_takes_the_place_of_another() -> None:
    """A node that is called as what belongs to another one is refused, whichever comes first."""
    told = "'a:undo' is the name of two functions"
    with pytest.raises(DefinitionError, match=told):
        Graph("g").add_node("a", work, undo=print).add_node("a:undo", work)
    with pytest.raises(DefinitionError, match=told):
        Graph("g").add_node("a:undo", work).add_node("a", work, undo=print)


async def test_a_graph_may_be_in_several_others() -> None:
    """Its nodes run once for each visit, on whatever floors it is, and read of a document too."""
    ran_at: list[str] = []
    inner = Graph("inner").add_node("count", lambda ctx: ran_at.append(ctx.node))
    middle = Graph("middle").add_subgraph("in", inner)
    graph = Graph("g").add_subgraph("a", inner).add_subgraph("b", middle).add_edge("a", "b")
    for each in (graph, parse(dump(graph), inner.functions)):
        ran_at.clear()
        assert (await ran(each)).status is GraphStatus.COMPLETED
        assert ran_at == ["count", "count"]


async def test_an_unknown_graph_is_told() -> None:
    """A graph that there is none of is named, with those that there are."""
    graphs = Graphs(Graph("g").add_node("a", lambda: None))
    async with Executor(graphs.agents) as executor:
        with pytest.raises(DaggerError, match="no graph 'h' here; known: g"):
            await graphs.run(executor, "h")


async def test_two_executors_may_run_one_graph() -> None:
    """The same agents in two executors at once, with runs of one id, stay apart."""
    graph = Graph("g")

    @graph.node
    async def a(state: Any, ctx: NodeContext) -> Any:
        await ctx.sleep(0.001)
        return {"y": state["x"]}

    graph.add_node("b", lambda state: {"z": state["x"]}).add_edge("a", "b")
    graphs = Graphs(graph)
    async with Executor(graphs.agents) as one, Executor(graphs.agents) as other:
        first = await graphs.start(one, graph, {"x": 1}, run_id="same")
        second = await graphs.start(other, graph, {"x": 2}, run_id="same")
        assert (await first.result()).state == {"x": 1, "y": 1, "z": 1}
        assert (await second.result()).state == {"x": 2, "y": 2, "z": 2}


class Shelf(BaseModel):
    book: Book | None = None
    notes: list[str] = []


async def test_typed_values_that_are_none_are_refused() -> None:
    """A value is of the type that it is read as, or refused; nothing of it is dropped unseen."""
    graph, told = Graph("g"), dict[str, DaggerError]()

    @graph.node
    def use(ctx: NodeContext) -> None:
        ctx.set_typed("book", Book("b", 3))
        ctx.set_state("number", 5)
        assert ctx.get_typed("number", int) == 5
        tries: dict[str, Callable[[], Any]] = {
            "read": lambda: ctx.get_typed("book", int),
            "number": lambda: ctx.get_typed("number", Book),
            "update": lambda: ctx.update_typed("number", Book, title="c"),
            "simple": lambda: ctx.update_typed("number", int),
            "other": lambda: ctx.update_typed("book", Ticket, text="t"),
        }
        for name, each in tries.items():
            with pytest.raises(DaggerError) as caught:
                each()
            told[name] = caught.value
        ctx.update_typed("book", title="c")

    report = await ran(graph)
    assert report.state == {"book": {"title": "c", "pages": 3}, "number": 5}, report.reason
    assert {name: type(each) for name, each in told.items()} == {
        **dict.fromkeys(("read", "number", "update"), ArgumentsRefused),
        **dict.fromkeys(("simple", "other"), StateRefused),
    }
    assert "has 'title', which Ticket has no field for and would drop" in str(told["other"])


async def test_a_value_that_may_be_missing_has_its_type() -> None:
    """`Book | None` in the type of a state says what the value is, where it is there."""
    graph = Graph("g", Shelf)

    @graph.node
    def put(ctx: NodeContext) -> None:
        ctx.set_typed("book", Book("b"))

    @graph.node
    def change(ctx: NodeContext) -> None:
        ctx.update_typed("book", pages=3)

    report = await ran(graph.add_edge("put", "change"))
    assert report.state["book"] == {"title": "b", "pages": 3}, report.reason


@dataclass
class Loan:
    """A value that is no JSON data as it is."""

    on: date
    days: timedelta = timedelta(14)


async def test_what_nodes_give_is_written_as_its_type_writes_it() -> None:
    """Dates and the like in dataclasses: in what begins a run, is returned, set and changed."""
    graph = Graph("g", Loan)

    @graph.node
    def prolong(state: Loan) -> Loan:
        return Loan(state.on, state.days * 2)

    report = await ran(graph, Loan(date(2026, 1, 2)))
    assert report.state == {"on": "2026-01-02", "days": "P28D"}, report.reason

    graph = Graph("g")

    @graph.node
    def lend(ctx: NodeContext) -> None:
        ctx.set_typed("loan", Loan(date(2026, 1, 2)))
        assert ctx.update_typed("loan", days=timedelta(7)).days == timedelta(7)

    report = await ran(graph)
    assert report.state == {"loan": {"on": "2026-01-02", "days": "P7D"}}, report.reason
