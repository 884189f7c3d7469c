"""Flows that begin by themselves, for a year on the virtual clock."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import anyio

from dagger import Config, Flow, Flows, MemoryStore, Report, step
from dagger.flows import Schedule
from dagger.testing import SimulatedClock, simulate, simulated
from dagger.testing.simulation import START
from tests.flows.running.stage import ONCE

PARIS = ZoneInfo("Europe/Paris")
DAY = 24 * 3600.0
DAYS = 366
FAST = 60
"""How much faster the wall clock goes than the loop's, which is looked at once a minute."""


class FastClock(SimulatedClock):
    """Wall time, of which an hour passes in a minute."""

    def now(self) -> float:
        return START + anyio.current_time() * FAST


def nights(count: int) -> list[str]:
    """Half past two in Paris, once each day: at three where there is no such time, and at the
    first of the two where there are two.
    """
    first = datetime.fromtimestamp(START, UTC).astimezone(PARIS).date()
    found = [_night(first + timedelta(days=number)) for number in range(count + 2)]
    end = datetime.fromtimestamp(START + count * DAY, UTC)
    begin = datetime.fromtimestamp(START, UTC)
    return [f"{each:%Y-%m-%dT%H:%M:%SZ}" for each in found if begin < each <= end]


def _night(day: date) -> datetime:
    local = datetime.combine(day, time(2, 30), PARIS)
    there = local.astimezone(UTC)
    if there.astimezone(PARIS).time() != time(2, 30):  # in the gap
        there = datetime.combine(day, time(3), PARIS).astimezone(UTC)
    return there


def test_each_slot_of_a_year_is_one_run() -> None:
    """Whatever is done to the clocks of its timezone, a flow is carried out once a night, and
    each run knows for which.
    """
    done: list[str] = []

    @step
    async def close(scheduled: str) -> str:
        done.append(scheduled)
        await anyio.sleep(60)
        return scheduled

    flow = Flow(
        "nightly",
        schedule=Schedule("30 2 * * *", "Europe/Paris"),
        output={"night": "${{ run.scheduled }}", "step": "${{ steps.close.output }}"},
    ).step("close", close, with_={"scheduled": "${{ run.scheduled }}"})
    flows = Flows(flow, uses=[close], config=ONCE)
    config = Config(max_attempts=1, keep_runs=1000, snapshot_every_seconds=1e9)

    async def main() -> list[Report]:
        options: Any = {"config": config, "store": MemoryStore(), "clock": FastClock()}
        async with simulated(*flows.agents, **options) as executor:
            (made,) = await flows.schedule(executor)
            assert made.id == "nightly"
            await anyio.sleep(DAYS * DAY / FAST)
            return executor.runs()

    reports = simulate(main)
    wanted = nights(DAYS)
    assert done == wanted
    assert len(wanted) >= DAYS - 1
    by_id = Counter(each.run_id for each in reports)
    assert by_id == {f"nightly@{each}": 1 for each in wanted}
    outputs = [each.outputs["nightly:output"] for each in reports if each.ended is not None]
    assert outputs == [[{"night": each, "step": each}] for each in wanted[: len(outputs)]]


def test_what_a_key_stands_for_is_done_once_by_all_slots() -> None:
    """A key that says nothing of the slot is that of the first; later runs are given its result."""
    done: list[str] = []

    @step
    async def file(month: str) -> str:
        done.append(month)
        return f"filed {month}"

    flow = Flow(
        "filing",
        inputs={"month": {}},
        schedule=Schedule("every 1h", inputs={"month": "May"}),
        output="${{ steps.file.output }}",
    ).step(
        "file",
        file,
        with_={"month": "${{ inputs.month }}"},
        idempotency_key="${{ inputs.month }}",
    )
    flows = Flows(flow, uses=[file], config=ONCE)

    async def main() -> list[Report]:
        async with simulated(*flows.agents, config=ONCE, store=MemoryStore()) as executor:
            await flows.schedule(executor)
            await anyio.sleep(4.5 * 3600)
            return executor.runs()

    reports = simulate(main)
    assert done == ["May"]
    assert [each.outputs["filing:output"] for each in reports] == [["filed May"]] * 4
