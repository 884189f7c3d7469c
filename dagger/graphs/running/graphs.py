"""`Graphs`: graphs as executors carry them out; `GraphRun`: one run of one."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Any, Unpack

from dagger.authoring.agent import Agent
from dagger.executor.executor import Executor
from dagger.executor.live import LiveRun
from dagger.executor.specs import Opening
from dagger.graphs.graph import Graph
from dagger.graphs.machine import Machine
from dagger.graphs.model import NodeKind
from dagger.graphs.running.assembling import Assembled
from dagger.graphs.running.changing import stood
from dagger.graphs.running.past import Replay, StateInfo, base_of, kept_ever, kept_now, node_at
from dagger.graphs.running.report import GraphReport, report_of
from dagger.graphs.saving import machine_data
from dagger.graphs.status import GraphStatus, NodeStatus
from dagger.rules.nearest import meant
from dagger.state.queues import PENDING
from dagger.words.errors import (
    CheckpointRefused,
    DefinitionError,
    ExecutionError,
    SerializationError,
)
from dagger.words.outcomes import RunStatus
from dagger.words.payload import decode, plain

if TYPE_CHECKING:
    from dagger.state.queues import Answer


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A run as it stood: plain data, to go on from in another run, process or executor."""

    graph: str
    """The name of the graph."""
    digest: str
    """Of its definition: it goes on under no other."""
    run: str
    """The run that it is of."""
    machine: Mapping[str, Any]
    """All that there is to know of it."""

    def to_json(self) -> str:
        """As a text."""
        said = {"graph": self.graph, "digest": self.digest, "run": self.run}
        return json.dumps({**said, "machine": self.machine}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | Mapping[str, Any]) -> Checkpoint:
        """The checkpoint that a text is of. Raises CheckpointRefused."""
        try:
            data = json.loads(text) if isinstance(text, str) else text
        except ValueError as error:
            raise CheckpointRefused(f"it is not JSON: {error}") from None
        if not isinstance(data, Mapping):
            raise CheckpointRefused("it is not a JSON object")
        found = {}
        for name, of in _PARTS.items():
            if name not in data:
                raise CheckpointRefused(f"it lacks {name!r}")
            if not isinstance(data[name], of):
                what = "a text" if of is str else "an object"
                raise CheckpointRefused(f"its {name!r} is {data[name]!r}, and not {what}")
            found[name] = data[name]
        return cls(**found)


_PARTS: Mapping[str, type] = {"graph": str, "digest": str, "run": str, "machine": Mapping}


class Graphs:
    """Graphs, and the agents that they become: give `graphs.agents` to an Executor.

    With `accept_changes` runs that were begun under another definition go on under this one; with
    `checkpoint_every` each run is kept as a checkpoint so often, in seconds.
    Data: it starts nothing. Raises GraphError for graphs that are wrong, and DefinitionError.
    """

    def __init__(
        self,
        *graphs: Graph,
        accept_changes: bool = False,
        checkpoint_every: float | None = None,
    ) -> None:
        if checkpoint_every is not None and not 0 < checkpoint_every < inf:
            problem = f"checkpoint_every= is seconds above 0, not {checkpoint_every!r}"
            raise DefinitionError(problem, "Graphs")
        names = [each.name for each in graphs]
        for name in names:
            if names.count(name) > 1:
                raise DefinitionError(f"two graphs are called {name!r}", "Graphs")
        self._known = {
            each.name: Assembled(
                each, accept_changes=accept_changes, checkpoint_every=checkpoint_every
            )
            for each in graphs
        }
        self.agents: list[Agent] = [
            agent for each in self._known.values() for agent in each.agents()
        ]
        """The agents of all of them."""

    async def run(
        self,
        executor: Executor,
        graph: str | Graph,
        state: Any = None,
        *,
        run_id: str | None = None,
        **limits: Unpack[Opening],
    ) -> GraphReport:
        """Run a graph, and wait for its end, or until it waits for people or is paused.

        `limits` and errors are those of `Executor.run`; `cleanup_timeout` is how long undoing
        may take once the run is cancelled or its time is over. Raises ValidationError for a state
        that the graph does not take.
        """
        run = await self.start(executor, graph, state, run_id=run_id, **limits)
        return await run.result()

    async def start(
        self,
        executor: Executor,
        graph: str | Graph,
        state: Any = None,
        *,
        run_id: str | None = None,
        **limits: Unpack[Opening],
    ) -> GraphRun:
        """Begin a run of a graph."""
        made = self._find(graph)
        live = await executor.start(made.definition.name, state, run_id=run_id, **limits)
        return GraphRun(self, made, executor, live)

    async def restore(
        self,
        executor: Executor,
        checkpoint: Checkpoint,
        *,
        run_id: str | None = None,
        **limits: Unpack[Opening],
    ) -> GraphRun:
        """A new run that goes on where a checkpoint was made; what was in work begins again.

        Raises CheckpointRefused for one of another definition, and for what no run has made.
        """
        made = self._known.get(checkpoint.graph)
        if made is None:
            known = ", ".join(self._known) or "none"
            problem = f"it is of graph {checkpoint.graph!r}, which is not here; known: {known}"
            raise CheckpointRefused(problem)
        if checkpoint.digest != made.digest:
            raise CheckpointRefused(f"graph {checkpoint.graph!r} has changed since it was made")
        try:
            saved = [plain(checkpoint.machine)]
        except SerializationError as error:
            problem = f"its machine at {error.path}: {error.problem}"
            raise CheckpointRefused(problem) from None
        live = await executor.start(made.definition.name, saved, run_id=run_id, **limits)
        return GraphRun(self, made, executor, live)

    def find(self, executor: Executor, run_id: str) -> GraphRun:
        """A run by its id, open or ended. Raises RunNotFound, ExecutionError."""
        live = executor.live(run_id)
        return GraphRun(self, self._find(live.state.opening.channel), executor, live)

    def _find(self, graph: str | Graph) -> Assembled:
        name = graph if isinstance(graph, str) else graph.name
        if name not in self._known:
            known = ", ".join(self._known) or "none"
            raise ExecutionError(f"no graph {name!r} here; known: {known}")
        return self._known[name]


class GraphRun:
    """One run of a graph: watched, held, cancelled, saved, and gone on with in others."""

    def __init__(
        self, graphs: Graphs, assembled: Assembled, executor: Executor, live: LiveRun
    ) -> None:
        self._graphs = graphs
        self._made = assembled
        self._executor = executor
        self.live = live
        """The run as the executor has it."""

    @property
    def id(self) -> str:
        """The id of the run."""
        return self.live.id

    @property
    def status(self) -> GraphStatus:
        """Where it stands, or how it has ended."""
        return self._report().status

    def report(self) -> GraphReport:
        """What has become of it, node by node, and what it has used."""
        run, held, pool = self.live.report(), Counter[str](), self._executor.resources().pool
        for each in run.allocations:
            held.update({name: amount for name, amount in each.amounts.items() if name in pool})
        return replace(self._report(), spent=run.spent, resources=dict(held))

    async def result(self) -> GraphReport:
        """Wait until it has ended, or waits for people, or is paused; its report."""
        await self.live.rest()
        return self.report()

    async def pause(self, reason: str = "paused from outside") -> None:
        """Begin no node until `resume`; what runs is finished."""
        await self.live.pause(reason)

    async def resume(self) -> None:
        """Go on."""
        await self.live.resume()

    async def cancel_all(self, reason: str = "cancelled from outside") -> GraphReport:
        """Wind it down: nodes are cancelled, and what was done is undone; its report."""
        await self.live.cancel(reason)
        return self.report()

    async def cancel_node(self, name: str) -> int:
        """Cancel a node that runs; its branch ends. How many visits of it that were.

        A node of a graph within is named by its own name, or as the report has it. Raises
        ExecutionError for a name that there is none of, and for a graph within.
        """
        self._check_cancelled(name)
        found = [
            each.node_id
            for each in self.live.state.deliveries.values()
            if self._is_named(decode(each.envelope.publication.payload), name)
        ]
        for node_id in found:
            await self.live.cancel_invocation(node_id)
        return len(found)

    def _check_cancelled(self, name: str) -> None:
        """Raise ExecutionError for a name of which nothing could run."""
        known = {x for graph in self._made.graph.graphs() for x in graph.definition().nodes}
        known.update(self._report().nodes)  # those that were added
        if not {name, name.rpartition("/")[2]} & known:
            raise ExecutionError(f"run {self.id!r} has no node {name!r}{meant(name, known)}")
        node = self._made.definition.nodes.get(name)
        if node is not None and node.kind is NodeKind.SUBGRAPH:
            inner = f"cancel its nodes, such as {name + '/...'!r}"
            raise ExecutionError(f"node {name!r} is a graph; {inner}")

    def _is_named(self, payload: Any, name: str) -> bool:
        """Whether a message has a node of a name run, or ask what it asks."""
        if not isinstance(payload, Mapping) or not {"of", "at", "node"} <= payload.keys():
            return False
        if payload["node"] == name or not _is_of(payload, payload["node"]):
            return _is_of(payload, name)
        machine = self._machine()
        with suppress(KeyError):  # it has just been told of its end
            return machine is not None and node_at(machine, tuple(payload["at"])) == name
        return False

    # -- checkpoints and forks -------------------------------------------------------

    def checkpoint(self) -> Checkpoint:
        """The run as it stands, to go on from anywhere. Raises ExecutionError once it has ended."""
        machine = self._machine() or self._remembered()
        if machine is None or machine.status.ended:
            raise ExecutionError(f"run {self.id!r} is not under way; fork it from a state instead")
        return self._checkpoint(machine_data(machine))

    def last_checkpoint(self) -> Checkpoint | None:
        """The checkpoint that was kept last by itself, in this process or another; None for none.

        One is kept as often as `Graphs(checkpoint_every=)` says, and after many nodes. With a
        store it is there for runs that have ended as well.
        """
        kept = base_of(self.live.state, self.live.history())
        return None if kept is None else self._checkpoint(decode(kept))

    def states(self) -> list[StateInfo]:
        """The states that it went through, one for each node that came to an end.

        Without a store, of an open run alone, and of a very long one the latest.
        """
        return [
            StateInfo(position, node, _status(machine, node), machine.now, machine.view.plain())
            for position, (node, machine) in enumerate(self._machines())
        ]

    async def fork(
        self,
        position: int,
        *,
        state: Mapping[str, Any] | None = None,
        run_id: str | None = None,
    ) -> GraphRun:
        """A new run that goes on from one of its `states`, with some keys set otherwise.

        What was in work then begins again, and what was asked is asked again. This run does not
        change. Raises ExecutionError for a position that there is none of, and StateRefused for
        a key or a value that the state cannot have.
        """
        for key, value in (state or {}).items():
            self._made.graph.shape.check_value(key, plain(value), "fork")
        found = next((m for p, (_, m) in enumerate(self._machines()) if p == position), None)
        if found is None or found.status.ended:
            raise ExecutionError(f"run {self.id!r} has no state {position} to go on from")
        found.edit(plain(dict(state or {})))
        return await self._graphs.restore(
            self._executor, self._checkpoint(machine_data(found)), run_id=run_id
        )

    def _checkpoint(self, machine: Mapping[str, Any]) -> Checkpoint:
        return Checkpoint(self._made.definition.name, self._made.digest, self.id, machine)

    def _machines(self) -> Iterator[tuple[str, Machine]]:
        replay = Replay(self._made.definition, self._made.library, self.live.state)
        return replay.machines(self._kept())

    def _kept(self) -> Iterator[tuple[str, str, Answer]]:
        source = self.live.history()
        run = self.live.state
        return kept_now(run) if source is None else kept_ever(source, run.number)

    # -- inside ----------------------------------------------------------------------

    def _report(self) -> GraphReport:
        said = self._said()
        if said is not None:
            return said
        paused = self.live.status is RunStatus.PAUSED
        machine = self._machine() or self._remembered() or self._stood()
        reason = self.live.state.reason or self.live.state.obstacle
        if machine is None:
            status = GraphStatus.PAUSED if paused else self._standing()
            return GraphReport(self._made.definition.name, self.id, status, reason)
        report = report_of(machine, self.id)
        if paused and not report.status.ended:
            report = replace(report, status=GraphStatus.PAUSED, reason=reason)
        ready = dict.fromkeys(self._ready(machine), NodeStatus.READY)
        return replace(report, nodes={**report.nodes, **ready}) if ready else report

    def _remembered(self) -> Machine | None:
        """The machine as it was left, of an open run that nobody carries out now."""
        run = self.live.state
        begun = run.deliveries.get(1)
        if begun is None or not begun.kept or run.obstacle:
            return None
        return deque((machine for _, machine in self._machines()), maxlen=1).pop()

    def _stood(self) -> Machine | None:
        """The machine of a run that cannot go on here: its graph may have been another one."""
        run = self.live.state
        return stood(run, self._made.graph, self._made.library) if run.obstacle else None

    def _ready(self, machine: Machine) -> Iterator[str]:
        """Nodes that run, as the machine sees it, and wait for whoever runs them."""
        for each in self.live.state.deliveries.values():
            if each.stage == PENDING:
                payload = decode(each.envelope.publication.payload)
                if isinstance(payload, Mapping) and _is_of(payload, payload.get("node")):
                    with suppress(KeyError):  # it has just been told of its end
                        yield node_at(machine, tuple(payload["at"]))

    def _machine(self) -> Machine | None:
        """The machine that is carried out here."""
        return self._made.hub.find((self.live.here, 1))

    def _said(self) -> GraphReport | None:
        """What the coordinator has said at the end."""
        name = self._made.definition.name
        outputs = self.live.state.kept_outputs()
        said = [each for each in outputs if each.channel == f"{name}:report"]
        state = [each for each in outputs if each.channel == f"{name}:output"]
        if not said:
            return None
        last = decode(state[-1].payload) if state else None
        return GraphReport.of(decode(said[-1].payload), last)

    def _standing(self) -> GraphStatus:
        if self.live.state.ended_at is None:
            return GraphStatus.IDLE
        cancelled = (RunStatus.CANCELLED, RunStatus.TIMED_OUT)
        return GraphStatus.CANCELLED if self.live.status in cancelled else GraphStatus.FAILED


def _is_of(payload: Any, node: Any) -> bool:
    """Whether a message has a node run, or ask what it asks."""
    if not isinstance(payload, Mapping) or payload.get("node") != node:
        return False
    return not {"route", "error", "update"} & payload.keys()


def _status(machine: Machine, node: str) -> str:
    *above, last = node.split("/") if node else [""]
    for name in above:
        inner = next((x for x in machine.executions.values() if x.node == name), None)
        if inner is None or inner.within is None:  # it has ended with the node
            return str(machine.statuses.get(name, ""))
        machine = inner.within
    return str(machine.statuses.get(last, ""))
