"""The machine of a graph against simple models: random graphs, outcomes and orders of arrival."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dagger.graphs import END, START, Graph, GraphStatus, NodeStatus
from dagger.graphs.outcome import Outcome
from tests.graphs.conducting import Conductor, Error

REDUCERS = {"log": "append", "sum": "add", "last": "last"}

# -- programs: what is written as blocks, and what they come to ---------------------------------


@dataclass(frozen=True)
class Call:
    """One node: it may fail, and be handled, skipped or tried again; it may be a loop."""

    name: str
    fate: str = "ok"
    turns: int = 1


@dataclass(frozen=True)
class Together:
    """Branches side by side; of each, whether it comes to the join."""

    name: str
    branches: tuple[Block, ...]
    joins: tuple[bool, ...]


@dataclass(frozen=True)
class Either:
    """One of several ways, as a router says."""

    name: str
    ways: tuple[Block, ...]
    taken: int


@dataclass(frozen=True)
class Back:
    """A block that is gone through again and again, as a router behind it says."""

    name: str
    block: Block
    times: int


@dataclass(frozen=True)
class Within:
    """A block in a graph of its own."""

    name: str
    block: Block


@dataclass(frozen=True)
class Block:
    """One thing after the other."""

    parts: tuple[Any, ...]


@st.composite
def blocks(draw: st.DrawFn, names: Iterator[int], depth: int = 2, *, alone: bool = True) -> Block:
    """Up to three parts. `alone`: no branch of it ends; else some of the outermost may."""
    parts: list[Any] = []
    kinds = ["call"] * 3 + ["together", "together", "either", "back", "within"] * (depth > 0)
    for _ in range(draw(st.integers(1, 3))):
        kind, name = draw(st.sampled_from(kinds)), f"n{next(names)}"
        inner = blocks(names, depth - 1)
        match kind:
            case "call":
                fate = draw(st.sampled_from(["ok", "ok", "ok", "handle", "skip", "retry"]))
                turns = draw(st.sampled_from([1, 1, 3])) if fate == "ok" else 1
                parts.append(Call(name, fate, turns))
            case "together":
                branches = tuple(draw(st.lists(inner, min_size=2, max_size=3)))
                joins = [True, *(alone or draw(st.booleans()) for _ in branches[1:])]
                parts.append(Together(name, branches, tuple(draw(st.permutations(joins)))))
            case "either":
                ways = tuple(draw(st.lists(inner, min_size=1, max_size=2)))
                parts.append(Either(name, ways, draw(st.integers(0, len(ways) - 1))))
            case "back":
                parts.append(Back(name, draw(inner), draw(st.integers(1, 3))))
            case _:
                parts.append(Within(name, draw(inner)))
    return Block(tuple(parts))


@st.composite
def programs(draw: st.DrawFn, *, alone: bool = True) -> Block:
    """A block whose nodes have names of their own."""
    return draw(blocks(count(), alone=alone))


class Written:
    """A program as a graph, and how its nodes behave."""

    def __init__(self, program: Block) -> None:
        self.fates: dict[str, Call] = {}
        self.routes: dict[str, Any] = {}
        self.failed: Counter[str] = Counter()
        self.graph = self._graph("g", program)

    def _graph(self, name: str, program: Block) -> Graph:
        graph = Graph(name, reducers=REDUCERS)
        first, last = self._block(graph, program)
        graph.add_edge(START, first)
        for each in last:
            if each not in graph._choices:
                graph.add_edge(each, END)
        return graph

    def _node(self, graph: Graph, name: str, fate: str = "ok", turns: int = 1) -> str:
        on_error = {"handle": "handle", "skip": "ask", "retry": "ask"}.get(fate, "fail")
        graph.add_node(name, on_error=on_error)
        self.fates[name] = Call(name, fate, turns)
        if turns > 1:
            graph.loop(name, "${{ true }}")
        return name

    def _block(self, graph: Graph, block: Block) -> tuple[str, list[str]]:
        """Its first node, and the last ones of the branches that come out of it."""
        first, ends = "", [""]
        for part in block.parts:
            entry, came = self._part(graph, part)
            for each in ends:
                if each:
                    graph.add_edge(each, entry)
            first, ends = first or entry, came
        return first, ends

    def _part(self, graph: Graph, part: Any) -> tuple[str, list[str]]:
        match part:
            case Call(name, fate, turns):
                self._node(graph, name, fate, turns)
                return name, [name]
            case Together(name, branches, joins):
                join = self._node(graph, f"{name}-join")
                self._node(graph, name)
                for branch, comes in zip(branches, joins, strict=True):
                    first, last = self._block(graph, branch)
                    graph.add_edge(name, first)
                    for each in last if comes else ():
                        graph.add_edge(each, join)
                return name, [join]
            case Either(name, ways, taken):
                join = self._node(graph, f"{name}-join")
                self._node(graph, name)
                firsts = []
                for way in ways:
                    first, last = self._block(graph, way)
                    firsts.append(first)
                    for each in last:
                        graph.add_edge(each, join)
                graph.add_conditional_edge(name, "${{ state.x }}", firsts)
                self.routes[name] = lambda visit: firsts[taken]
                return name, [join]
            case Back(name, inner, times):
                first, last = self._block(graph, inner)
                self._node(graph, name)
                out = self._node(graph, f"{name}-out")
                for each in last:
                    graph.add_edge(each, name)
                graph.add_conditional_edge(name, "${{ state.x }}", [first, out])
                self.routes[name] = lambda visit: first if visit % times else out
                return first, [out]
            case Within(name, inner):
                graph.add_subgraph(name, self._graph(f"{name}-graph", inner))
                return name, [name]
        raise AssertionError(part)

    def behave(self, name: str, visit: int, saw: dict[str, Any]) -> Outcome | Error:
        """What a node comes to."""
        if name.endswith(":route"):
            raise AssertionError("nothing here fails and has a router")
        said = self.fates[name]
        tries = self.failed[name]
        if said.fate in ("handle", "skip") or (said.fate == "retry" and not tries):
            self.failed[name] += 1
            return Error()
        if said.fate == "retry":
            self.failed[name] = 0
        chosen = (self.routes[name](visit),) if name in self.routes else ()
        return Outcome(tuple(changes(name)), chosen=chosen, again=visit < said.turns)

    def decide(self, name: str) -> Outcome:
        """What a person says."""
        return Outcome(decision=self.fates[name].fate)


def changes(name: str) -> Iterator[tuple[str, Any]]:
    """What each node changes: keys with reducers, and one of its own."""
    yield from (("log", [name]), ("sum", 1), ("last", name), (f"by {name}", len(name)))


class Interpreter:
    """What a program comes to: nodes one after the other, branches each from what was there."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.saw: dict[str, list[dict[str, Any]]] = {}
        self.late: list[tuple[str, Any]] = []
        """What branches changed that ended by themselves: it is there when the run has ended."""
        self.given = given

    def block(self, block: Block, state: dict[str, Any]) -> list[tuple[str, Any]]:
        """What a block changes, in order; `state` is what it begins with."""
        found: list[tuple[str, Any]] = []
        for part in block.parts:
            found += self.part(part, applied(state, found))
        return found

    def part(self, part: Any, state: dict[str, Any]) -> list[tuple[str, Any]]:
        """What a part changes."""
        match part:
            case Call(name, fate, turns):
                return self.call(name, state, fate, turns)
            case Together(name, branches, joins):
                found = self.call(name, state)
                now, together = applied(state, found), found
                for branch, comes in zip(branches, joins, strict=True):
                    changed = self.block(branch, now)
                    if comes:
                        together = together + changed
                    else:
                        self.late += changed
                return together + self.call(f"{name}-join", applied(state, together))
            case Either(name, ways, taken):
                found = self.call(name, state)
                found += self.block(ways[taken], applied(state, found))
                return found + self.call(f"{name}-join", applied(state, found))
            case Back(name, inner, times):
                found = []
                for _ in range(times):
                    found += self.block(inner, applied(state, found))
                    found += self.call(name, applied(state, found))
                return found + self.call(f"{name}-out", applied(state, found))
            case Within(_, inner):
                return self.block(inner, state)
        raise AssertionError(part)

    def call(
        self, name: str, state: dict[str, Any], fate: str = "ok", turns: int = 1
    ) -> list[tuple[str, Any]]:
        """What a node changes."""
        found: list[tuple[str, Any]] = []
        for _ in range(2 if fate == "retry" else turns):
            self.saw.setdefault(name, []).append(applied(state, found))
            found += changes(name) if fate == "ok" else ()
        if fate == "retry":
            return [*changes(name)]
        if fate == "handle":
            return [("error", {"node": name, "type": "ValueError", "message": "no"})]
        return found


def applied(state: dict[str, Any], updates: list[tuple[str, Any]]) -> dict[str, Any]:
    """A state after some updates."""
    found = dict(state)
    for key, value in updates:
        match REDUCERS.get(key):
            case "append":
                found[key] = [*found.get(key, []), *value]
            case "add":
                found[key] = found.get(key, 0) + value
            case _:
                found[key] = value
    return found


@given(programs(), st.integers(0, 10**6))
def test_a_program_comes_to_what_it_says(program: Block, seed: int) -> None:
    """Whatever the order of arrival, each node runs as often as the program says, sees exactly what
    came before it, and the state is then what the program says, lists in the order of naming.
    """
    given_ = {"log": ["given"], "x": 1}
    model = Interpreter(given_)
    wanted = applied(given_, model.block(program, given_))
    written = Written(program)
    conductor = Conductor(written.graph, written.behave, seed, decide=written.decide)
    machine = conductor.conduct(given_)
    assert conductor.finished is GraphStatus.COMPLETED, machine.reason
    assert machine.view.plain() == wanted
    saw: dict[str, list[dict[str, Any]]] = {}
    for each in conductor.ran:
        saw.setdefault(each.node, []).append(each.saw)
    assert saw == model.saw


@given(programs(alone=False), st.integers(0, 10**6))
def test_branches_that_end_are_seen_by_nobody_until_the_run_ends(program: Block, seed: int) -> None:
    """A join waits for exactly the branches that come to it; what the others changed is part of
    the state in the end, and of nothing before.
    """
    model = Interpreter({})
    updates = model.block(program, {})
    written = Written(program)
    conductor = Conductor(written.graph, written.behave, seed, decide=written.decide)
    machine = conductor.conduct({})
    assert conductor.finished is GraphStatus.COMPLETED, machine.reason
    saw: dict[str, list[dict[str, Any]]] = {}
    for each in conductor.ran:
        saw.setdefault(each.node, []).append(each.saw)
    assert saw == model.saw
    wanted, found = applied({}, updates + model.late), machine.view.plain()
    assert sorted(found.get("log", [])) == sorted(wanted.get("log", []))
    assert found.keys() == wanted.keys()
    assert found.get("sum") == wanted.get("sum")


@given(programs(alone=False), st.integers(0, 10**6), st.integers(0, 10**6))
def test_nothing_depends_on_the_order_of_arrival(program: Block, one: int, other: int) -> None:
    """Two runs whose nodes come to their ends in different orders see and leave the same."""
    found = []
    for seed in (one, other):
        written = Written(program)
        conductor = Conductor(written.graph, written.behave, seed, decide=written.decide)
        machine = conductor.conduct({"x": 0})
        ran = sorted((each.node, each.visit, repr(each.saw)) for each in conductor.ran)
        found.append((conductor.finished, machine.view.plain(), dict(machine.statuses), ran))
    assert found[0] == found[1]


# -- any graph without cycles --------------------------------------------------------------------


@dataclass(frozen=True)
class Net:
    """Nodes with edges to later ones, and which of them each takes."""

    edges: tuple[tuple[int, ...], ...]
    taken: tuple[tuple[int, ...], ...]


@st.composite
def nets(draw: st.DrawFn) -> Net:
    """Up to nine nodes, of which each leads to some of those behind it."""
    size = draw(st.integers(2, 9))
    edges, taken = [], []
    for number in range(size):
        later = list(range(number + 1, size))
        targets = draw(st.lists(st.sampled_from(later), max_size=3, unique=True)) if later else []
        edges.append(tuple(targets))
        taken.append(tuple(each for each in targets if draw(st.integers(0, 3))))
    return Net(tuple(edges), tuple(taken))


def _net_graph(net: Net) -> Graph:
    graph = Graph("net", reducers={"log": "append"})
    for number, targets in enumerate(net.edges):
        graph.add_node(str(number), to=[str(each) for each in targets])
    return graph


@given(nets(), st.integers(0, 10**6))
def test_in_a_net_each_node_that_is_taken_runs_once_after_all_that_lead_to_it(
    net: Net, seed: int
) -> None:
    """A node named by several branches runs once, and sees exactly what came before it; what no
    branch has taken does not run, and is skipped.
    """
    before: dict[int, set[int]] = {0: set()}
    for number, targets in enumerate(net.taken):
        for target in targets if number in before else ():
            before.setdefault(target, set()).update({number, *before[number]})

    def behave(name: str, visit: int, saw: dict[str, Any]) -> Outcome:
        to = tuple(map(str, net.taken[int(name)]))
        return Outcome((("log", [name]), (name, visit)), to=to)

    conductor = Conductor(_net_graph(net), behave, seed)
    machine = conductor.conduct()
    assert conductor.finished is GraphStatus.COMPLETED
    assert conductor.visits() == {str(each): 1 for each in before}
    for each in conductor.ran:
        seen = {key for key in each.saw if key != "log"}
        assert seen == set(map(str, before[int(each.node)])), each.node
        assert sorted(each.saw.get("log", [])) == sorted(seen)
    assert sorted(machine.view.get("log")) == sorted(map(str, before))
    for number in range(len(net.edges)):
        status = NodeStatus.COMPLETED if number in before else NodeStatus.SKIPPED
        assert machine.statuses[str(number)] is status


# -- any graph at all ----------------------------------------------------------------------------


@st.composite
def tangles(draw: st.DrawFn) -> tuple[Graph, int]:
    """Any edges, cycles too, some of them not declared; nodes that fail and need each other."""
    size = draw(st.integers(1, 7))
    graph = Graph("tangle", reducers={"log": "append"})
    names = [f"n{each}" for each in range(size)]
    for name in names:
        targets = draw(st.lists(st.sampled_from([*names, END]), max_size=3, unique=True))
        needs = draw(st.lists(st.sampled_from(names), max_size=1))
        kinds = st.sampled_from(["required", "optional", "parallel", "sequential"])
        graph.add_node(
            name,
            to=targets,
            on_error=draw(st.sampled_from(["fail", "handle", "ask"])),
            needs={each: draw(kinds) for each in needs if each != name},
            priority=draw(st.integers(0, 1)),
        )
    return graph, draw(st.integers(0, 10**6))


@given(tangles(), st.none() | st.integers(0, 30), st.booleans())
def test_no_machine_hangs(made: tuple[Graph, int], cancel_after: int | None, saving: bool) -> None:
    """Whatever the graph and the order: as long as it has not ended something is in work, and where
    each node stands changes only as the table says.
    """
    graph, seed = made
    targets = {name: node.to for name, node in graph.definition().nodes.items()}
    visits: Counter[str] = Counter()

    def behave(name: str, visit: int, saw: dict[str, Any]) -> Outcome | Error:
        visits[name] += 1
        total = sum(visits.values())
        dice = (seed + 7 * visits[name] + len(name)) % 5
        if name.endswith(":route") or dice == 0:
            return Error()
        if total > 40:
            return Outcome(to=())
        to = targets[name][: dice or 1]
        if dice == 3:
            to = (*to, "n0")  # where nobody said that it goes
        return Outcome((("log", [name]),), to=to)

    def decide(name: str) -> Outcome:
        visits[name] += 1
        return Outcome(decision=["retry", "skip", "abort"][visits[name] % 3])

    conductor = Conductor(
        graph, behave, seed, decide=decide, cancel_after=cancel_after, saving=saving
    )
    machine = conductor.conduct({})
    assert machine.status.ended
