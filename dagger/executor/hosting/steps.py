"""Steps: a function is called when its cause is on disk, and what it returned is kept.

    kept?  ── yes ──>  the same arguments?  ── yes ──>  its result, or its failure
      │ no                     │ no
      v                        v
    durable, call         NonDeterminism
      │  ^
      │  └── failed, and its `retry=` allows another try: wait
      v
    keep, durable  ──>  its result, or its failure

A failure is kept for whoever goes on after a restart: a handler that has seen it may have
gone another way because of it. A new attempt forgets it (see `Delivery.ask_again`).
"""

from __future__ import annotations

import inspect
import logging
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from dagger.executor.failures import describe
from dagger.executor.hosting.keeping import Keeping, fence
from dagger.rules.retry import attempts_allowed
from dagger.words.errors import NonDeterminism, StepFailed
from dagger.words.payload import decode, encode
from dagger.words.records import Failure

if TYPE_CHECKING:
    from dagger.authoring.host import Log
    from dagger.authoring.invocation import Invocation
    from dagger.authoring.steps import Step
    from dagger.executor.engine import Engine
    from dagger.state.queues import Answer


class Steps:
    """The steps of all invocations of one executor."""

    def __init__(self, engine: Engine, keeping: Keeping, log: Log) -> None:
        self._engine = engine
        self._keeping = keeping
        self._log = log

    async def step(self, invocation: Invocation, step: Step) -> Any:
        """What the step's function returned, now or before. Raises StepFailed, NonDeterminism."""
        if self._engine.veils:
            step = self._veiled(invocation, step)
        kept = self._keeping.get(invocation, step.kept_as, step.key)
        if kept is not None:
            return known(invocation, step, kept)
        await self._keeping.durable(invocation, step.cause)
        try:
            blob = encode(await self._tried(invocation, step), invocation.node_id)
        except Exception as error:
            fence(invocation)
            failure = describe(error)
            await self._keep(invocation, step, encode(list(failure)), failed=True)
            raise StepFailed(invocation.node_id, step.name, failure) from error
        fence(invocation)
        await self._keep(invocation, step, blob)
        return decode(blob)

    def _veiled(self, invocation: Invocation, step: Step) -> Step:
        """The step under a name and a key without secrets."""
        name, key = (self._keeping.veiled(invocation, each) for each in (step.name, step.key))
        return step._replace(name=name, key=key)

    def _keep(
        self, invocation: Invocation, step: Step, value: bytes, failed: bool = False
    ) -> Awaitable[None]:
        """Keep it; to be awaited, so that it is on disk before the handler sees it."""
        self._keeping.put(invocation, step.kept_as, step.key, value, step.digest, failed)
        return self._keeping.durable(invocation)

    async def _tried(self, invocation: Invocation, step: Step) -> Any:
        """What the function returns, called as often as the step's strategy allows."""
        if step.retry is None:
            return await self._called(invocation, step.call)
        allowed = attempts_allowed(None, step.retry, self._engine.config.max_attempts)
        tries = 1
        while True:
            try:
                return await self._called(invocation, step.call)
            except Exception as error:
                fence(invocation)
                if tries >= allowed or not step.retry.retries(error):
                    raise
                delay = float(step.retry.delay(tries, random.random()))
                told = f"step {step.name!r} failed, try {tries} of {allowed}: {error!r}"
                self._log(invocation, logging.WARNING, f"{told}; again in {delay:g} s")
            await self._keeping.pause(invocation, delay)
            tries += 1

    async def _called(self, invocation: Invocation, call: Callable[[], Any]) -> Any:
        """What a function returns: in a thread unless it is async."""
        if _is_async(getattr(call, "func", call)):
            return await call()
        job = self._engine.threads.start(call)
        with invocation.worker.uninterrupted():
            await job.done.wait()
        result = job.outcome()
        return await result if inspect.isawaitable(result) else result


def _is_async(function: Any) -> bool:
    code = getattr(function, "__code__", None)
    if code is not None and code.co_flags & inspect.CO_COROUTINE:  # no need to look closer
        return True
    return inspect.iscoroutinefunction(inspect.unwrap(function))


def known(invocation: Invocation, step: Step, kept: Answer) -> Any:
    """What is kept of a step; it has to be one of the same arguments."""
    if kept.digest and kept.digest != step.digest:
        name, key = step.name, step.key
        raise NonDeterminism(invocation.node_id, name, key, kept.digest, step.digest)
    if kept.failed:
        kind, message, path, causes, trace = decode(kept.value)
        failure = Failure(kind, message, path, tuple(causes), trace)
        raise StepFailed(invocation.node_id, step.name, failure)
    return decode(kept.value)
