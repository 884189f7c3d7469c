"""Schedules: each slot starts one run, whoever is there, and whatever clocks do."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import anyio
import pytest

from dagger import (
    Agent,
    ChannelNotFound,
    Config,
    ConfigError,
    ExecutionError,
    Executor,
    LoopClock,
    MemoryStore,
    ScheduleError,
    ScheduleNotFound,
    Store,
    ValidationError,
    agent,
    gather,
)
from dagger.executor import timers
from dagger.rules.occurrence import run_id
from dagger.rules.recurrence import recurrence
from dagger.rules.slots import slots
from tests.promises.conftest import MakeExecutor
from tests.virtual import on_virtual_time
from tests.waiting import until

START = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
HOUR, DAY = 3600, 86_400


class Shifted:
    """A wall clock that somebody sets."""

    def __init__(self, start: float = START) -> None:
        self._clock = LoopClock(start)
        self.monotonic = self._clock.monotonic
        self.by = 0.0

    def now(self) -> float:
        """What it shows."""
        return self._clock.now() + self.by


class Still:
    """A wall clock that stands, however long it takes to look at it."""

    monotonic = staticmethod(time.perf_counter)

    def __init__(self, at: float) -> None:
        self._at = at

    def now(self) -> float:
        """What it shows."""
        return self._at


def note(into: list[Any], **how: Any) -> Agent:
    """An agent that notes what it is started with."""

    @agent(subscribe="tick", name="note", **how)
    async def noting(payload: Any) -> None:
        into.append(payload)

    return noting


def ids(executor: Executor) -> list[str]:
    """The ids of all runs, oldest first."""
    return [each.run_id for each in executor.runs()]


KEEP = Config(keep_runs=1_000_000, snapshot_every_seconds=1e9)


def test_each_slot_starts_a_run() -> None:
    """A cron expression, an interval and a moment start their runs at their slots."""
    came: list[str] = []

    async def main() -> None:
        async with Executor([note(came)], clock=LoopClock(START), config=KEEP) as executor:
            await executor.schedule("tick", "cron", "30 2 * * *", id="c", timezone="Europe/Berlin")
            await executor.schedule("tick", "interval", timedelta(hours=9), id="i")
            at = datetime.fromtimestamp(START + 100, UTC)
            await executor.schedule("tick", "moment", at, id="m")
            await anyio.sleep(DAY)
            assert sorted(ids(executor)) == [
                "c@2026-01-01T01:30:00Z",
                "i@2026-01-01T09:00:00Z",
                "i@2026-01-01T18:00:00Z",
                "m@2026-01-01T00:01:40Z",
            ]
            assert [(each.id, each.fired, each.next) for each in executor.schedules.list()] == [
                ("c", 1, START + DAY + 1.5 * HOUR),
                ("i", 2, START + 27 * HOUR),
                ("m", 1, None),
            ]
        assert came == ["moment", "cron", "interval", "interval"]

    on_virtual_time(main)


@pytest.mark.parametrize(
    ("misfire", "caught_up", "skipped"),
    [("one", ["04:00"], 3), ("all", ["01:00", "02:00", "03:00", "04:00"], 0), ("none", [], 4)],
)
async def test_slots_that_were_missed(
    make_executor: MakeExecutor,
    store: Store | None,
    misfire: str,
    caught_up: list[str],
    skipped: int,
) -> None:
    """What was missed while no process was there is caught up with as `misfire` says."""
    store, came = store or MemoryStore(), list[Any]()
    async with make_executor([note(came)], store=store, clock=Still(START)) as executor:
        made = await executor.schedule("tick", 1, "every 1h", id="h", misfire=misfire)
        assert (made.next, made.last) == (START + HOUR, None)
    async with make_executor([note(came)], store=store, clock=Still(START + 4.5 * HOUR)) as it:
        await until(lambda: it.schedules.show("h").fired == len(caught_up))
        await until(lambda: it.schedules.show("h").skipped == skipped)
        assert it.schedules.show("h").next == START + 5 * HOUR
        assert ids(it) == [f"h@2026-01-01T{each}:00Z" for each in caught_up]
        await it.drain()


@pytest.mark.parametrize(
    ("overlap", "statuses", "skipped"),
    [
        ("skip", {"00:10": "completed", "00:30": "completed"}, 2),
        ("queue", {"00:10": "completed", "00:20": "completed", "00:30": "completed"}, 0),
        (
            "cancel_old",
            {
                "00:10": "cancelled",
                "00:20": "cancelled",
                "00:30": "cancelled",
                "00:40": "completed",
            },
            0,
        ),
    ],
)
def test_a_slot_while_the_run_before_is_open(
    overlap: Any, statuses: dict[str, str], skipped: int
) -> None:
    """It is left out, waits for the end of that run, or cancels it."""

    @agent(subscribe="tick")
    async def slow() -> None:
        await anyio.sleep(15 * 60)

    async def main() -> None:
        async with Executor([slow], clock=LoopClock(START), config=KEEP) as executor:
            await executor.schedule("tick", 1, "every 10m", id="s", overlap=overlap)
            await anyio.sleep(41 * 60)
            await executor.schedules.pause("s")
            await anyio.sleep(16 * 60)
            assert executor.schedules.show("s").skipped == skipped
            found = {each.run_id[13:18]: str(each.status) for each in executor.runs()}
            assert {name: found[name] for name in statuses} == statuses

    on_virtual_time(main)


def test_a_queue_of_slots_is_worked_off() -> None:
    """With overlap="queue" no slot is lost, and never are two runs of it open."""
    most = running = 0

    @agent(subscribe="tick", concurrency=5)
    async def slow() -> None:
        nonlocal most, running
        running += 1
        most = max(most, running)
        try:
            await anyio.sleep(15 * 60)
        finally:
            running -= 1

    async def main() -> None:
        store = MemoryStore()
        for hours in range(3):  # in three lives
            clock = LoopClock(START + hours * HOUR)
            async with Executor([slow], store=store, clock=clock, config=KEEP) as executor:
                await executor.schedule("tick", 1, "every 10m", id="s", overlap="queue")
                await anyio.sleep(HOUR - 30)
        clock = LoopClock(START + 3 * HOUR)
        async with Executor([slow], store=store, clock=clock, config=KEEP) as executor:
            await anyio.sleep(4 * HOUR)
            await executor.schedules.remove("s")
            found = ids(executor)
        assert found[:18] == [run_id("s", int(START) + n * 600) for n in range(1, 19)]

    on_virtual_time(main)
    assert most == 1


async def test_paused_resumed_removed(make_executor: MakeExecutor, store: Store | None) -> None:
    """A schedule can be paused, resumed and removed, also by a later process."""
    store, came = store or MemoryStore(), list[Any]()
    async with make_executor([note(came)], store=store, clock=Still(START)) as executor:
        await executor.schedule("tick", 1, "every 1h", id="h", misfire="none", grace=0)
        await executor.schedules.pause("h")
        assert executor.schedules.show("h").held
    async with make_executor([note(came)], store=store, clock=Still(START + 2 * HOUR)) as it:
        await anyio.wait_all_tasks_blocked()
        assert (it.schedules.show("h").held, ids(it)) == (True, [])
        await it.schedules.resume("h")
        await until(lambda: it.schedules.show("h").skipped > 0)
        await it.schedules.remove("h")
        assert it.schedules.list() == []
        for call in (it.schedules.pause, it.schedules.resume, it.schedules.remove):
            with pytest.raises(ScheduleNotFound, match="'h'"):
                await call("h")


async def test_said_again_it_goes_on(make_executor: MakeExecutor, store: Store | None) -> None:
    """A program that says its schedules whenever it starts has each of them once."""
    store, came = store or MemoryStore(), list[Any]()
    for hours in range(3):
        clock = Still(START + hours * HOUR + 1)
        async with make_executor([note(came)], store=store, clock=clock) as executor:
            await executor.schedule("tick", {"a": 1}, "every 1h", misfire="all")
            [made] = executor.schedules.list()
            assert made.made == pytest.approx(START + 1, abs=1)
            await until(lambda n=hours: len(ids(executor)) == n)  # type: ignore[misc]
            await executor.drain()
    async with make_executor([note(came)], store=store, clock=Still(START + 2.5 * HOUR)) as it:
        changed = await it.schedule("tick", 2, "every 1h", id=made.id, overlap="queue")
        assert (changed.payload, changed.overlap, changed.misfire) == (2, "queue", "one")
        assert changed.next == START + 3 * HOUR + 1
        other = await it.schedule("tick", 2, "every 2h", id=made.id)
        assert other.next == START + 4.5 * HOUR
        assert len(it.schedules.list()) == 1


def test_a_clock_that_jumps_loses_and_repeats_nothing() -> None:
    """Whether a wall clock is set back an hour or ahead two days, each slot starts one run."""

    async def main() -> None:
        clock, came = Shifted(), list[Any]()
        async with Executor([note(came)], clock=clock, config=KEEP) as executor:
            how: Any = {"misfire": "all", "overlap": "queue"}
            await executor.schedule("tick", 1, "*/20 * * * *", id="s", **how)
            await anyio.sleep(5 * HOUR)
            clock.by -= HOUR
            await anyio.sleep(5 * HOUR)
            clock.by += 2 * DAY
            await anyio.sleep(HOUR)
            clock.by -= 2 * DAY
            await anyio.sleep(3 * DAY)
            when = recurrence("*/20 * * * *")
            wanted = [run_id("s", slot) for slot in slots(when, START, clock.now() - 1)]
            assert ids(executor) == wanted
            assert len(came) == len(wanted)

    on_virtual_time(main)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
def test_a_year_of_slots(zone: str, prove: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a year in which clocks are changed twice, with restarts and jumps of the clock at
    random, each slot starts one run, at its time of day.
    """
    monkeypatch.setattr(timers, "GLANCE", DAY)  # a year has half a million minutes
    dice = random.Random(zone)
    expressions = {"daily": "30 2 * * *", "weekly": "0 9 * * MON"}
    if prove:
        expressions["often"] = "0 */7 * * *"
    lives = 60 if prove else 12

    async def main() -> None:
        store, clock, came = MemoryStore(), Shifted(), list[Any]()
        ends = START + 366 * DAY
        while clock.now() < ends:
            async with Executor([note(came)], store=store, clock=clock, config=KEEP) as executor:
                for id, text in expressions.items():
                    await executor.schedule("tick", id, text, id=id, timezone=zone, misfire="all")
                await anyio.sleep(dice.uniform(0, 732 * DAY / lives))
                clock.by += dice.choice([0, 0, -HOUR, 2 * DAY])
            clock.by += dice.choice([0, HOUR, 5 * DAY])  # nobody is there
        async with Executor([note(came)], store=store, clock=clock, config=KEEP) as executor:
            await anyio.sleep(3 * DAY)
            began = ids(executor)
        for id, text in expressions.items():
            mine = [each for each in began if each.startswith(f"{id}@")]
            when = recurrence(text, timezone=zone)
            assert mine == [run_id(id, slot) for slot in slots(when, START, clock.now() - 1)]
            assert len(mine) == came.count(id)
        mornings = [
            datetime.fromisoformat(each[6:]).astimezone(ZoneInfo(zone))
            for each in began
            if each.startswith("daily@")
        ]
        assert len({each.date() for each in mornings}) == len(mornings) >= 365
        odd = [each for each in mornings if (each.hour, each.minute) != (2, 30)]
        assert len(odd) <= 2

    on_virtual_time(main)


def test_nobody_there_to_hear_it() -> None:
    """A slot for which no agent is there waits for one; it is not used up."""

    async def main() -> None:
        store, came = MemoryStore(), list[Any]()
        async with Executor([note(came)], store=store, clock=LoopClock(START)) as executor:
            await executor.schedule("tick", 1, "every 1h", id="h", misfire="all", overlap="queue")
        async with Executor([], store=store, clock=LoopClock(START + 3 * HOUR)) as executor:
            await anyio.sleep(HOUR)
            assert ids(executor) == []
            executor.register(note(came))
            await anyio.sleep(1)
            assert len(ids(executor)) == 4

    on_virtual_time(main)


async def test_resume_false_starts_nothing(
    make_executor: MakeExecutor, store: Store | None
) -> None:
    """An executor that goes on with nothing fires nothing either."""
    store, came = store or MemoryStore(), list[Any]()
    async with make_executor([note(came)], store=store, clock=Still(START)) as executor:
        await executor.schedule("tick", 1, "every 1h", id="h")
    later = Still(START + DAY)
    async with make_executor([note(came)], store=store, clock=later, resume=False) as executor:
        await anyio.wait_all_tasks_blocked()
        assert ids(executor) == []


def test_more_runs_than_may_be_open() -> None:
    """Slots wait for room as publishers do."""

    @agent(subscribe="tick")
    async def slow() -> None:
        await anyio.sleep(1_000)

    async def main() -> None:
        config = Config(max_open_runs=2, keep_runs=100)
        async with Executor([slow], clock=LoopClock(START), config=config) as executor:
            for number in range(5):
                at = datetime.fromtimestamp(START + 10, UTC)
                await executor.schedule("tick", number, at, id=str(number))
            await anyio.sleep(11)
            assert len(ids(executor)) == 2
            await anyio.sleep(6_000)
            assert len(ids(executor)) == 5

    on_virtual_time(main)


@pytest.mark.parametrize(
    ("when", "terms", "error"),
    [
        ("sometimes", {}, ScheduleError),
        (5.0, {}, ScheduleError),
        ("61 * * * *", {}, ScheduleError),
        ("0 9 * * *", {"timezone": "Berlin"}, ScheduleError),
        ("2001-01-01T00:00:00Z", {}, ScheduleError),
        ("every 1h", {"misfire": "two"}, ScheduleError),
        ("every 1h", {"overlap": "shrug"}, ScheduleError),
        ("every 1h", {"jitter": -1}, ScheduleError),
        ("every 1h", {"id": ""}, ExecutionError),
        ("every 1h", {"maximum": 3}, ConfigError),
    ],
)
async def test_schedules_that_cannot_be(
    make_executor: MakeExecutor, when: Any, terms: Any, error: type[Exception]
) -> None:
    """What is no schedule is refused when it is said, and nothing is kept of it."""
    async with make_executor([note([])]) as executor:
        with pytest.raises(error):
            await executor.schedule("tick", 1, when, **terms)
        with pytest.raises(ChannelNotFound):
            await executor.schedule("tock", 1, "every 1h")
        assert executor.schedules.list() == []


async def test_a_moment_that_is_over(make_executor: MakeExecutor) -> None:
    """It is told as it could have been written."""
    async with make_executor([note([])]) as executor:
        with pytest.raises(ScheduleError) as refused:
            await executor.schedule("tick", 1, datetime(2001, 1, 1, tzinfo=UTC))
    said = "schedule at 2001-01-01T00:00:00Z: it is over: nothing of it is to come"
    assert str(refused.value) == said


async def test_a_payload_that_nobody_takes(make_executor: MakeExecutor) -> None:
    """Where agents hear the channel one of them has to take the payload; it is known at once."""

    @agent(subscribe="count")
    async def counts(payload: int) -> None: ...

    @agent(subscribe="count")
    async def reads(payload: str) -> None: ...

    async with make_executor([counts, reads]) as executor:
        await executor.schedule("count", 1, "every 1h", id="number")
        await executor.schedule("count", "one", "every 1h", id="word")
        with pytest.raises(ValidationError, match="counts"):
            await executor.schedule("count", [1], "every 1h", id="neither")
        assert [each.id for each in executor.schedules.list()] == ["number", "word"]


async def test_a_payload_of_a_join(make_executor: MakeExecutor) -> None:
    """To an agent that joins several messages a payload is one of its parts."""

    @agent(subscribe=gather("count"))
    async def sums(payload: list[int]) -> None: ...

    async with make_executor([sums]) as executor:
        await executor.schedule("count", 1, "every 1h", id="number")
        with pytest.raises(ValidationError, match="sums"):
            await executor.schedule("count", [1], "every 1h", id="list")


def test_limits_of_the_config_hold() -> None:
    """Runs have the limits of who begins them, where the schedule says none."""

    @agent(subscribe="tick")
    async def slow() -> None:
        await anyio.sleep(1_000)

    async def main() -> None:
        store = MemoryStore()
        async with Executor([slow], store=store, clock=LoopClock(START)) as executor:
            await executor.schedule("tick", None, "every 1h", id="config")
            await executor.schedule("tick", None, "every 1h", id="own", timeout=500)
        config, clock = Config(timeout=10), LoopClock(START + HOUR)
        async with Executor([slow], store=store, clock=clock, config=config) as executor:
            await anyio.sleep(600)
            assert [each.seconds for each in executor.runs()] == pytest.approx([10, 500], abs=1)
            assert {each.status for each in executor.runs()} == {"timed_out"}

    on_virtual_time(main)


def test_jitter_is_the_same_each_time() -> None:
    """A slot comes up to `jitter` seconds late, by as much in every process."""
    came: list[list[float]] = []

    async def main() -> None:
        clock = LoopClock(START)

        @agent(subscribe="tick")
        async def noting() -> None:
            came[-1].append(clock.now() - START)

        came.append([])
        async with Executor([noting], clock=clock) as executor:
            await executor.schedule("tick", 1, "every 10m", id="j", jitter=300)
            await anyio.sleep(HOUR + 301)

    on_virtual_time(main)
    on_virtual_time(main)
    assert came[0] == pytest.approx(came[1])
    late = [each - 600 * number for number, each in enumerate(came[0], start=1)]
    assert len(late) == 6
    assert all(0 <= each <= 301 for each in late)
    assert len({round(each) for each in late}) > 2
