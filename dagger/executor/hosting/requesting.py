"""Requests: a message is published at once, and the reply of who hears it waited for.

kept?  ── yes ──>  the reply, or why there is none
│ no
v
published, as soon as there is room  ──>  wait  ──>  kept, by the settle of who hears it,
or by us, when it is overdue; or he is stopped then, and waited for
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from dagger.authoring.requests import renamed
from dagger.authoring.reserving import inside
from dagger.executor.cancelling import cancel_requests
from dagger.executor.hosting.calls import Calls
from dagger.executor.hosting.flights import Flights
from dagger.executor.hosting.keeping import Keeping, check_stack
from dagger.executor.unloading import meanwhile
from dagger.words.effects import is_cleanup
from dagger.words.ids import REQUESTS
from dagger.words.payload import decode, encode
from dagger.words.records import LATE, Requested
from dagger.words.replies import gathered, opened, overdue, unheard

if TYPE_CHECKING:
    from dagger.authoring.invocation import Invocation
    from dagger.authoring.requests import Request
    from dagger.executor.admission import Plan
    from dagger.executor.engine import Engine
    from dagger.executor.timers import Timer
    from dagger.state.queues import Answer
    from dagger.words.effects import Publication


class Requesting:
    """The requests of all invocations of one executor."""

    def __init__(self, engine: Engine, keeping: Keeping) -> None:
        self._engine = engine
        self._keeping = keeping

    async def request(self, invocation: Invocation, request: Request) -> Any:
        """The value of the reply. Raises RequestFailed."""
        if self._engine.veils:
            request = self._veiled(invocation, request)
        kept = self._keeping.get(invocation, "request", request.key)
        if kept is None:
            with meanwhile(await self.send(invocation, request)):
                kept = await self._keeping.wait(invocation, "request", request.key)
        return opened(request.publication.channel, kept.value)

    async def scatter(
        self, invocation: Invocation, requests: Sequence[Request], limit: int, first_failure: bool
    ) -> list[Any]:
        """The values of the replies, in order. Raises RequestFailed."""
        if not requests:
            return []
        if self._engine.veils:
            requests = [self._veiled(invocation, each) for each in requests]
        channel = requests[0].publication.channel
        failed = first_failed(invocation.delivery.kept, requests) if first_failure else None
        if failed is None:
            failed = await self._all(invocation, requests, limit, first_failure)
        if failed is not None:
            return [opened(channel, failed.value)]  # it raises
        kept = [self._keeping.get(invocation, "request", each.key) for each in requests]
        return gathered(channel, [each.value for each in kept if each is not None])

    async def _all(
        self, invocation: Invocation, requests: Sequence[Request], limit: int, first_failure: bool
    ) -> Answer | None:
        """Wait until each has a reply, or with `first_failure` until one has failed: that one."""
        waiting = deque(
            each for each in requests if self._keeping.get(invocation, "request", each.key) is None
        )
        flights = Flights(invocation, self._keeping, self._engine.latch)
        try:
            while waiting or flights.out:
                while waiting and len(flights.out) < limit and not flights.landed:
                    request = waiting.popleft()
                    flights.begin(request.key)
                    flights.out[request.key].timer = await self.send(invocation, request)
                _, kept = await flights.next()
                if first_failure and kept.failed:
                    return kept
        finally:
            flights.end()
        return None

    def calls(self, invocation: Invocation) -> Calls:
        """Requests of an invocation whose replies it gets as they come."""
        flights = Flights(invocation, self._keeping, self._engine.latch)
        return Calls(invocation, self._engine, flights, self)

    # -- one of them -----------------------------------------------------------------

    def _veiled(self, invocation: Invocation, request: Request) -> Request:
        """The request under a key without secrets."""
        return renamed(request, self._keeping.veiled(invocation, request.key))

    async def send(self, invocation: Invocation, request: Request) -> Timer | None:
        """Publish it, unless it was, or is in vain; the timer of a reply that is overdue."""
        room: AbstractContextManager[Any] = nullcontext()
        timer = None
        if request.timeout is not None:
            room = scope = anyio.CancelScope()
            late = partial(self._late, invocation, request, scope)
            timer = self._engine.timers.at(self._due(invocation, request), late)
        try:
            with room:
                if self._keeping.get(invocation, "requested", request.key) is None:
                    await self._ask_agents(invocation, request)
        except BaseException:
            _cancel(timer)
            raise
        return timer

    def _due(self, invocation: Invocation, request: Request) -> float:
        """When its reply is overdue (epoch seconds), as was settled the first time."""
        kept = self._keeping.get(invocation, "request due", request.key)
        if kept is not None:
            due: float = decode(kept.value)
            return due
        due = self._engine.now() + (request.timeout or 0.0)
        self._keeping.put(invocation, "request due", request.key, encode(due))
        return due

    def _late(self, invocation: Invocation, request: Request, room: anyio.CancelScope) -> None:
        """There is no reply, or not even room for the request: it is waited for no more."""
        if not invocation.delivery.is_open:
            return
        said = overdue(request.timeout or 0.0)
        if request.stops and self._keeping.get(invocation, "requested", request.key) is not None:
            self._keeping.put(invocation, LATE, request.key, said, failed=True)
            cancel_requests(self._engine, invocation, (request.key,))
        else:
            self._keeping.put(invocation, "request", request.key, said, failed=True)
            room.cancel()

    def send_now(self, invocation: Invocation, request: Request) -> bool:
        """Publish it if that takes no waiting, neither for room nor for a time; whether it is
        out, or in vain, or was before.
        """
        if request.timeout is not None:
            return False
        if self._keeping.get(invocation, "requested", request.key) is not None:
            return True
        outgoing = self._outgoing(invocation, request)
        return outgoing is None or outgoing.enters()

    async def _ask_agents(self, invocation: Invocation, request: Request) -> None:
        """Publish a request at once, or as soon as there is room."""
        outgoing = self._outgoing(invocation, request)
        if outgoing is not None:
            await self._engine.admissions.enter(outgoing.look, outgoing.enter, invocation)

    def _outgoing(self, invocation: Invocation, request: Request) -> Outgoing | None:
        """The request as it is published; None if nobody would hear it, which is kept."""
        check_stack()
        engine, publication = self._engine, request.publication
        if not engine.state.lane(invocation.run, publication.channel).routes:
            self._keeping.put(invocation, "request", request.key, unheard(), failed=True)
            return None
        if engine.stamp is not None:
            publication = engine.stamp(publication, invocation.publication.headers)
        return Outgoing(engine, invocation, request.key, publication)


class Outgoing:
    """A request that is about to be published."""

    __slots__ = ("_block", "_engine", "_invocation", "_key", "_publication")

    def __init__(
        self, engine: Engine, invocation: Invocation, key: str, publication: Publication
    ) -> None:
        self._engine = engine
        self._invocation = invocation
        self._key = key
        self._publication = publication
        self._block = inside(invocation)

    def enters(self) -> bool:
        """Publish it if there is room; whether there was."""
        plan = self.look()
        if plan.full:
            return False
        self.enter(plan)
        return True

    def look(self) -> Plan:
        """What it takes. Raises RunCancelled, BudgetExceeded, and what admission raises."""
        engine, run = self._engine, self._invocation.run
        if not is_cleanup(self._publication):  # which costs what it costs
            engine.budgets.may_publish(run, self._invocation, self._block)
        return engine.admit(run, (self._publication,), None)

    def enter(self, plan: Plan) -> None:
        """Publish it."""
        engine, delivery = self._engine, self._invocation.delivery
        place, dropped, blame = REQUESTS + delivery.asked, plan.dropped, plan.blame
        fields = (self._key, self._publication, place, dropped, blame, engine.now())
        engine.commit(Requested(self._invocation.run.number, delivery.number, *fields))
        if not is_cleanup(self._publication):
            engine.cleanup.turn_away(self._invocation.run)
        if self._block is not None:
            self._block.publish()


def first_failed(
    kept: Mapping[tuple[str, str], Answer] | None, requests: Iterable[Request]
) -> Answer | None:
    """Of several requests, the one that failed first; None if none has."""
    keys = {each.key for each in requests}
    found = (kept or {}).items()  # in the order in which they came
    return next(
        (told for (name, key), told in found if name == "request" and key in keys and told.failed),
        None,
    )


def _cancel(timer: Timer | None) -> None:
    if timer is not None:
        timer.cancel()
