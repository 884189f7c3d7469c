"""Reports that add up pass, and those that do not are told with their numbers."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from dagger import Report, agent
from dagger.testing import assert_conserved, simulate, simulated


def a_report() -> Report:
    """What comes of a run with all sorts of ends."""

    @agent(subscribe="start", publish="work", publish_each=True)
    async def spread() -> list[Any]:
        return [1, 2, "three"]

    @agent(subscribe="work", publish="out", max_attempts=1)
    async def odd(payload: int) -> int:
        if payload == 2:
            raise ValueError(payload)
        return payload

    async def main() -> Report:
        async with simulated(spread, odd) as executor:
            return await executor.run("start", None)

    return simulate(main)


def test_what_adds_up_passes() -> None:
    """A report of Dagger's own adds up."""
    assert_conserved(a_report())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"messages": 99}, "5 messages over its channels, but 99 in all"),
        ({"handled": 3}, "4 deliveries have ended by agents, but 3 in all"),
        ({"conserved": False}, "do not agree"),
    ],
)
def test_what_does_not_is_told_with_its_numbers(change: dict[str, Any], told: str) -> None:
    """What is wrong is said, and all counts are shown, agent by agent and channel by channel."""
    wrong = dataclasses.replace(a_report(), **change)
    with pytest.raises(AssertionError) as caught:
        assert_conserved(wrong)
    lines = str(caught.value).splitlines()
    assert any(told in line for line in lines)
    tables = [line.split() for line in lines]
    assert ["odd", "3", "·", "1", "1", "1"] in tables
    assert ["work", "3", "·", "1", "1", "1"] in tables
