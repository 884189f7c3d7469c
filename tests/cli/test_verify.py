"""`dagger verify`: what is wrong with a store, and what can be done about it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from dagger.store.care import Surgery
from dagger.store.shelves import OF_RUN
from tests.cli.conftest import Invoke
from tests.cli.processes import owning

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")


@pytest.fixture
def damaged(interrupted: Path) -> Path:
    """A store in which the history of the first run has a flipped bit."""
    surgery = Surgery(interrupted)
    db = surgery.environment.db["history"]
    with surgery.environment.writing(0) as txn:
        cursor = txn.cursor(db)
        assert cursor.set_range(OF_RUN.pack(1, 0))
        value = cursor.value()
        cursor.put(cursor.key(), value[:-1] + bytes([value[-1] ^ 1]))
    surgery.close()
    return interrupted


def test_a_whole_store_is_whole(invoke: Invoke, interrupted: Path) -> None:
    """The exit code is 0, and what there is is counted; DIR and --store mean the same."""
    named, optional = (
        invoke("verify", str(interrupted)),
        invoke("verify", "--store", str(interrupted)),
    )
    assert (named.exit_code, named.stderr) == (0, "")
    assert named.stdout.startswith("whole: ")
    assert named.stdout.endswith(" records, 2 runs\n")
    assert optional.stdout == named.stdout
    found = json.loads(invoke("verify", str(interrupted), "--json").stdout)
    assert (found["runs"], found["findings"], found["repaired"]) == (2, [], [])
    assert named.stdout.startswith(f"whole: {found['records']} records")


def test_what_is_found_is_told(invoke: Invoke, damaged: Path) -> None:
    """A line for each finding with its record, and the exit code is 1; nothing is changed."""
    for _ in range(2):
        ended = invoke("verify", str(damaged))
        assert (ended.exit_code, ended.stderr) == (1, "")
        finding, total = ended.stdout.splitlines()
        assert finding.startswith("record ")
        assert ", history of run 1: " in finding
        assert total.startswith("1 finding: ")
    ended = invoke("verify", str(damaged), "--json")
    (found,) = json.loads(ended.stdout)["findings"]
    assert (ended.exit_code, found["where"], found["run"]) == (1, "history", 1)
    assert found["position"] > 0


def test_it_is_repaired_if_that_is_wanted(invoke: Invoke, damaged: Path) -> None:
    """--repair says what was done, and where the journal was copied to; then it is whole."""
    ended = invoke("verify", str(damaged), "--repair")
    assert (ended.exit_code, ended.stderr) == (0, "")
    copied, done, whole = ended.stdout.splitlines()
    (aside,) = damaged.glob("damaged-*")
    assert copied == f"copied the journal as it was to {aside}"
    assert done.startswith("gave up the history of run 1 ")
    assert whole.startswith("whole: ")
    again = invoke("verify", str(damaged), "--repair", "--json")
    assert (again.exit_code, json.loads(again.stdout)["repaired"]) == (0, [])
    assert "ZeroDivisionError" in invoke("show", "other", "--store", str(damaged)).stdout


@posix
def test_an_owner_is_not_disturbed(invoke: Invoke, store: Path) -> None:
    """A store that is in use can be verified, and not repaired."""
    with owning(store) as owner:
        assert invoke("verify", str(store)).stdout.startswith("whole: ")
        ended = invoke("verify", str(store), "--repair")
    assert (ended.exit_code, ended.stdout) == (3, "")
    assert f"is in use by process {owner.pid} on " in ended.stderr
