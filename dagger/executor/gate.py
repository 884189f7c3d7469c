"""The gate: what is told of a record waits here until the record is on disk.

Nothing leaves an executor before the journal position it depends on is durable.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagger.store.contract import Store


class Gate:
    """Calls in the order of their journal positions, each once that is durable."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: deque[tuple[int, Callable[[], None]]] = deque()

    def after(self, call: Callable[[], None]) -> None:
        """Call once all that has been recorded so far is durable; at once if it is."""
        if self.clear:
            call()
        else:
            self._held.append((self._store.position, call))

    @property
    def clear(self) -> bool:
        """Whether all that has been recorded so far is durable, and told."""
        return not self._held and self._store.durable >= self._store.position

    def open(self) -> None:
        """More has become durable: what waited for it is called."""
        held, durable = self._held, self._store.durable
        while held and held[0][0] <= durable:
            held.popleft()[1]()
