"""What who waits for messages knows beside what every handler knows."""

from __future__ import annotations

from dagger.authoring.context import Context
from dagger.state.joins import parts_of


class WaitingContext(Context):
    """The context of who waits for a message."""

    __slots__ = ()

    @property
    def due(self) -> float:
        """When what has come is to be delivered, epoch seconds; 0 for at once."""
        parts = parts_of(self._invocation.delivery)
        times = (each.envelope.publication.timing for each in parts)
        return max((due for due, _ in filter(None, times)), default=0.0)
