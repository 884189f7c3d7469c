"""Places: an agent's own slots, where a turn has to wait for something else.

Most agents ask for nothing, and their crew alone counts how many may run. In a run with
`max_concurrent` such an agent stands in line too; it is called only when its crew has a slot, so
that nobody keeps one of the run's places and waits for a slot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from dagger.rules.turns import Bound, Turn

if TYPE_CHECKING:
    from dagger.executor.crew import Crew
    from dagger.executor.policies.policing import Policing
    from dagger.executor.policies.ticket import Ticket


class Places(Bound):
    """An agent's own: who has returned and waits for room, or streams and does, has one."""

    __slots__ = ()

    stalls = True


class CrewPlaces(Places):
    """The slots of a crew that counts them itself."""

    __slots__ = ("_asked", "_crew", "_granted", "_policing")

    def __init__(self, crew: Crew, policing: Policing) -> None:
        super().__init__(f"places of agent {crew.agent.name!r}", crew.limit)
        self._crew = crew
        self._policing = policing
        self._asked = False  # for a slot
        self._granted = False  # one, that nobody has taken yet

    def lacks(self, turn: Turn, amount: int, kept_free: int, now: float) -> bool:
        seated = cast("Ticket", turn).seated
        return not (seated or self._granted or self._crew.has_room)

    def take(self, turn: Turn, amount: int, now: float) -> None:
        ticket = cast("Ticket", turn)
        if ticket.seated:
            return
        ticket.seated = True
        if self._granted:
            self._granted = False
        else:
            self._crew.active += 1

    def give(self, turn: Turn) -> None:
        """The crew sees to it."""

    def stood(self, now: float) -> None:
        if not self._asked and self._crew.active >= self._crew.limit:
            self._asked = True
            self._crew.ask(self)

    def set(self) -> None:
        """The crew has given a slot: to whoever is first, or it gets it back."""
        self._asked, self._granted = False, True
        self._policing.look(self)
        if self._granted:
            self._granted = False
            self._crew.give_back()
