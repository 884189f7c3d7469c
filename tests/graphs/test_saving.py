"""Saving: a machine that was saved, as a text, goes on exactly as the one that was not."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dagger.graphs import Dependency, Graph, GraphStatus
from dagger.graphs.commands import Run, Stop, Wake
from dagger.graphs.outcome import Outcome
from dagger.graphs.saving import machine_data
from tests.graphs.conducting import Conductor, Error, machine_of, through_json
from tests.graphs.test_machine_model import Block, Written, programs


@settings(max_examples=settings().max_examples // 2)
@given(programs(alone=False), st.integers(0, 10**6), st.none() | st.integers(0, 30))
def test_a_saved_machine_goes_on_as_one_that_was_not(
    program: Block, seed: int, cancel_after: int | None
) -> None:
    """Saved and restored before each event of any run, it says the same, and ends as the other;
    what it says to be done, as it goes on, is what is in work.
    """
    written = Written(program)
    conductor = Conductor(
        *(written.graph, written.behave, seed),
        saving=True,
        decide=written.decide,
        cancel_after=cancel_after,
    )
    conductor.conduct({"x": 1})
    assert machine_data(conductor.machine) == machine_data(conductor.twin)


def undoable() -> Graph:
    """Nodes that can be undone, some of them in a graph within, and one that fails at last."""
    inner = Graph("inner").add_node("x", undo=print).add_node("y", undo=print).add_edge("x", "y")
    graph = Graph("g").add_node("a", undo=print)
    graph.add_subgraph("sub", inner)
    graph.add_node("b", undo=print).add_node("c", undo=print).add_node("last")
    graph.add_edge("a", ["sub", "b", "c"])
    for each in ("sub", "b", "c"):
        graph.add_edge(each, "last")
    return graph


@given(st.integers(0, 10**6), st.sets(st.sampled_from("abcxy")), st.integers(0, 9))
def test_undoing_goes_on_where_it_was(seed: int, fails: set[str], cancel_after: int) -> None:
    """Saved at any moment of undoing, nothing is undone twice, and nothing forgotten; what cannot
    be undone is told.
    """

    def behave(name: str, visit: int, saw: dict[str, Any]) -> Outcome | Error:
        return Error() if name == "last" else Outcome(((name, 1),))

    conductor = Conductor(
        *(undoable(), behave, seed),
        saving=True,
        undo_fails=frozenset(fails),
        cancel_after=cancel_after,
    )
    machine = conductor.conduct({})
    assert conductor.finished in (GraphStatus.FAILED, GraphStatus.CANCELLED)
    done = {each.node for each in conductor.ran} & set("abcxy")
    assert done <= set(conductor.undone)
    assert len(set(conductor.undone)) == len(conductor.undone)
    assert machine.undoing.over
    if "y" in conductor.undone and "x" in conductor.undone:
        assert conductor.undone.index("y") < conductor.undone.index("x")
    if conductor.undone:
        assert conductor.undone[-1] == "a"


def test_a_wait_goes_on() -> None:
    """A node that waits for what it needs, saved, is woken at the same moment."""
    graph = Graph("g").add_node("s").add_node("slow")
    graph.add_node("late", needs={"slow": Dependency(timeout=10)}, on_error="handle")
    graph.add_edge("s", ["slow", "late"])
    machine = machine_of(graph)
    (first,) = machine.begin({}, 100.0)
    assert isinstance(first, Run)
    said = machine.done(first.path, Outcome(), 101.0)
    restored = through_json(machine)
    assert restored.resume() == said
    (wake,) = (each for each in said if isinstance(each, Wake))
    assert wake.moment == 111.0
    assert restored.woken(wake.path, 111.0) == machine.woken(wake.path, 111.0)
    assert machine.statuses["late"] == restored.statuses["late"] == "timeout"


def test_who_winds_down_says_again_what_is_to_be_stopped() -> None:
    """A machine that was saved as it was cancelled has its nodes stopped wherever it goes on."""
    machine = machine_of(Graph("g").add_node("a"))
    (run,) = machine.begin({}, 1.0)
    stop = machine.cancel("enough", 2.0)
    assert stop == [Stop(run.path)]  # type: ignore[union-attr]
    assert through_json(machine).resume() == [run, *stop]


def test_a_saved_machine_is_plain_json() -> None:
    """Nothing in it is lost in a text: neither kinds of numbers nor the order of keys."""
    machine = machine_of(undoable())
    machine.begin({"z": 1, "a": [1.5, None, {"k": "\u00e4"}]}, 1.5)
    data = machine_data(machine)
    text = json.dumps(data)
    assert json.dumps(json.loads(text)) == text
    assert json.loads(text) == data
    assert list(through_json(machine).view.plain()) == ["z", "a"]
