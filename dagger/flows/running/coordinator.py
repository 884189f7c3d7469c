"""The coordinator: the agent that carries out what a conductor orders, for each run of a flow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from dagger.authoring.calls import Calls, CancelAsked
from dagger.authoring.context import Context
from dagger.authoring.coordinating import CoordinatorContext
from dagger.authoring.telling import Form, hold_back, put_out
from dagger.flows.happenings import FlowStatus
from dagger.flows.running.conductor import Conductor
from dagger.flows.running.definition import digest_of
from dagger.flows.running.inputs import check_inputs
from dagger.flows.running.orders import Forget, Halt, Order, Send, Tell
from dagger.flows.running.program import Program
from dagger.flows.running.report import FlowReport, UndoneReport
from dagger.flows.running.within import REPORTS, STEP, is_stuck, with_those_within
from dagger.rules.occurrence import moment_of
from dagger.words.effects import REPLY_TO
from dagger.words.errors import FlowFailed, RunCancelled

KEPT = "definition"
"""The name of the step that keeps what a run began with, or goes on with."""


class Coordinator:
    """Coordinates one flow; `definition` is kept with its runs, unless it is within another."""

    def __init__(self, program: Program, definition: Mapping[str, Any] | None) -> None:
        self._program = program
        self._definition = definition
        self._digest = "" if definition is None else digest_of(definition)
        self._output, self._report = f"{program.channel}:output", f"{program.channel}{REPORTS}"

    async def coordinate(self, payload: Any, ctx: CoordinatorContext) -> None:
        """See a run of the flow through, and give its output. Raises FlowFailed, RunCancelled."""
        if self._definition is not None:
            await ctx.step(KEPT, self._defined, key=self._digest)
        elif ctx.attempt > 1:
            await self._say_again(ctx)
        conductor = conductor_of(self._program, payload, ctx.run_id, ctx.message.timestamp)
        with ctx.calls() as calls:
            carrying = _Carrying(conductor, calls, ctx)
            await carrying.through(conductor.begin())
            while conductor.finished is FlowStatus.SUCCEEDED:
                if asked := ctx.asked(calls):
                    await carrying.through(conductor.cancel(asked.reason))
                elif problem := await ctx.unfit(partial(self._give, conductor, ctx)):
                    await carrying.through(conductor.unfit(problem))
                else:
                    self._succeed(conductor, ctx)
                    return  # without waiting: it has settled before it is cancelled, or is undone
        await self._end(conductor, ctx)

    def _give(self, conductor: Conductor, ctx: Context) -> None:
        if REPLY_TO in ctx.message.headers:
            ctx.reply(conductor.output)
        elif conductor.output is not None:
            ctx.publish(self._output, conductor.output)

    def _succeed(self, conductor: Conductor, ctx: CoordinatorContext) -> None:
        """Tell of a run that has succeeded, as it settles."""
        hold_back(ctx, self._report, self._forms(self._whole(conductor, ctx), ctx))

    async def _end(self, conductor: Conductor, ctx: CoordinatorContext) -> None:
        """Tell of a run that has not succeeded, before it ends by the error that says so."""
        report = self._whole(conductor, ctx)
        await put_out(ctx, self._report, self._forms(report, ctx))
        if conductor.finished is FlowStatus.CANCELLED:
            raise RunCancelled(ctx.run_id, conductor.reason)
        undo = report.undo or UndoneReport()
        undone = undo.undone, undo.failed, undo.left
        raise FlowFailed(self._program.flow.name, conductor.reason, *undone)

    async def _say_again(self, ctx: CoordinatorContext) -> None:
        """What an earlier attempt could not undo stays so, whatever becomes of this one."""
        for each in ctx.said_on(self._report):
            await ctx.emit(self._report, each)

    def _whole(self, conductor: Conductor, ctx: CoordinatorContext) -> FlowReport:
        """The report of a run, with what could not be undone within it."""
        if self._definition is None:  # those within this one have told it themselves
            return conductor.report({})
        report = conductor.report(self._definition)
        return with_those_within(report, self._program.channel, ctx.outputs)

    def _forms(self, report: FlowReport, ctx: CoordinatorContext) -> Iterator[Form]:
        """The data of a report, and of ever shorter ones. A flow within another tells only that not
        all is undone, and of which step it is.
        """
        if self._definition is not None:
            yield from report.forms()
        elif is_stuck(report):
            for data, left_out in report.forms():
                yield {**data, STEP: ctx.step_key}, left_out

    async def _defined(self) -> Mapping[str, Any]:
        assert self._definition is not None
        return self._definition


def conductor_of(program: Program, payload: Any, run_id: str, began: float) -> Conductor:
    """The conductor of a run that began with a payload, at a moment (epoch seconds)."""
    given = payload["with"] if program.packed else payload
    outer = payload if program.packed else {"with": payload, "scope": {}}
    check_inputs(program, given, absent=program.secret)
    inputs = {**program.defaults, **given}
    for name in program.secret:
        inputs.pop(name, None)
    started = datetime.fromtimestamp(began, UTC).isoformat().replace("+00:00", "Z")
    scheduled = moment_of(run_id)
    run = {"id": run_id, "flow": program.flow.name, "started": started, "scheduled": scheduled}
    return Conductor(program, inputs, run, outer if program.secret else None)


class _Carrying:
    """Carries out the orders of one conductor."""

    def __init__(self, conductor: Conductor, calls: Calls, ctx: Context) -> None:
        self._conductor = conductor
        self._calls = calls
        self._ctx = ctx
        # What a flow within another has done in an attempt that failed is no answer to the next.
        self._again = "" if ctx.attempt == 1 else f"{ctx.attempt}:"

    async def through(self, orders: Iterable[Order]) -> None:
        """From some orders on until nothing is left to be waited for."""
        conductor = self._conductor
        await self._carry_out(orders)
        while conductor.finished is None:
            found = await self._calls.next()
            if isinstance(found, CancelAsked):
                if found.over:
                    conductor.give_up()
                else:
                    await self._carry_out(conductor.cancel(found.reason))
                continue
            key = found.key.removeprefix(self._again)
            orders = conductor.heard(key, found.value, found.error, duplicate=found.duplicate)
            await self._carry_out(orders)

    async def _carry_out(self, orders: Iterable[Order]) -> None:
        halted: list[str] = []
        for order in orders:
            match order:
                case Send():
                    await self._send(order)
                case Halt(keys):
                    halted += (f"{self._again}{key}" for key in keys)
                case Forget(channel, idempotency_key):
                    self._calls.forget(channel, idempotency_key)
                case Tell(text):
                    self._ctx.log(text)
        if halted:
            self._calls.cancel(*halted)

    async def _send(self, order: Send) -> None:
        key = f"{self._again}{order.key}"
        try:
            await self._calls.send(
                order.channel,
                order.payload,
                key=key,
                timeout=order.timeout,
                message_key=order.message_key,
                idempotency_key=order.idempotency_key,
                cleanup=order.cleanup,
                stops=order.stops,
            )
        except RunCancelled:
            raise
        except Exception as error:  # too big, say: the step cannot be carried out
            self._calls.refuse(order.channel, error, key=key)
