"""`dagger runs`: every run in a store, and how it stands."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from dagger.cli.times import moment, recent, time_of_day
from tests.cli.conftest import Invoke
from tests.cli.processes import owning

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")


def test_runs_are_listed_with_the_newest_last(invoke: Invoke, interrupted: Path) -> None:
    """A line for each run in the order of their starts, with its counts."""
    ended = invoke("runs", "--store", str(interrupted))
    titles, other, mine = ended.stdout.splitlines()
    assert titles.split() == ["run", "status", "started", "took", "messages", "handled", "dead"]
    assert other.split()[:2] == ["other", "failed"]
    assert other.split()[-3:] == ["1", "1", "1"]
    assert mine.split()[:2] == ["mine", "interrupted"]
    assert mine.split()[-1] == "·"
    assert ended.stderr == ""


def test_json_says_who_has_them(invoke: Invoke, interrupted: Path) -> None:
    """--json has times in seconds of the epoch, a reason, and whether there is an owner."""
    other, mine = json.loads(invoke("runs", "--store", str(interrupted), "--json").stdout)
    assert (other["status"], other["owned"], other["dead_letters"]) == ("failed", False, 1)
    assert other["seconds"] == pytest.approx(other["ended"] - other["started"])
    assert (mine["status"], mine["owned"], mine["ended"]) == ("paused", False, None)
    assert mine["reason"] == "interrupted: no process has the store open"


@posix
def test_a_run_in_a_process_is_running(invoke: Invoke, store: Path) -> None:
    """While a process has the store open its runs are running, and stderr says which it is."""
    with owning(store) as owner:
        ended = invoke("runs", "--store", str(store))
        rows = json.loads(invoke("runs", "--store", str(store), "--json").stdout)
    assert ended.stdout.splitlines()[1].split()[:2] == ["mine", "running"]
    assert ended.stderr.startswith(f"process {owner.pid} on ")
    assert [(each["status"], each["owned"]) for each in rows] == [("running", True)]


def test_times_are_local_and_short() -> None:
    """Today is told by the time of day, all other days by date and minute."""
    now = 1_700_000_000.0
    assert recent(now, now) == time_of_day(now) == moment(now)[11:]
    assert recent(now - 200_000, now) == moment(now - 200_000)[:16]
