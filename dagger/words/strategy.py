"""What a retry strategy is; the ones that come with it are in `dagger.rules.retry`."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class RetryStrategy(Protocol):
    """Which failed attempts are followed by another, and how soon."""

    @property
    def max_attempts(self) -> int | None:
        """Attempts of one delivery, the first included; None leaves it to the Config."""

    def delay(self, attempt: int, random: float) -> float:
        """Seconds to wait after attempt number `attempt` failed: finite, never negative."""

    def retries(self, error: BaseException) -> bool:
        """Whether another attempt may follow one that failed with `error`."""
