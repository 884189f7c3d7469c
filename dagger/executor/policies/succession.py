"""Succession: of messages that come one after the other, which are handled, and when.

taken ──> a later one of its key waits          ──>  superseded
      ──> an earlier one waits                  ──>  that one is superseded
      ──> its moment has come                   ──>  handled
      ──> not yet                               ──>  waits for it, in nobody's hand

The moment is worked out from when messages came, and when one was handled last, which are both
on record: a restart does not begin anew.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from dagger.executor.keys import value_of
from dagger.state.queues import WAITING
from dagger.words.outcomes import Disposition
from dagger.words.payload import decode, encode
from dagger.words.records import Kept, Swept, TokenTaken

if TYPE_CHECKING:
    from dagger.authoring.agent import Agent
    from dagger.authoring.invocation import Invocation
    from dagger.executor.engine import Engine
    from dagger.executor.timers import Timer
    from dagger.state.queues import Delivery
    from dagger.state.run import Run
    from dagger.views.waiting import Reason

_SUPERSEDED = int(Disposition.SUPERSEDED)

_ACCEPTED = "accepted"
"""It is kept under this name that the moment of a delivery has come."""

_BURST = "burst"
"""And under this, when the first of those came that it is the last of, where that matters."""

Place = tuple[str, str]
"""An agent and a key."""


class Succession:
    """Debounce and throttle, for all agents of one executor."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: dict[Place, Delivery] = {}  # the latest; there is no other one
        self._opening: dict[Place, float] = {}  # and when its moment comes
        self._timers: dict[Place, Timer] = {}

    def turn(self, invocation: Invocation) -> bool:
        """Whether it goes on; if not, it has ended, or waits, or has failed."""
        delivery = invocation.delivery
        if delivery.kept is not None and (_ACCEPTED, "") in delivery.kept:
            return True
        try:
            place = invocation.agent.name, _key(invocation)
        except Exception as error:
            self._engine.settling.fail(invocation, error)
            return False
        rival = self._rival(place, delivery)
        if rival is not None and _age(rival) > _age(delivery):
            self._supersede(delivery)
            return False
        began = _burst(delivery)
        if rival is not None:
            began = min(began, _burst(rival))
            self._supersede(rival)
        return self._goes_on(invocation.agent, place, delivery, began)

    def _goes_on(self, agent: Agent, place: Place, delivery: Delivery, began: float) -> bool:
        """Accept it if its moment has come, or let it wait."""
        engine, now = self._engine, self._engine.now()
        opens = self._opens(agent, place, delivery, began, now)
        self._leave(place)
        if now < opens:
            self._waiting[place], self._opening[place] = delivery, opens
            if agent.debounce is not None and agent.debounce.at_most is not None:
                self._keep(delivery, _BURST, encode(began))
            delivery.stage = WAITING
            again = partial(self._again, place, delivery)
            self._timers[place] = engine.timers.at(opens, again)
            return False
        if agent.throttle is not None:
            full = now + agent.throttle.seconds
            engine.commit(TokenTaken(_limit(place), place[1], full, now))
        self._keep(delivery, _ACCEPTED, b"")
        return True

    def _opens(
        self, agent: Agent, place: Place, delivery: Delivery, began: float, now: float
    ) -> float:
        """When it may be handled, epoch seconds."""
        if agent.debounce is not None:
            quiet = _came(delivery) + agent.debounce.seconds
            most = agent.debounce.at_most
            return quiet if most is None else min(quiet, began + most)
        assert agent.throttle is not None
        full = self._engine.state.tokens.full(_limit(place), place[1])
        longest = now + agent.throttle.seconds
        if full > longest:  # the clock was set back
            self._engine.commit(TokenTaken(_limit(place), place[1], longest, now))
        return min(full, longest)

    def _rival(self, place: Place, delivery: Delivery) -> Delivery | None:
        """Another one that waits in this place."""
        known = self._waiting.get(place)
        if known is None or known is delivery:
            return None
        if not known.is_open:
            self._leave(place)
            return None
        return known

    def _leave(self, place: Place) -> None:
        self._waiting.pop(place, None)
        self._opening.pop(place, None)
        timer = self._timers.pop(place, None)
        if timer is not None:
            timer.cancel()

    def lines(self, run: Run) -> dict[int, Reason]:
        """Who of a run waits for its moment, by number of delivery."""
        return {
            delivery.number: ("its moment, lest others come", _came(delivery), self._opening[place])
            for place, delivery in self._waiting.items()
            if delivery.queue.run is run and delivery.is_open
        }

    def _again(self, place: Place, delivery: Delivery) -> None:
        """Its moment has come, if it still waits for it."""
        if self._waiting.get(place) is not delivery:
            return
        if not delivery.is_open:
            self._leave(place)
        elif delivery.stage == WAITING:
            delivery.queue.again(delivery)

    def _supersede(self, delivery: Delivery) -> None:
        engine, run = self._engine, delivery.queue.run
        engine.commit(Swept(run.number, (delivery.number,), _SUPERSEDED, engine.now()))
        engine.admissions.room()
        engine.runs.quiet(run)

    def _keep(self, delivery: Delivery, name: str, value: bytes) -> None:
        run = delivery.queue.run.number
        if delivery.kept is None or (name, "") not in delivery.kept:
            self._engine.commit(Kept(run, delivery.number, name, "", value, self._engine.now()))


def _key(invocation: Invocation) -> str:
    agent = invocation.agent
    policy = agent.debounce or agent.throttle
    assert policy is not None
    return "" if policy.key is None else str(value_of(policy.key, invocation, "key"))


def _limit(place: Place) -> str:
    """Under which name the tokens of a throttle count."""
    return f"throttle of agent {place[0]!r}"


def _came(delivery: Delivery) -> float:
    """When it came, epoch seconds."""
    timing = delivery.envelope.publication.timing
    return max(delivery.envelope.at, timing[0] if timing is not None else 0.0)


def _burst(delivery: Delivery) -> float:
    """When the first of those came that this is the last of so far."""
    kept = (delivery.kept or {}).get((_BURST, ""))
    return _came(delivery) if kept is None else float(decode(kept.value))


def _age(delivery: Delivery) -> tuple[float, int, int]:
    """The smaller came earlier."""
    return _came(delivery), delivery.queue.run.number, delivery.number
