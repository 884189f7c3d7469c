"""The hook of an executor, and how attempts go on within it.

An executor without one has no part in this: its workers call handlers as `calling` does.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

from dagger.authoring.hooks import Attempt, Outgoing
from dagger.authoring.signature import place_of
from dagger.executor.calling import body, driven
from dagger.words.effects import OURS, Publication
from dagger.words.errors import ConfigError, HookFailed

if TYPE_CHECKING:
    from types import FrameType

    from dagger.authoring.hooks import AroundAttempt
    from dagger.authoring.invocation import Invocation
    from dagger.executor.worker import Worker
    from dagger.state.queues import Delivery
    from dagger.state.state import State

Pairs = tuple[tuple[str, str], ...]

Stamp = Callable[[Publication, Pairs], Publication]
"""Adds to the headers of a message that goes out; the others are those of the message that is
handled meanwhile, which may have been passed on.
"""


class Around:
    """The hook of one executor, for all of its workers."""

    def __init__(self, hook: AroundAttempt) -> None:
        if not callable(hook):
            raise ConfigError(
                "around_attempt",
                f"a hook is an async function of an attempt and its handler, not {hook!r}",
            )
        self.hook = hook
        self.name = place_of(hook)
        self.stamp = stamping(hook.outgoing, self.name) if isinstance(hook, Outgoing) else None
        self._begun: set[Delivery] = set()

    def take_over(self, state: State) -> None:
        """Note what executors before this one have begun."""
        self._begun = {
            each
            for run in state.runs.values()
            for each in run.deliveries.values()
            if each.kept or each.deaths or each.number in run.questions
        }

    def goes_on(self, delivery: Delivery) -> None:
        """The handler of a delivery is unloaded: what comes next is another execution of it."""
        self._begun.add(delivery)

    async def call(self, invocation: Invocation, worker: Worker) -> None:
        """Let the hook have the handler called, and collect what that returned: nothing is left
        to be collected.
        """
        delivery = invocation.delivery
        attempt = Attempt(invocation, delivery in self._begun)
        self._begun.discard(delivery)
        await driven(Turn(self, invocation, worker, attempt), worker)


def stamping(outgoing: Callable[[str], Mapping[str, str]], hook: str) -> Stamp:
    """What adds to a message the headers that a hook has for it. It raises HookFailed."""

    def stamp(ready: Publication, passed_on: Pairs) -> Publication:
        try:
            said = outgoing(ready.channel).items()
            found = {str(name): str(value) for name, value in said if name not in OURS}
        except Exception as error:
            raise HookFailed(hook, f"a message for {ready.channel!r}", repr(error)) from error
        own = [each for each in ready.headers if each[0] not in found or each not in passed_on]
        return ready._replace(headers=tuple({**found, **dict(own)}.items()))

    return stamp


class Turn:
    """One attempt in the hands of the hook: a coroutine, in a context of its own."""

    __slots__ = ("_around", "_body", "_context", "_coroutine", "_ended", "_error", "_held", "_with")

    def __init__(
        self, around: Around, invocation: Invocation, worker: Worker, attempt: Attempt
    ) -> None:
        self._around = around
        self._held = invocation
        self._with = worker
        self._body: Coroutine[Any, Any, Any] | None = None
        self._ended = False
        self._error: BaseException | None = None
        self._context = copy_context()
        self._coroutine = self._within(attempt)

    # -- as it is driven -------------------------------------------------------------

    def send(self, value: Any) -> Any:
        return self._context.run(self._coroutine.send, value)

    def throw(self, error: BaseException) -> Any:
        return self._context.run(self._coroutine.throw, error)

    @property
    def cr_frame(self) -> FrameType | None:
        """Where the handler is."""
        return getattr(self._body, "cr_frame", None)

    # -- the hook and the handler ----------------------------------------------------

    async def _within(self, attempt: Attempt) -> None:
        """Return if both have ended well; raise what the handler raised, or HookFailed."""
        raised: Exception | None = None
        try:
            await self._around.hook(attempt, self._handler)
        except HookFailed:
            raise
        except Exception as error:
            raised = error
        own, self._error = self._error, None
        if isinstance(own, Exception):
            if raised not in (None, own):
                own.add_note(f"the hook {self._around.name} then raised {raised!r}")
            raise own
        if raised is not None:
            raise self._failed(repr(raised)) from raised
        if not self._ended:
            await self._cut_short(own)

    async def _cut_short(self, own: BaseException | None) -> None:
        """The hook has ended well, and the handler has not: raise what that comes to."""
        if own is not None and not isinstance(own, anyio.get_cancelled_exc_class()):
            raise own
        await anyio.lowlevel.checkpoint()  # a cancellation of the attempt goes on from here
        raise self._failed("it ended before the handler had; await handler() in it")

    async def _handler(self) -> Any:
        if self._body is not None:
            raise self._failed("it called the handler twice; call it once an attempt")
        invocation, worker = self._held, self._with
        try:
            self._body = body(invocation, worker)
            value = await self._body
            invocation.closed = True
            worker.settling.collect(invocation, value)
            self._stamp_all()
        except BaseException as error:
            self._error = error
            raise
        self._ended = True
        return value

    def _stamp_all(self) -> None:
        """Add to the headers of all that is published as the invocation settles."""
        stamp, effects = self._around.stamp, self._held.effects
        if stamp is not None:
            passed_on = self._held.publication.headers
            effects[:] = [
                stamp(each, passed_on) if type(each) is Publication else each for each in effects
            ]

    def _failed(self, problem: str) -> HookFailed:
        return HookFailed(self._around.name, self._held.node_id, problem)
