"""Calls: requests that are in flight together, whose replies come one by one."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

from dagger.authoring.publishing import Sending, sent
from dagger.authoring.requests import Request, made
from dagger.words.effects import CLEANUP, is_cleanup
from dagger.words.errors import ExecutionError, RequestFailed

if TYPE_CHECKING:
    from collections.abc import Collection

    from dagger.authoring.invocation import Invocation


class Returned(NamedTuple):
    """The reply to one of several requests."""

    key: str
    """That of the request."""
    value: Any
    """What was replied."""
    error: RequestFailed | None
    """Why there is no reply; None if there is one."""
    duplicate: bool = False
    """Whether it is the reply to an earlier request of the same idempotency key."""


class CancelAsked(NamedTuple):
    """The handler is to come to an end: only agents of `cleans_up=True` are told."""

    reason: str
    """Who cancels, or why."""
    over: bool
    """False the first time; True when the time for cleaning up is over."""


class Flying(Protocol):
    """The calls of one invocation, as its host has them."""

    async def send(self, request: Request) -> None:
        """Send a request, unless it was sent before; returns as soon as there is room."""

    def refuse(self, key: str, channel: str, error: Exception) -> None:
        """A request was not sent: why is kept as its reply, unless it was sent before."""

    async def next(self) -> Returned | CancelAsked:
        """What has come next."""

    def asked(self) -> CancelAsked | None:
        """That the handler is to come to an end, if that has come and was not heard of."""

    def base(self, key: str) -> Any:
        """What the invocation goes on from; None for the beginning."""

    def condense(self, key: str, value: Any) -> None:
        """From now on it goes on from a value, and what it has heard is not kept any more."""

    def forget(self, channel: str, idempotency_key: str) -> None:
        """What this run has done under a key is undone: it may be done again under it."""

    def cancel(self, keys: Collection[str]) -> None:
        """Have those end who handle the requests of these keys."""

    def end(self) -> None:
        """Nothing is waited for any more."""


class Calls:
    """Requests of one handler that are in flight together: `with ctx.calls() as calls:`.

    A handler that is called again after a restart gets the replies again in the order in which
    they came: what it decides by them alone, it decides again.
    """

    __slots__ = ("_flying", "_held", "_out")

    def __init__(self, held: Invocation, flying: Flying) -> None:
        self._held = held
        self._flying = flying
        self._out: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._flying.end()

    def __len__(self) -> int:
        """Requests in flight."""
        return len(self._out)

    async def send(
        self,
        channel: str,
        payload: Any,
        *,
        key: str,
        timeout: float | None = None,  # noqa: ASYNC109  it outlives any scope
        message_key: str | None = None,
        idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        cleanup: bool = False,
        stops: bool = False,
    ) -> None:
        """Send a request, as `ctx.request` does, and do not wait for its reply.

        It returns as soon as there is room. `key` is what the reply is told by, `message_key` that
        of the message. With `cleanup` the request, and what it causes, is
        handled also when the run is cancelled. With `stops` who handles it is cancelled once
        `timeout` is over, and heard of, as late, when he has come to an end. Raises ExecutionError
        if a request of that key is in flight, and what `ctx.request` raises before it waits.
        """
        self._check_free(key)
        request = made(self._held, channel, payload, key, timeout, headers, message_key)
        publication = request.publication
        if cleanup and not is_cleanup(publication):
            publication = publication._replace(headers=(*publication.headers, CLEANUP))
        if idempotency_key is not None:
            options: Sending = {"idempotency_key": idempotency_key}
            publication = sent(publication, options, 0.0)
        if stops or publication is not request.publication:
            request = request._replace(publication=publication, stops=stops)
        self._out.add(key)
        try:
            await self._flying.send(request)
        except BaseException:
            self._out.discard(key)
            raise

    def refuse(self, channel: str, error: Exception, *, key: str) -> None:
        """Hear of a request that `send` has raised for as of all others: in its turn, with a
        RequestRefused that says why.

        That is kept as replies are: who decides by what has come alone decides the same again
        after a restart, when there may be no reason to refuse it any more. Raises ExecutionError
        if a request of that key is in flight.
        """
        self._check_free(key)
        self._flying.refuse(key, channel, error)
        self._out.add(key)

    def _check_free(self, key: str) -> None:
        if key in self._out:
            node = self._held.node_id
            raise ExecutionError(f"{node} has two calls with key {key!r} in flight")

    async def next(self) -> Returned | CancelAsked:
        """Wait for the next reply; or, of an agent of `cleans_up=True`, for being cancelled."""
        found = await self._flying.next()
        if isinstance(found, Returned):
            self._out.discard(found.key)
        return found

    def asked(self) -> CancelAsked | None:
        """That the handler is to come to an end, if it was told so and `next` has not said it yet;
        it does not wait. Whoever asks right before it returns ends before it is cancelled, or
        knows of it.
        """
        return self._flying.asked()

    def base(self, key: str = "") -> Any:
        """The value that was given to `condense` last; None before that."""
        return self._flying.base(key)

    def condense(self, value: Any, key: str = "") -> None:
        """Go on from a value after a restart, instead of from the replies that have come so far,
        which are not kept any more: for handlers that make very many calls.

        The value says all that follows from them, and which calls are still in flight: those
        are sent again then, under the same keys, which sends nothing twice. What was told of
        being cancelled stays told.
        """
        self._flying.condense(key, value)

    def forget(self, channel: str, idempotency_key: str) -> None:
        """What this run has done under a key, by a request on a channel, is undone: whoever
        comes next with the key does it again.
        """
        self._flying.forget(channel, idempotency_key)

    def cancel(self, *keys: str) -> None:
        """Have those end who handle the requests of these keys; their replies come all the same."""
        self._flying.cancel(keys)
