"""Timelines of what nodes need of each other: one picture for each, of a run on virtual time.

Nodes note when they begin and end, and where their branches go then. A node to which a branch has
come, and which does not run, waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import anyio

from dagger import Dependency, Graph, Graphs, Need, NodeContext
from dagger.graphs import END, Lifecycle
from dagger.testing import simulate, simulated
from docs.pictures.policies import Notes
from docs.pictures.timeline import Bar, Row, timeline


class Drawn:
    """A graph whose nodes take their time, and what has happened in a run of it."""

    def __init__(self) -> None:
        self.graph = Graph("drawn")
        self.notes = Notes()
        self._visits: dict[str, int] = {}

    def node(
        self,
        name: str,
        seconds: float,
        *,
        needs: Mapping[str, Dependency | Need] | None = None,
        fails: bool = False,
        on_error: str = "fail",
        instead_of: str = "",
        then: Callable[[int], str] | None = None,
        to: Iterable[str] = (),
    ) -> None:
        """A node: how long each of its visits takes, and where it goes after each of them. One
        that is there instead of another begins when that has waited for too long.
        """

        async def work(ctx: NodeContext) -> str | None:
            visit = self._visits[name] = self._visits.get(name, 0) + 1
            if instead_of:
                now = anyio.current_time()
                self.notes.ran[instead_of].append(Bar(now, now, runs=False))
            with self.notes.running(name, "fails" if fails else ""):
                await anyio.sleep(seconds)
            if fails:
                raise ValueError("no")
            where = then(visit) if then is not None else None
            self.comes(*(self.graph.definition().edges.get(name, ()) if where is None else [where]))
            return where

        self.graph.add_node(name, work, needs=needs or {}, on_error=on_error, to=to)

    def comes(self, *names: str) -> None:
        """A branch comes to each of these."""
        for name in names:
            self.notes.came[name].append(anyio.current_time())

    def begins(self, *names: str) -> None:
        """A run begins with branches to these."""
        self.graph.add_edge("start", names)

    def drawn(
        self,
        title: str,
        about: Mapping[str, str],
        seconds: int,
        state: Mapping[str, object] | None = None,
    ) -> str:
        """The timeline of a run, with a row for each node that is told about."""

        async def main() -> None:
            graphs = Graphs(self.graph)
            async with simulated(*graphs.agents) as executor:
                self.comes(*self.graph.definition().edges["start"])
                await graphs.run(executor, self.graph, state)

        simulate(main)
        rows = [self._row(name, words) for name, words in about.items()]
        return timeline(title, rows, seconds=seconds)

    def _row(self, name: str, about: str) -> Row:
        look = "green" if self.graph.definition().nodes[name].needs else "blue"
        return self.notes.row(name, about, look)._replace(marks=())


def required() -> str:
    """It waits until the other has completed, though that comes later."""
    drawn = Drawn()
    drawn.node("prepare", 1)
    drawn.node("fetch", 3)
    drawn.node("use", 2, needs={"fetch": Need.REQUIRED})
    drawn.node("other", 2)
    drawn.begins("prepare", "use", "other")
    drawn.graph.add_edge("prepare", "fetch")
    about = {"prepare": "", "fetch": "", "use": "needs fetch: required", "other": "needs nothing"}
    return drawn.drawn("Required", about, 7)


def optional() -> str:
    """What has failed will do, and what never comes is not awaited."""
    drawn = Drawn()
    drawn.node("extra", 3, fails=True, on_error="handle")
    drawn.node("use", 2, needs={"extra": Need.OPTIONAL})
    drawn.node("bonus", 1)
    drawn.node("other", 2, needs={"bonus": Need.OPTIONAL})
    drawn.node("choose", 1, then=lambda _: END, to=["bonus", END])
    drawn.begins("extra", "use", "other", "choose")
    about = {
        "extra": "",
        "use": "needs extra: optional",
        "choose": "may go to bonus, and does not",
        "other": "needs bonus: optional",
    }
    return drawn.drawn("Optional", about, 7)


def parallel() -> str:
    """It says that the two may overlap, and changes nothing."""
    drawn = Drawn()
    drawn.node("left", 4)
    drawn.node("right", 3, needs={"left": Need.PARALLEL})
    drawn.begins("left", "right")
    return drawn.drawn("Parallel", {"left": "", "right": "needs left: parallel"}, 7)


def sequential() -> str:
    """Whoever is there first goes first; of two that are, whoever was added first."""
    drawn = Drawn()
    drawn.node("pause", 1)
    drawn.node("left", 2)
    drawn.node("right", 2, needs={"left": Need.SEQUENTIAL})
    drawn.node("third", 1, needs={"left": Need.SEQUENTIAL, "right": Need.SEQUENTIAL})
    drawn.begins("right", "third", "pause")
    drawn.graph.add_edge("pause", "left")
    about = {
        "left": "comes later",
        "right": "needs left: sequential",
        "third": "needs left, right: sequential",
    }
    return drawn.drawn("Sequential", about, 7)


def _token(title: str, dependency: Dependency, words: str) -> str:
    """A token that is fetched anew every 4.5 seconds, and four uses of it, one after the other."""
    drawn = Drawn()
    drawn.node("token", 1, then=lambda visit: "pause" if visit < 3 else END, to=["pause", END])
    drawn.node("pause", 3.5)
    needs = {"token": dependency}
    drawn.node(
        "use", 2, needs=needs, then=lambda visit: "use" if visit < 4 else END, to=["use", END]
    )
    drawn.begins("token", "use")
    drawn.graph.add_edge("pause", "token")
    return drawn.drawn(title, {"token": "", "use": words}, 12)


def once() -> str:
    """It has completed once, which is enough for the run."""
    return _token("Once", Dependency(), "lifecycle=ONCE")


def always() -> str:
    """For each visit it has to complete anew."""
    return _token("Always", Dependency(lifecycle=Lifecycle.ALWAYS), "lifecycle=ALWAYS")


def periodic() -> str:
    """It counts for three seconds."""
    dependency = Dependency(lifecycle=Lifecycle.PERIODIC, interval=3)
    return _token("Periodic", dependency, "PERIODIC, interval=3")


def condition() -> str:
    """Where it is false nothing is needed; each node has its own."""
    drawn = Drawn()
    drawn.node("find the key", 3)
    needs = {"find the key": Dependency(condition="${{ state.locked }}")}
    drawn.node("enter", 2, needs=needs)
    needs = {"find the key": Dependency(condition="${{ !state.locked }}")}
    drawn.node("look in", 2, needs=needs)
    drawn.begins("find the key", "enter", "look in")
    about = {
        "find the key": "",
        "enter": "condition: state.locked",
        "look in": "condition: !state.locked",
    }
    return drawn.drawn("Condition, of a door that is locked", about, 7, {"locked": True})


def expiry() -> str:
    """It counts for three seconds, whatever the lifecycle."""
    return _token("Expiry", Dependency(expiry=3), "ONCE, expiry=3")


def timeout() -> str:
    """After two seconds it has failed, and its branch goes on without it."""
    drawn = Drawn()
    drawn.node("fetch", 5)
    drawn.node("use", 2, needs={"fetch": Dependency(timeout=2)}, on_error="handle")
    drawn.node("do without", 2, instead_of="use")
    drawn.begins("fetch", "use")
    drawn.graph.add_edge("use", "do without")
    about = {"fetch": "", "use": "needs fetch: timeout=2", "do without": "comes after use"}
    return drawn.drawn("Timeout", about, 7)


TIMELINES: dict[str, Callable[[], str]] = {
    "need_required": required,
    "need_optional": optional,
    "need_parallel": parallel,
    "need_sequential": sequential,
    "need_once": once,
    "need_always": always,
    "need_periodic": periodic,
    "need_condition": condition,
    "need_expiry": expiry,
    "need_timeout": timeout,
}
"""The SVG of each, by the name of its file."""
