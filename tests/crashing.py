"""Crashes of one program at one write after the other."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from dagger.testing import Crash, explore_crashes
from tests.conftest import PROVE


def crashed(check: Callable[[Crash], None], times: int = 1, every: int = 3) -> int:
    """Have it crash at each write, at once and lingering, where proof is wanted; else, or more than
    once, at every third, in turns. At how many that was.
    """
    if PROVE and times == 1:
        return explore_crashes(check)
    for done, crash_at in enumerate(count(2, every)):
        crash = Crash(crash_at, lingering=crash_at % 2 == 0, times=times, seed=times)
        check(crash)
        if not crash.happened:
            return done
    raise AssertionError  # there is no last number
