"""The machine of a graph, one promise at a time: what models of it leave out."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger.graphs import END, START, Graph, GraphStatus, NodeStatus
from dagger.graphs.model import Node
from dagger.graphs.outcome import Outcome
from dagger.graphs.reducers import Reduce, add, append
from dagger.graphs.saving import machine_data
from dagger.words.errors import GraphEventRefused
from tests.graphs.conducting import Conductor, Error, machine_of
from tests.graphs.test_machine_model import Block, Written, programs


def plainly(name: str, visit: int, saw: dict[str, Any]) -> Outcome:
    """Every node completes and changes nothing."""
    return Outcome()


def setting(**values: Any) -> Any:
    """Nodes set the key "k" to a value of their own, if they have one."""

    def behave(name: str, visit: int, saw: dict[str, Any]) -> Outcome:
        return Outcome((("k", values[name]),)) if name in values else Outcome()

    return behave


def diamond(**options: Any) -> Graph:
    """A split into b and c, and their join."""
    graph = Graph("diamond", **options)
    for name in ("a", "b", "c", "d"):
        graph.add_node(name)
    return graph.add_edge("a", ["b", "c"]).add_edge("b", "d").add_edge("c", "d")


@pytest.mark.parametrize("seed", range(4))
def test_a_conflict_names_both_nodes_and_the_key(seed: int) -> None:
    """Two branches that set a key to different values make the run fail, in the same words
    whichever came first; the same value twice is no conflict.
    """
    conductor = Conductor(diamond(), setting(b=1, c=2), seed)
    machine = conductor.conduct()
    assert conductor.finished is GraphStatus.FAILED
    assert "nodes 'b' and 'c' ran side by side and set 'k'" in machine.reason
    conductor = Conductor(diamond(), setting(b=1, c=1), seed)
    assert conductor.conduct().view.get("k") == 1


def test_a_conflict_of_branches_that_end_is_found_in_the_end() -> None:
    """Branches that never join contradict each other when the run is over."""
    graph = Graph("g")
    for name in ("a", "b", "c"):
        graph.add_node(name)
    graph.add_edge("a", ["b", "c"])
    conductor = Conductor(graph, setting(b=1, c=2))
    assert "nodes 'b' and 'c'" in conductor.conduct().reason
    assert conductor.finished is GraphStatus.FAILED


def test_equal_values_are_no_conflict() -> None:
    """Mappings are the same whose keys stand in another order; a number and a truth are not."""
    values: dict[str, Any] = {"b": {"x": 1, "y": 2}, "c": {"y": 2, "x": 1}}
    assert Conductor(diamond(), setting(**values)).conduct().status is GraphStatus.COMPLETED
    machine = Conductor(diamond(), setting(b=1, c=True)).conduct()
    assert machine.status is GraphStatus.FAILED


@pytest.mark.parametrize("begin", [START, "begin"])
def test_a_choice_that_a_run_begins_with_is_saved(begin: str) -> None:
    """Saved while the first router is asked, a run goes on from its answer."""
    graph = Graph("g")
    if begin != START:
        graph.add_node(begin, kind="start")
    graph.add_node("a").add_node("b").add_node("c")
    graph.add_conditional_edge(begin, "${{ state.x }}", ["a", "b", "c"])

    def behave(name: str, visit: int, saw: dict[str, Any]) -> Outcome:
        return Outcome(chosen=("c", "a")) if name == f"{begin}:route" else Outcome((("k", name),))

    machine = Conductor(graph, behave, saving=True).conduct()
    assert "nodes 'c' and 'a'" in machine.reason
    assert machine.visits == {"a": 1, "c": 1} | ({} if begin == START else {begin: 1})


def test_an_error_that_cannot_be_kept_ends_the_run() -> None:
    """Where the reducer of `error` fails, the run fails with a reason, and is undone."""
    graph = Graph("g", reducers={"error": "add"}).add_node("w", undo=print)
    for name in ("a", "b"):
        graph.add_node(name, on_error="handle")
    graph.add_edge("w", "a").add_edge("a", "b")

    def behave(name: str, visit: int, saw: dict[str, Any]) -> Outcome | Error:
        return Outcome() if name == "w" else Error()

    conductor = Conductor(graph, behave)
    machine = conductor.conduct()
    assert conductor.finished is GraphStatus.FAILED
    assert "the reducer of 'error' failed: TypeError" in machine.reason
    assert conductor.undone == ["w"]


def test_what_a_node_has_changed_is_all_told_to_who_undoes_it() -> None:
    """Updates of a key with a reducer are put together, and what was removed is None."""
    changes = (("l", "a"), ("l", ["b", "c"]), ("n", 1), ("n", 5), ("k", 1), ("k", 2), ("one", "x"))
    outcome = Outcome(changes, removed=("r",))
    reducers: dict[str, Reduce] = {"l": append, "n": add, "one": append, "most": max}
    assert outcome.changed(reducers) == {
        "r": None,
        "l": ["a", "b", "c"],
        "n": 6,
        "k": 2,
        "one": "x",
    }
    assert Outcome((("most", 3), ("most", 7))).changed(reducers) == {"most": 7}


def test_branches_that_fail_side_by_side_are_no_conflict() -> None:
    """Of several errors that are handled, that of the branch named last is in the state."""
    graph = Graph("g")
    graph.add_node("a")
    for name in ("b", "c"):
        graph.add_node(name, on_error="handle").add_edge("a", name).add_edge(name, "d")
    graph.add_node("d")

    def behave(name: str, visit: int, saw: dict[str, Any]) -> Outcome | Error:
        return Error(message=name) if name in "bc" else Outcome()

    for seed in range(4):
        conductor = Conductor(graph, behave, seed)
        machine = conductor.conduct()
        assert conductor.finished is GraphStatus.COMPLETED, machine.reason
        assert machine.view.get("error")["node"] == "c"


def test_a_router_that_fails_behind_an_error_makes_the_run_fail() -> None:
    """It is asked once where to go after the error, and not again and again."""
    graph = Graph("g").add_node("a", on_error="handle")
    graph.add_conditional_edge("a", "${{ state.x }}", [END])
    conductor = Conductor(graph, lambda *_: Error(message="lost"))
    machine = conductor.conduct()
    assert conductor.finished is GraphStatus.FAILED
    assert machine.reason == "the router of node 'a' failed: ValueError: lost"


def test_a_node_that_fails_changes_nothing() -> None:
    """A reducer that fails on one key leaves the others alone as well."""
    graph = Graph("g", reducers={"n": "add"}).add_node("a", on_error="handle")
    conductor = Conductor(graph, lambda *_: Outcome((("k", 1), ("n", "text"))))
    machine = conductor.conduct({"n": 1})
    assert machine.view.get("error")["type"] == "TypeError"
    assert machine.view.get("n") == 1
    assert "k" not in machine.view


def test_what_a_person_changes_may_not_fit() -> None:
    """Where a reducer fails on what a person says, the person is asked again, and told why."""
    graph = Graph("g", reducers={"n": "add"}).add_node("a", on_error="ask")
    said = iter([Outcome((("n", "text"),), decision="skip"), Outcome(decision="skip")])
    conductor = Conductor(graph, lambda *_: Error(), decide=lambda _: next(said))
    machine = conductor.conduct({"n": 1})
    assert conductor.finished is GraphStatus.COMPLETED
    assert machine.statuses["a"] is NodeStatus.SKIPPED


def test_branches_in_a_cycle_run_side_by_side() -> None:
    """Siblings do not wait for each other where a way leads back round to both."""
    graph = diamond()
    graph.add_conditional_edge("d", "${{ state.x }}", ["a", END])
    machine = machine_of(graph)
    (run,) = machine.begin({}, 1.0)
    both = machine.done(run.path, Outcome(), 2.0)  # type: ignore[union-attr]
    assert sorted(each.node.name for each in both) == ["b", "c"]  # type: ignore[union-attr]
    assert machine.done(both[0].path, Outcome(), 3.0) == []  # type: ignore[union-attr]
    (join,) = machine.done(both[1].path, Outcome(), 4.0)  # type: ignore[union-attr]
    assert join.node.name == "d"  # type: ignore[union-attr]


@pytest.mark.parametrize("names", [["n", "m"], ["m", "n"]])
def test_who_comes_back_is_waited_for(names: list[str]) -> None:
    """Where a join leads back to one of the branches before it, it still waits for both."""
    graph = Graph("g", reducers={"log": "append"})
    for name in ("n", "m", "join"):
        graph.add_node(name)
    graph.add_edge(START, names).add_edge("n", "join").add_edge("m", "join")
    graph.add_conditional_edge("join", "${{ state.x }}", ["n", END])

    def behave(name: str, visit: int, saw: dict[str, Any]) -> Outcome:
        chosen = () if name != "join" else ("n",) if visit == 1 else (END,)
        return Outcome((("log", [name]),), chosen=chosen)

    for seed in range(6):
        conductor = Conductor(graph, behave, seed)
        machine = conductor.conduct()
        assert machine.view.get("log") == [*names, "join", "n", "join"]


def test_nodes_that_are_added_join_as_others_do() -> None:
    """A node for each piece of data, added while the run goes on: what they lead to waits for all
    of them, and they are known after a restart.
    """
    graph = Graph("g", reducers={"log": "append"}).add_node("split").add_node("join")
    graph.add_edge("split", "join").functions["work"] = print

    def behave(name: str, visit: int, saw: dict[str, Any]) -> Outcome:
        if name != "split":
            return Outcome((("log", [name]),))
        names = tuple(f"work{each}" for each in range(5))
        return Outcome(to=names, nodes=tuple((Node(x, uses="work"), ("join",)) for x in names))

    for seed in range(5):
        conductor = Conductor(graph, behave, seed, saving=True)
        machine = conductor.conduct()
        assert machine.view.get("log") == [*(f"work{each}" for each in range(5)), "join"]
        assert conductor.visits()["join"] == 1


def test_where_nobody_knows_the_run_fails() -> None:
    """A node that goes to one that there is none of makes the run fail, by name."""
    graph = Graph("g").add_node("a")
    conductor = Conductor(graph, lambda *_: Outcome(to=("nowhere",)))
    assert conductor.conduct().reason == "node 'a' goes to 'nowhere', which there is none of"
    assert conductor.finished is GraphStatus.FAILED


def test_a_graph_within_hands_on_what_it_has_changed() -> None:
    """What it was given and left alone is no update: a list is not doubled, and what it has
    removed is gone.
    """
    inner = Graph("inner", reducers={"log": "append"}).add_node("x")
    graph = Graph("g", reducers={"log": "append"}).add_subgraph("sub", inner)

    def behave(name: str, visit: int, saw: dict[str, Any]) -> Outcome:
        assert saw == {"log": [1], "gone": 1, "same": 1}
        return Outcome((("log", [2]), ("new", 3)), ("gone",))

    for saving in (False, True):
        conductor = Conductor(graph, behave, saving=saving)
        machine = conductor.conduct({"log": [1], "gone": 1, "same": 1})
        assert machine.view.plain() == {"log": [1, 2], "same": 1, "new": 3}


def test_a_graph_within_is_given_what_is_mapped() -> None:
    """It sees the keys that `inputs` name, and leaves those that `outputs` name."""
    inner = Graph("inner").add_node("x")
    graph = Graph("g").add_subgraph(
        "sub", inner, inputs={"a": "one", "b": "two"}, outputs={"a": "copy", "c": "three"}
    )

    def behave(name: str, visit: int, saw: dict[str, Any]) -> Outcome:
        assert saw == {"a": 1}
        return Outcome((("c", 3), ("d", 4)))

    machine = Conductor(graph, behave, saving=True).conduct({"one": 1, "other": 5})
    assert machine.view.plain() == {"one": 1, "other": 5, "copy": 1, "three": 3}


def test_an_event_that_cannot_be_is_refused() -> None:
    """Beginning twice, and an end of what does not run, are errors of whoever says so."""
    machine = machine_of(Graph("g").add_node("a"))
    machine.begin({}, 1.0)
    with pytest.raises(GraphEventRefused):
        machine.begin({}, 1.0)
    with pytest.raises(GraphEventRefused):
        machine.done((7,), Outcome(), 1.0)
    with pytest.raises(GraphEventRefused):
        machine.failed((7, 1), {"type": "E", "message": ""}, 1.0)


def test_a_join_across_splits_sees_all_that_came_before() -> None:
    """Where only some branches of an inner split come to a join of the outer one, it sees what
    their branch had changed before it split.
    """
    graph = Graph("g")
    for name in ("a", "b", "c", "d", "e", "join"):
        graph.add_node(name)
    graph.add_edge("a", ["b", "c"]).add_edge("b", ["d", "e"])
    graph.add_edge("c", "join").add_edge("d", "join")
    conductor = Conductor(graph, setting(b=1))
    conductor.conduct()
    (join,) = [each for each in conductor.ran if each.node == "join"]
    assert join.saw == {"k": 1}


@given(programs(alone=False), st.integers(0, 10**6), st.integers(0, 40))
def test_whoever_is_cancelled_ends(program: Block, seed: int, after: int) -> None:
    """Cancelled at any moment a run ends once all that is in work has, and nothing begins."""
    written = Written(program)
    conductor = Conductor(
        written.graph, written.behave, seed, decide=written.decide, cancel_after=after
    )
    machine = conductor.conduct({"x": 1})
    assert conductor.finished in (GraphStatus.CANCELLED, GraphStatus.COMPLETED)
    running = (NodeStatus.RUNNING, NodeStatus.READY, NodeStatus.BLOCKED)
    assert not set(machine.statuses.values()) & set(running)


@pytest.mark.parametrize("changes", [False, True])
def test_a_branch_that_ends_in_each_turn_is_of_that_turn(changes: bool) -> None:
    """What a turn of a cycle leaves to a branch of its own is done in that turn, and however many
    turns there are, nothing grows out of hand.
    """
    turns = 1_200
    graph = Graph("g", reducers={"n": "add", "log": "append"})
    for name in ("work", "note", "check"):
        graph.add_node(name)
    graph.add_edge("work", ["note", "check"])
    graph.add_conditional_edge("check", "${{ state.x }}", ["work", END])

    def behave(name: str, visit: int, saw: dict[str, Any]) -> Outcome:
        if name == "note":
            assert saw["n"] == visit
            return Outcome((("log", [visit]),) if changes else ())
        said = (("n", 1),) if name == "work" else ()
        return Outcome(said, chosen=("work" if visit < turns else END,) * (name == "check"))

    conductor = Conductor(graph, behave, most=10 * turns)
    machine = conductor.conduct()
    assert conductor.visits() == {"work": turns, "note": turns, "check": turns}
    assert machine.view.get("log", []) == ([*range(1, turns + 1)] if changes else [])
    assert not machine.branches.frames


def test_nobody_is_changed_by_whom_he_has_left() -> None:
    """A branch that has joined others takes along what came before its split, once: what its
    sibling does is not seen by it, and is in the state in the end.
    """
    graph = Graph("g", reducers={"log": "append"})
    for name in ("a", "b", "c", "d", "e", "join", "last"):
        graph.add_node(name)
    graph.add_edge("a", ["b", "c"]).add_edge("b", ["d", "e"])
    graph.add_edge("c", "join").add_edge("d", "join")
    graph.add_edge("join", "last").add_edge("e", "last")
    for seed in range(8):
        conductor = Conductor(graph, lambda name, *_: Outcome((("log", [name]),)), seed)
        machine = conductor.conduct()
        saw = {each.node: each.saw.get("log", []) for each in conductor.ran}
        assert saw["join"] == ["a", "b", "d", "c"]
        assert saw["last"] == ["a", "b", "d", "c", "join", "e"]
        assert machine.view.get("log") == [*saw["last"], "last"]


def test_who_was_later_is_no_conflict() -> None:
    """A key that was set before a split and is set again behind a join is set twice, and no branch
    contradicts the other; two that do not know of each other do.
    """
    graph = Graph("g")
    for name in ("a", "b", "c", "d", "e", "join"):
        graph.add_node(name)
    graph.add_edge("a", ["b", "c"]).add_edge("b", ["d", "e"])
    graph.add_edge("c", "join").add_edge("d", "join")
    for wrong in ("", "e"):
        for seed in range(4):
            said = {"b": 1, "join": 2, **({wrong: 3} if wrong else {})}
            conductor = Conductor(graph, setting(**said), seed)
            machine = conductor.conduct()
            if wrong:
                assert conductor.finished is GraphStatus.FAILED
                assert "'join'" in machine.reason
                assert "'e'" in machine.reason
            else:
                assert machine.view.get("k") == 2, machine.reason


def test_what_is_removed_and_updated_again_begins_anew() -> None:
    """In a branch as elsewhere: of a key with a reducer nothing is left that was there before."""
    graph = diamond(reducers={"log": "append"})

    def behave(name: str, visit: int, saw: dict[str, Any]) -> Outcome:
        removed = ("log",) if name == "b" else ()
        return Outcome((("log", [name]),), removed)

    machine = Conductor(graph, behave).conduct({"log": ["given"]})
    assert machine.view.get("log") == ["b", "c", "d"]


@pytest.mark.parametrize("options", [{}, {"undo": lambda: None}], ids=["plain", "undo"])
def test_a_turn_of_a_cycle_leaves_no_more_behind_than_the_one_before(options: Any) -> None:
    """Of splits, joins and graphs within nothing is kept, but for what can be undone; and of that
    not who came before whom from the beginning.
    """
    turns = 60
    inner = Graph("inner").add_node("i", lambda: None, **options)
    graph = Graph("g").add_node("work").add_node("a").add_node("join").add_subgraph("b", inner)
    graph.add_edge("work", ["a", "b"]).add_edge("a", "join").add_edge("b", "join")
    graph.add_conditional_edge("join", "${{ state.x }}", ["work", END])
    sizes: list[int] = []

    def behave(name: str, visit: int, saw: dict[str, Any]) -> Outcome:
        if name == "work":
            sizes.append(len(json.dumps(machine_data(conductor.machine))))
        return Outcome(chosen=("work" if visit < turns else END,) * (name == "join"))

    conductor = Conductor(graph, behave, most=10 * turns)
    conductor.conduct()
    assert conductor.visits()["work"] == turns
    grown = [after - before for before, after in pairwise(sizes[20:])]
    assert max(grown) < (1_500 if options else 20)
    assert max(grown[-10:]) - max(grown[:10]) < 20
