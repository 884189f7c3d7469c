"""Calling a handler, whatever it is: a coroutine, a generator, or a plain function.

What a generator yields is held back as it comes, or published at once where it streams.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from dagger.authoring.signature import PARAMETERS, Kind
from dagger.executor.drive import begin, drive

if TYPE_CHECKING:
    from dagger.authoring.invocation import Invocation
    from dagger.executor.drive import Steps
    from dagger.executor.threads import Job
    from dagger.executor.worker import Worker


async def call(invocation: Invocation, worker: Worker) -> Any:
    """What the handler returns; what it yields is taken as it comes."""
    handler = body(invocation, worker)
    return await (handler if invocation.agent.plan.kind.threaded else driven(handler, worker))


async def driven(handler: Steps, worker: Worker) -> Any:
    """What the handler returns, driven step by step."""
    finished, value = begin(handler, worker)
    return value if finished else await drive(handler, value, worker)


def body(invocation: Invocation, worker: Worker) -> Coroutine[Any, Any, Any]:
    """The handler as a coroutine, whatever it is; what it yields is taken as it comes."""
    plan = invocation.agent.plan
    match plan.kind:
        case Kind.COROUTINE:
            handler: Coroutine[Any, Any, Any] = plan.call(invocation)
            return handler
        case Kind.ASYNC_GENERATOR:
            return _yielded(invocation, plan.call(invocation), worker)
        case Kind.FUNCTION if invocation.agent.process is not None:
            return _in_process(invocation, worker)
        case Kind.FUNCTION:
            return _in_thread(lambda: plan.call(invocation), worker)
        case Kind.GENERATOR if invocation.agent.stream:
            return _streamed(invocation, worker)
        case Kind.GENERATOR:
            return _listed(invocation, worker)


async def _yielded(invocation: Invocation, values: AsyncGenerator[Any], worker: Worker) -> None:
    streams, settling = invocation.agent.stream, worker.settling
    async with aclosing(values):
        async for value in values:
            if streams:
                await worker.host.emit(invocation, settling.made(invocation, value))
            else:
                settling.publish(invocation, value)


async def _streamed(invocation: Invocation, worker: Worker) -> None:
    """What a plain generator yields, one by one; all of it runs in one thread."""
    line = worker.engine.threads.line()
    try:
        values = await _finished(
            line.start(partial(invocation.agent.plan.call, invocation)), worker
        )
        try:
            step = partial(next, values, _END)
            while (value := await _finished(line.start(step), worker)) is not _END:
                await worker.host.emit(invocation, worker.settling.made(invocation, value))
        finally:
            if not worker.lost:  # it is left where it is, if it has not ended
                await _finished(line.start(values.close), worker)
    finally:
        line.end()


_END = object()


async def _listed(invocation: Invocation, worker: Worker) -> None:
    for value in await _in_thread(lambda: list(invocation.agent.plan.call(invocation)), worker):
        worker.settling.publish(invocation, value)


async def _in_process(invocation: Invocation, worker: Worker) -> Any:
    """Run a plain function in a worker process, which is killed if this is cancelled."""
    agent, scope, processes = invocation.agent, worker.scope, worker.engine.processes
    given = {name: getattr(invocation, PARAMETERS[name]) for name in agent.plan.parameters}
    left, scope.deadline = scope.deadline - anyio.current_time(), math.inf
    with worker.blameless():  # what becomes of the other process is not the end of this one
        async with processes.room:
            scope.deadline = anyio.current_time() + left  # its running time begins
            return await processes.call(agent, given, invocation.node_id)


async def _in_thread(function: Callable[[], Any], worker: Worker) -> Any:
    """Run a plain function in a thread."""
    return await _finished(worker.engine.threads.start(function), worker)


async def _finished(job: Job, worker: Worker) -> Any:
    """What a call in a thread returns; the thread is left behind if it outlives the grace."""
    try:
        await job.done.wait()
    except BaseException:
        if worker.invocation is not None:
            worker.invocation.closed = True
        with anyio.move_on_after(worker.engine.config.cancel_grace, shield=True):
            await job.done.wait()
        if not job.done.is_set():
            worker.give_up()
        raise
    return job.outcome()
