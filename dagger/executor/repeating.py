"""Repeating: what has been handled under an idempotency key is not handled again.

taken ──> no key, or the first of it   ──>  handled; the key is claimed until it has ended
      ──> the first is in flight       ──>  stands in line, and is taken again when that has ended
      ──> the first has settled ok     ──>  settles as its duplicate, with the same messages
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from itertools import islice
from math import inf
from typing import TYPE_CHECKING

from dagger.executor.keys import idempotency_key_of
from dagger.words.effects import RepeatOf, Reply, is_request
from dagger.words.errors import DuplicateDeadlock
from dagger.words.ids import node_id
from dagger.words.payload import decode
from dagger.words.records import KeyClaimed, KeysForgotten

if TYPE_CHECKING:
    from dagger.authoring.invocation import Invocation
    from dagger.executor.engine import Engine
    from dagger.state.queues import Delivery
    from dagger.state.repeats import First, Place

AT_ONCE = 1_000
"""Keys that are forgotten in one go, at most."""

logger = logging.getLogger("dagger")


class Repeating:
    """The idempotency keys of one executor."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._repeats = engine.state.repeats
        config = engine.config
        self._count, self._bytes = config.keep_idempotency_keys, config.keep_idempotency_keys_bytes
        seconds = config.keep_idempotency_keys_seconds
        self._seconds = inf if seconds is None else seconds
        self._told = False  # that keys are forgotten before their time

    def turn(self, invocation: Invocation) -> bool:
        """Whether the handler is to be called. If not, the invocation holds what it repeats, or
        stands in line, or has failed.
        """
        delivery, keyed = invocation.delivery, invocation.run.keyed
        if keyed is not None and delivery.number in keyed.claims:
            return True
        try:
            key = idempotency_key_of(invocation)
        except Exception as error:
            self._engine.settling.fail(invocation, error)
            return False
        return key is None or self._is_first(invocation, key)

    def _is_first(self, invocation: Invocation, key: str) -> bool:
        place = invocation.agent.name, key
        self._forget(place)
        first = self._repeats.done.get(place)
        if first is not None:
            _repeat(invocation, first)
            return False
        if place in self._repeats.flights:
            self._wait(invocation, place)
            return False
        engine, run, delivery = self._engine, invocation.run, invocation.delivery
        engine.commit(KeyClaimed(run.number, delivery.number, key, engine.now()))
        return True

    # -- in line ---------------------------------------------------------------------

    def _wait(self, invocation: Invocation, place: Place) -> None:
        """Let it wait for the first, unless that waits for it."""
        delivery, first = invocation.delivery, self._flying(place)
        if self._waits_for(first, delivery, {}):
            known = node_id(place[0], first.queue.run.id, first.number)
            error = DuplicateDeadlock(invocation.node_id, place[1], known)
            self._engine.settling.fail(invocation, error)
            return
        self._repeats.stand(delivery, place)
        self._engine.runs.drained()

    def _flying(self, place: Place) -> Delivery:
        run, delivery = self._repeats.flights[place]
        return self._engine.state.runs[run].deliveries[delivery]

    def _waits_for(self, waiter: Delivery, wanted: Delivery, known: dict[Delivery, bool]) -> bool:
        """Whether a delivery cannot end before another one has, be it by way of others: it
        stands in line behind what cannot, or has requested something of none but those.
        """
        if waiter is wanted or waiter in known:
            return known.get(waiter, True)
        known[waiter] = False
        known[waiter] = any(
            others and all(self._waits_for(each, wanted, known) for each in others)
            for others in self._awaited(waiter)
        )
        return known[waiter]

    def _awaited(self, waiter: Delivery) -> Iterator[list[Delivery]]:
        """Those of which one at least has to end before a delivery can, for each of its waits."""
        run, number, bond = waiter.queue.run, waiter.number, waiter.bond
        place = run.keyed.lined.get(number) if run.keyed is not None else None
        if place is not None:
            yield [self._flying(place)]
        if bond is not None and bond.lead not in (0, number):
            yield [run.deliveries[bond.lead]]
        for (name, key), said in (waiter.kept or {}).items():
            if name == "requested" and ("request", key) not in (waiter.kept or {}):
                asked = number, decode(said.value)
                heard = run.deliveries.values()
                yield [each for each in heard if each.envelope[1:3] == asked]

    # -- letting go ------------------------------------------------------------------

    def _forget(self, place: Place) -> None:
        """Let go of what is kept too long, or is too much: of the oldest, and of this one."""
        since = self._engine.now() - self._seconds
        old = {
            each.place: each
            for each in islice(self._repeats.beyond(self._count, self._bytes, since), AT_ONCE)
        }
        own = self._repeats.done.get(place)
        if own is not None and own.at <= since:
            old[place] = own
        if old:
            self._engine.commit(KeysForgotten(tuple(old), self._engine.now()))
            self._tell(sum(each.at > since for each in old.values()))

    def _tell(self, early: int) -> None:
        """Say once that keys are forgotten before their time."""
        if early and not self._told:
            self._told = True
            self._engine.gate.after(
                partial(
                    logger.warning,
                    "idempotency keys are forgotten before their time: what comes again under "
                    "them is handled again; raise keep_idempotency_keys (%d) or "
                    "keep_idempotency_keys_bytes (%s)",
                    self._count,
                    self._bytes,
                )
            )


def _repeat(invocation: Invocation, first: First) -> None:
    """The invocation holds back what the first did."""
    effects = invocation.effects
    effects += [RepeatOf(first.node), *first.publications]
    invocation.seats = len(first.publications)
    if first.reply and is_request(invocation.publication):
        effects.append(Reply(first.reply))
