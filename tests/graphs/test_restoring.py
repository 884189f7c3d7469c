"""What is restored: any machine that was saved, and nothing that no run has made."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from dagger.graphs import Dependency, Graph
from dagger.graphs.commands import Command
from dagger.graphs.machine import Machine
from dagger.graphs.outcome import Outcome
from dagger.graphs.restoring import check
from dagger.graphs.saving import machine_data
from dagger.words.errors import CheckpointRefused
from tests.flows.test_grammar import places
from tests.graphs.conducting import Conductor, Error, library
from tests.graphs.test_machine_model import Block, Written, programs

Data = dict[str, Any]


def refused(data: Any, graph: Graph) -> str:
    """Why some data is no machine of a graph; "" if it is one."""
    try:
        check(data, graph, graph.definition(), library(graph))
    except CheckpointRefused as error:
        return error.problem
    return ""


@dataclass
class Saving(Conductor):
    """Keeps what each machine on the way was, as a text would."""

    saved: list[Data] = field(default_factory=list)

    def tell(self, event: Callable[[Machine], list[Command]]) -> None:
        super().tell(event)
        if not self.machine.status.ended:
            self.saved.append(json.loads(json.dumps(machine_data(self.machine))))


@settings(max_examples=settings().max_examples // 4)
@given(programs(alone=False), st.integers(0, 10**6), st.none() | st.integers(0, 30))
def test_whatever_was_saved_is_restored(
    program: Block, seed: int, cancel_after: int | None
) -> None:
    """At any moment of any run, its machine as a text is one that is gone on with."""
    written = Written(program)
    conductor = Saving(
        *(written.graph, written.behave, seed), decide=written.decide, cancel_after=cancel_after
    )
    conductor.conduct({"x": 1})
    assert {refused(each, written.graph) for each in conductor.saved} == {""}


class State(BaseModel):
    n: int = 0


def whole() -> Graph:
    """A graph with all that a machine may have in work, and something to undo."""
    within = Graph("inner").add_node("x", undo=print).ask("ask", "?", key="k").add_node("z")
    within.add_edge("x", ["ask", "z"])
    graph = Graph("g", State, reducers={"n": "add"})
    graph.add_node("a", undo=print).add_node("b").add_node("c", on_error="ask")
    graph.add_subgraph("sub", within, on_error="handle")
    graph.add_node("late", needs={"b": Dependency(timeout=60)})
    graph.add_edge("a", ["b", "c", "sub", "late"]).add_edge("sub", "late")
    return graph


@cache
def _machines() -> tuple[str, ...]:
    def behave(name: str, visit: int, saw: Data) -> Outcome | Error:
        return Error() if name == "c" and visit == 1 else Outcome((("n", 1),))

    found: list[str] = []
    for seed in range(8):
        conductor = Saving(whole(), behave, seed, decide=lambda _: Outcome(decision="retry"))
        conductor.conduct({"n": 1})
        found += [json.dumps(each) for each in conductor.saved]
    return tuple(dict.fromkeys(found))


ANYTHING = st.recursive(
    st.sampled_from([None, True, 1.5, "", "a", "b", "x", "running", "ask"]) | st.integers(-2, 20),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=3,
)


@given(st.data())
def test_nothing_else_is(data: st.DataObject) -> None:
    """With anything in any of its places, or without it, it is refused in words, or goes on."""
    machine = json.loads(data.draw(st.sampled_from(_machines())))
    holder, key = data.draw(st.sampled_from(places(machine)))
    if data.draw(st.booleans()):
        del holder[key]
    else:
        holder[key] = data.draw(ANYTHING)
    with suppress(CheckpointRefused):
        check(machine, whole(), whole().definition(), library(whole()))


def test_what_is_restored_has_something_to_do() -> None:
    """A machine of which something is left out that runs is refused: it would wait for ever."""
    for text in _machines():
        machine = json.loads(text)
        if machine["ends"] is None:
            running = [each for each in machine["executions"] if each["kind"] != "wake"]
            machine["executions"] = []
            assert bool(refused(machine, whole())) == bool(running)


def change(*path: Any, to: Any) -> Callable[[Data], None]:
    """Puts something in a place."""

    def changed(data: Data) -> None:
        place: Any = data
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = to

    return changed


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (change("path", to=[4]), "its path is [4], and not []"),
        (change("now", to="x"), "its machine at $.now: value is not of type"),
        (change("status", to="paused"), "it is paused, and not running"),
        (change("status", to="asleep"), "its machine at $.status: value is not one of"),
        (change("last_execution", to=0), "execution 2 is none of 0, or is there twice"),
        (change("statuses", "zz", to="failed"), "there is no node 'zz'"),
        (change("executions", 0, "node", to="zz"), "there is no node 'zz'"),
        (change("executions", 0, "node", to="a"), "execution 2 is of no branch that is running"),
        (change("executions", 0, "kind", to="ask"), "execution 2 is nothing that node 'b' does"),
        (change("executions", to=[]), "branch 3 is at node 'b', of which nothing is in work"),
        (change("branches", "last", to=0), "branch 2 is there 1 times, and the last is 0"),
        (change("branches", "standing", 0, "frame", to=9), "in frame 9, which there is none of"),
        (change("branches", "standing", 0, "own", to=9), "branch 3 has changes that are not there"),
        (change("branches", "standing", to=[]), "execution 2 is of no branch that is running"),
        (
            change("nodes", to=[[dict.fromkeys(("name", "uses", "description"), "q"), []]]),
            "no func",
        ),
        (change("undoing", "begun", 0, 1, to="zz"), "there is no node 'zz'"),
        (change("undoing", "ended", to=[[9, ""]]), "execution 9 was undone, and was none"),
    ],
)
def test_what_is_wrong_is_said(spoil: Callable[[Data], None], problem: str) -> None:
    """The reason is a sentence about what does not fit."""
    conductor = Saving(whole(), lambda *_: Outcome())
    conductor.conduct()
    machine = next(each for each in conductor.saved if len(each["executions"]) == 3)
    assert not refused(machine, whole())
    spoil(machine)
    assert problem in refused(machine, whole())


def test_values_fit_the_state() -> None:
    """What the type of the state forbids is no part of a machine."""
    graph = Graph("g", State).add_node("a").add_node("b").add_edge("a", "b")
    conductor = Saving(graph, lambda *_: Outcome())
    conductor.conduct({"n": 1})
    machine = conductor.saved[0]
    machine["state"]["set"]["n"] = "many"
    assert "'n' of the state: value is not of type" in refused(machine, graph)
