"""The coordinator: the agent that carries out what the machine of a graph wants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from dagger.authoring.calls import Calls, CancelAsked, Returned
from dagger.authoring.context import Context
from dagger.authoring.coordinating import CoordinatorContext
from dagger.authoring.telling import hold_back, put_out
from dagger.graphs.commands import (
    Ask,
    AskAbout,
    Command,
    Finish,
    Route,
    Run,
    Stop,
    Undo,
    Wake,
)
from dagger.graphs.library import Library
from dagger.graphs.machine import Machine
from dagger.graphs.model import Definition
from dagger.graphs.running.channels import Channels, channels_of
from dagger.graphs.running.hub import Hub
from dagger.graphs.running.keeping import Keeping
from dagger.graphs.running.report import GraphReport, report_of
from dagger.graphs.running.telling import UNDO, key_of, tell
from dagger.graphs.saving import machine_data, machine_from
from dagger.graphs.status import GraphStatus, NodeStatus
from dagger.words.effects import REPLY_TO
from dagger.words.errors import (
    DaggerError,
    GraphFailed,
    RunCancelled,
)

KEPT = "definition"
"""The name of the step that keeps what a run began with, or goes on with."""

BEGUN = "state"
"""The name of the step that keeps the state that it begins with, if that is not its message."""

REASON_CUT = 500
"""Characters of the reason that are left in the shortest report."""

Built = Mapping[str, Any]


class Beginning(Protocol):
    """Knows what runs begin with."""

    def begins_with(self, payload: Any, run_id: str, *, received: bool) -> Any:
        """What one begins with of a payload, which was looked at as it was received, or was not."""

    @property
    def changes(self) -> bool:
        """Whether that is another one each time."""


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
        beginning: Beginning,
    ) -> None:
        self._definition = definition
        self._data = data
        self._digest = digest
        self._library = library
        self._hub = hub
        self._every = every
        self._beginning = beginning
        self._channels = channels_of(definition)
        self._own = self._channels[definition.name]

    async def coordinate(self, payload: Any, ctx: CoordinatorContext) -> None:
        """See a run of the graph through, and give its state. Raises GraphFailed, RunCancelled."""
        run = ctx.run_here, ctx.delivery
        with self._hub.carried_out(run):
            await ctx.step(KEPT, self._defined, key=self._digest)
            payload = await self._received(payload, ctx)
            with ctx.calls() as calls:
                keeping = Keeping(self._every)
                carrying = _Carrying(self._library, self._channels, self._own, calls, ctx, keeping)
                machine = carrying.machine(self._definition, payload)
                self._hub.put(run, machine)
                await carrying.through(payload)
                while machine.status is GraphStatus.COMPLETED:
                    if asked := ctx.asked(calls):
                        await carrying.on(machine.cancel(asked.reason, machine.now))
                    elif problem := await ctx.unfit(partial(self._give, machine, ctx)):
                        await carrying.on(machine.unfit(problem, machine.now))
                    else:  # without waiting: it has settled before it is cancelled, or is undone
                        hold_back(ctx, self._own.report, _forms(report_of(machine, ctx.run_id)))
                        return
        await self._end(machine, ctx)

    def _give(self, machine: Machine, ctx: Context) -> None:
        state = machine.view.plain()
        if REPLY_TO in ctx.message.headers:
            ctx.reply(state)
        else:
            ctx.publish(self._own.output, state)

    async def _received(self, payload: Any, ctx: Context) -> Any:
        """What it begins with, kept where it is not all in the first message of the run."""
        received, beginning = ctx.delivery == 1, self._beginning

        async def begun() -> Any:
            return beginning.begins_with(payload, ctx.run_id, received=received)

        if received and not beginning.changes:
            return payload
        return await ctx.step(BEGUN, begun)

    async def _defined(self) -> Built:
        return self._data

    async def _end(self, machine: Machine, ctx: Context) -> None:
        """Tell of a run that has not completed, before it ends by the error that says so."""
        report = report_of(machine, ctx.run_id)
        await put_out(ctx, self._own.report, _forms(report))
        if machine.status is GraphStatus.CANCELLED:
            raise RunCancelled(ctx.run_id, machine.reason)
        undone = (report.undone, report.stuck, report.left)
        raise GraphFailed(self._definition.name, machine.reason, *undone)


class _Carrying:
    """Carries out the commands of one machine."""

    def __init__(
        self,
        library: Library,
        channels: Mapping[str, Channels],
        own: Channels,
        calls: Calls,
        ctx: Context,
        keeping: Keeping,
    ) -> None:
        self._library = library
        self._channels = channels  # by the names of graphs
        self._own = own
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
            self._saved = payload[0]
        if self._saved is None:
            self._machine = Machine(definition, self._library)
        else:
            self._machine = machine_from(self._saved, definition, self._library)
        return self._machine

    async def through(self, state: Any) -> None:
        """From the beginning, or from where it was, until the machine has ended."""
        machine, at = self._machine, self._ctx.message.timestamp
        fresh = self._saved is None
        await self.on(machine.begin(state or {}, at) if fresh else machine.resume())

    async def on(self, commands: Iterable[Command]) -> None:
        """From some commands until the machine has ended."""
        machine = self._machine
        await self._carry_out(commands)
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
        key = found.key.removeprefix(self._again)
        return tell(self._machine, key, found.value, found.error)

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
                channel = self._channels[graph].node(node)
                payload |= {"node": node.name, "visit": visit}
            case Route(_, graph, node):
                channel = self._channels[graph].route
                payload |= {"node": node.name, "route": True}
            case Ask(_, node):
                channel = self._own.ask
                payload |= {"node": node.name}
            case AskAbout(_, node, error):
                channel = self._own.decide
                payload |= {"node": node.name, "error": error}
            case Wake(_, moment):
                channel = self._own.timer
                payload |= {"until": moment}
            case Undo(_, graph, node, update):
                channel, cleanup = self._channels[graph].undo(node), True
                payload |= {"node": node.name, "update": update}
                key = f"{UNDO}{key}"
        try:
            await self._calls.send(channel, payload, key=f"{self._again}{key}", cleanup=cleanup)
        except RunCancelled:
            raise
        except DaggerError as error:  # it cannot be sent: too big, say
            self._calls.refuse(channel, error, key=f"{self._again}{key}")


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
    """Whether a run goes on from a checkpoint: its first message is a list of one machine, which
    no state can be.
    """
    return isinstance(payload, list) and len(payload) == 1 and isinstance(payload[0], Mapping)
