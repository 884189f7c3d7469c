"""`dagger pause`, `resume` and `cancel`: by whoever owns the store, or else here."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from dagger.cli import sending
from tests.cli.conftest import Invoke, Write
from tests.cli.processes import owning, said, tell
from tests.patience import PATIENCE

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")


@pytest.fixture
def order(invoke: Invoke) -> Any:
    """Run a command about a store that is expected to do its work; what it says."""

    def ordered(store: Path, *words: str) -> str:
        ended = invoke(*words, "--store", str(store))
        assert (ended.exit_code, ended.stderr) == (0, "")
        return ended.stdout

    return ordered


def run_of(invoke: Invoke, store: Path, run_id: str = "mine") -> dict[str, Any]:
    """What `dagger runs` says of a run."""
    rows = json.loads(invoke("runs", "--store", str(store), "--json").stdout)
    found: dict[str, Any] = next(each for each in rows if each["id"] == run_id)
    return found


# -- by the owner --------------------------------------------------------------------


@posix
def test_the_owner_pauses_and_resumes(invoke: Invoke, order: Any, store: Path) -> None:
    """A run in another process is paused there, until it is resumed; both are waited for."""
    with owning(store) as owner:
        paused = f"run mine is paused; dagger resume mine --store {store} lifts that\n"
        assert order(store, "pause", "mine") == paused
        assert order(store, "pause", "mine") == paused
        row = run_of(invoke, store)
        assert (row["status"], row["owned"]) == ("paused", True)
        assert row["reason"].startswith("pause by ")
        tell(owner, "5")
        assert said(owner) == "published\n"
        assert run_of(invoke, store)["handled"] == 1
        assert order(store, "resume", "mine") == "run mine is running\n"
        tell(owner, "")
        owner.communicate(timeout=PATIENCE)
    assert run_of(invoke, store)["status"] == "completed"


@posix
def test_the_owner_resumes_all(order: Any, store: Path) -> None:
    """Without a run, all that are paused are resumed, and named."""
    nothing = f"no run in {store} is paused; --agents FILE.py goes on with interrupted ones\n"
    with owning(store):
        assert order(store, "resume") == nothing
        order(store, "pause", "mine")
        assert order(store, "resume") == "run mine is running\n"


@posix
def test_the_owner_cancels(invoke: Invoke, order: Any, store: Path) -> None:
    """A run in another process is cancelled there: its handlers are, and it has ended."""
    with owning(store) as owner:
        tell(owner, "9")
        assert said(owner) == "published\n"
        assert order(store, "cancel", "mine") == "run mine is cancelled\n"
        row = run_of(invoke, store)
    assert row["reason"].startswith("cancel by ")


@posix
def test_the_owner_cancels_one_invocation(invoke: Invoke, order: Any, store: Path) -> None:
    """It ends in the other process, where the run goes on; what has ended is refused."""
    with owning(store) as owner:
        tell(owner, "9")
        assert said(owner) == "published\n"
        words = ("cancel", "mine", "--node", "square:mine.2")
        assert order(store, *words) == "square:mine.2 is cancelled; run mine is running\n"
        again = invoke(*words, "--store", str(store))
        assert again.exit_code == 2
        assert "no open invocation 'square:mine.2'" in again.stderr
        tell(owner, "5")
        assert said(owner) == "published\n"
        tell(owner, "")
        owner.communicate(timeout=PATIENCE)
    assert run_of(invoke, store)["status"] == "completed"


@posix
def test_an_owner_that_does_nothing_is_told(
    invoke: Invoke, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the owner does not carry it out in time the exit code is 3; the command stays."""
    monkeypatch.setattr(sending, "PATIENCE", 0.2)
    with owning(store) as owner:
        owner.send_signal(signal.SIGSTOP)
        ended = invoke("pause", "mine", "--store", str(store))
        owner.send_signal(signal.SIGCONT)
        assert ended.exit_code == 3
        assert "it stays in the inbox" in ended.stderr
        monkeypatch.setattr(sending, "PATIENCE", PATIENCE)
        assert "run mine is paused" in invoke("pause", "mine", "--store", str(store)).stdout


# -- without an owner ----------------------------------------------------------------


def test_a_pause_stays_without_an_owner(
    invoke: Invoke, order: Any, write: Write, interrupted: Path
) -> None:
    """A run that nobody has open is paused in the store, for whoever opens it next."""
    where = f"mine --store {interrupted}"
    assert (
        order(interrupted, "pause", "mine")
        == f"run mine is paused; dagger resume {where} lifts that\n"
    )
    ended = invoke("run", write(), "--input", "3", "--store", str(interrupted), "--run-id", "mine")
    assert ended.exit_code == 4
    assert "run mine · paused, opened " in ended.stdout
    assert ended.stderr.endswith(
        f"run mine is kept in {interrupted}; after `dagger resume {where}` "
        "the same command goes on with it\n"
    )
    hint = f"run mine is interrupted; dagger resume {where} --agents FILE.py goes on with it\n"
    assert order(interrupted, "resume", "mine") == hint
    assert order(interrupted, "resume", "mine") == hint


def test_a_cancel_ends_it_without_an_owner(invoke: Invoke, order: Any, interrupted: Path) -> None:
    """A run that nobody has open is ended in the store, its open deliveries cancelled."""
    assert order(interrupted, "cancel", "mine") == "run mine is cancelled\n"
    row = run_of(invoke, interrupted)
    assert row["reason"].startswith("cancel by ")
    assert row["ended"] is not None


def test_what_is_kept_stays_kept(
    invoke: Invoke, order: Any, interrupted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening a store for an order lets nothing go, whatever the settings here would keep."""
    monkeypatch.setenv("DAGGER_KEEP_RUNS", "0")
    monkeypatch.setenv("DAGGER_KEEP_DEAD_LETTERS", "0")
    order(interrupted, "cancel", "mine")
    assert run_of(invoke, interrupted, "other")["dead_letters"] == 1
    assert "ZeroDivisionError" in order(interrupted, "dead-letters")


# -- with agents ---------------------------------------------------------------------


def test_runs_go_on_with_agents(
    invoke: Invoke, order: Any, write: Write, interrupted: Path
) -> None:
    """--agents lifts the pause, goes on with the run here, and prints its report."""
    path = write()
    order(interrupted, "pause", "mine")
    ended = invoke("resume", "mine", "--agents", path, "--store", str(interrupted))
    assert ended.exit_code == 0
    assert ended.stdout.startswith("run mine · completed after ")
    assert "2 deliveries = 2 ok" in ended.stdout
    assert run_of(invoke, interrupted)["status"] == "completed"
    ended = invoke("resume", "--agents", path, "--store", str(interrupted))
    assert (ended.exit_code, ended.stdout) == (0, f"there are no open runs in {interrupted}\n")


def test_one_invocation_is_cancelled_without_an_owner(
    invoke: Invoke, order: Any, interrupted: Path
) -> None:
    """None of the agents is needed; with the last one that is open the run ends."""
    words = ("cancel", "mine", "--node", "square:mine.2")
    unknown = invoke("cancel", "mine", "--node", "nobody:mine.2", "--store", str(interrupted))
    assert unknown.exit_code == 2
    assert "no open invocation 'nobody:mine.2'; known: 'square:mine.2'" in unknown.stderr
    told = "square:mine.2 is cancelled; run mine is completed\n"
    assert order(interrupted, *words) == told
    again = invoke(*words, "--store", str(interrupted))
    assert (again.exit_code, again.stderr) == (2, "Error: run 'mine' has ended: it is completed\n")


def test_all_open_runs_go_on(invoke: Invoke, write: Write, interrupted: Path) -> None:
    """Without a run, --agents goes on with all that are open."""
    ended = invoke("resume", "--agents", write(), "--store", str(interrupted))
    assert ended.exit_code == 0
    assert ended.stdout.count("run mine · completed after ") == 1


def test_agents_that_are_missing_are_named(invoke: Invoke, write: Write, interrupted: Path) -> None:
    """A run whose agents are not in the file stays open, and the exit code is 4."""
    path = write('@agent(subscribe="numbers")\nasync def other(payload): ...\nagents = other')
    ended = invoke("resume", "mine", "--agents", path, "--store", str(interrupted))
    assert ended.exit_code == 4
    assert "missing agents: square" in ended.stdout
    where = f"mine --store {interrupted}"
    assert ended.stderr.endswith(f"dagger resume {where} --agents FILE.py goes on with it\n")
