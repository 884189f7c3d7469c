"""The coordinator: the agent that carries out what the machine of a graph wants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from dagger.authoring.calls import Calls, CancelAsked, Returned
from dagger.authoring.context import Context
from dagger.authoring.telling import tell
from dagger.graphs.commands import (
    Ask,
    AskAbout,
    Command,
    Finish,
    Path,
    Route,
    Run,
    Stop,
    Undo,
    Wake,
)
from dagger.graphs.library import Library
from dagger.graphs.machine import Machine
from dagger.graphs.model import Definition
from dagger.graphs.outcome import Outcome
from dagger.graphs.running.channels import Channels
from dagger.graphs.running.hub import Hub
from dagger.graphs.running.keeping import Keeping
from dagger.graphs.running.report import GraphReport, report_of
from dagger.graphs.saving import machine_data, machine_from
from dagger.graphs.status import GraphStatus, NodeStatus
from dagger.words.effects import REPLY_TO
from dagger.words.errors import (
    DaggerError,
    GraphFailed,
    RequestDropped,
    RequestRefused,
    ResponderFailed,
    RunCancelled,
)

KEPT = "definition"
"""The name of the step that keeps what a run began with, or goes on with."""

CHECKPOINT = "checkpoint"
"""The only key of a run's first message, if it goes on from a checkpoint."""

REASON_CUT = 500
"""Characters of the reason that are left in the shortest report."""

Built = Mapping[str, Any]


class Coordinator:
    """Coordinates the runs of one graph."""

    def __init__(
        self,
        definition: Definition,
        data: Built,
        digest: str,
        library: Library,
        hub: Hub,
        every: float | None,
    ) -> None:
        self._definition = definition
        self._data = data
        self._digest = digest
        self._library = library
        self._hub = hub
        self._every = every
        self._channels = Channels(definition.name)

    async def coordinate(self, payload: Any, ctx: Context) -> Any:
        """See a run of the graph through; its state then. Raises GraphFailed, RunCancelled."""
        run = ctx.run_here, ctx.delivery
        try:
            await ctx.step(KEPT, self._defined, key=self._digest)
            with ctx.calls() as calls:
                keeping = Keeping(self._every)
                carrying = _Carrying(self._library, self._channels, calls, ctx, keeping)
                machine = carrying.machine(self._definition, payload)
                self._hub.put(run, machine)
                await carrying.through(payload)
        except Exception:
            self._hub.fail(run)
            raise
        finally:
            self._hub.drop(run)
        report = report_of(machine, ctx.run_id)
        await tell(ctx, self._channels.report, _forms(report))
        return self._ended(report, machine, ctx)

    async def _defined(self) -> Built:
        return self._data

    def _ended(self, report: GraphReport, machine: Machine, ctx: Context) -> Any:
        if machine.status is GraphStatus.CANCELLED:
            raise RunCancelled(ctx.run_id, machine.reason)
        if machine.status is GraphStatus.FAILED:
            undone = (report.undone, report.stuck, report.left)
            raise GraphFailed(self._definition.name, machine.reason, *undone)
        state = machine.view.plain()
        if REPLY_TO in ctx.message.headers:
            return state
        ctx.publish(self._channels.output, state)
        return None


class _Carrying:
    """Carries out the commands of one machine."""

    def __init__(
        self, library: Library, channels: Channels, calls: Calls, ctx: Context, keeping: Keeping
    ) -> None:
        self._library = library
        self._channels = channels
        self._calls = calls
        self._ctx = ctx
        self._delivery = ctx.delivery
        self._again = "" if ctx.attempt == 1 else f"{ctx.attempt}:"
        self._keeping = keeping
        self._saved: Built | None = None
        self._machine: Machine

    def machine(self, definition: Definition, payload: Any) -> Machine:
        """The machine of the run, as it was kept last, or as a checkpoint has it."""
        self._saved = self._calls.base(self._again)
        if self._saved is None and is_checkpoint(payload):
            self._saved = payload[CHECKPOINT]["machine"]
        if self._saved is None:
            self._machine = Machine(definition, self._library)
        else:
            self._machine = machine_from(self._saved, definition, self._library)
        return self._machine

    async def through(self, state: Any) -> None:
        """Until the machine has ended."""
        machine, at = self._machine, self._ctx.message.timestamp
        if self._saved is None:
            await self._carry_out(machine.begin(state or {}, at))
        else:
            await self._carry_out(machine.resume())
        while not machine.status.ended:
            found = await self._calls.next()
            if isinstance(found, CancelAsked):
                await self._cancelled(found)
                continue
            await self._carry_out(self._told(found))
            if self._keeping.is_due(machine):
                self._calls.condense(machine_data(machine), self._again)

    async def _cancelled(self, asked: CancelAsked) -> None:
        if asked.over:
            self._machine.give_up()
        else:
            await self._carry_out(self._machine.cancel(asked.reason, self._machine.now))

    def _told(self, found: Returned) -> list[Command]:
        """What the machine wants after a reply."""
        machine, key = self._machine, found.key.removeprefix(self._again)
        undoing = key.startswith(UNDO)
        path = path_of(key.removeprefix(UNDO))
        if undoing:
            problem = "" if found.error is None else _sentence(found.error)
            return machine.undone(path, problem, machine.now)
        if found.error is not None:
            return self._failed(path, found.error)
        at = max(machine.now, found.value["at"])
        if "woken" in found.value:
            return machine.woken(path, at)
        return machine.done(path, Outcome.of(found.value), at)

    def _failed(self, path: Path, error: DaggerError) -> list[Command]:
        machine = self._machine
        if isinstance(error, RequestDropped) and error.disposition == "cancelled":
            return machine.stopped(path, machine.now)
        return machine.failed(path, error_of(error), machine.now)

    async def _carry_out(self, commands: Iterable[Command]) -> None:
        halted: list[str] = []
        for each in commands:
            if isinstance(each, Stop):
                halted.append(f"{self._again}{key_of(each.path)}")
            elif not isinstance(each, Finish):
                await self._send(each)
        if halted:
            self._calls.cancel(*halted)

    async def _send(self, command: Run | Route | Ask | AskAbout | Wake | Undo) -> None:
        path = list(command.path)
        payload: dict[str, Any] = {"of": self._delivery, "at": path}
        key, cleanup = key_of(command.path), False
        match command:
            case Run(_, graph, node, visit):
                channel = self._channels.of(graph).node(node)
                payload |= {"node": node.name, "visit": visit}
            case Route(_, graph, node):
                channel = self._channels.of(graph).route
                payload |= {"node": node.name}
            case Ask(_, node):
                channel = self._channels.ask
                payload |= {"node": node.name}
            case AskAbout(_, node, error):
                channel = self._channels.decide
                payload |= {"node": node.name, "error": error}
            case Wake(_, moment):
                channel = self._channels.timer
                payload |= {"until": moment}
            case Undo(_, graph, node, update):
                channel, cleanup = self._channels.of(graph).undo(node), True
                payload |= {"node": node.name, "update": update}
                key = f"{UNDO}{key}"
        try:
            await self._calls.send(channel, payload, key=f"{self._again}{key}", cleanup=cleanup)
        except RunCancelled:
            raise
        except DaggerError as error:  # it cannot be sent: too big, say
            self._calls.refuse(channel, error, key=f"{self._again}{key}")


UNDO = "undo:"
"""What keys of undoing begin with."""


def _forms(report: GraphReport) -> Iterator[tuple[dict[str, Any], str]]:
    """The data of a report, and of ever shorter ones, each with what is left out."""
    yield report.data(), ""
    short = replace(report, state={})
    yield short.data(), "its state"
    usual = {
        name
        for name, status in report.nodes.items()
        if status is NodeStatus.COMPLETED and report.visits.get(name) == 1
    }
    nodes = {name: each for name, each in report.nodes.items() if name not in usual}
    visits = {name: each for name, each in report.visits.items() if name not in usual}
    told = f"its state, and {len(usual)} nodes that have run once, and completed"
    yield replace(short, nodes=nodes, visits=visits).data(), told
    counts = {str(each): count for each, count in Counter(report.nodes.values()).items()}
    told = f"all but that it has {report.status}; of its nodes: {counts}"
    shortest = GraphReport(report.graph, report.run, report.status, report.reason[:REASON_CUT])
    yield shortest.data(), told


def is_checkpoint(payload: Any) -> bool:
    """Whether a run goes on from a checkpoint; a state may have a key of that name."""
    saved = payload.get(CHECKPOINT) if isinstance(payload, Mapping) and len(payload) == 1 else None
    machine = saved.get("machine") if isinstance(saved, Mapping) else None
    return isinstance(machine, Mapping) and "executions" in machine


def key_of(path: Path) -> str:
    """What an execution is told by: "3", and "3.7" in a graph within."""
    return ".".join(map(str, path))


def path_of(key: str) -> Path:
    """The path that a key is of."""
    return tuple(int(each) for each in key.split("."))


def error_of(error: DaggerError) -> dict[str, str]:
    """Why a node has failed: of what was raised where it ran, if it was there."""
    if isinstance(error, ResponderFailed | RequestRefused):
        return {"type": error.failure.type, "message": error.failure.message}
    return {"type": type(error).__name__, "message": str(error)}


def _sentence(error: DaggerError) -> str:
    told = error_of(error)
    return f"{told['type']}: {told['message']}"
