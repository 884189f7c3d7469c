"""`dagger schedule` and `dagger schedules`: by whoever owns the store, or else here."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, get_args

import anyio
import pytest

from dagger import Executor, agent
from dagger.cli.schedule import MISFIRES, OVERLAPS
from dagger.executor.scheduler import Overlap
from dagger.rules.misfire import Misfire
from tests.cli.conftest import Invoke
from tests.cli.processes import owning

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")


def listed(invoke: Invoke, store: Path) -> dict[str, dict[str, Any]]:
    """What `dagger schedules` says, by id."""
    rows = json.loads(invoke("schedules", "--store", str(store), "--json").stdout)
    return {each["id"]: each for each in rows}


def test_a_schedule_is_made_and_changed(invoke: Invoke, interrupted: Path) -> None:
    """Without an owner the store is opened for it; one of the same id is changed."""
    command = ("schedule", "numbers", "30 9 * * *", "--store", str(interrupted), "--id", "daily")
    before = time.time()
    made = invoke(*command, "--input", "3", "--timezone", "Europe/Berlin", "--overlap", "queue")
    assert (made.exit_code, made.stderr) == (0, "")
    assert made.stdout.startswith("daily · 30 9 * * * (Europe/Berlin) · next 2")
    row = listed(invoke, interrupted)["daily"]
    assert (row["channel"], row["payload"], row["overlap"]) == ("numbers", 3, "queue")
    assert (row["last"], row["fired"], row["held"]) == (None, 0, False)
    assert row["next"] > before
    options = ("--jitter", "5", "--grace", "30", "--misfire", "all")
    assert invoke(*command, *options).exit_code == 0
    rows = listed(invoke, interrupted)
    assert list(rows) == ["daily"]
    row = rows["daily"]
    assert (row["payload"], row["jitter"], row["misfire"]) == (None, 5, "all")
    assert row["when"] == "30 9 * * * (UTC)"


def test_the_same_command_is_the_same_schedule(invoke: Invoke, interrupted: Path) -> None:
    """Without --id it follows from what is said: said again, there is still one of it."""
    command = ("schedule", "numbers", "every 5m", "--store", str(interrupted), "--input")
    first, again, other = (invoke(*command, each).stdout for each in ("1", "1", "2"))
    assert first == again
    assert first.startswith("numbers-")
    assert len(listed(invoke, interrupted)) == 2
    assert other.partition(" ")[0] in listed(invoke, interrupted)


def test_schedules_are_listed_and_changed(invoke: Invoke, interrupted: Path) -> None:
    """They can be paused, resumed and removed; others are left alone."""
    where = ("--store", str(interrupted))
    assert invoke("schedules", *where).stdout == f"nothing is scheduled in {interrupted}\n"
    for id in ("a", "b"):
        invoke("schedule", "numbers", "every 1h", "--id", id, *where)
    assert invoke("schedules", "--pause", "a", *where).stdout == "a · every 1h · paused\n"
    titles, a, b = invoke("schedules", *where).stdout.splitlines()
    assert titles.split()[:5] == ["schedule", "when", "channel", "next", "last"]
    assert a.split() == ["a", "every", "1h", "numbers", "paused", "·", "·", "·", "·"]
    assert "paused" not in b
    resumed = invoke("schedules", "--resume", "a", *where).stdout
    assert resumed.startswith("a · every 1h · next ")
    assert invoke("schedules", "--remove", "b", *where).stdout == "b · is removed\n"
    assert list(listed(invoke, interrupted)) == ["a"]


def test_what_has_run_is_told(invoke: Invoke, store: Path) -> None:
    """The slot that was last, how many there were, and the latest run."""

    @agent(subscribe="tick")
    async def hears(payload: Any) -> None: ...

    async def main() -> None:
        async with Executor([hears], store=store) as executor:
            await executor.schedule("tick", 1, "every 1s", id="often")
            async for _ in executor.outcomes():
                return

    anyio.run(main)
    row = listed(invoke, store)["often"]
    runs = json.loads(invoke("runs", "--store", str(store), "--json").stdout)
    assert row["fired"] == len(runs) > 0
    assert row["run"].startswith("often@")
    line = invoke("schedules", "--store", str(store)).stdout.splitlines()[1]
    assert row["run"] in line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("schedule", "numbers", "sometimes"), "'sometimes'"),
        (("schedule", "numbers", "0 9 * * *", "--timezone", "Berlin"), "'Berlin'"),
        (("schedule", "numbers", "every 1h", "--input", "{"), "is not JSON"),
        (("schedule", "numbers", "every 1h", "--jitter", "-1"), "jitter=-1.0"),
        (("schedule", "numbers", "every 1h", "--misfire", "two"), "'two'"),
        (("schedule", "numbers", "2001-01-01T00:00:00Z"), "it is over"),
        (("schedules", "--pause", "nothing"), "no schedule 'nothing'"),
        (("schedules", "--pause", "a", "--remove", "a"), "one at a time"),
    ],
)
def test_what_cannot_be_is_refused(
    invoke: Invoke, interrupted: Path, words: tuple[str, ...], said: str
) -> None:
    """The exit code is 2, the reason is told, and nothing is kept."""
    ended = invoke(*words, "--store", str(interrupted))
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert said in ended.stderr
    assert listed(invoke, interrupted) == {}


def test_a_channel_that_nobody_has_named_is_told(invoke: Invoke, interrupted: Path) -> None:
    """Its slots wait for an agent that hears it: that may be meant, or a slip of the pen."""
    made = invoke("schedule", "nmubers", "every 1h", "--store", str(interrupted))
    assert made.exit_code == 0
    told = "no agent has named channel 'nmubers' so far: slots wait for one\n"
    assert made.stderr == told


def test_a_store_that_is_not_there_is_not_made(invoke: Invoke, store: Path) -> None:
    """A slip of the pen makes no folder in which a schedule is kept and never looked at."""
    for words in (("schedule", "numbers", "every 1h"), ("schedules",)):
        ended = invoke(*words, "--store", str(store))
        assert (ended.exit_code, ended.stdout) == (3, "")
        assert f"there is no store in {store}" in ended.stderr
    assert not store.exists()


@posix
def test_the_owner_makes_and_changes_schedules(invoke: Invoke, store: Path) -> None:
    """In another process they are made through the inbox; what it refuses comes back."""
    where = ("--store", str(store))
    with owning(store):
        made = invoke("schedule", "numbers", "every 1h", "--id", "h", "--input", "3", *where)
        assert (made.exit_code, made.stderr) == (0, "")
        assert made.stdout.startswith("h · every 1h · next 2")
        for words, said in [
            (("nmubers", "every 1h"), "no channel 'nmubers'"),
            (("numbers", "every 1h", "--input", '"x"'), 'not of type "integer"'),
            (("numbers", "2001-01-01", "--input", "3"), "it is over"),
        ]:
            refused = invoke("schedule", *words, *where)
            assert (refused.exit_code, refused.stdout) == (2, "")
            assert said in refused.stderr
        assert invoke("schedules", "--pause", "h", *where).stdout == "h · every 1h · paused\n"
        assert invoke("schedules", "--remove", "h", *where).stdout == "h · is removed\n"
        assert listed(invoke, store) == {}


def test_the_choices_are_those_there_are() -> None:
    """What the command offers is what a schedule takes."""
    assert list(Misfire) == list(MISFIRES)
    assert get_args(Overlap) == OVERLAPS
