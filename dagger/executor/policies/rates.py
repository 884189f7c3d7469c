"""Rates: how many may begin in a time, by the tokens that are left in a bucket.

When a bucket will be full is on record (see `dagger.state.tokens`), so that neither a restart
nor a crash fills it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagger.rules.turns import Bound, Turn
from dagger.words.records import TokenTaken

if TYPE_CHECKING:
    from dagger.executor.engine import Engine
    from dagger.executor.timers import Timer
    from dagger.words.policies import RateLimit


class Rate(Bound):
    """One bucket: of a limit, or of one of its keys."""

    __slots__ = ("_engine", "_interval", "_key", "_limit", "_slack", "_timer")

    timed = True

    def __init__(self, engine: Engine, label: str, limit: RateLimit, name: str, key: str) -> None:
        super().__init__(label, limit.holds)
        self._engine = engine
        self._limit = name
        self._key = key
        self._interval = limit.interval
        self._slack = (limit.holds - 1) * limit.interval
        self._timer: Timer | None = None

    def lacks(self, turn: Turn, amount: int, kept_free: int, now: float) -> bool:
        return now < self._opens

    @property
    def _full(self) -> float:
        """When the bucket is full, epoch seconds."""
        return self._engine.state.tokens.full(self._limit, self._key)

    @property
    def _opens(self) -> float:
        """When there is a token, epoch seconds."""
        return self._full - self._slack

    def take(self, turn: Turn, amount: int, now: float) -> None:
        self._fills(max(now, self._full) + self._interval, now)

    def _fills(self, full: float, now: float) -> None:
        self._engine.commit(TokenTaken(self._limit, self._key, full, now))

    def give(self, turn: Turn) -> None:
        """A token that was taken is gone."""

    def stood(self, now: float) -> None:
        longest = now + self._slack + self._interval
        if self._full > longest:  # the clock was set back
            self._fills(longest, now)
        if self._timer is None:
            self._timer = self._engine.timers.at(self._opens, self._look)

    def _look(self) -> None:
        self._timer = None
        self._engine.policing.look(self)
