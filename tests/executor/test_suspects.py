"""Suspects: who is begun alone, because one more death may be its end."""

from __future__ import annotations

from typing import Any

from dagger.executor.recovery import DEATHS
from dagger.executor.suspects import Suspects
from dagger.state.queues import Delivery


def met(deaths: int) -> Delivery:
    """A delivery that the process has died with so often."""
    nothing: Any = None
    delivery = Delivery(1, nothing, nothing, [])
    delivery.deaths = deaths
    return delivery


def test_one_death_makes_nobody_a_suspect() -> None:
    """After a first kill all go on together: most often nobody was to blame."""
    suspects = Suspects()
    suspects.look([met(0), met(1)])
    assert [suspects.include(met(deaths)) for deaths in range(DEATHS)] == [False, False, True]


def test_beside_a_suspect_all_are_that_the_process_has_died_with() -> None:
    """Whoever does it may have had a death that nobody could tell: it is not begun beside others
    that have one more.
    """
    suspects = Suspects()
    suspects.look([met(0), met(DEATHS - 1)])
    assert [suspects.include(met(deaths)) for deaths in range(DEATHS)] == [False, True, True]
