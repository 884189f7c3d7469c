"""Calls: several requests in flight, whose replies an invocation hears of one by one."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Protocol

import anyio.lowlevel

from dagger.authoring.calls import CancelAsked, Returned
from dagger.executor.cancelling import cancel_requests
from dagger.executor.failures import describe
from dagger.state.queues import SECOND_HAND
from dagger.words.errors import BudgetExceeded, ExecutionError
from dagger.words.payload import decode, encode
from dagger.words.records import BASE, CANCEL, OVER, Condensed, Kept, KeysForgotten
from dagger.words.replies import came_to, unsent

if TYPE_CHECKING:
    from dagger.authoring.invocation import Invocation
    from dagger.authoring.requests import Request
    from dagger.executor.engine import Engine
    from dagger.executor.hosting.flights import Flight, Flights
    from dagger.executor.timers import Timer


TURN = 50
"""Requests that are sent before the others have the loop."""


class Sending(Protocol):
    """Who sends requests."""

    def send_now(self, invocation: Invocation, request: Request) -> bool:
        """Publish it if that takes no waiting; whether it is out."""

    async def send(self, invocation: Invocation, request: Request) -> Timer | None:
        """Publish it as soon as there is room; the timer of a reply that is overdue."""


class Calls:
    """The calls of one invocation."""

    def __init__(
        self, invocation: Invocation, engine: Engine, flights: Flights, requesting: Sending
    ) -> None:
        self._invocation = invocation
        self._engine = engine
        self._flights = flights
        self._requesting = requesting
        self._channels: dict[str, str] = {}  # of what is out, by key
        self._sent = 0
        self._told: list[Flight] = [flights.listen(CANCEL, key) for key in ("", OVER)]

    async def send(self, request: Request) -> None:
        """Send a request, unless it was sent before."""
        key, invocation = request.key, self._invocation
        if self._engine.veiling.name(invocation.agent.name, key) != key:
            raise ExecutionError("the key of a call has a secret in it; tell calls by other keys")
        self._channels[key] = request.publication.channel
        flight = self._flights.begin(key)
        kept = invocation.delivery.kept
        if kept is not None and ("request", key) in kept:
            return
        self._sent += 1
        if self._sent % TURN == 0:
            await anyio.lowlevel.checkpoint()
        try:
            if not self._requesting.send_now(invocation, request):
                flight.timer = await self._requesting.send(invocation, request)
        except BaseException as error:
            self._flights.out.pop(key).end()
            if isinstance(error, BudgetExceeded):
                self._over_budget(error)
            raise

    def refuse(self, key: str, channel: str, error: Exception) -> None:
        """A request was not sent: why is kept as its reply, unless it was sent before."""
        invocation, engine = self._invocation, self._engine
        self._channels[key] = channel
        self._flights.begin(key)
        kept = invocation.delivery.kept or {}
        if ("request", key) not in kept and ("requested", key) not in kept:
            number, said = invocation.delivery.number, unsent(describe(error))
            fields = (invocation.run.number, number, "request", key, said, engine.now())
            engine.commit(Kept(*fields, failed=True))

    def _over_budget(self, error: BudgetExceeded) -> None:
        """Who cleans up is told, if it is the budget of the run."""
        invocation = self._invocation
        if invocation.agent.cleans_up and not error.node and not error.message:
            self._engine.runs.over_budget(invocation.run, error)

    async def next(self) -> Returned | CancelAsked:
        """The next reply, or that the handler is to come to an end."""
        (name, key), kept = await self._flights.next()
        if name == CANCEL:
            return CancelAsked(decode(kept.value), over=key == OVER)
        told = self._invocation.delivery.kept
        value, error = came_to(self._channels.pop(key), key, told, kept.value)
        return Returned(key, value, error, kept.digest == SECOND_HAND)

    def asked(self) -> CancelAsked | None:
        """That the handler is to come to an end, if that has come and was not heard of."""
        kept = self._flights.take((CANCEL, ""))
        return None if kept is None else CancelAsked(decode(kept.value), over=False)

    def base(self, key: str) -> Any:
        """What the invocation goes on from; None for the beginning."""
        kept = (self._invocation.delivery.kept or {}).get((BASE, key))
        return None if kept is None else decode(kept.value)

    def condense(self, key: str, value: Any) -> None:
        """From now on it goes on from a value, and what it has heard is not kept any more."""
        invocation, engine = self._invocation, self._engine
        blob = encode(value, invocation.node_id, limit=2**31)
        left = tuple(self._flights.out)
        number, now = invocation.delivery.number, engine.now()
        engine.commit(Condensed(invocation.run.number, number, key, blob, left, now))

    def forget(self, channel: str, idempotency_key: str) -> None:
        """What this run has done under a key is undone: it may be done again under it."""
        engine, run = self._engine, self._invocation.run
        for subscriber in engine.state.heard(channel)[0]:
            place = subscriber.name, idempotency_key
            first = engine.state.repeats.done.get(place)
            if first is not None and first.run == run.id:
                engine.commit(KeysForgotten((place,), engine.now()))

    def cancel(self, keys: Collection[str]) -> None:
        """Have those end who handle the requests of these keys."""
        cancel_requests(self._engine, self._invocation, keys)

    def end(self) -> None:
        """Nothing is waited for any more."""
        self._flights.end()
        for flight in self._told:
            flight.end()
