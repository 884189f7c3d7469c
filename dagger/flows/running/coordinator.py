"""The coordinator: the agent that carries out what a conductor orders, for each run of a flow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from dagger.authoring.calls import Calls, CancelAsked
from dagger.authoring.context import Context
from dagger.authoring.telling import put_out
from dagger.flows.happenings import FlowStatus
from dagger.flows.running.conductor import Conductor
from dagger.flows.running.definition import digest_of
from dagger.flows.running.inputs import check_inputs
from dagger.flows.running.orders import Forget, Halt, Order, Send, Tell
from dagger.flows.running.program import Program
from dagger.rules.occurrence import moment_of
from dagger.words.effects import REPLY_TO
from dagger.words.errors import DaggerError, FlowFailed, RunCancelled

REPORTS = ":report"
"""What follows the flow's channel on which its report is put out."""

KEPT = "definition"
"""The name of the step that keeps what a run began with, or goes on with."""


class Coordinator:
    """Coordinates one flow; `definition` is kept with its runs, unless it is within another."""

    def __init__(self, program: Program, definition: Mapping[str, Any] | None) -> None:
        self._program = program
        self._definition = definition
        self._digest = "" if definition is None else digest_of(definition)
        self._output, self._report = f"{program.channel}:output", f"{program.channel}{REPORTS}"

    async def coordinate(self, payload: Any, ctx: Context) -> Any:
        """See a run of the flow through; its output. Raises FlowFailed, RunCancelled."""
        if self._definition is not None:
            await ctx.step(KEPT, self._defined, key=self._digest)
        message = ctx.message
        conductor = conductor_of(self._program, payload, ctx.run_id, message.timestamp)
        with ctx.calls() as calls:
            await _Carrying(conductor, calls, ctx).through()
        if self._definition is not None:
            await put_out(ctx, self._report, conductor.report(self._definition).forms())
        _raise(conductor, ctx.run_id)
        if REPLY_TO not in message.headers and conductor.output is not None:
            ctx.publish(self._output, conductor.output)
            return None
        return conductor.output

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

    async def through(self) -> None:
        """Until nothing is left to be waited for."""
        conductor = self._conductor
        await self._carry_out(conductor.begin())
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
        except DaggerError as error:  # too big, say: the step cannot be carried out
            self._calls.refuse(order.channel, error, key=key)


def _raise(conductor: Conductor, run_id: str) -> None:
    """Raise what a run that has not succeeded ends with."""
    if conductor.finished is FlowStatus.CANCELLED:
        raise RunCancelled(run_id, conductor.reason)
    if conductor.finished is FlowStatus.FAILED:
        undo = conductor.undone()
        told = () if undo is None else (undo.undone, undo.failed, undo.left)
        raise FlowFailed(conductor.program.flow.name, conductor.reason, *told)
