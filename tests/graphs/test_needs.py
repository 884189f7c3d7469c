"""What nodes need of each other: each kind, and how long it counts, on the machine's own time."""

from __future__ import annotations

from typing import Any

import pytest

from dagger.graphs import Dependency, Graph, Lifecycle, Need, NodeStatus
from dagger.graphs.commands import Run, Stop, Wake
from dagger.graphs.outcome import Outcome
from dagger.words.errors import DefinitionError
from tests.graphs.conducting import machine_of

AT = 1_000.0
BAD = {"type": "ValueError", "message": "no"}


class Played:
    """A machine, and what is in work of it by the names of the nodes."""

    def __init__(self, graph: Graph, state: dict[str, Any] | None = None) -> None:
        self.machine = machine_of(graph)
        self.work: dict[str, Run] = {}
        self.wakes: list[Wake] = []
        self.stops: list[Stop] = []
        self.take(self.machine.begin(state or {}, AT))

    def take(self, commands: list[Any]) -> list[str]:
        """Note commands; the nodes that begin."""
        new = [each for each in commands if isinstance(each, Run)]
        self.work.update((each.node.name, each) for each in new)
        self.wakes += (each for each in commands if isinstance(each, Wake))
        self.stops += (each for each in commands if isinstance(each, Stop))
        return [each.node.name for each in new]

    def done(self, name: str, at: float = AT, outcome: Outcome | None = None) -> list[str]:
        """A node completes; those that begin then."""
        run = self.work.pop(name)
        return self.take(self.machine.done(run.path, outcome or Outcome(), at))

    def failed(self, name: str) -> list[str]:
        """A node fails; those that begin then."""
        return self.take(self.machine.failed(self.work.pop(name).path, BAD, AT))


def beside(need: Dependency | Need | str, **options: Any) -> Graph:
    """After `s`, `slow` and `n` side by side; `n` needs `slow`."""
    graph = Graph("g").add_node("s").add_node("slow", on_error="handle")
    graph.add_node("n", needs={"slow": need}, **options)
    return graph.add_edge("s", ["slow", "n"])


def test_required_waits_until_the_other_has_completed() -> None:
    """A node that requires another runs once that has completed."""
    played = Played(beside(Need.REQUIRED))
    assert played.done("s") == ["slow"]
    assert played.machine.statuses["n"] is NodeStatus.BLOCKED
    assert played.done("slow") == ["n"]


def test_required_fails_where_the_other_has_failed() -> None:
    """A node fails whose requirement can come no more, and names it."""
    played = Played(beside(Need.REQUIRED))
    played.done("s")
    assert played.failed("slow") == []
    assert played.machine.reason.endswith("node 'n' needs 'slow', which has not completed")


def test_required_fails_where_nobody_comes_to_the_other() -> None:
    """What no branch can come to any more is waited for by nobody."""
    graph = Graph("g").add_node("s").add_node("other").add_node("n", needs={"other": "required"})
    graph.add_conditional_edge("s", "${{ state.x }}", ["other", "n"])
    played = Played(graph)
    played.done("s", outcome=Outcome(chosen=("n",)))
    assert "needs 'other', which has not completed" in played.machine.reason


def test_optional_is_awaited_if_it_comes() -> None:
    """A node waits for an optional one that runs, and goes on though that fails."""
    played = Played(beside(Need.OPTIONAL))
    assert played.done("s") == ["slow"]
    assert played.failed("slow") == ["n"]


def test_optional_is_not_awaited_if_it_does_not_come() -> None:
    """A node does not wait for an optional one that no branch goes to."""
    graph = Graph("g").add_node("s").add_node("other").add_node("n", needs={"other": "optional"})
    graph.add_conditional_edge("s", "${{ state.x }}", ["other", "n"])
    played = Played(graph)
    assert played.done("s", outcome=Outcome(chosen=("n",))) == ["n"]


def test_parallel_waits_for_nothing() -> None:
    """Two nodes that are parallel may overlap."""
    assert Played(beside(Need.PARALLEL)).done("s") == ["slow", "n"]


def test_sequential_never_overlaps_and_the_earlier_goes_first() -> None:
    """Of two that are sequential the one that was added first runs first."""
    played = Played(beside(Need.SEQUENTIAL))
    assert played.done("s") == ["slow"]
    assert played.failed("slow") == ["n"]


def test_sequential_holds_for_both() -> None:
    """Where the node that says so runs already, the other one waits for it."""
    graph = Graph("g").add_node("s").add_node("before").add_node("slow")
    graph.add_node("n", needs={"slow": Need.SEQUENTIAL})
    graph.add_edge("s", ["before", "n"]).add_edge("before", "slow")
    played = Played(graph)
    assert played.done("s") == ["before", "n"]
    assert played.done("before") == []
    assert played.machine.statuses["slow"] is NodeStatus.BLOCKED
    assert played.done("n") == ["slow"]


def again(dependency: Dependency) -> Graph:
    """`a` leads to `n`, which needs it, and goes round through `n` alone."""
    graph = Graph("g").add_node("a").add_node("n", needs={"a": dependency}, to=["n", "a"])
    return graph.add_edge("a", "n")


def test_once_counts_for_the_whole_run() -> None:
    """What has completed once is there for every later visit."""
    played = Played(again(Dependency(Need.REQUIRED, Lifecycle.ONCE)))
    assert played.done("a") == ["n"]
    assert played.done("n", AT + 1e6, Outcome(to=("n",))) == ["n"]


def test_always_counts_for_one_visit() -> None:
    """Each visit needs that the other has completed anew since the visit before."""
    played = Played(again(Dependency(Need.REQUIRED, Lifecycle.ALWAYS)))
    played.done("a")
    assert played.done("n", AT, Outcome(to=("a",))) == ["a"]
    assert played.done("a") == ["n"]
    assert played.done("n", AT, Outcome(to=("n",))) == []
    assert "node 'n' needs 'a'" in played.machine.reason


def test_periodic_counts_for_its_interval() -> None:
    """What has completed counts for `interval` seconds, and then no more."""
    periodic = Dependency(Need.REQUIRED, Lifecycle.PERIODIC, interval=60)
    played = Played(again(periodic))
    played.done("a", AT)
    assert played.done("n", AT + 59, Outcome(to=("n",))) == ["n"]
    assert played.done("n", AT + 60, Outcome(to=("n",))) == []
    assert "node 'n' needs 'a'" in played.machine.reason


def test_what_has_expired_does_not_count() -> None:
    """After `expiry` seconds what has completed is needed anew."""
    played = Played(again(Dependency(Need.REQUIRED, expiry=10)))
    played.done("a", AT)
    assert played.done("n", AT + 9, Outcome(to=("n",))) == ["n"]
    assert played.done("n", AT + 10, Outcome(to=("n",))) == []
    assert "needs 'a', whose completion does not count any more" in played.machine.reason


def test_a_wait_has_an_end() -> None:
    """A node fails, as timed out, that has waited `timeout` seconds for what it needs."""
    played = Played(beside(Dependency(timeout=10), on_error="handle"))
    played.done("s", AT + 1)
    (wake,) = played.wakes
    assert wake.moment == AT + 11
    played.take(played.machine.woken(wake.path, AT + 11))
    assert played.machine.statuses["n"] is NodeStatus.TIMEOUT
    played.done("slow", AT + 12)
    error = played.machine.view.get("error")
    assert (error["node"], error["type"]) == ("n", "TimeoutExceeded")


def test_nobody_is_woken_who_runs_already() -> None:
    """What was waited for in time: the run ends without waiting for the moment any more."""
    played = Played(beside(Dependency(timeout=3600)))
    played.done("s")
    (wake,) = played.wakes
    assert played.done("slow") == ["n"]
    assert played.stops == [Stop(wake.path)]
    played.done("n")
    assert played.machine.status.ended
    assert played.machine.stopped(wake.path, AT) == []


@pytest.mark.parametrize("needed", [True, False])
def test_where_a_condition_is_false_nothing_is_needed(needed: bool) -> None:
    """A condition on the state decides whether there is a need."""
    condition = Dependency(condition=lambda state: state["strict"])
    played = Played(beside(condition), {"strict": needed})
    assert played.done("s") == (["slow"] if needed else ["slow", "n"])


def test_a_condition_that_fails_fails_the_node() -> None:
    """What a condition raises is the reason of the node that has the need."""
    need = Dependency(condition=lambda state: state["strict"])
    played = Played(beside(need))
    assert played.done("s") == ["slow"]
    assert played.machine.statuses["n"] is NodeStatus.FAILED
    assert "node 'n' failed: KeyError: a condition of what it needs" in played.machine.reason


def test_who_needs_each_other_fails_by_name() -> None:
    """Two that need each other are told so, and nothing hangs."""
    graph = Graph("g").add_node("s")
    graph.add_node("a", needs={"b": "required"}).add_node("b", needs={"a": "required"})
    played = Played(graph.add_edge("s", ["a", "b"]))
    assert played.done("s") == []
    assert "node 'a' needs what waits for it: b" in played.machine.reason
    assert played.machine.status.ended


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"type": "mandatory"}, "type=) is one of 'required'"),
        ({"lifecycle": "twice"}, "lifecycle=) is one of 'once'"),
        ({"timeout": 0}, "timeout=) is seconds above 0"),
        ({"expiry": float("inf")}, "expiry=) is seconds above 0"),
        ({"lifecycle": "periodic"}, "interval= belongs to"),
        ({"interval": 3}, "interval= belongs to"),
    ],
)
def test_a_dependency_that_makes_no_sense_is_refused(options: Any, problem: str) -> None:
    """What is wrong about it is said where it is made."""
    with pytest.raises(DefinitionError) as caught:
        Dependency(**options)
    assert problem in str(caught.value)


def test_who_waits_for_a_join_is_no_reason_to_be_stuck() -> None:
    """Where a node waits for others to join it, and these need it, it goes first."""
    graph = Graph("g").add_node("s").add_node("join", to="end")
    graph.add_node("side", needs={"join": Need.REQUIRED})
    graph.add_edge("s", ["join", "side"]).add_edge("side", "join")
    played = Played(graph)
    assert played.done("s") == ["join"]
    assert played.done("join") == ["side"]
    assert played.done("side") == ["join"]
    played.done("join")
    assert played.machine.status == "completed"


def test_who_needs_what_is_optional_in_a_ring_does_without() -> None:
    """Two nodes that would wait for each other, if they are there: the first goes first."""
    graph = Graph("g").add_node("s")
    graph.add_node("a", needs={"b": Need.OPTIONAL}).add_node("b", needs={"a": Need.OPTIONAL})
    played = Played(graph.add_edge("s", ["b", "a"]))
    assert played.done("s") == ["a"]
    assert played.done("a") == ["b"]
    played.done("b")
    assert played.machine.status == "completed"


def test_who_waits_for_each_other_waits_as_long_as_it_may() -> None:
    """In a ring of which one has a timeout nothing fails before that is over."""
    graph = Graph("g").add_node("s").add_node("join", needs={"side": Dependency(timeout=5)})
    graph.add_node("side", needs={"join": Need.REQUIRED})
    graph.add_edge("s", ["join", "side"]).add_edge("side", "join")
    played = Played(graph)
    assert played.done("s") == []
    assert played.machine.status == "running"
    (wake,) = played.wakes
    assert wake.moment == AT + 5
    played.take(played.machine.woken(wake.path, AT + 5))
    assert played.machine.status == "failed"
    assert played.machine.statuses["join"] is NodeStatus.TIMEOUT


def test_where_branches_contradict_each_other_nobody_goes_first() -> None:
    """A conflict at the join of a ring ends the run, and nothing begins after it."""
    graph = Graph("g").add_node("s").add_node("a").add_node("b")
    graph.add_node("join", needs={"last": Need.OPTIONAL})
    graph.add_node("last", needs={"join": Need.OPTIONAL})
    graph.add_edge("s", ["a", "b", "last"]).add_edge("a", "join").add_edge("b", "join")
    graph.add_edge("last", "join")
    played = Played(graph)
    assert played.done("s") == ["a", "b"]
    assert played.done("a", outcome=Outcome((("k", 1),))) == []
    assert played.done("b", outcome=Outcome((("k", 2),))) in ([], ["last"])
    while played.work:
        played.done(next(iter(played.work)))
    assert played.machine.status == "failed"
    assert "'a' and 'b'" in played.machine.reason


def test_each_need_has_its_own_patience() -> None:
    """A timeout bounds the wait for the node that it is said of, and for no other."""
    graph = Graph("g").add_node("s").add_node("a").add_node("b")
    needs = {"a": Dependency(timeout=1), "b": Dependency(timeout=10)}
    graph.add_node("use", needs=needs).add_edge("s", ["a", "b", "use"])
    played = Played(graph)
    assert played.done("s") == ["a", "b"]
    assert [each.moment for each in played.wakes] == [AT + 1]
    assert played.done("a", AT + 0.5) == []
    first, second = played.wakes
    assert (second.moment, played.stops) == (AT + 10, [Stop(first.path)])
    assert played.take(played.machine.woken(first.path, AT + 1)) == []
    played.take(played.machine.woken(second.path, AT + 10))
    assert played.machine.reason.endswith("node 'use' has waited 10 s for 'b'")


def test_a_wait_that_begins_again_has_its_time_again() -> None:
    """What was there in time and does not count any more is waited for anew."""
    graph = Graph("g").add_node("s").add_node("a").add_node("b").add_node("again")
    needs = {"a": Dependency(timeout=5, expiry=8), "b": Dependency()}
    graph.add_node("use", needs=needs).add_edge("s", ["a", "b", "use", "again"])
    graph.add_edge("again", "a")
    played = Played(graph)
    assert played.done("s") == ["b", "again"]
    assert played.done("again", AT + 1) == ["a"]
    assert played.done("a", AT + 4) == []
    assert played.done("b", AT + 13) == []
    assert "does not count any more" in played.machine.reason


def test_a_condition_is_asked_of_the_state_at_the_join() -> None:
    """A node sees what all its branches have changed, and so does the condition of its needs."""
    graph = Graph("g").add_node("s").add_node("a").add_node("b").add_node("key")
    graph.add_node("use", needs={"key": Dependency(condition=lambda state: state["locked"])})
    graph.add_edge("s", ["a", "b", "key"]).add_edge("a", "use").add_edge("b", "use")
    played = Played(graph)
    played.done("s")
    assert played.done("a") == []
    assert played.done("b", outcome=Outcome((("locked", True),))) == []
    assert played.done("key") == ["use"]


def test_a_condition_where_branches_contradict_each_other_is_none() -> None:
    """A conflict at a join is told as one, also where a condition would be asked of its state."""
    graph = Graph("g").add_node("s").add_node("a").add_node("b").add_node("key")
    graph.add_node("use", needs={"key": Dependency(condition=lambda state: state["k"])})
    graph.add_edge("s", ["a", "b", "key"]).add_edge("a", "use").add_edge("b", "use")
    played = Played(graph)
    played.done("s")
    played.done("a", outcome=Outcome((("k", 1),)))
    played.done("b", outcome=Outcome((("k", 2),)))
    assert "nodes 'a' and 'b'" in played.machine.reason
    assert played.machine.ends == "failed"


def apart(**needs: Any) -> Graph:
    """`A`, at which `fast` and `slow` join, and `B`, which must not overlap with it."""
    graph = Graph("g").add_node("s").add_node("fast").add_node("slow").add_node("A", **needs)
    graph.add_node("B", needs={"A": Need.SEQUENTIAL}).add_edge("s", ["fast", "slow", "B"])
    return graph.add_edge("fast", "A").add_edge("slow", "A")


def test_sequential_waits_for_nobody_who_cannot_begin() -> None:
    """Who still waits for others to join goes first of nobody."""
    played = Played(apart())
    assert played.done("s") == ["fast", "slow", "B"]
    assert played.done("fast") == []
    assert played.done("slow") == []
    assert played.done("B") == ["A"]


def test_who_needs_the_other_goes_second() -> None:
    """Of two that never overlap, who needs the other one cannot begin, and so is not waited for."""
    graph = Graph("g").add_node("s").add_node("A", needs={"B": Need.REQUIRED})
    graph.add_node("B", needs={"A": Need.SEQUENTIAL}).add_edge("s", ["A", "B"])
    played = Played(graph)
    assert played.done("s") == ["B"]
    assert played.done("B") == ["A"]


def test_who_leads_to_a_join_goes_before_it() -> None:
    """A node that never overlaps with one that it leads to joins it, which runs once."""
    graph = Graph("g").add_node("s").add_node("x").add_node("A").add_node("pre")
    graph.add_node("B", needs={"A": Need.SEQUENTIAL}).add_edge("s", ["x", "pre"])
    graph.add_edge("x", "A").add_edge("pre", "B").add_edge("B", "A")
    played = Played(graph)
    played.done("s")
    assert played.done("x") == []
    assert played.done("pre") == ["B"]
    assert played.done("B") == ["A"]
    assert played.done("A") == []
    assert played.machine.status == "completed"


def test_many_that_never_overlap_go_one_by_one() -> None:
    """Of thirty nodes that never overlap each begins in its turn, as they were added."""
    graph, names = Graph("g").add_node("s"), [f"n{number}" for number in range(30)]
    for number, name in enumerate(names):
        graph.add_node(name, needs=dict.fromkeys(names[:number], Need.SEQUENTIAL))
    played = Played(graph.add_edge("s", names))
    begun = played.done("s")
    for name in names:
        assert begun == [name]
        begun = played.done(name)
    assert played.machine.status == "completed"
