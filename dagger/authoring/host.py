"""What a context needs of the executor that runs its handler: one contract."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from dagger.rules.schema import Schema
from dagger.state.cache import Cache
from dagger.words.effects import E, Publication

if TYPE_CHECKING:
    from dagger.authoring.calls import Flying
    from dagger.authoring.invocation import Invocation
    from dagger.authoring.questions import Asked
    from dagger.authoring.requests import Request
    from dagger.authoring.reserving import Reservation
    from dagger.authoring.steps import Step


class Parking(Protocol):
    """Who runs an invocation, and lets it wait without holding a slot."""

    @property
    def crew(self) -> Any: ...

    @property
    def host(self) -> Host: ...

    def parked(self) -> AbstractAsyncContextManager[None]:
        """Meanwhile the handler waits, and holds no slot."""

    def unload(self, moment: float | None = None, answer: tuple[str, str] | None = None) -> None:
        """End the handler, which is about to wait for a moment (epoch seconds) or for an answer
        to be kept under a name and key, if its agent wants that (`unload=`); else return.
        """

    def blameless(self) -> AbstractContextManager[None]:
        """Meanwhile the handler only waits: should the process die, it was not its doing."""

    def uninterrupted(self) -> AbstractContextManager[None]:
        """Meanwhile the handler does not give way to others: a thread works for it."""

    async def wait_for_room(self, wait: Awaitable[None]) -> None:
        """In the middle of the handler: what it shares with others is theirs meanwhile."""


Log = Callable[["Invocation", int, str], None]
"""Tells watchers and the standard logging of a line, at a level of the standard logging."""


class Host(Protocol):
    """The executor as an invocation sees it.

    The plain calls return at once and may come from a worker thread; each of them
    is one record, written on the loop before the call returns. The awaited ones
    park the handler: while it waits it holds no worker.
    """

    serial: int
    """A number of the executor, which no other has had in this process."""
    max_payload_bytes: int
    channel_schemas: dict[str, Schema]
    """Schemas that channels themselves declare."""

    @property
    def shared(self) -> Cache: ...

    def now(self) -> float:
        """Wall time, epoch seconds."""

    def position(self) -> int:
        """The journal position that all there is now is known from."""

    def write_now(
        self, invocation: Invocation, decide: Callable[[], tuple[E, ...]]
    ) -> tuple[E, ...]:
        """Decide and apply effects at once: what cannot wait for the settle, as a lease."""

    def log(self, invocation: Invocation, level: int, text: str) -> None:
        """Tell watchers and the standard logging of a line of the handler's."""

    async def step(self, invocation: Invocation, step: Step) -> Any:
        """The kept result of a step, or the result of calling it now."""

    async def sleep(self, invocation: Invocation, name: str, key: str, until: float) -> None:
        """Wait until a moment (epoch seconds), or the one that was asked for the first time."""

    async def ask(self, invocation: Invocation, question: Asked) -> Any:
        """The answer that people give."""

    async def request(self, invocation: Invocation, request: Request) -> Any:
        """The reply of whoever hears it. Raises RequestFailed."""

    async def scatter(
        self, invocation: Invocation, requests: Sequence[Request], limit: int, first_failure: bool
    ) -> list[Any]:
        """The replies to all of them, in order, at most `limit` in flight at once.

        Raises ScatterFailed once each has ended, or with `first_failure` the error of the
        first that fails, at once.
        """

    def calls(self, invocation: Invocation) -> Flying:
        """Requests of an invocation that are in flight together."""

    async def emit(self, invocation: Invocation, ready: Publication) -> str:
        """Publish the next item of its stream at once, unless it was; the message's id.

        Waits for room under "block". Raises ChannelFull, ChannelClosed, ChannelDeadlock,
        BudgetExceeded, RunCancelled or StreamDiffers.
        """

    async def spend(self, invocation: Invocation, tokens: int, cost: int) -> None:
        """Count tokens, and a cost in billionths, against all budgets that it draws on."""

    def reserve(self, invocation: Invocation, wanted: Reservation) -> None:
        """Set something aside for an invocation. Raises BudgetExceeded, RunCancelled."""

    def agents(self) -> Sequence[Any]:
        """The agents as the executor lists them."""

    def channels(self) -> Sequence[Any]:
        """The channels as the executor lists them."""
