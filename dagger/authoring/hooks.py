"""Hooks: what an executor puts around each attempt, and tells of each message that goes out.

`Executor(..., around_attempt=hook)` takes one hook, an `AroundAttempt`. To have several is
to write one that calls the others. Tracing is such a hook (see `dagger.otel`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from dagger.state.joins import parts_of

if TYPE_CHECKING:
    from dagger.authoring.invocation import Invocation
    from dagger.words.message import Message


class Attempt:
    """What a hook is told of an attempt. It is for looking at: nothing of it can be set."""

    __slots__ = ("_again", "_invocation", "_parts")

    def __init__(self, invocation: Invocation, again: bool) -> None:
        self._invocation = invocation
        self._again = again
        self._parts = [each.envelope for each in parts_of(invocation.delivery)]

    def __repr__(self) -> str:
        return f"<attempt {self.number} of {self.node_id}>"

    @property
    def agent(self) -> str:
        """The agent's name."""
        return self._invocation.agent.name

    @property
    def channel(self) -> str:
        """The channel that the message came on; of a join, that of the last part."""
        return self._invocation.channel

    @property
    def run_id(self) -> str:
        """The id of the run that the invocation is of."""
        return self._invocation.run.id

    @property
    def node_id(self) -> str:
        """The invocation's id, `<agent>:<run>.<number>`: the same in all its attempts."""
        return self._invocation.node_id

    @property
    def number(self) -> int:
        """1 for the first attempt; a re-execution has the number of what it goes on with."""
        return self._invocation.attempt

    @property
    def reexecution(self) -> bool:
        """Whether it goes on with what was begun before: by a handler that was unloaded, or by
        an executor before this one, as far as is known: answers are kept of it, or the process
        died with it in hand.
        """
        return self._again

    @property
    def message(self) -> Message:
        """The message as the handler has it, with the same payload: look, but leave it as it is.

        Of a join it is the last part, with the payloads of all.
        """
        return self._invocation.message

    @property
    def message_id(self) -> str:
        """The id of that message."""
        return self._invocation.message_id

    @property
    def headers(self) -> tuple[dict[str, str], ...]:
        """The headers of each message that is handled: of one, or of all parts of a join in
        the order in which they came.
        """
        return tuple(dict(each.publication.headers) for each in self._parts)


Handler = Callable[[], Awaitable[Any]]
"""Calls the handler, and returns what it returned."""


class AroundAttempt(Protocol):
    """A hook: an async function of an attempt and its handler, called for each attempt.

        async def timed(attempt, handler):
            began = time.perf_counter()
            try:
                await handler()
            finally:
                print(attempt.agent, time.perf_counter() - began)

    It awaits `handler()`, once. By then the payload has been checked; what is within it is the
    handler, all that this waits for, and the check of what it returns or yields. What follows,
    the settling, comes after the hook. The agent's timeout holds for all of it.

    A hook does not change what becomes of an attempt: what the handler returned is what counts,
    and so is what it raised, even if the hook swallows it or raises something else instead.
    But it can make it fail: one that raises where the handler did not, or that ends before the
    handler has, is a failed attempt, with `HookFailed` for its error. A cancellation is for the
    hook to let through, and so is what ends a handler that is unloaded (`@agent(unload=True)`):
    neither is an Exception. A handler that ignores its own and is given up is left behind together
    with the hook, which then hears no more of it.

    Each attempt has context variables of its own. What a hook sets there is seen by the handler
    and by all that it starts, in tasks and in threads, and by nobody else.
    """

    def __call__(self, attempt: Attempt, handler: Handler, /) -> Awaitable[object]: ...


@runtime_checkable
class Outgoing(Protocol):
    """A hook that has headers for messages: it is asked for each that goes out, as it does.

    That is for what is published from outside, in the task of the caller; for a request or an
    item of a stream, in that of the handler; and for what an attempt has held back, once its
    handler has ended well, still within the hook. What a schedule publishes is not asked for.

    A header that the publisher has given itself is left as it is. One that was merely passed
    on, as with `ctx.publish(channel, ctx.message)`, is not. Where it raises, nothing goes out,
    and whoever publishes gets `HookFailed`. Headers are on disk as long as their message is.
    """

    def outgoing(self, channel: str) -> Mapping[str, str]:
        """What is added to the headers of one message for `channel`."""
