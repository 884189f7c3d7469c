"""Telling: who has waited for its turn for long is written down, with what it waits for.

So that whoever reads the store sees it, and what runs have waited for stays known. What is short
is not worth a record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagger.words.records import Waits

if TYPE_CHECKING:
    from dagger.executor.engine import Engine
    from dagger.executor.policies.ticket import Ticket
    from dagger.rules.turns import Turns

LONG = 1.0
"""Seconds."""

AT_ONCE = 1_000
"""Deliveries in one record, and those that are looked through in a second, at most."""


class Telling:
    """What waits for long, of one executor."""

    def __init__(self, engine: Engine, turns: Turns[Ticket]) -> None:
        self._engine = engine
        self._turns = turns
        self._due = False

    def start(self) -> None:
        """Somebody has begun to wait."""
        if not self._due:
            self._due = True
            self._engine.timers.after(LONG, self._tell)

    def _tell(self) -> None:
        self._due = False
        now, found, count = self._engine.now(), dict[tuple[int, str], list[int]](), 0
        oldest: dict[tuple[int, str], float] = {}
        for ticket, bound in self._turns.waiting():
            count += 1
            if ticket.told == bound.label or now - ticket.since < LONG:
                continue
            ticket.told = bound.label
            place = ticket.delivery.queue.run.number, bound.label
            found.setdefault(place, []).append(ticket.delivery.number)
            oldest[place] = min(oldest.get(place, ticket.since), ticket.since)
        for (run, what), numbers in found.items():
            for at in range(0, len(numbers), AT_ONCE):
                some = tuple(numbers[at : at + AT_ONCE])
                self._engine.commit(Waits(run, some, what, oldest[run, what], now))
        if count and not self._engine.closing:
            self._due = True
            self._engine.timers.after(max(LONG, count / AT_ONCE), self._tell)
